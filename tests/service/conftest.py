"""One service for the tests of the entity rules, and its people."""

from collections.abc import Iterator

import pytest
from support.entity_api import Author
from support.evaluation_api import Submitter
from support.file_api import RestService, start_service
from support.table_api import TableClient


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory, recording) -> Iterator[RestService]:
    with start_service(tmp_path_factory.mktemp("rules"), recording) as rest_service:
        yield rest_service


@pytest.fixture(scope="session")
def author(rules):
    """Make the author of a name; None is the anonymous caller."""

    def make(name: str | None, token: str | None = None) -> Author:
        return Author(rules, name, token)

    return make


@pytest.fixture(scope="session")
def admin(author) -> Author:
    return author("admin")


@pytest.fixture(scope="session")
def ann(author) -> Author:
    """Alice, as an author."""
    return author("alice")


@pytest.fixture(scope="session")
def ben(author) -> Author:
    """Bob, as an author."""
    return author("bob")


@pytest.fixture(scope="session")
def dan(author) -> Author:
    """Dave, who is not certified, as an author."""
    return author("dave")


@pytest.fixture(scope="session")
def anonymous(author) -> Author:
    """Somebody without credentials."""
    return author(None)


@pytest.fixture(scope="session")
def tables(ann) -> TableClient:
    """Alice, at work on tables."""
    return TableClient(ann)


@pytest.fixture(scope="session")
def organiser(ann) -> Submitter:
    """Alice, who holds evaluations."""
    return Submitter(ann)


@pytest.fixture(scope="session")
def rival(ben) -> Submitter:
    """Bob, who submits to evaluations."""
    return Submitter(ben)
