"""Random requests for teams never cause an internal error (500)."""

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import REPO, Author
from support.file_api import ok, start_service
from support.fuzz_bodies import request_bodies
from support.team_api import INVITATION, REQUEST, TEAM, create_team

FIELDS = [
    "id", "etag", "name", "description", "icon", "canPublicJoin", "canRequestMembership",
    "createdOn", "createdBy", "teamId", "inviteeId", "inviteeEmail", "userId", "message",
    "expiresOn", "resourceAccess", "principalId", "accessType", "list", "ownerId", "userName",
    "profilePicureFileHandleId",
]  # fmt: skip
WORDS = [
    "3300006", "3300001", "3300002", "273948", "99", "READ", "TEAM_MEMBERSHIP_UPDATE", "x@y.org",
    "", " ", "2036-01-01T00:00:00.000Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
]  # fmt: skip
ROUTES = [
    ("POST", TEAM),
    ("PUT", TEAM),
    ("PUT", f"{TEAM}/acl"),
    ("POST", f"{REPO}/teamList"),
    ("POST", INVITATION),
    ("POST", REQUEST),
    ("PUT", f"{REPO}/userProfile"),
]
#: Route -> path of the object that a valid body comes from, which the random body then changes.
VALID_BODIES = {
    TEAM: f"{TEAM}/{{team}}",
    f"{TEAM}/acl": f"{TEAM}/{{team}}/acl",
    f"{REPO}/userProfile": f"{REPO}/userProfile",
}


@pytest.fixture(scope="module")
def alice(tmp_path_factory):  # not recorded: requests are invalid on purpose
    with start_service(tmp_path_factory.mktemp("any")) as rest_service:
        yield Author(rest_service, "alice")


@pytest.fixture(scope="module")
def team(alice):
    return create_team(alice)["id"]


@settings(max_examples=50, deadline=None)
@given(route=st.sampled_from(ROUTES), body=request_bodies(FIELDS, WORDS), is_valid=st.booleans())
def test_no_request_body_causes_a_server_error(alice, team, route, body, is_valid):
    method, path = route
    if is_valid and method == "PUT":
        current = ok(alice.get(VALID_BODIES[path].format(team=team)))
        body = {**current, **body, "etag": current["etag"]}
    response = alice.request(method, path, body)
    assert response.status_code < 500, f"{method} {path} {body} {response.text}"


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=12).filter(lambda text: not set(text) & set("/?#%")),
    st.sampled_from(
        [
            "team/{}", "team/{}/acl", "team/{}/member/1", "team/{}/openInvitation",
            "teamMembers/{}", "teamMembers/count/{}", "user/{}/team", "user/{}/openInvitation",
            "teams?fragment={}",
            "membershipInvitation/{}", "teams?limit={}", "team/1/openInvitation?inviteeId={}",
        ]
    ),
)  # fmt: skip
def test_no_path_causes_a_server_error(alice, text, path):
    assert alice.get(f"{REPO}/{path.format(text)}").status_code < 500
