"""Headers of users and teams (UserGroupHeader): lookup by ID, by name and by prefix."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import principal_names, request_fields
from synapse_workflows.local.domain.bootstrap import BUILTIN_PRINCIPALS
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Principal, Profile

MAX_ALIASES: Final = 100


class TypeFilter(StrEnum):
    """Types of principals that a search by prefix returns."""

    ALL = "ALL"
    USERS_ONLY = "USERS_ONLY"
    TEAMS_ONLY = "TEAMS_ONLY"


def serialize(principal: Principal, profile: Profile | None) -> dict[str, Any]:
    """Return the UserGroupHeader of a user or a team. Teams have no profile."""
    properties = {} if profile is None else profile.properties
    return {
        "ownerId": str(principal.id),
        "userName": principal.name,
        "firstName": properties.get("firstName"),
        "lastName": properties.get("lastName"),
        "isIndividual": principal.is_individual,
    }


def select_principals() -> Select[Principal, Profile]:
    """Return the query of all principals with their profiles, which are None for teams."""
    return select(Principal, Profile).outerjoin(Profile, Profile.owner_id == Principal.id)


def _list(session: Session, query: Select[Principal, Profile]) -> list[dict[str, Any]]:
    return [serialize(principal, profile) for principal, profile in session.execute(query)]


def list_by_prefix(
    session: Session, prefix: str, type_filter: TypeFilter, page: Page
) -> list[dict[str, Any]]:
    """List the principals with a name that starts with the prefix, as UserGroupHeaders.

    User name, first name, last name and team name are compared, ignoring case.
    """
    query = select_principals().where(
        Principal.id.not_in(BUILTIN_PRINCIPALS), principal_names.starts_with(prefix)
    )
    if type_filter is not TypeFilter.ALL:
        query = query.where(Principal.is_individual == (type_filter is TypeFilter.USERS_ONLY))
    query = query.order_by(Principal.alias).limit(page.limit).offset(page.offset)
    return _list(session, query)


def list_by_ids(session: Session, ids: str) -> list[dict[str, Any]]:
    """List the UserGroupHeaders for comma-separated IDs. Unknown IDs are omitted.

    Raises:
        BadRequest: An ID is invalid.
    """
    principal_ids = [parse_id(each, "ids") for each in ids.split(",") if each.strip()]
    return [
        serialize(principal, session.get(Profile, each))
        for each in principal_ids
        if (principal := session.get(Principal, each)) is not None
    ]


def list_by_aliases(session: Session, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the UserGroupHeaders for the user and team names of an AliasList.

    Raises:
        BadRequest: The list has no aliases, more than 100 aliases, or an invalid alias.
    """
    names = request_fields.get_list(body, "list") or []
    if not 1 <= len(names) <= MAX_ALIASES:
        raise BadRequest(f"list must have 1 to {MAX_ALIASES} aliases; it has {len(names)}.")
    aliases = {
        principal_names.normalize_name(request_fields.parse_text(each, "An alias"))
        for each in names
    }
    query = select_principals().where(Principal.alias.in_(aliases)).order_by(Principal.id)
    return _list(session, query)
