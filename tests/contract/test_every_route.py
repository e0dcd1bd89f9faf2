"""Every route, with each documented status and error, against the real service.

The facts are `wire_facts.json`; what provokes each error is in `support.route_cases`. The recorder
of the service validates the bodies of all requests and responses.
"""

import re
from collections import Counter

import pytest
import requests
from contract.coverage_figures import Coverage, build_documents
from contract.documented_errors import read_errors
from support.client_routes import list_client_routes
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
from support.service_differences import UNPROVOKED, UNSERVED, find_reason

from synapse_workflows.local.storage.data_dir import DATABASE

#: Query parameters that some routes require.
QUERY = (
    "mask=1&accessType=READ&permission=read_only&partMD5Hex=0&fileName=a&repositoryName=a&ids=1"
    "&fileAssociateType=FileEntity&fileAssociateId=1&limit=10&offset=0&etag=1&generatedBy=1"
)


@pytest.fixture(scope="session")
def coverage():
    return Coverage()


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


def test_no_request_counts_for_two_causes():
    requests_of_cases = Counter(
        (
            case.line,
            repr(case.body),
            case.user,
            case.read,
            repr(case.headers),
            case.data,
            case.stack,
        )
        for case in (*CASES, *S3_CASES)
    )
    assert [request for request, count in requests_of_cases.items() if count > 1] == []


def test_every_route_that_the_package_calls_is_served(coverage):
    assert len(coverage.called) > 100
    assert coverage.called <= coverage.served


def test_a_request_to_a_route_that_is_not_in_the_table_is_an_error(coverage):
    routes = [route.name for route in coverage.routes if "/entity/{id}/path" not in route.name]
    with pytest.raises(ValueError, match=re.escape("/entity/{}/path")):
        list_client_routes(routes)


@pytest.mark.parametrize(
    ("names", "reasons"),
    [("unserved", UNSERVED), ("unprovoked", UNPROVOKED)],
    ids=["routes", "responses"],
)
def test_what_is_missing_is_described(coverage, names, reasons):
    """Every documented route that is not served, and every response that no case provokes."""
    missing = list(map(str, getattr(coverage, names)))
    assert [name for name in missing if find_reason(name, reasons) is None] == []
    found = {find_reason(name, reasons) for name in missing}
    assert [pattern for pattern, reason in reasons.items() if reason not in found] == []


def test_documents_are_current(coverage):
    """Otherwise: python tests/contract/coverage_figures.py."""
    stale = [
        path.name for path, text in build_documents(coverage).items() if path.read_text() != text
    ]
    assert stale == []


@pytest.mark.parametrize(
    ("token", "status", "reason"),
    [
        ("no_scope_token", 403, "insufficient_scope"),
        ("invalid_token", 401, "Invalid access token"),
    ],
)
def test_routes_check_the_token_before_anything_else(world, coverage, token, status, reason):
    """All routes that require a scope, with objects and bodies that do not exist."""
    user = world.user(token)
    wrong = []
    for route in sorted(coverage.facts.scopes.keys() & coverage.served):
        method, path = re.sub(r"\{\w+\}", "1", route).split(" ")
        response = user.request(
            method, f"{path}?{QUERY}", {} if method in {"POST", "PUT"} else None
        )
        if response.status_code != status or reason not in response.text:
            wrong.append(f"{route}: {response.status_code} {response.text}")
    assert wrong == []


@pytest.mark.parametrize(
    ("notes", "errors"),
    [
        ("P-offset", {}),
        ("404 when not a member. Case-insensitive", {"404": [1, []]}),
        ("412; 403 UPDATE, no such team", {"412": [1, []], "403": [2, []]}),
        ("403 `Taken name.` (as `X_Y`) or 409", {"403": [1, ["Taken name.", "X_Y"]]}),
        ("the 503 path; 4040 rows; 400 `limit`", {"400": [1, []]}),
    ],
)
def test_documented_errors_are_read(notes, errors):
    assert read_errors(notes, has_body=True) == errors
    without_body = {status: found for status, found in errors.items() if status != "412"}
    assert read_errors(notes, has_body=False) == without_body
