"""Tests of teams: create, update, delete, members, invitations and permissions."""

from uuid import uuid4

import pytest

from synapse_workflows import Team, TeamMember, UserGroupHeader
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseStaleError,
)


@pytest.fixture
def name():
    """An unused name of a team."""
    return f"team {uuid4()}"


@pytest.fixture
def team(syn, name):
    """A team of alice."""
    return syn.store(Team(name=name, description="first", canPublicJoin=False))


def join(team, client):
    """Add the user of a client to a team, which the user may join."""
    owner = client.getUserProfile().ownerId
    client.restPUT(f"/team/{team.id}/member/{owner}")
    return owner


def test_stored_team_is_found(syn, team, name):
    assert isinstance(team, Team)
    for found in (syn.getTeam(team), syn.getTeam(team.id), syn.getTeam(int(team.id))):
        assert found == team
    assert syn.getTeam(name) == team
    assert (team.name, team.description, team.canPublicJoin) == (name, "first", False)


def test_name_must_match_exactly(syn, team, name):
    longer = syn.store(Team(name=f"{name} B"))
    assert syn.getTeam(name).id == team.id
    assert syn.getTeam(longer.name).id == longer.id
    for unknown in (name[:-1], f"unknown {uuid4()}"):
        with pytest.raises(ValueError, match=f'Can\'t find team "{unknown}"'):
            syn.getTeam(unknown)
    with pytest.raises(SynapseNotFoundError):
        syn.getTeam(987654321)


@pytest.mark.parametrize("special", ["50% & more", "a+b", "x#y?", "a/b", "Team 'A'", "é"])
def test_name_with_special_characters_is_found(syn, special):
    try:
        team = syn.store(Team(name=f"{special} {uuid4()}"))
    except ValueError:
        pytest.skip("not a valid name of a team")
    assert syn.getTeam(team.name).id == team.id


def test_digits_of_other_scripts_are_a_name(syn):
    name = "".join(chr(ord("\u0660") + int(digit)) for digit in str(uuid4().int))
    team = syn.store(Team(name=name))
    assert syn.getTeam(name).id == team.id


def test_update_and_delete_team(syn, bob, team):
    stale = Team(**team)
    team.description = "second"
    stored = syn.store(team)
    assert stored.description == syn.getTeam(team).description == "second"
    with pytest.raises(SynapseStaleError):
        syn.store(stale)
    with pytest.raises(SynapseForbiddenError):
        bob.delete(stored)
    syn.delete(stored)
    with pytest.raises(SynapseNotFoundError):
        syn.getTeam(stored.id)


def test_name_of_other_team_is_rejected(syn, team, name):
    with pytest.raises(ValueError, match="Get the existing team"):
        syn.store(Team(name=name))
    with pytest.raises(SynapseConflictError):
        syn.store(Team(name=name), createOrUpdate=False)


def test_members_of_team(syn, bob, team):
    (member,) = syn.getTeamMembers(team)
    assert isinstance(member, TeamMember)
    assert isinstance(member.member, UserGroupHeader)
    assert (member.teamId, member.isAdmin, member.member.userName) == (team.id, True, "alice")
    assert bob.getUserProfile(member).userName == "alice"
    assert [one.member.userName for one in syn.getTeamMembers(team.name)] == ["alice"]
    with pytest.raises(SynapseNotFoundError):
        list(syn.getTeamMembers(987654321))


def test_invited_user_joins(syn, bob, team):
    assert not syn.get_membership_status("bob", team)["isMember"]
    invitation = syn.invite_to_team(team, "bob", message="welcome")
    assert (invitation["teamId"], invitation["message"]) == (team.id, "welcome")
    assert list(syn.get_team_open_invitations(team)) == [invitation]
    status = bob.get_membership_status(bob.getUserProfile().ownerId, team.id)
    assert (status["isMember"], status["hasOpenInvitation"], status["canJoin"]) == (
        False,
        True,
        True,
    )
    owner = join(team, bob)
    assert invitation["inviteeId"] == owner
    assert bob.get_membership_status(bob.getUserProfile(), team.name)["isMember"]
    assert {one.member.userName for one in syn.getTeamMembers(team)} == {"alice", "bob"}
    assert list(syn.get_team_open_invitations(team.name)) == []


