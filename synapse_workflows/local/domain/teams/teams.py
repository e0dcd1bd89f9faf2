"""Teams: groups of users. A team is a principal, so ACLs can name it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete as sql_delete, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import (
    access_lists,
    entities,
    file_handles,
    principal_names,
    request_fields,
)
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import generate_etag, next_principal_id, parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.teams import access, membership, team_acl
from synapse_workflows.local.errors import Forbidden
from synapse_workflows.local.storage.models import Membership, Principal
from synapse_workflows.local.storage.team_models import Team

#: Properties that the service sets.
_SERVER_FIELDS = ("id", "etag", "createdOn", "createdBy", "modifiedOn", "modifiedBy")


def _serialize(principal: Principal, team: Team) -> dict[str, Any]:
    """Return a Team."""
    return {
        "id": str(team.id),
        "name": principal.name,
        "description": team.description,
        "icon": None if team.icon is None else str(team.icon),
        "canPublicJoin": team.can_public_join,
        "canRequestMembership": team.can_request_membership,
        "etag": team.etag,
        "createdOn": to_iso(principal.created_on),
        "createdBy": str(team.created_by),
        "modifiedOn": to_iso(team.modified_on),
        "modifiedBy": str(team.modified_by),
    }


def get(session: Session, team_id: int) -> dict[str, Any]:
    """Return a Team. The caller needs no right.

    Raises:
        NotFound: No such team.
    """
    team = access.get_team(session, team_id)
    return _serialize(session.get_one(Principal, team_id), team)


def create(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create a team. The caller becomes a member and the administrator of the team.

    Returns:
        The Team.

    Raises:
        BadRequest: A property is missing, invalid or set by the service.
        Conflict: Another user or team has the name.
        Forbidden: The caller is anonymous, or does not own the file handle of the icon.
        NotFound: No such file handle.
    """
    if caller.is_anonymous:
        raise Forbidden("Anonymous users cannot create teams.")
    request_fields.check_absent(body, _SERVER_FIELDS)
    name = _parse_name(session, body, None)
    principal = Principal(
        id=next_principal_id(session),
        name=name,
        alias=principal_names.normalize_name(name),
        is_individual=False,
        created_on=caller.now,
    )
    team = Team(id=principal.id, created_by=caller.id, icon=None)
    _set_properties(session, caller, team, body)
    session.add(principal)
    session.flush()
    session.add(team)
    session.flush()
    membership.insert_member(session, team.id, caller.id)
    team_acl.create(session, caller, team.id)
    return _serialize(principal, team)


def update(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the properties of a team. The body contains the ID. Omitted properties are cleared.

    Returns:
        The Team.

    Raises:
        BadRequest: A property is missing or invalid.
        Conflict: Another user or team has the name.
        Forbidden: The caller lacks UPDATE, or does not own the file handle of the new icon.
        NotFound: No such team or file handle.
        StaleEtag: The etag is not the current one.
    """
    team_id = parse_id(request_fields.get_required_text(body, "id"), "id")
    team = access.require(session, caller, team_id, AccessType.UPDATE)
    entities.check_etag(str(team_id), team.etag, body)
    principal = session.get_one(Principal, team_id)
    name = _parse_name(session, body, team_id)
    _set_properties(session, caller, team, body)
    principal.name, principal.alias = name, principal_names.normalize_name(name)
    session.flush()
    return _serialize(principal, team)


def _parse_name(session: Session, body: Mapping[str, Any], team_id: int | None) -> str:
    name = request_fields.get_required_text(body, "name").strip()
    principal_names.check_available(session, name, team_id)
    return name


def _set_properties(session: Session, caller: Caller, team: Team, body: Mapping[str, Any]) -> None:
    """Set all properties of a team except its name."""
    icon = request_fields.get_text(body, "icon")
    handle_id = parse_id(icon, "icon") if icon else None
    if handle_id not in {None, team.icon}:
        file_handles.get_own_handle(session, caller, handle_id)
    team.icon = handle_id
    team.description = request_fields.get_text(body, "description")
    team.can_public_join = request_fields.get_boolean(body, "canPublicJoin")
    team.can_request_membership = request_fields.get_boolean(
        body, "canRequestMembership", default=True
    )
    team.modified_on, team.modified_by, team.etag = caller.now, caller.id, generate_etag()


def delete(session: Session, caller: Caller, team_id: int) -> None:
    """Delete a team, its memberships, invitations and requests, and its entries in all ACLs.

    Raises:
        Forbidden: The caller lacks DELETE.
        NotFound: No such team.
    """
    team = access.require(session, caller, team_id, AccessType.DELETE)
    team_acl.delete(session, team_id)
    access_lists.delete_principal(session, team_id)
    session.execute(sql_delete(Membership).where(Membership.group_id == team_id))
    session.delete(team)
    session.flush()
    session.delete(session.get_one(Principal, team_id))


def list_by_fragment(session: Session, fragment: str, page: Page) -> list[dict[str, Any]]:
    """List the teams whose name starts with a fragment, ignoring case, sorted by name.

    Args:
        session: Database session.
        fragment: Start of the name; empty for all teams.
        page: Limit and offset.
    """
    text = fragment.strip().lower()
    query = (
        select(Principal, Team)
        .join(Team, Team.id == Principal.id)
        .where(func.unicode_lower(Principal.name).startswith(text, autoescape=True))
        .order_by(Principal.alias)
    )
    rows = session.execute(query.limit(page.limit).offset(page.offset))
    return [_serialize(principal, team) for principal, team in rows]


def list_by_ids(session: Session, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the teams of an IdList.

    Raises:
        BadRequest: The list is malformed.
        NotFound: A team does not exist.
    """
    team_ids = [parse_id(each, "list") for each in request_fields.get_list(body, "list") or []]
    return [get(session, each) for each in team_ids]


def list_of_user(session: Session, user_id: int, page: Page) -> list[dict[str, Any]]:
    """List the teams of a user, sorted by ID."""
    query = (
        select(Principal, Team)
        .join(Team, Team.id == Principal.id)
        .join(Membership, Membership.group_id == Team.id)
        .where(Membership.member_id == user_id)
        .order_by(Team.id)
    )
    rows = session.execute(query.limit(page.limit).offset(page.offset))
    return [_serialize(principal, team) for principal, team in rows]


def has_icon(session: Session, team_id: int, handle_id: int) -> bool:
    """Return whether a file handle is the icon of a team."""
    team = session.get(Team, team_id)
    return team is not None and team.icon == handle_id
