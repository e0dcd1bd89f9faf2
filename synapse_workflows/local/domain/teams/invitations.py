"""Invitations to teams, of users or of e-mail addresses.

An invitation of an e-mail address is valid for the user with that address. An invitation is open
until it expires. It is deleted when the invitee joins the team.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete as sql_delete, exists, func, or_, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id, parse_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.teams import access
from synapse_workflows.local.errors import BadRequest, CertificationRequired, Forbidden
from synapse_workflows.local.storage.models import Profile
from synapse_workflows.local.storage.team_models import MembershipInvitation

#: Properties that the service sets.
_SERVER_FIELDS = ("id", "createdOn", "createdBy")


def _is_open(now: int) -> ColumnElement[bool]:
    expires_on = MembershipInvitation.expires_on
    return or_(expires_on.is_(None), expires_on > now)


def _is_for(user_id: int) -> ColumnElement[bool]:
    """Return the SQL condition that a user is the invitee, by ID or by e-mail address."""
    email = select(func.lower(Profile.email)).where(
        Profile.owner_id == user_id, Profile.email != ""
    )
    return or_(
        MembershipInvitation.invitee_id == user_id,
        func.lower(MembershipInvitation.invitee_email).in_(email),
    )


def has_open(session: Session, team_id: int, user_id: int, now: int) -> bool:
    """Return whether a user has an open invitation to a team.

    Args:
        session: Database session.
        team_id: ID of the team.
        user_id: ID of the user.
        now: Milliseconds since the epoch.
    """
    is_of_team = MembershipInvitation.team_id == team_id
    condition = and_(is_of_team, _is_for(user_id), _is_open(now))
    return bool(session.scalar(select(exists().where(condition))))


def close(session: Session, team_id: int, user_id: int) -> None:
    """Delete all invitations of a user to a team."""
    session.execute(
        sql_delete(MembershipInvitation)
        .where(MembershipInvitation.team_id == team_id, _is_for(user_id))
        .execution_options(synchronize_session=False)
    )


def create(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Invite a user or an e-mail address to a team.

    Args:
        session: Database session.
        caller: The inviter. Needs TEAM_MEMBERSHIP_UPDATE on the team, and certification to
            invite an e-mail address.
        body: The MembershipInvitation.

    Returns:
        The MembershipInvitation.

    Raises:
        BadRequest: A property is missing, invalid or set by the service, or the body does not
            have exactly one invitee.
        Forbidden: The caller lacks a right or is not certified.
        NotFound: No such team or user.
    """
    request_fields.check_absent(body, _SERVER_FIELDS)
    team_id = parse_id(request_fields.get_required_text(body, "teamId"), "teamId")
    invitee, email = _parse_invitee(body)
    message = request_fields.get_text(body, "message")
    expires_on = request_fields.get_date(body, "expiresOn")
    access.require(session, caller, team_id, AccessType.TEAM_MEMBERSHIP_UPDATE)
    if invitee is not None:
        access.check_user(session, invitee)
    elif not caller.is_certified:
        raise CertificationRequired("Only certified users can invite an e-mail address to a team.")
    invitation = MembershipInvitation(
        id=next_id(session, "membership_invitation"),
        team_id=team_id,
        invitee_id=invitee,
        invitee_email=email,
        message=message,
        expires_on=expires_on,
        created_on=caller.now,
        created_by=caller.id,
    )
    session.add(invitation)
    session.flush()
    return _serialize(invitation)


def _parse_invitee(body: Mapping[str, Any]) -> tuple[int | None, str | None]:
    """Return the user ID and the e-mail address of the invitee; exactly one is not None."""
    invitee = request_fields.get_text(body, "inviteeId")
    email = request_fields.get_text(body, "inviteeEmail")
    if bool(invitee) == bool(email):
        raise BadRequest("Exactly one of inviteeId and inviteeEmail is required.")
    if invitee:
        return parse_id(invitee, "inviteeId"), None
    address = (email or "").strip()
    name, at, domain = address.rpartition("@")
    if not (name and at and domain) or any(each.isspace() for each in address):
        raise BadRequest(f"inviteeEmail: '{email}' is not an e-mail address.")
    return None, address


