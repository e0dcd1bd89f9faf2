"""Members of teams: joining, leaving, lists and the status of a user."""

from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, func, not_, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import principal_names, user_headers
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.teams import (
    access,
    invitations,
    membership_requests,
    team_acl,
)
from synapse_workflows.local.errors import Forbidden, NotFound
from synapse_workflows.local.storage.models import Membership, Principal, Profile


class MemberType(StrEnum):
    """Members that a list includes (TeamMemberTypeFilterOptions)."""

    ALL = "ALL"
    ADMIN = "ADMIN"
    MEMBER = "MEMBER"


def is_member(session: Session, team_id: int, user_id: int) -> bool:
    """Return whether a user is a member of a team."""
    return session.get(Membership, (team_id, user_id)) is not None


def list_member_ids(session: Session, team_id: int) -> list[int]:
    """Return the IDs of the members of a team, in ascending order."""
    query = select(Membership.member_id).where(Membership.group_id == team_id)
    return list(session.scalars(query.order_by(Membership.member_id)))


def _select_members(
    team_id: int, fragment: str, member_type: MemberType
) -> Select[Principal, Profile, bool]:
    """Return the query of the members and whether each is an administrator, sorted by name."""
    is_admin = access.is_admin(team_id)
    query = (
        user_headers.select_principals()
        .add_columns(is_admin)
        .join(Membership, Membership.member_id == Principal.id)
        .where(Membership.group_id == team_id)
        .order_by(Principal.alias)
    )
    if fragment.strip():
        query = query.where(principal_names.starts_with(fragment))
    if member_type is MemberType.ALL:
        return query
    return query.where(is_admin if member_type is MemberType.ADMIN else not_(is_admin))


def _serialize(team_id: int, row: Row[Principal, Profile, bool]) -> dict[str, Any]:
    user, profile, is_admin = row
    header = user_headers.serialize(user, profile)
    return {"teamId": str(team_id), "member": header, "isAdmin": is_admin}


def list_members(
    session: Session, team_id: int, fragment: str, member_type: MemberType, page: Page
) -> list[dict[str, Any]]:
    """List the members of a team as TeamMembers, sorted by name.

    Args:
        session: Database session.
        team_id: ID of the team.
        fragment: Start of the user name, the first name or the last name; empty for all members.
        member_type: Members to include.
        page: Limit and offset.

    Raises:
        NotFound: No such team.
    """
    access.get_team(session, team_id)
    query = _select_members(team_id, fragment, member_type).limit(page.limit).offset(page.offset)
    return [_serialize(team_id, row) for row in session.execute(query)]


def count_members(session: Session, team_id: int, fragment: str) -> int:
    """Count the members of a team whose name starts with a fragment.

    Raises:
        NotFound: No such team.
    """
    access.get_team(session, team_id)
    members = _select_members(team_id, fragment, MemberType.ALL)
    return session.scalar(members.with_only_columns(func.count()).order_by(None)) or 0


def get_member(session: Session, team_id: int, user_id: int) -> dict[str, Any]:
    """Return a member of a team (TeamMember).

    Raises:
        NotFound: No such team, or the user is not a member.
    """
    access.get_team(session, team_id)
    query = _select_members(team_id, "", MemberType.ALL).where(Principal.id == user_id)
    row = session.execute(query).first()
    if row is None:
        raise NotFound(f"User {user_id} is not a member of the team {team_id}.")
    return _serialize(team_id, row)


def _can_add(session: Session, caller: Caller, team_id: int, user_id: int) -> bool:
    """Return whether the caller can add a user to a team, or the user is a member already."""
    if caller.is_anonymous:
        return False
    if caller.is_admin or is_member(session, team_id, user_id):
        return True
    is_team_admin = access.is_allowed(session, caller, team_id, AccessType.TEAM_MEMBERSHIP_UPDATE)
    if user_id != caller.id:
        return is_team_admin and membership_requests.has_open(
            session, team_id, user_id, caller.now
        )
    return (
        is_team_admin
        or access.get_team(session, team_id).can_public_join
        or invitations.has_open(session, team_id, user_id, caller.now)
    )


def add(session: Session, caller: Caller, team_id: int, user_id: int) -> None:
    """Add a user to a team, and close the invitations and requests of the user.

    A user who is a member already remains one.

    Raises:
        Forbidden: A user joins without an invitation a team that is not public, or adds another
            user without a request of that user or without TEAM_MEMBERSHIP_UPDATE.
        NotFound: No such team or user.
    """
    access.get_team(session, team_id)
    access.check_user(session, user_id)
    if not _can_add(session, caller, team_id, user_id):
        raise Forbidden("Cannot add member to team.")
    insert_member(session, team_id, user_id)
    invitations.close(session, team_id, user_id)
    membership_requests.close(session, team_id, user_id)


def insert_member(session: Session, team_id: int, user_id: int) -> None:
    """Insert the membership of a user, without a check of rights; ignore an existing one."""
    if not is_member(session, team_id, user_id):
        session.add(Membership(group_id=team_id, member_id=user_id))
        session.flush()


def remove(session: Session, caller: Caller, team_id: int, user_id: int) -> None:
    """Remove a user from a team and from its ACL. Users who are not members are ignored.

    Raises:
        BadRequest: The user is the last administrator of the team.
        Forbidden: The caller removes another user without TEAM_MEMBERSHIP_UPDATE.
        NotFound: No such team.
    """
    if user_id == caller.id and not caller.is_anonymous:
        access.get_team(session, team_id)
    else:
        access.require(session, caller, team_id, AccessType.TEAM_MEMBERSHIP_UPDATE)
    member = session.get(Membership, (team_id, user_id))
    if member is not None:
        session.delete(member)
        session.flush()
        team_acl.set_rights(session, team_id, user_id, ())


def set_admin(
    session: Session, caller: Caller, team_id: int, user_id: int, *, is_admin: bool
) -> None:
    """Make a member an administrator of a team, or an ordinary member.

    Raises:
        BadRequest: The team would have no administrator.
        Forbidden: The caller lacks TEAM_MEMBERSHIP_UPDATE.
        NotFound: No such team, or the user is not a member.
    """
    access.require(session, caller, team_id, AccessType.TEAM_MEMBERSHIP_UPDATE)
    get_member(session, team_id, user_id)
    team_acl.set_rights(session, team_id, user_id, access.ADMIN_RIGHTS if is_admin else ())


def get_status(session: Session, caller: Caller, team_id: int, user_id: int) -> dict[str, Any]:
    """Return the status of a user in a team (TeamMembershipStatus).

    `canJoin` is whether the caller can add the user. Teams have no access requirements.

    Raises:
        NotFound: No such team or user.
    """
    team = access.get_team(session, team_id)
    access.check_user(session, user_id)
    is_team_admin = access.is_user_allowed(
        session, user_id, team_id, AccessType.TEAM_MEMBERSHIP_UPDATE
    )
    return {
        "teamId": str(team_id),
        "userId": str(user_id),
        "isMember": is_member(session, team_id, user_id),
        "hasOpenInvitation": invitations.has_open(session, team_id, user_id, caller.now),
        "hasOpenRequest": membership_requests.has_open(session, team_id, user_id, caller.now),
        "canJoin": _can_add(session, caller, team_id, user_id),
        "membershipApprovalRequired": not (team.can_public_join or is_team_admin),
        "hasUnmetAccessRequirement": False,
        "canSendEmail": access.is_user_allowed(session, user_id, team_id, AccessType.SEND_MESSAGE),
    }
