"""Every route, with each documented status and error, against the real service.

The facts are `wire_facts.json`; what provokes each error is in `support.route_cases`. The recorder
of the service validates the bodies of all requests and responses.
"""

import pytest
import requests
from support.entity_api import REPO
from support.file_api import Clock, RestService, start_service
from support.route_cases import CASES, S3_CASES
from support.route_objects import (  # noqa: F401  (they register how objects are created)
    accounts,
    entities,
    evaluations,
    files,
    jobs,
    tables,
    wikis,
)
from support.route_world import SETTINGS, World

from synapse_workflows.local.storage.data_dir import DATABASE


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory, recording):
    folder = tmp_path_factory.mktemp("routes")
    with start_service(folder, recording, **SETTINGS) as rest_service:
        yield World(rest_service, folder / DATABASE)


@pytest.fixture
def world(shared_world):
    shared_world.start_case()
    return shared_world


@pytest.fixture
def s3_world(s3_service):
    """Objects of a service with an S3 server."""
    service = s3_service.service
    s3_service.store.create_bucket("a-bucket")
    tokens = {name: service.token(name) for name in ("admin", "alice", "bob")}
    base_url = service.endpoints["repoEndpoint"].removesuffix(REPO)
    with requests.Session() as session:
        yield World(RestService(session, base_url, tokens, Clock()), service.folder)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_request_has_the_documented_status(world, case):
    case.check(case.send(world))


@pytest.mark.parametrize("case", S3_CASES, ids=str)
def test_request_to_a_service_with_an_s3_server_has_the_documented_status(s3_world, case):
    case.check(case.send(s3_world))
