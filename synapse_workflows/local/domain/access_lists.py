"""Access control lists of entities, evaluations and teams."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete as sql_delete, insert, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ANONYMOUS, AUTHENTICATED_USERS, PUBLIC, AccessType
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import generate_etag
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.database import execute, fetch_rows, insert_row
from synapse_workflows.local.storage.models import Acl, AclEntry, Membership, Principal

Grants = Mapping[int, Collection[AccessType]]

_GROUPS = select(Membership.group_id).where(Membership.member_id == bindparam("user_id"))
_IS_OF_OWNER = and_(
    AclEntry.owner_type == bindparam("kind"), AclEntry.owner_id == bindparam("owner_id")
)
_ENTRIES = (
    select(AclEntry.principal_id, AclEntry.access_type)
    .where(_IS_OF_OWNER)
    .order_by(AclEntry.principal_id)
)
_GRANTED = select(AclEntry.principal_id).where(
    _IS_OF_OWNER, AclEntry.access_type == bindparam("right")
)
_DELETE_ENTRIES = sql_delete(AclEntry).where(_IS_OF_OWNER)
_INSERT_ENTRY = insert(AclEntry)


@dataclass(frozen=True)
class Owner:
    """The object that an ACL belongs to.

    Args:
        kind: Type of the object, for example ENTITY or TEAM.
        id: ID of the object.
    """

    kind: str
    id: int


def find_acl(session: Session, owner: Owner) -> Acl | None:
    """Return the ACL of an owner; None if the owner has no ACL."""
    return session.get(Acl, (owner.kind, owner.id))


def list_groups(session: Session, user_id: int) -> frozenset[int]:
    """Return the IDs of all principals whose ACL entries apply to an authenticated user."""
    groups = (group for (group,) in fetch_rows(session, _GROUPS, user_id=user_id))
    return include_implicit_groups(user_id, groups)


def include_implicit_groups(user_id: int, groups: Iterable[int]) -> frozenset[int]:
    """Return the IDs of all principals whose ACL entries apply to an authenticated user.

    They are the user, all authenticated users, the public, and `groups`, the teams and built-in
    groups of the user.
    """
    return frozenset((*groups, user_id, PUBLIC, AUTHENTICATED_USERS))


def select_owners_granting(caller: Caller, kind: str, right: AccessType) -> Select[int]:
    """Build a query for the owners of one type whose ACL grants an access type to the caller."""
    return _select_granting(caller.groups, kind, right)


def _select_granting(groups: Collection[int], kind: str, right: AccessType) -> Select[int]:
    return select(AclEntry.owner_id).where(
        AclEntry.owner_type == kind,
        AclEntry.principal_id.in_(groups),
        AclEntry.access_type == right.value,
    )


def is_granted(session: Session, caller: Caller, owner: Owner, right: AccessType) -> bool:
    """Return whether the ACL of an owner grants an access type to the caller."""
    return is_granted_to(session, caller.groups, owner, right)


def is_granted_to(
    session: Session, groups: Collection[int], owner: Owner, right: AccessType
) -> bool:
    """Return whether the ACL of an owner grants an access type to one of the principals."""
    principals = fetch_rows(
        session, _GRANTED, kind=owner.kind, owner_id=owner.id, right=right.value
    )
    return any(principal in groups for (principal,) in principals)


def list_granted(session: Session, caller: Caller, owner: Owner) -> frozenset[str]:
    """Return the access types that the ACL of an owner grants to the caller."""
    entries = fetch_rows(session, _ENTRIES, kind=owner.kind, owner_id=owner.id)
    return frozenset(right for principal, right in entries if principal in caller.groups)


def list_grants(session: Session, acl: Acl) -> dict[int, set[AccessType]]:
    """Return the access types that an ACL grants, by principal ID in ascending order."""
    grants: dict[int, set[AccessType]] = {}
    entries = fetch_rows(session, _ENTRIES, kind=acl.owner_type, owner_id=acl.owner_id)
    for principal, right in entries:
        grants.setdefault(principal, set()).add(AccessType(right))
    return grants


def serialize(session: Session, acl: Acl, owner_text: str) -> dict[str, Any]:
    """Serialize an ACL as an AccessControlList.

    Args:
        session: Database session.
        acl: ACL to serialize.
        owner_text: ID of the owner in responses.
    """
    return {
        "id": owner_text,
        "creationDate": to_iso(acl.created_on),
        "etag": acl.etag,
        "resourceAccess": [
            {
                "principalId": principal,
                "accessType": [each for each in AccessType if each in granted],
            }
            for principal, granted in list_grants(session, acl).items()
        ],
    }


def parse(session: Session, body: Mapping[str, Any]) -> dict[int, frozenset[AccessType]]:
    """Parse an AccessControlList.

    Returns:
        Access types by principal ID.

    Raises:
        BadRequest: An entry has no principal, an unknown principal, or no valid access types.
    """
    grants: dict[int, frozenset[AccessType]] = {}
    for entry in request_fields.get_list(body, "resourceAccess") or []:
        if not isinstance(entry, dict):
            raise BadRequest("resourceAccess must be an array of objects.")
        principal = request_fields.get_integer(entry, "principalId")
        if principal is None:
            raise BadRequest("Group ID is null in the ACL")
        names = request_fields.get_list(entry, "accessType")
        if not names:
            raise BadRequest(f"No access types were given for principal {principal} in the ACL.")
        rights = frozenset(
            request_fields.parse_enum(AccessType, each, "accessType") for each in names
        )
        grants[principal] = grants.get(principal, frozenset()) | rights
    known = set(session.scalars(select(Principal.id).where(Principal.id.in_(grants))))
    if unknown := sorted(set(grants) - known):
        raise BadRequest(f"The ACL names principals that do not exist: {unknown}")
    return grants


def check_public_grants(grants: Grants) -> None:
    """Check that anonymous users have no entry and the public group has READ only.

    Raises:
        BadRequest: The ACL has an entry for anonymous users, or grants the public group more than
            READ.
    """
    if ANONYMOUS in grants:
        raise BadRequest(
            f"Cannot assign permissions to anonymous. To share with everyone, use the public "
            f"group, {PUBLIC}."
        )
    if set(grants.get(PUBLIC, ())) - {AccessType.READ}:
        raise BadRequest("Only READ permissions can be assigned to the public group")


def check_caller_keeps_access(caller: Caller, created_by: int, grants: Grants) -> None:
    """Check that the caller can still change the ACL after the update.

    Args:
        caller: User of the request.
        created_by: Principal ID of the creator of the owner. The creator can always change the
            ACL.
        grants: New content of the ACL.

    Raises:
        BadRequest: The caller would lose CHANGE_PERMISSIONS.
    """
    can_change = any(
        AccessType.CHANGE_PERMISSIONS in rights and principal in caller.groups
        for principal, rights in grants.items()
    )
    if not (can_change or caller.is_admin or created_by == caller.id):
        raise BadRequest("Caller is trying to revoke their own ACL editing permissions.")


def create(session: Session, owner: Owner, grants: Grants, now: int) -> Acl:
    """Create an ACL."""
    acl = Acl(owner_type=owner.kind, owner_id=owner.id, etag=generate_etag(), created_on=now)
    insert_row(session, acl)
    _add_entries(session, acl, grants)
    return acl


def replace(session: Session, acl: Acl, grants: Grants) -> None:
    """Replace the entries of an ACL."""
    _delete_entries(session, acl)
    acl.etag = generate_etag()
    _add_entries(session, acl, grants)


def delete(session: Session, acl: Acl) -> None:
    """Delete an ACL."""
    _delete_entries(session, acl)
    session.delete(acl)
    session.flush()


def delete_principal(session: Session, principal_id: int) -> None:
    """Delete the entries of a principal from all ACLs, and set new etags of these ACLs."""
    entries = AclEntry.principal_id == principal_id
    owners = select(AclEntry.owner_type, AclEntry.owner_id).where(entries).distinct()
    for kind, owner_id in session.execute(owners).all():
        session.get_one(Acl, (kind, owner_id)).etag = generate_etag()
    session.execute(sql_delete(AclEntry).where(entries))


def _delete_entries(session: Session, acl: Acl) -> None:
    execute(session, _DELETE_ENTRIES, {"kind": acl.owner_type, "owner_id": acl.owner_id})


def _add_entries(session: Session, acl: Acl, grants: Grants) -> None:
    entries = [
        {
            "owner_type": acl.owner_type,
            "owner_id": acl.owner_id,
            "principal_id": principal,
            "access_type": right.value,
        }
        for principal, rights in grants.items()
        for right in rights
    ]
    execute(session, _INSERT_ENTRY, entries)
