"""The official client manages teams and invitations, with both of its interfaces."""

from uuid import uuid4

import pytest

from synapse_workflows import Team

BOB = 3300002


@pytest.fixture
def official(driven):
    """Run a command of official_teams.py as a user."""
    return driven("official_teams.py")


def test_functions_of_the_2_x_interface(official):
    """Alice creates the team and invites bob, who joins; alice deletes the team."""
    name = f"Team {uuid4()}"
    team = official("flat_team", name=name, other=BOB)
    assert team == {
        "id": team["id"],
        "found": team["id"],
        "description": "again",
        "members": [["alice", True]],
        "rights": ["READ", "SEND_MESSAGE", "UPDATE"],
    }
    invited = official("flat_invite", team=team["id"], invitee="bob")
    assert invited == {
        "invitee": str(BOB),
        "message": "Welcome",
        "again": None,
        "forced": True,
        "open": True,
        "status": {
            "teamId": team["id"], "userId": str(BOB), "isMember": False,
            "hasOpenInvitation": True, "hasOpenRequest": False, "canJoin": False,
            "membershipApprovalRequired": True, "hasUnmetAccessRequirement": False,
            "canSendEmail": True,
        },
    }  # fmt: skip
    joined = official("accept", user="bob", team=team["id"])
    assert joined["member"] is True
    assert team["id"] in joined["teams"]
    ended = official("flat_end", team=team["id"], invitee="bob")
    assert f"Team with id {team['id']} does not exist" in ended.pop("gone")
    assert ended == {"members": ["alice", "bob"], "again": None, "open": 1}


def test_both_clients_read_what_the_other_wrote(official, socket_service):
    ours = socket_service.client("alice")
    name = f"Team {uuid4()}"
    theirs = official("flat_team", name=name, other=BOB)["id"]
    assert ours.getTeam(name).description == "again"
    assert ours.getPermissions(ours.getTeam(theirs), BOB) == ["READ", "UPDATE"]
    invited = official("flat_invite", team=theirs, invitee="bob")
    assert ours.get_membership_status(BOB, theirs) == invited["status"]
    opened = list(ours.get_team_open_invitations(theirs))
    assert [each.get("inviteeEmail") for each in opened] == [None, "someone@example.org"]
    mine = ours.store(Team(name=f"Team {uuid4()}", description="by us"))
    ours.invite_to_team(mine, user="bob", message="Hello")
    assert official("accept", user="bob", team=mine.id)["member"] is True
    members = [(each.member.userName, each.isAdmin) for each in ours.getTeamMembers(mine)]
    assert members == [("alice", True), ("bob", False)]
    ended = official("flat_end", team=mine.id, invitee="bob")
    assert ended["members"] == ["alice", "bob"]


def test_classes_of_the_4_x_interface(official):
    name = f"Team {uuid4()}"
    result = official("models", name=name, invitee="bob")
    assert "does not exist" in result.pop("gone")
    assert f"The name {name} is already taken" in result.pop("taken")
    assert result == {
        "id": True,
        "public": [True, True],
        "description": "by the models",
        "members": [["alice", True]],
        "invited": True,
        "status": [True, False, False],
        "closed": False,
        "listed": [name],
        "mine": True,
    }
