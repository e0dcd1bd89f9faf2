"""Access control lists of teams. Every team has an ACL."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AUTHENTICATED_USERS, AccessType
from synapse_workflows.local.domain import access_lists, entities, ids, request_fields
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.teams import access
from synapse_workflows.local.storage.models import Acl


def create(session: Session, caller: Caller, team_id: int) -> None:
    """Create the ACL of a new team, with the caller as the administrator."""
    grants = {
        caller.id: access.ADMIN_RIGHTS,
        team_id: access.MEMBER_RIGHTS,
        AUTHENTICATED_USERS: access.MEMBER_RIGHTS,
    }
    access_lists.create(session, access.get_acl_owner(team_id), grants, caller.now)


def delete(session: Session, team_id: int) -> None:
    """Delete the ACL of a team. Call this function when the team is deleted."""
    access_lists.delete(session, _get_acl(session, team_id))


def _get_acl(session: Session, team_id: int) -> Acl:
    message = f"The ACL of the team {team_id} does not exist."
    return get_or_404(session, Acl, (access.TEAM_ACL, team_id), message)


def get(session: Session, caller: Caller, team_id: int) -> dict[str, Any]:
    """Return the AccessControlList of a team.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such team.
    """
    access.require(session, caller, team_id, AccessType.READ)
    return access_lists.serialize(session, _get_acl(session, team_id), str(team_id))


def update(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the entries of the ACL of a team. The body contains the ID of the team.

    Raises:
        BadRequest: The ACL is invalid, or would leave the team without an administrator.
        Forbidden: The caller lacks TEAM_MEMBERSHIP_UPDATE.
        NotFound: No such team.
        StaleEtag: The etag is not the current one.
    """
    team_id = ids.parse_id(request_fields.get_required_text(body, "id"), "id")
    access.require(session, caller, team_id, AccessType.TEAM_MEMBERSHIP_UPDATE)
    grants = access_lists.parse(session, body)
    access_lists.check_public_grants(grants)
    acl = _get_acl(session, team_id)
    entities.check_etag(str(team_id), acl.etag, body)
    access_lists.replace(session, acl, grants)
    access.check_has_admin(session, team_id)
    return access_lists.serialize(session, acl, str(team_id))


def set_rights(
    session: Session, team_id: int, user_id: int, rights: tuple[AccessType, ...]
) -> None:
    """Set the rights that the ACL of a team grants to a user. Without rights, remove the entry.

    Raises:
        BadRequest: The team would have no administrator.
    """
    acl = _get_acl(session, team_id)
    grants = access_lists.list_grants(session, acl)
    if set(grants.get(user_id, ())) != set(rights):
        others = {key: value for key, value in grants.items() if key != user_id}
        access_lists.replace(session, acl, {**others, user_id: rights})
    access.check_has_admin(session, team_id)
