"""Teams: members, invitations and membership.

Source: https://rest-docs.synapse.org (TeamController, MembershipInvitationController)
"""

from collections.abc import Iterator
from typing import Any

from synapse_workflows.client.api.users import getUserProfile
from synapse_workflows.client.core import flows
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.ids import id_of, parse_numeric_id
from synapse_workflows.client.model.teams import Team, TeamMember


def getTeam(syn: Session, id: Any) -> Team:
    """Get a team by its ID or name.

    Args:
        syn: The session that sends the requests.
        id: ID of a team, the exact name of a team, or the team.

    Raises:
        ValueError: No team has this name.
        SynapseNotFoundError: No team has this ID.

    Source:
        GET /team/{id}, GET /teams?fragment=
        https://rest-docs.synapse.org/rest/GET/team/id.html
    """
    return Team(**syn.call("GET", Team.getURI(_resolve_team_id(syn, id))).object)


def getTeamMembers(syn: Session, team: Any) -> Iterator[TeamMember]:
    """Iterate over the members of a team.

    Args:
        syn: The session that sends the requests: one for each page of 20 members.
        team: A team, its ID, or its name.

    Raises:
        ValueError: No team has this name.
        SynapseNotFoundError: No team has this ID.

    Source:
        GET /teamMembers/{id}
        https://rest-docs.synapse.org/rest/GET/teamMembers/id.html
    """
    call = flows.Call("GET", f"/teamMembers/{_resolve_team_id(syn, team)}")
    for one in syn.iter_items(flows.with_offset(call)):
        yield TeamMember(**one)


def get_team_open_invitations(syn: Session, team: Any) -> Iterator[dict[str, Any]]:
    """Iterate over the open invitations to a team.

    Args:
        syn: The session that sends the requests: one for each page of 20 invitations.
        team: A team, its ID, or its name.

    Yields:
        MembershipInvitation: ``id``, ``teamId``, ``inviteeId`` or ``inviteeEmail``, ``message``,
        ``createdOn``, ``createdBy``, ``expiresOn``.

    Raises:
        ValueError: No team has this name.
        SynapseForbiddenError: The caller may not invite users to the team.
        SynapseNotFoundError: No team has this ID.

    Source:
        GET /team/{id}/openInvitation
        https://rest-docs.synapse.org/rest/GET/team/id/openInvitation.html
    """
    call = flows.Call("GET", f"/team/{_resolve_team_id(syn, team)}/openInvitation")
    yield from syn.iter_items(flows.with_offset(call))


def get_membership_status(syn: Session, userid: Any, team: Any) -> dict[str, Any]:
    """Get the relation of a user to a team.

    Args:
        syn: The session that sends the requests.
        userid: A user ID or name, or a profile.
        team: A team, its ID, or its name.

    Returns:
        TeamMembershipStatus: ``teamId``, ``userId``, ``isMember``, ``hasOpenInvitation``,
        ``hasOpenRequest``, ``canJoin``, ``membershipApprovalRequired``,
        ``hasUnmetAccessRequirement``, ``canSendEmail``.

    Raises:
        ValueError: No user or no team has this name.
        SynapseNotFoundError: No user or no team has this ID.

    Source:
        GET /team/{id}/member/{principalId}/membershipStatus
        https://rest-docs.synapse.org/rest/GET/team/id/member/principalId/membershipStatus.html
    """
    team_id, user_id = _resolve_team_id(syn, team), _resolve_user_id(syn, userid)
    return dict(syn.call("GET", f"/team/{team_id}/member/{user_id}/membershipStatus").object)


