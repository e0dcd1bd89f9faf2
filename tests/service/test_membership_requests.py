"""Tests of requests to join teams."""

import pytest
from support.entity_api import Author
from support.file_api import assert_error, ok, start_service
from support.team_api import REQUEST, TEAM, add_member, create_team, get_status, join


@pytest.fixture
def team(ann):
    """ID of a new team that alice administers."""
    return create_team(ann)["id"]


def test_create_returns_all_properties(ben, team, rules):
    now = rules.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    expiry = "2036-01-01T00:00:00.000Z"
    body = {"teamId": team, "userId": ben.id, "message": "Please", "expiresOn": expiry}
    request = ok(ben.post(REQUEST, body))
    assert request == {
        "id": request["id"],
        "teamId": team,
        "userId": str(ben.id),
        "message": "Please",
        "expiresOn": expiry,
        "createdOn": now,
        "createdBy": str(ben.id),
    }
    assert get_status(ben, team, ben)["hasOpenRequest"] is True


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"teamId": None}, 400, "teamId is required"),
        ({"teamId": "99"}, 404, "Team with id 99"),
        ({"teamId": "Blue"}, 400, "teamId"),
        ({"userId": "3300003"}, 403, "another user"),
        ({"userId": "bob"}, 400, "userId"),
        ({"id": "1"}, 400, "id is set by the service"),
        ({"createdBy": "3300002"}, 400, "createdBy is set by the service"),
        ({"expiresOn": "soon"}, 400, "expiresOn"),
    ],
)
def test_create_rejects_invalid_bodies(ben, team, body, status, words):
    assert_error(ben.post(REQUEST, {"teamId": team, **body}), status, words)
    assert get_status(ben, team, ben)["hasOpenRequest"] is False


def test_requests_that_cannot_help_are_rejected(ann, ben, anonymous, team):
    assert_error(anonymous.post(REQUEST, {"teamId": team}), 403, "Anonymous")
    public = create_team(ann, canPublicJoin=True)["id"]
    assert_error(ben.post(REQUEST, {"teamId": public}), 400, "join it without")
    closed = create_team(ann, canRequestMembership=False)["id"]
    assert_error(ben.post(REQUEST, {"teamId": closed}), 400, "does not accept membership requests")
    add_member(ann, team, ben)
    assert_error(ben.post(REQUEST, {"teamId": team}), 400, "already a member")


def test_expired_requests_are_not_open(tmp_path, recording):
    with start_service(tmp_path, recording) as service:
        ann, ben = Author(service, "alice"), Author(service, "bob")
        team = create_team(ann)["id"]
        ok(ben.post(REQUEST, {"teamId": team, "expiresOn": "2026-03-04T05:06:17.890Z"}))
        assert get_status(ann, team, ben)["canJoin"] is True
        service.clock.advance(10)
        status = get_status(ann, team, ben)
        assert (status["hasOpenRequest"], status["canJoin"]) == (False, False)
        assert_error(ann.put(f"{TEAM}/{team}/member/{ben.id}"), 403)


def test_joining_closes_the_requests_of_the_user(ann, ben, team):
    ok(ben.post(REQUEST, {"teamId": team}))
    ok(ben.post(REQUEST, {"teamId": team}))
    add_member(ann, team, ben)
    status = get_status(ann, team, ben)
    assert (status["isMember"], status["hasOpenRequest"]) == (True, False)
    assert join(ben, team).status_code == 204
