"""Tests of the members of teams: joining, leaving, administrators, lists and the status."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.team_api import (
    INVITATION,
    REQUEST,
    TEAM,
    add_member,
    create_team,
    get_status,
    join,
    leave,
    list_members,
)


@pytest.fixture
def carol(author):
    return author("carol")


def test_creator_is_member_and_administrator(ann, ben):
    team = create_team(ann)["id"]
    assert list_members(ben, team) == {"alice": True}
    assert ok(ben.get(f"{TEAM}/{team}/member/{ann.id}")) == {
        "teamId": team,
        "isAdmin": True,
        "member": {
            "ownerId": str(ann.id), "userName": "alice", "firstName": "Alice",
            "lastName": "Archer", "isIndividual": True,
        },
    }  # fmt: skip


def test_user_joins_after_an_invitation_only(ann, ben):
    team = create_team(ann)["id"]
    assert_error(join(ben, team), 403, "Cannot add member to team.")
    add_member(ann, team, ben)
    assert list_members(ann, team) == {"alice": True, "bob": False}
    assert join(ben, team).status_code == 204  # a second time
    assert ok(ben.get(f"{REPO}/user/{ben.id}/team?limit=1000"))["results"][-1]["id"] == team


def test_everyone_logged_in_joins_a_public_team(ann, dan, carol, anonymous):
    team = create_team(ann, canPublicJoin=True)["id"]
    assert_error(anonymous.put(f"{TEAM}/{team}/member/273950"), 404, "273950")
    assert_error(anonymous.put(f"{TEAM}/{team}/member/{dan.id}"), 403)
    assert_error(carol.put(f"{TEAM}/{team}/member/{dan.id}"), 403)  # only for oneself
    assert_error(ann.put(f"{TEAM}/{team}/member/{dan.id}"), 403)  # not without a request
    assert join(dan, team).status_code == 204
    assert list_members(dan, team) == {"alice": True, "dave": False}


def test_team_administrator_adds_a_user_who_requested_it(ann, ben, carol):
    team = create_team(ann)["id"]
    path = f"{TEAM}/{team}/member/{ben.id}"
    assert_error(ann.put(path), 403)
    ok(ben.post(REQUEST, {"teamId": team}))
    assert_error(carol.put(path), 403)
    assert_error(join(ben, team), 403)
    assert ann.put(path).status_code == 204
    assert list_members(ann, team) == {"alice": True, "bob": False}
    assert not get_status(ann, team, ben)["hasOpenRequest"]


def test_administrator_of_the_service_adds_and_removes_any_user(ann, ben, admin):
    team = create_team(ann)["id"]
    assert admin.put(f"{TEAM}/{team}/member/{ben.id}").status_code == 204
    assert list_members(ann, team) == {"alice": True, "bob": False}
    assert admin.delete(f"{TEAM}/{team}/member/{ben.id}").status_code == 204
    assert list_members(ann, team) == {"alice": True}


def test_only_existing_users_become_members(ann, admin):
    team, other = create_team(ann)["id"], create_team(ann)["id"]
    for principal in (other, 273950, 273948, 99):
        assert_error(admin.put(f"{TEAM}/{team}/member/{principal}"), 404, str(principal))
    assert_error(admin.put(f"{TEAM}/99/member/{ann.id}"), 404, "Team with id 99")
    assert_error(admin.put(f"{TEAM}/{team}/member/alice"), 400, "alice")
    assert_error(admin.put(f"{TEAM}/3/member/{ann.id}"), 404)  # built-in group
    assert list_members(ann, team) == {"alice": True}


def test_members_leave_and_administrators_remove_them(ann, ben, carol):
    team = create_team(ann)["id"]
    for user in (ben, carol):
        add_member(ann, team, user)
    assert_error(ben.delete(f"{TEAM}/{team}/member/{carol.id}"), 403)
    assert leave(ben, team).status_code == 204
    assert leave(ben, team).status_code == 204  # a second time
    assert ann.delete(f"{TEAM}/{team}/member/{carol.id}").status_code == 204
    assert list_members(ann, team) == {"alice": True}
    assert_error(leave(ben, "99"), 404)


def test_last_administrator_cannot_leave(ann, ben, admin):
    team = create_team(ann)["id"]
    add_member(ann, team, ben)
    permission = f"{TEAM}/{team}/member/{ben.id}/permission?isAdmin="
    for user in (ann, admin):
        path = f"{TEAM}/{team}/member/{ann.id}"
        assert_error(user.delete(path), 400, "Team must have at least one administrator.")
    assert list_members(ann, team) == {"alice": True, "bob": False}
    assert_error(ben.put(f"{permission}true"), 403)
    assert ann.put(f"{permission}true").status_code == 204
    assert list_members(ann, team) == {"alice": True, "bob": True}
    assert leave(ann, team).status_code == 204
    assert list_members(ben, team) == {"bob": True}
    assert_error(ann.put(f"{permission}false"), 403)
    assert_error(ben.put(f"{permission}false"), 400, "at least one administrator")
    assert_error(ben.put(f"{TEAM}/{team}/member/{ann.id}/permission?isAdmin=true"), 404)


def test_a_former_administrator_who_joins_again_is_an_ordinary_member(ann, ben):
    team = create_team(ann)["id"]
    add_member(ann, team, ben)
    assert ann.put(f"{TEAM}/{team}/member/{ben.id}/permission?isAdmin=true").ok
    assert leave(ben, team).status_code == 204
    add_member(ann, team, ben)
    assert list_members(ann, team) == {"alice": True, "bob": False}


def test_members_are_filtered_by_name_and_type_and_paginated(ann, ben, carol):
    team = create_team(ann)["id"]
    for user in (ben, carol):
        add_member(ann, team, user)
    path = f"{REPO}/teamMembers/{team}"
    page = ok(ann.get(f"{path}?limit=2"))
    assert [each["member"]["userName"] for each in page["results"]] == ["alice", "bob"]
    assert page["totalNumberOfResults"] == 3
    assert ok(ann.get(f"{path}?limit=2&offset=2"))["totalNumberOfResults"] == 3
    assert ok(ann.get(f"{path}?limit=2&offset=3"))["results"] == []
    assert list_members(ann, team, "&fragment=BAK") == {"bob": False}
    assert list_members(ann, team, "&fragment=%25") == {}
    assert list_members(ann, team, "&memberType=ADMIN") == {"alice": True}
    assert list_members(ann, team, "&memberType=MEMBER") == {"bob": False, "carol": False}
    assert list_members(ann, team, "&memberType=MEMBER&fragment=car") == {"carol": False}
    assert_error(ann.get(f"{path}?memberType=OWNER"), 400, "No enum constant 'OWNER'")
    assert_error(ann.get(f"{path}?limit=-1"), 400, "limit")
    assert_error(ann.get(f"{REPO}/teamMembers/99"), 404)
    assert ok(ann.get(f"{REPO}/teamMembers/count/{team}")) == {"count": 3}
    assert ok(ann.get(f"{REPO}/teamMembers/count/{team}?fragment=b")) == {"count": 1}
    assert_error(ann.get(f"{REPO}/teamMembers/count/99"), 404)
    assert_error(ann.get(f"{TEAM}/{team}/member/99"), 404, "99")


def test_status_of_invited_requesting_and_other_users(ann, ben, carol, dan, anonymous):
    team = create_team(ann)["id"]
    stranger = {
        "teamId": team, "userId": str(ben.id), "isMember": False, "hasOpenInvitation": False,
        "hasOpenRequest": False, "canJoin": False, "membershipApprovalRequired": True,
        "hasUnmetAccessRequirement": False, "canSendEmail": True,
    }  # fmt: skip
    assert get_status(ben, team, ben) == stranger
    ok(ann.post(INVITATION, {"teamId": team, "inviteeId": str(ben.id)}))
    invited = {**stranger, "hasOpenInvitation": True, "canJoin": True}
    assert get_status(ben, team, ben) == invited
    # an administrator cannot add an invited user without a request
    assert get_status(ann, team, ben) == {**invited, "canJoin": False}
    ok(dan.post(REQUEST, {"teamId": team}))
    asking = {**stranger, "userId": str(dan.id), "hasOpenRequest": True}
    assert get_status(dan, team, dan) == asking
    assert get_status(ann, team, dan) == {**asking, "canJoin": True}
    assert get_status(anonymous, team, dan) == asking
    member = get_status(carol, team, ann)
    assert (member["isMember"], member["membershipApprovalRequired"]) == (True, False)
    assert get_status(ann, team, ann)["canJoin"] is True
    public = create_team(ann, canPublicJoin=True)["id"]
    open_status = get_status(ben, public, ben)
    assert (open_status["canJoin"], open_status["membershipApprovalRequired"]) == (True, False)
    for path in (f"99/member/{ben.id}", f"{team}/member/99", f"{team}/member/{public}"):
        assert_error(ann.get(f"{TEAM}/{path}/membershipStatus"), 404)
