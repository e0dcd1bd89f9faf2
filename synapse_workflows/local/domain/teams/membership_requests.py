"""Requests of users to become members of a team.

A request is open until it expires. It is deleted when the user joins the team.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, delete as sql_delete, exists, or_, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id, parse_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.teams import access
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.models import Membership
from synapse_workflows.local.storage.team_models import MembershipRequest, Team

#: Properties that the service sets.
_SERVER_FIELDS = ("id", "createdOn", "createdBy")


def has_open(session: Session, team_id: int, user_id: int, now: int) -> bool:
    """Return whether a user has an open request to join a team.

    Args:
        session: Database session.
        team_id: ID of the team.
        user_id: ID of the user.
        now: Milliseconds since the epoch.
    """
    expires_on = MembershipRequest.expires_on
    is_open = or_(expires_on.is_(None), expires_on > now)
    return bool(session.scalar(select(exists().where(*_is_of(team_id, user_id), is_open))))


def close(session: Session, team_id: int, user_id: int) -> None:
    """Delete all requests of a user to join a team."""
    session.execute(sql_delete(MembershipRequest).where(*_is_of(team_id, user_id)))


def _is_of(team_id: int, user_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return MembershipRequest.team_id == team_id, MembershipRequest.user_id == user_id


def create(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Request that the caller becomes a member of a team.

    Returns:
        The MembershipRequest.

    Raises:
        BadRequest: A property is missing, invalid or set by the service; the caller can join
            without a request; or the team does not accept requests.
        Forbidden: The caller is anonymous, or requests the membership of another user.
        NotFound: No such team.
    """
    request_fields.check_absent(body, _SERVER_FIELDS)
    if caller.is_anonymous:
        raise Forbidden("Anonymous users cannot request the membership in a team.")
    team_id = parse_id(request_fields.get_required_text(body, "teamId"), "teamId")
    user_id = parse_id(request_fields.get_text(body, "userId") or caller.id, "userId")
    if user_id != caller.id:
        raise Forbidden("Cannot request the membership of another user.")
    message = request_fields.get_text(body, "message")
    expires_on = request_fields.get_date(body, "expiresOn")
    _check_needed(session, access.get_team(session, team_id), user_id)
    request = MembershipRequest(
        id=next_id(session, "membership_request"),
        team_id=team_id,
        user_id=user_id,
        message=message,
        expires_on=expires_on,
        created_on=caller.now,
        created_by=caller.id,
    )
    session.add(request)
    session.flush()
    return _serialize(request)


def _check_needed(session: Session, team: Team, user_id: int) -> None:
    if session.get(Membership, (team.id, user_id)) is not None:
        raise BadRequest(f"User {user_id} is already a member of the team {team.id}.")
    if team.can_public_join:
        raise BadRequest(f"The team {team.id} is public: join it without a membership request.")
    if not team.can_request_membership:
        raise BadRequest(f"The team {team.id} does not accept membership requests.")


def _serialize(request: MembershipRequest) -> dict[str, Any]:
    return {
        "id": str(request.id),
        "teamId": str(request.team_id),
        "userId": str(request.user_id),
        "message": request.message,
        "expiresOn": None if request.expires_on is None else to_iso(request.expires_on),
        "createdOn": to_iso(request.created_on),
        "createdBy": str(request.created_by),
    }
