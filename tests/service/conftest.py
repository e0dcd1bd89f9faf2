"""Fixtures of a service and its users."""

from collections.abc import Iterator

import pytest
import requests
from support.entity_api import REPO, Author
from support.evaluation_api import Submitter
from support.file_api import Clock, RestService, start_service
from support.table_api import TableClient


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory, recording) -> Iterator[RestService]:
    with start_service(tmp_path_factory.mktemp("rules"), recording) as rest_service:
        yield rest_service


@pytest.fixture(scope="session")
def author(rules):
    """Return an Author by user name; None is the anonymous caller."""

    def make(name: str | None, token: str | None = None) -> Author:
        return Author(rules, name, token)

    return make


@pytest.fixture(scope="session")
def admin(author) -> Author:
    return author("admin")


@pytest.fixture(scope="session")
def ann(author) -> Author:
    """Alice as an Author."""
    return author("alice")


@pytest.fixture(scope="session")
def ben(author) -> Author:
    """Bob as an Author."""
    return author("bob")


@pytest.fixture(scope="session")
def dan(author) -> Author:
    """Dave, who is not certified, as an Author."""
    return author("dave")


@pytest.fixture(scope="session")
def anonymous(author) -> Author:
    """The anonymous caller."""
    return author(None)


@pytest.fixture(scope="session")
def tables(ann) -> TableClient:
    """Alice as a TableClient."""
    return TableClient(ann)


@pytest.fixture(scope="session")
def organiser(ann) -> Submitter:
    """Alice, who creates evaluations."""
    return Submitter(ann)


@pytest.fixture(scope="session")
def rival(ben) -> Submitter:
    """Bob, who submits to evaluations."""
    return Submitter(ben)


@pytest.fixture(scope="session")
def s3_rest(s3_service) -> Iterator[RestService]:
    """A service over a socket, with an S3 server and the time of the machine."""
    service = s3_service.service
    base_url = service.endpoints["repoEndpoint"].removesuffix(REPO)
    tokens = {name: service.token(name) for name in ("admin", "alice", "bob")}
    with requests.Session() as session:
        yield RestService(session, base_url, tokens, Clock())