def send_membership_invitation(
    syn: Session,
    teamId: Any,
    inviteeId: Any = None,
    inviteeEmail: str | None = None,
    message: str | None = None,
) -> dict[str, Any]:
    """Invite a user, or the owner of an e-mail address, to a team.

    Args:
        syn: The session that sends the requests.
        teamId: A team, its ID, or its name.
        inviteeId: A user ID or name, or a profile.
        inviteeEmail: The e-mail address, instead of `inviteeId`.
        message: Text of the invitation.

    Returns:
        The MembershipInvitation, see `get_team_open_invitations`.

    Raises:
        ValueError: Not exactly one of `inviteeId` and `inviteeEmail` was passed; or no user or no
            team has this name.
        SynapseForbiddenError: The caller may not invite users to the team.

    Source:
        POST /membershipInvitation
        https://rest-docs.synapse.org/rest/POST/membershipInvitation.html
    """
    if (inviteeId is None) == (inviteeEmail is None):
        raise ValueError(
            f"Specify either inviteeId or inviteeEmail: {inviteeId!r:.80} and {inviteeEmail!r}."
        )
    invitee = (
        {"inviteeEmail": inviteeEmail}
        if inviteeId is None
        else {"inviteeId": _resolve_user_id(syn, inviteeId)}
    )
    text = {} if message is None else {"message": message}
    body = {"teamId": _resolve_team_id(syn, teamId), **invitee, **text}
    return dict(syn.call("POST", "/membershipInvitation", json=body).object)


def invite_to_team(
    syn: Session,
    team: Any,
    user: Any = None,
    inviteeEmail: str | None = None,
    message: str | None = None,
    force: bool = False,
) -> dict[str, Any] | None:
    """Invite a user to a team, unless the user is a member or has an open invitation.

    Args:
        syn: The session that sends the requests.
        team: A team, its ID, or its name.
        user: A user ID or name, or a profile.
        inviteeEmail: An e-mail address, instead of `user`.
        message: Text of the invitation.
        force: Whether to replace open invitations of the user by a new one.

    Returns:
        The MembershipInvitation, see `get_team_open_invitations`; None if no invitation was sent,
        which is logged as a warning.

    Raises:
        ValueError: Not exactly one of `user` and `inviteeEmail` was passed; or no user or no team
            has this name.
        SynapseForbiddenError: The caller may not invite users to the team.

    Source:
        GET /team/{id}/member/{principalId}/membershipStatus, GET /team/{id}/openInvitation,
        DELETE /membershipInvitation/{id}, POST /membershipInvitation
        https://rest-docs.synapse.org/rest/POST/membershipInvitation.html
    """
    if (user is None) == (inviteeEmail is None):
        raise ValueError("Must specify either 'user' or 'inviteeEmail'")
    team_id = _resolve_team_id(syn, team)
    user_id = None if user is None else str(getUserProfile(syn, user)["ownerId"])
    if user_id is not None and get_membership_status(syn, user_id, team_id)["isMember"]:
        syn.logger.warning("No invitation sent: %s is a member of team %s", user, team_id)
        return None
    opened = [
        one
        for one in get_team_open_invitations(syn, team_id)
        if _is_invitation_of(one, user_id, inviteeEmail)
    ]
    if opened and not force:
        syn.logger.warning(
            "No invitation sent: %s has an open invitation to team %s. Set force=True to replace "
            "it.",
            user or inviteeEmail,
            team_id,
        )
        return None
    for one in opened:
        syn.call("DELETE", f"/membershipInvitation/{one['id']}")
    return send_membership_invitation(syn, team_id, user_id, inviteeEmail, message)


def _is_invitation_of(invitation: dict[str, Any], user_id: str | None, email: str | None) -> bool:
    if user_id is not None:
        return str(invitation.get("inviteeId")) == user_id
    return str(invitation.get("inviteeEmail")).casefold() == str(email).casefold()


def _resolve_team_id(syn: Session, team: Any) -> str:
    """Return the ID of a team.

    Raises:
        ValueError: No team has this name.
    """
    if not isinstance(team, str) or _is_id(team):
        return parse_numeric_id(team, "team")
    call = flows.Call("GET", "/teams", params={"fragment": team})
    for one in syn.iter_items(flows.with_offset(call)):
        if one["name"] == team:
            return id_of(one)
    raise ValueError(f'Can\'t find team "{team}": no team has exactly this name.')


def _resolve_user_id(syn: Session, user: Any) -> str:
    """Return the ID of a user, without a request if `user` is an ID."""
    if isinstance(user, int | str) and _is_id(str(user)):
        return str(user).strip()
    return str(getUserProfile(syn, user)["ownerId"])


def _is_id(text: str) -> bool:
    return text.isascii() and text.strip().isdecimal()
