"""Tests of invitations to teams."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.team_api import (
    INVITATION,
    TEAM,
    add_member,
    create_team,
    get_status,
    join,
    leave,
    list_members,
)


@pytest.fixture
def team(ann):
    """ID of a new team that alice administers."""
    return create_team(ann)["id"]


def invite(user, team, **more):
    return user.post(INVITATION, {"teamId": team, **more})


def list_open(user, team, query=""):
    found = ok(user.get(f"{TEAM}/{team}/openInvitation?limit=50{query}"))["results"]
    return [each["id"] for each in found]


def test_create_returns_all_properties(ann, ben, team, rules):
    now = rules.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    expiry = "2036-01-01T00:00:00.000Z"
    body = {"inviteeId": str(ben.id), "inviteeEmail": None, "message": "Hi", "expiresOn": expiry}
    invitation = ok(invite(ann, team, **body))
    assert invitation == {
        "id": invitation["id"],
        "teamId": team,
        "inviteeId": str(ben.id),
        "message": "Hi",
        "expiresOn": expiry,
        "createdOn": now,
        "createdBy": str(ann.id),
    }
    path = f"{INVITATION}/{invitation['id']}"
    assert ok(ann.get(path)) == ok(ben.get(path)) == invitation
    assert get_status(ann, team, ben)["hasOpenInvitation"] is True


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "Exactly one of inviteeId and inviteeEmail is required."),
        ({"inviteeId": "", "inviteeEmail": ""}, 400, "Exactly one"),
        ({"inviteeId": "3300002", "inviteeEmail": "b@x.org"}, 400, "Exactly one"),
        ({"inviteeId": "bob"}, 400, "inviteeId: 'bob' is not a valid id."),
        ({"inviteeId": "99"}, 404, "User with id 99 does not exist"),
        ({"inviteeId": "273950"}, 404, "273950"),
        ({"inviteeEmail": "bob"}, 400, "inviteeEmail: 'bob' is not an e-mail address."),
        ({"inviteeEmail": "b b@x.org"}, 400, "inviteeEmail"),
        ({"inviteeId": "3300002", "id": "1"}, 400, "id is set by the service"),
        ({"inviteeId": "3300002", "createdBy": "1"}, 400, "createdBy is set by the service"),
        ({"inviteeId": "3300002", "createdOn": "2026-01-01"}, 400, "createdOn is set by"),
        ({"inviteeId": "3300002", "expiresOn": "soon"}, 400, "expiresOn"),
        ({"inviteeId": "3300002", "message": {}}, 400, "message"),
        ({"inviteeId": "3300002", "teamId": None}, 400, "teamId is required"),
        ({"inviteeId": "3300002", "teamId": "99"}, 404, "Team with id 99"),
        ({"inviteeId": "3300002", "teamId": "Blue Team"}, 400, "teamId"),
    ],
)
def test_create_rejects_invalid_bodies(ann, team, body, status, words):
    assert_error(invite(ann, team, **body), status, words)
    assert list_open(ann, team) == []


def test_only_team_administrators_invite(ann, ben, anonymous, author, admin, team):
    add_member(ann, team, ben)
    carol = author("carol")
    for user in (ben, carol):
        assert_error(invite(user, team, inviteeId=str(carol.id)), 403, "TEAM_MEMBERSHIP_UPDATE")
        assert_error(user.get(f"{TEAM}/{team}/openInvitation"), 403, "TEAM_MEMBERSHIP_UPDATE")
    assert_error(invite(anonymous, team, inviteeId=str(carol.id)), 403, "Anonymous")
    assert ok(invite(admin, team, inviteeId=str(carol.id)))["createdBy"] == "1"
    assert_error(ann.get(f"{TEAM}/99/openInvitation"), 404)


def test_only_certified_users_invite_an_address(dan):
    team = create_team(dan)["id"]
    body = assert_error(invite(dan, team, inviteeEmail="x@example.org"), 403, "certified")
    assert body["errorCode"] == "USER_CERTIFICATION_REQUIRED"
    assert ok(invite(dan, team, inviteeId="3300002"))["inviteeId"] == "3300002"


def test_invitation_of_an_address_is_for_the_user_with_that_address(ann, ben, dan, team):
    stranger = ok(invite(ann, team, inviteeEmail="someone@example.org"))
    assert stranger["inviteeEmail"] == "someone@example.org"
    assert "inviteeId" not in stranger
    mine = ok(invite(ann, team, inviteeEmail="BOB@synapse.local"))["id"]
    assert get_status(ben, team, ben)["hasOpenInvitation"] is True
    assert get_status(ben, team, dan)["hasOpenInvitation"] is False
    assert list_open(ann, team, f"&inviteeId={ben.id}") == [mine]
    assert_error(dan.get(f"{INVITATION}/{mine}"), 403)
    assert ok(ben.get(f"{INVITATION}/{mine}"))["id"] == mine
    assert join(ben, team).status_code == 204
    assert list_open(ann, team) == [stranger["id"]]


def test_open_invitations_are_filtered_and_paginated(ann, ben, dan, admin, team):
    ids = [ok(invite(ann, team, inviteeId=str(each)))["id"] for each in (ben.id, dan.id, ben.id)]
    other = ok(invite(ann, create_team(ann)["id"], inviteeId=str(dan.id)))
    assert list_open(ann, team) == ids
    assert list_open(ann, team, f"&inviteeId={ben.id}") == [ids[0], ids[2]]
    path = f"{TEAM}/{team}/openInvitation"
    page = ok(ann.get(f"{path}?limit=2"))
    assert ([each["id"] for each in page["results"]], page["totalNumberOfResults"]) == (ids[:2], 3)
    assert ok(ann.get(f"{path}?limit=2&offset=2"))["totalNumberOfResults"] == 3
    assert ok(ann.get(f"{path}?offset=3"))["results"] == []
    assert_error(ann.get(f"{path}?inviteeId=bob"), 400, "inviteeId")
    of_dan = f"{REPO}/user/{dan.id}/openInvitation?limit=1000"
    for user in (dan, admin):
        found = [each["id"] for each in ok(user.get(of_dan))["results"]]
        assert {ids[1], other["id"]} <= set(found)
        only = ok(user.get(f"{of_dan}&teamId={team}"))["results"]
        assert [each["id"] for each in only] == [ids[1]]
    assert_error(ann.get(of_dan), 403)
    assert_error(ann.get(f"{REPO}/user/273950/openInvitation"), 403)


def test_anonymous_callers_see_no_invitations(ann, anonymous, ben, team):
    invitation = ok(invite(ann, team, inviteeId=str(ben.id)))["id"]
    assert_error(anonymous.get(f"{INVITATION}/{invitation}"), 403)
    assert_error(anonymous.delete(f"{INVITATION}/{invitation}"), 403)
    assert_error(anonymous.get(f"{TEAM}/{team}/openInvitation"), 403)
    assert_error(anonymous.get(f"{REPO}/user/273950/openInvitation"), 403)


def test_invitee_and_team_administrators_delete_an_invitation(ann, ben, dan, team):
    for user in (ann, ben):
        invitation = ok(invite(ann, team, inviteeId=str(ben.id)))["id"]
        path = f"{INVITATION}/{invitation}"
        assert_error(dan.delete(path), 403)
        assert user.delete(path).status_code == 204
        assert user.delete(path).status_code == 204  # an unknown ID
        assert_error(user.get(path), 404, invitation)
        assert_error(join(ben, team), 403)
    assert_error(ann.delete(f"{INVITATION}/x"), 400, "x")


def test_inviter_who_is_no_longer_an_administrator_cannot_delete(ann, ben, dan, team):
    add_member(ann, team, ben)
    permission = f"{TEAM}/{team}/member/{ben.id}/permission?isAdmin="
    assert ann.put(f"{permission}true").ok
    invitation = ok(invite(ben, team, inviteeId=str(dan.id)))["id"]
    assert ann.put(f"{permission}false").ok
    assert_error(ben.delete(f"{INVITATION}/{invitation}"), 403)
    assert join(dan, team).status_code == 204


def test_joining_closes_all_invitations_of_the_user(ann, ben, dan, team):
    for each in (ben.id, ben.id, dan.id):
        last = ok(invite(ann, team, inviteeId=str(each)))["id"]
    assert join(ben, team).status_code == 204
    assert list_open(ann, team) == [last]
    assert leave(ben, team).status_code == 204
    assert_error(join(ben, team), 403)
    assert list_members(ann, team) == {"alice": True}


def test_expired_invitations_are_not_open(tmp_path, recording):
    with start_service(tmp_path, recording) as service:
        ann, ben = Author(service, "alice"), Author(service, "bob")
        team = create_team(ann)["id"]
        expiry = "2026-03-04T05:06:17.890Z"  # in ten seconds
        invitation = ok(invite(ann, team, inviteeId=str(ben.id), expiresOn=expiry))
        assert list_open(ann, team) == [invitation["id"]]
        service.clock.advance(10)
        assert list_open(ann, team) == []
        assert ok(ben.get(f"{REPO}/user/{ben.id}/openInvitation"))["results"] == []
        status = get_status(ben, team, ben)
        assert (status["hasOpenInvitation"], status["canJoin"]) == (False, False)
        assert_error(join(ben, team), 403)
        assert ok(ben.get(f"{INVITATION}/{invitation['id']}")) == invitation