def get(session: Session, caller: Caller, invitation_id: int) -> dict[str, Any]:
    """Return a MembershipInvitation.

    Raises:
        Forbidden: The caller is neither the invitee nor an administrator of the team.
        NotFound: No such invitation.
    """
    message = f"MembershipInvitation with id {invitation_id} does not exist"
    invitation = get_or_404(session, MembershipInvitation, invitation_id, message)
    _check_access(session, caller, invitation)
    return _serialize(invitation)


def delete(session: Session, caller: Caller, invitation_id: int) -> None:
    """Delete an invitation. An unknown ID is ignored.

    Raises:
        Forbidden: The caller is neither the invitee nor an administrator of the team.
    """
    invitation = session.get(MembershipInvitation, invitation_id)
    if invitation is not None:
        _check_access(session, caller, invitation)
        session.delete(invitation)


def _check_access(session: Session, caller: Caller, invitation: MembershipInvitation) -> None:
    is_invitee = select(
        exists().where(MembershipInvitation.id == invitation.id, _is_for(caller.id))
    )
    if not caller.is_anonymous and session.scalar(is_invitee):
        return
    if not access.is_allowed(
        session, caller, invitation.team_id, AccessType.TEAM_MEMBERSHIP_UPDATE
    ):
        raise Forbidden(
            "Only the invitee and the administrators of the team can access an invitation."
        )


def list_of_team(
    session: Session, caller: Caller, team_id: int, invitee: int | None, page: Page
) -> list[dict[str, Any]]:
    """List the open invitations to a team, oldest first.

    Args:
        session: Database session.
        caller: User of the request; needs TEAM_MEMBERSHIP_UPDATE on the team.
        team_id: ID of the team.
        invitee: ID of the invited user; None for all.
        page: Limit and offset.

    Raises:
        Forbidden: The caller lacks TEAM_MEMBERSHIP_UPDATE.
        NotFound: No such team.
    """
    access.require(session, caller, team_id, AccessType.TEAM_MEMBERSHIP_UPDATE)
    query = _select_open(caller, page).where(MembershipInvitation.team_id == team_id)
    if invitee is not None:
        query = query.where(_is_for(invitee))
    return [_serialize(each) for each in session.scalars(query)]


def list_of_user(
    session: Session, caller: Caller, user_id: int, team_id: int | None, page: Page
) -> list[dict[str, Any]]:
    """List the open invitations of a user, oldest first.

    Args:
        session: Database session.
        caller: User of the request: the user or an administrator of the service.
        user_id: ID of the user.
        team_id: ID of the team; None for all teams.
        page: Limit and offset.

    Raises:
        Forbidden: The caller is another user.
    """
    access.check_self(caller, user_id)
    query = _select_open(caller, page).where(_is_for(user_id))
    if team_id is not None:
        query = query.where(MembershipInvitation.team_id == team_id)
    return [_serialize(each) for each in session.scalars(query)]


def _select_open(caller: Caller, page: Page) -> Select[MembershipInvitation]:
    query = select(MembershipInvitation).where(_is_open(caller.now))
    return query.order_by(MembershipInvitation.id).limit(page.limit).offset(page.offset)


def _serialize(invitation: MembershipInvitation) -> dict[str, Any]:
    invitee, expires_on = invitation.invitee_id, invitation.expires_on
    return {
        "id": str(invitation.id),
        "teamId": str(invitation.team_id),
        "inviteeId": None if invitee is None else str(invitee),
        "inviteeEmail": invitation.invitee_email,
        "message": invitation.message,
        "expiresOn": None if expires_on is None else to_iso(expires_on),
        "createdOn": to_iso(invitation.created_on),
        "createdBy": str(invitation.created_by),
    }
