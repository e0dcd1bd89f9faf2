"""Teams and invitations with the official client; see official.py."""

import asyncio

import synapseclient
from official import main
from synapseclient.api import get_teams_for_user, post_team_list
from synapseclient.core.exceptions import SynapseHTTPError, SynapseNotFoundError
from synapseclient.models import Team, UserProfile


def refusal(call):
    """Return the message of the error that a call raises."""
    try:
        call()
    except (SynapseHTTPError, SynapseNotFoundError) as error:
        return str(error)
    return None


def flat_team(syn, a):
    """Create, find, update, share and list a team with the functions of 2.x."""
    made = syn.store(synapseclient.Team(name=a["name"], description="by the flat functions"))
    team = syn.getTeam(a["name"])
    team["description"] = "again"
    changed = syn.store(team)
    syn.setPermissions(changed, a["other"], accessType=["READ", "UPDATE"], warn_if_inherits=False)
    return {
        "id": made.id,
        "found": team.id,
        "description": syn.getTeam(made.id).description,
        "members": [[each.member.userName, each.isAdmin] for each in syn.getTeamMembers(made)],
        "rights": sorted(syn.getPermissions(changed, a["other"])),
    }


def flat_invite(syn, a):
    """Invite a user, twice with `force`, and an e-mail address."""
    first = syn.invite_to_team(a["team"], user=a["invitee"], message="Welcome")
    again = syn.invite_to_team(a["team"], user=a["invitee"])
    forced = syn.invite_to_team(a["team"], user=a["invitee"], force=True)
    mail = syn.invite_to_team(a["team"], inviteeEmail="someone@example.org")
    opened = list(syn.get_team_open_invitations(a["team"]))
    return {
        "invitee": first["inviteeId"],
        "message": first["message"],
        "again": again,
        "forced": forced["id"] != first["id"],
        "open": [each["id"] for each in opened] == [forced["id"], mail["id"]],
        "status": syn.get_membership_status(first["inviteeId"], a["team"]),
    }


def accept(syn, a):
    """Join a team, and list the teams of the user."""
    me = syn.getUserProfile().ownerId
    syn.restPUT(f"/team/{a['team']}/member/{me}")
    teams = [each.id for each in syn._find_teams_for_principal(me)]
    return {"member": syn.get_membership_status(me, a["team"])["isMember"], "teams": teams}


def flat_end(syn, a):
    """List the members and send no invitation to a member; delete the team."""
    result = {
        "members": sorted(each.member.userName for each in syn.getTeamMembers(a["team"])),
        "again": syn.invite_to_team(a["team"], user=a["invitee"]),
        "open": len(list(syn.get_team_open_invitations(a["team"]))),
    }
    team = syn.getTeam(a["team"])
    syn.delete(team)
    return {**result, "gone": refusal(lambda: syn.getTeam(a["team"]))}


async def list_team_ids(user):
    """Return the IDs of the teams of a user."""
    return [each["id"] async for each in get_teams_for_user(user)]


def models(syn, a):
    """Do all that with the classes of 4.x."""
    team = Team(name=a["name"], description="by the models", can_public_join=True).create()
    found = Team.from_name(a["name"])
    user = UserProfile.from_username(a["invitee"])
    invitation = found.invite(user=a["invitee"], message="Welcome")
    opened = found.open_invitations()
    status = found.get_user_membership_status(str(user.id))
    Team.delete_invitation(opened[0]["id"])
    closed = found.get_user_membership_status(str(user.id))
    me = str(syn.getUserProfile().ownerId)
    result = {
        "id": found.id == team.id == Team(id=team.id).get().id,
        "public": [team.can_public_join, team.can_request_membership],
        "description": found.description,
        "members": [[each.member.user_name, each.is_admin] for each in found.members()],
        "invited": [invitation["id"]] == [each["id"] for each in opened],
        "status": [status.has_open_invitation, status.can_join, status.is_member],
        "closed": closed.has_open_invitation,
        "listed": [each["name"] for each in asyncio.run(post_team_list([int(team.id)]))],
        "mine": str(team.id) in asyncio.run(list_team_ids(me)),
        "taken": refusal(lambda: Team(name=a["name"]).create()),
    }
    team.delete()
    return {**result, "gone": refusal(lambda: Team(id=team.id).get())}


if __name__ == "__main__":
    main(globals())
