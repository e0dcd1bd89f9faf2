"""Random requests never cause an internal error (500)."""

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import REPO, Author
from support.file_api import ok, start_service
from support.fuzz_bodies import request_bodies

from synapse_workflows.constants import FILE, FOLDER, LINK, PROJECT, USED_ENTITY, USED_URL

FIELDS = [
    "concreteType", "name", "parentId", "description", "etag", "id", "versionLabel",
    "versionComment", "dataFileHandleId", "fileNameOverride", "linksTo", "targetId",
    "targetVersionNumber", "linksToClassName", "alias", "annotations", "type", "value", "k",
    "resourceAccess", "principalId", "accessType", "used", "reference", "url", "wasExecuted",
    "entity", "accessControlList", "includeTypes", "sortBy", "sortDirection", "nextPageToken",
    "includeTotalChildCount", "entityName", "references", "list", "ownerId", "userName",
    "notificationSettings", "preferences", "scope", "userInfoClaims", "status",
    "oldFileHandleId", "newFileHandleId", "includeEntity", "fileHandleId", "recipients", "subject",
    "inReplyTo", "withUnsubscribeLink", "messageId", "recipientId",
]  # fmt: skip
WORDS = [
    PROJECT, FOLDER, FILE, LINK, USED_ENTITY, USED_URL, "syn4489", "syn1", "1", "READ", "LONG",
    "STRING", "project", "file", "https://example.org", "50a0", "x", "", "view",
]  # fmt: skip
ROUTES = [
    ("POST", f"{REPO}/entity"),
    ("PUT", f"{REPO}/entity/{{id}}"),
    ("PUT", f"{REPO}/entity/{{id}}?newVersion=true"),
    ("PUT", f"{REPO}/entity/{{id}}/annotations2"),
    ("POST", f"{REPO}/entity/{{id}}/acl"),
    ("PUT", f"{REPO}/entity/{{id}}/acl"),
    ("PUT", f"{REPO}/entity/{{id}}/version/1/filehandle"),
    ("POST", f"{REPO}/entity/{{id}}/bundle2"),
    ("PUT", f"{REPO}/entity/{{id}}/bundle2"),
    ("POST", f"{REPO}/entity/bundle2/create"),
    ("POST", f"{REPO}/entity/children"),
    ("POST", f"{REPO}/entity/child"),
    ("POST", f"{REPO}/entity/header"),
    ("POST", f"{REPO}/activity"),
    ("PUT", f"{REPO}/activity/1"),
    ("PUT", f"{REPO}/userProfile"),
    ("POST", f"{REPO}/userProfile"),
    ("POST", f"{REPO}/userGroupHeaders/aliases"),
    ("POST", f"{REPO}/message"),
    ("PUT", f"{REPO}/message/status"),
    ("PUT", f"{REPO}/admin/synapse/status"),
    ("POST", "/auth/v1/personalAccessToken"),
]


@pytest.fixture(scope="module")
def rest_service(
    tmp_path_factory,
):  # not recorded: what is sent here is meant to break the contract
    with start_service(tmp_path_factory.mktemp("any")) as opened:
        yield opened


@pytest.fixture(scope="module")
def ann(rest_service):
    return Author(rest_service, "alice")


@pytest.fixture(scope="module")
def admin(rest_service):
    return Author(rest_service, "admin")


@pytest.fixture(scope="module")
def entity_ids(ann):
    """IDs of a file and a folder of alice."""
    project = ann.new_project()["id"]
    return ann.new_file(project)["id"], ann.new_folder(project)["id"]


@settings(max_examples=50, deadline=None)
@given(
    route=st.sampled_from(ROUTES),
    body=request_bodies(FIELDS, WORDS),
    index=st.integers(0, 1),
    is_current=st.booleans(),
)
def test_random_bodies_cause_no_internal_error(
    ann, admin, entity_ids, route, body, index, is_current
):
    method, path = route
    entity = entity_ids[index]
    if is_current:
        present = admin.entity(entity)
        body = {**present, **body, "etag": present["etag"]}
    response = ann.request(method, path.format(id=entity), body)
    assert response.status_code < 500, f"{method} {path} {body} {response.text}"


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["/type", "/version", "/acl", "/generatedBy", "/bundle2", "/version/{}", ""]),
    st.text(max_size=12).filter(lambda text: not set(text) & set("/?#%")),
    st.sampled_from(["GET", "POST", "DELETE"]),
)
def test_random_paths_cause_no_internal_error(ann, tail, text, method):
    path = f"{REPO}/entity/{text}{tail.format(text)}"
    assert ann.request(method, path, {} if method == "POST" else None).status_code < 500


def test_entity_is_readable_after_random_requests(admin, entity_ids):
    assert ok(admin.get(f"{REPO}/entity/{entity_ids[0]}"))["id"] == entity_ids[0]