def test_members_of_team_are_not_invited(verbose_client, log_messages, bob, team):
    verbose_client.invite_to_team(team, "bob")
    join(team, bob)
    for force in (False, True):
        assert verbose_client.invite_to_team(team, "bob", force=force) is None
        assert log_messages[-1].startswith("No invitation sent: bob is a member")
    assert list(verbose_client.get_team_open_invitations(team)) == []


@pytest.mark.parametrize("invitee", [{"user": "bob"}, {"inviteeEmail": "erin@example.org"}])
def test_open_invitation_is_replaced_by_force(verbose_client, log_messages, team, invitee):
    first = verbose_client.invite_to_team(team, **invitee)
    other = verbose_client.invite_to_team(team, "carol")
    assert verbose_client.invite_to_team(team, **invitee) is None
    assert "has an open invitation" in log_messages[-1]
    second = verbose_client.invite_to_team(team, **invitee, force=True)
    assert second["id"] != first["id"]
    opened = {one["id"] for one in verbose_client.get_team_open_invitations(team)}
    assert opened == {other["id"], second["id"]}


@pytest.mark.parametrize("both", [{}, {"user": "bob", "inviteeEmail": "bob@example.org"}])
def test_invite_to_team_requires_one_invitee(syn, team, both):
    with pytest.raises(ValueError, match="either 'user' or 'inviteeEmail'"):
        syn.invite_to_team(team, **both)
    renamed = {"inviteeId" if key == "user" else key: value for key, value in both.items()}
    with pytest.raises(ValueError, match="either inviteeId or inviteeEmail"):
        syn.send_membership_invitation(team.id, **renamed)


def test_send_membership_invitation_accepts_names(syn, team, name):
    invitation = syn.send_membership_invitation(name, "bob")
    assert invitation["inviteeId"] == syn.getUserProfile("bob").ownerId
    with pytest.raises(ValueError, match="no user has this name"):
        syn.send_membership_invitation(team.id, "unknown-user")


def test_only_admins_invite(bob, team):
    with pytest.raises(SynapseForbiddenError):
        bob.send_membership_invitation(team.id, "carol")
    with pytest.raises(SynapseForbiddenError):
        list(bob.get_team_open_invitations(team))


def test_set_permissions_of_team(syn, bob, team):
    alice = syn.getUserProfile().ownerId
    assert "TEAM_MEMBERSHIP_UPDATE" in syn.getPermissions(team, alice)
    acl = syn.setPermissions(team, "bob", ["READ", "TEAM_MEMBERSHIP_UPDATE"])
    assert acl["id"] == team.id
    assert syn.getPermissions(team, "bob") == ["READ", "TEAM_MEMBERSHIP_UPDATE"]
    assert bob.send_membership_invitation(team.id, "carol")
    syn.setPermissions(team, "bob", None)
    assert syn.getPermissions(team, "bob") == []


def test_calls_of_teams(in_process_client, calls):
    """Source: traces.md; recorded paths have no query."""
    syn = in_process_client
    calls()
    team = syn.store(Team(name=f"calls {uuid4()}"))
    assert calls() == ["POST /team 201"]
    syn.getTeam(team.name)
    assert calls() == ["GET /teams 200", f"GET /team/{team.id} 200"]
    list(syn.getTeamMembers(team))
    assert calls() == [f"GET /teamMembers/{team.id} 200"] * 2
    bob = syn.getUserProfile("bob").ownerId
    calls()
    syn.invite_to_team(team, bob)
    status = f"GET /team/{team.id}/member/{bob}/membershipStatus 200"
    assert calls()[-3:] == [
        status,
        f"GET /team/{team.id}/openInvitation 200",
        "POST /membershipInvitation 201",
    ]
    syn.invite_to_team(team, bob)
    assert calls() == [status, *[f"GET /team/{team.id}/openInvitation 200"] * 2]
