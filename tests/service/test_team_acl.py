"""Tests of the ACLs of teams."""

import pytest
from support.file_api import assert_error, ok
from support.team_api import INVITATION, TEAM, add_member, create_team, leave, list_members

ACL = f"{TEAM}/acl"
AUTHENTICATED, PUBLIC, ANONYMOUS = 273948, 273949, 273950
MEMBER = ["READ", "SEND_MESSAGE"]
ADMIN = ["READ", "UPDATE", "DELETE", "TEAM_MEMBERSHIP_UPDATE", "SEND_MESSAGE"]


@pytest.fixture
def team(ann, ben):
    """ID of a new team with alice as administrator and bob as member."""
    team_id = create_team(ann)["id"]
    add_member(ann, team_id, ben)
    return team_id


def get_grants(user, team):
    acl = ok(user.get(f"{TEAM}/{team}/acl"))
    return {each["principalId"]: each["accessType"] for each in acl["resourceAccess"]}


def put_grants(user, team, grants, **more):
    acl = ok(user.get(f"{TEAM}/{team}/acl"))
    entries = [{"principalId": key, "accessType": value} for key, value in grants.items()]
    return user.put(ACL, {**acl, "resourceAccess": entries, **more})


def test_acl_of_a_new_team(ann, dan, anonymous, team):
    acl = ok(dan.get(f"{TEAM}/{team}/acl"))
    assert acl["id"] == team
    assert acl.keys() == {"id", "etag", "creationDate", "resourceAccess"}
    assert get_grants(dan, team) == {int(team): MEMBER, ann.id: ADMIN, AUTHENTICATED: MEMBER}
    assert_error(anonymous.get(f"{TEAM}/{team}/acl"), 403, "READ")
    assert_error(ann.get(f"{TEAM}/99/acl"), 404, "Team with id 99 does not exist")


def test_administrators_replace_the_acl(ann, ben, anonymous, team):
    old = ok(ann.get(f"{TEAM}/{team}/acl"))
    for user in (ben, anonymous):
        assert_error(user.put(ACL, old), 403)
    grants = {ann.id: ADMIN, ben.id: ADMIN, int(team): MEMBER}
    changed = ok(put_grants(ann, team, grants))
    assert changed["etag"] != old["etag"]
    assert get_grants(ann, team) == grants
    assert list_members(ann, team) == {"alice": True, "bob": True}
    assert_error(ann.put(ACL, old), 412, f"Object: {team} was updated")
    assert_error(ann.put(ACL, {**changed, "id": None}), 400, "id is required")
    assert_error(ann.put(ACL, {**changed, "id": "99"}), 404)
    assert ok(ann.get(f"{TEAM}/{team}/acl")) == changed


def test_rights_of_the_acl_are_enforced(ann, ben, dan, team):
    grants = {ann.id: ADMIN, ben.id: ["READ", "UPDATE"]}
    ok(put_grants(ann, team, grants))
    assert_error(dan.get(f"{TEAM}/{team}/acl"), 403, "READ")
    body = ok(dan.get(f"{TEAM}/{team}"))  # the team itself is readable by all
    changed = ok(ben.put(TEAM, {**body, "description": "by bob"}))
    assert changed["modifiedBy"] == str(ben.id)
    assert_error(ben.delete(f"{TEAM}/{team}"), 403, "DELETE")
    assert_error(put_grants(ben, team, {ben.id: ADMIN}), 403, "TEAM_MEMBERSHIP_UPDATE")
    path = f"{TEAM}/{team}/member/{dan.id}/membershipStatus"
    assert ok(ann.get(path))["canSendEmail"] is False
    assert ok(put_grants(ann, team, {**grants, ben.id: ["DELETE"]}))
    assert ben.delete(f"{TEAM}/{team}").status_code == 204


@pytest.mark.parametrize(
    "principal",
    [None, AUTHENTICATED, 3300004],
    ids=["no one", "read only", "an administrator who is not a member"],
)
def test_an_administrator_must_remain(ann, team, principal):
    before = get_grants(ann, team)
    grants = {} if principal is None else {principal: ADMIN}
    if principal == AUTHENTICATED:
        grants = {ann.id: MEMBER, AUTHENTICATED: MEMBER}
    assert_error(put_grants(ann, team, grants), 400, "at least one administrator")
    assert get_grants(ann, team) == before


def test_rights_through_a_team_make_no_administrator(ann, ben, dan, team):
    everyone = {int(team): ADMIN}
    assert_error(put_grants(ann, team, everyone), 400, "at least one administrator")
    ok(put_grants(ann, team, {**everyone, ann.id: ADMIN}))
    assert list_members(ann, team) == {"alice": True, "bob": False}
    assert ben.post(INVITATION, {"teamId": team, "inviteeId": str(dan.id)}).ok
    assert_error(leave(ann, team), 400, "at least one administrator")
    ok(put_grants(ben, team, {**everyone, ben.id: ADMIN}))
    assert leave(ann, team).status_code == 204
    assert list_members(ben, team) == {"bob": True}


def test_another_team_can_administer_a_team(ben, dan, team):
    other = create_team(dan)["id"]
    path = f"{TEAM}/{other}/member/{ben.id}"
    assert_error(ben.put(path), 403)
    ok(put_grants(dan, other, {dan.id: ADMIN, int(team): ADMIN}))
    assert ben.put(path).status_code == 204
    assert list_members(dan, other) == {"bob": False, "dave": True}


@pytest.mark.parametrize(
    ("principal", "rights", "words"),
    [
        (ANONYMOUS, ["READ"], "anonymous"),
        (PUBLIC, ["READ", "SEND_MESSAGE"], "Only READ"),
        (99, ["READ"], "99"),
        (3300002, ["ADMIN"], "No enum constant 'ADMIN'"),
        (3300002, [], "3300002"),
    ],
)
def test_invalid_entries_are_rejected(ann, team, principal, rights, words):
    grants = {ann.id: ADMIN, principal: rights}
    assert_error(put_grants(ann, team, grants), 400, words)


def test_leaving_removes_the_entry_of_the_user(ann, ben, team):
    ok(put_grants(ann, team, {ann.id: ADMIN, ben.id: ["READ"], int(team): MEMBER}))
    assert leave(ben, team).status_code == 204
    assert get_grants(ann, team) == {ann.id: ADMIN, int(team): MEMBER}
