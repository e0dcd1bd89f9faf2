"""Access checks on teams."""

from typing import Final

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ADMINISTRATORS, ANONYMOUS, AccessType
from synapse_workflows.local.domain import access_lists
from synapse_workflows.local.domain.access_lists import Owner
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound
from synapse_workflows.local.storage.models import AclEntry, Membership, Principal
from synapse_workflows.local.storage.team_models import Team

TEAM_ACL: Final = "TEAM"

#: Access types of every member of a team, and of every authenticated user.
MEMBER_RIGHTS: Final = (AccessType.READ, AccessType.SEND_MESSAGE)
#: Access types of an administrator of a team.
ADMIN_RIGHTS: Final = (
    *MEMBER_RIGHTS,
    AccessType.UPDATE,
    AccessType.DELETE,
    AccessType.TEAM_MEMBERSHIP_UPDATE,
)


def get_acl_owner(team_id: int) -> Owner:
    """Return the owner key of the ACL of a team."""
    return Owner(TEAM_ACL, team_id)


def get_team(session: Session, team_id: int) -> Team:
    """Return a team.

    Raises:
        NotFound: No such team.
    """
    return get_or_404(session, Team, team_id, f"Team with id {team_id} does not exist")


def check_user(session: Session, user_id: int) -> None:
    """Check that a principal is a user who can be a member of teams.

    Raises:
        NotFound: No such user; or the principal is a team, or the anonymous user.
    """
    principal = session.get(Principal, user_id)
    if principal is None or not principal.is_individual or user_id == ANONYMOUS:
        raise NotFound(f"User with id {user_id} does not exist")


def check_self(caller: Caller, user_id: int) -> None:
    """Check that the caller is a user or an administrator of the service.

    Raises:
        Forbidden: The caller is another user, or anonymous.
    """
    if caller.is_anonymous or not (caller.is_admin or caller.id == user_id):
        raise Forbidden("Only the user can read this list.")


def is_allowed(session: Session, caller: Caller, team_id: int, right: AccessType) -> bool:
    """Return whether the caller has a right on a team."""
    if caller.is_admin:
        return True
    if caller.is_anonymous and right is not AccessType.READ:
        return False
    return access_lists.is_granted(session, caller, get_acl_owner(team_id), right)


def is_user_allowed(session: Session, user_id: int, team_id: int, right: AccessType) -> bool:
    """Return whether a user, who need not be the caller, has a right on a team."""
    groups = access_lists.list_groups(session, user_id)
    return ADMINISTRATORS in groups or access_lists.is_granted_to(
        session, groups, get_acl_owner(team_id), right
    )


def require(session: Session, caller: Caller, team_id: int, right: AccessType) -> Team:
    """Return a team on which the caller has a right.

    Raises:
        Forbidden: The caller lacks the right.
        NotFound: No such team.
    """
    team = get_team(session, team_id)
    if caller.is_anonymous and right is not AccessType.READ:
        raise Forbidden("Anonymous users have only READ access permission.")
    if not is_allowed(session, caller, team_id, right):
        raise Forbidden(f"You lack {right} access to the requested team.")
    return team


def is_admin(team_id: int) -> ColumnElement[bool]:
    """Return the SQL condition that the user of a Membership administers a team.

    The ACL of the team grants TEAM_MEMBERSHIP_UPDATE to administrators themselves. Users with
    that right through a team can change the team too, but do not count as administrators.
    """
    granted = select(AclEntry.principal_id).where(
        AclEntry.owner_type == TEAM_ACL,
        AclEntry.owner_id == team_id,
        AclEntry.access_type == AccessType.TEAM_MEMBERSHIP_UPDATE.value,
    )
    return Membership.member_id.in_(granted)


def check_has_admin(session: Session, team_id: int) -> None:
    """Check that a member of a team administers it. Call this after a change of the team.

    Raises:
        BadRequest: The team has no administrator.
    """
    admins = select(Membership).where(Membership.group_id == team_id, is_admin(team_id))
    if not session.scalar(select(exists(admins))):
        raise BadRequest("Team must have at least one administrator.")
