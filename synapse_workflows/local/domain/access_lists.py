"""Access control lists as such, whoever owns them: who holds what, how it is read and written."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete as sql_delete, exists, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ANONYMOUS, PUBLIC, AccessType
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Acl, AclEntry, Principal

Grants = Mapping[int, Collection[AccessType]]


@dataclass(frozen=True)
class Owner:
    """Whose list it is.

    Args:
        kind: ENTITY, EVALUATION or another `owner_type`.
        id: which of them.
    """

    kind: str
    id: int


def find_acl(session: Session, owner: Owner) -> Acl | None:
    """Give the list that the owner has; None for none."""
    return session.get(Acl, (owner.kind, owner.id))


def select_owners_granting(caller: Caller, kind: str, right: AccessType) -> Select[int]:
    """Make the query of all owners of a kind whose list gives the right to the caller."""
    return select(AclEntry.owner_id).where(
        AclEntry.owner_type == kind,
        AclEntry.principal_id.in_(caller.groups),
        AclEntry.access_type == right.value,
    )


def is_granted(session: Session, caller: Caller, owner: Owner, right: AccessType) -> bool:
    """Tell whether an entry of the owner's list gives the right to the caller."""
    given = select_owners_granting(caller, owner.kind, right).where(AclEntry.owner_id == owner.id)
    return bool(session.scalar(select(exists(given))))


def serialize(session: Session, acl: Acl, owner_text: str) -> dict[str, Any]:
    """Write an AccessControlList.

    Args:
        session: reads the entries.
        acl: the list.
        owner_text: id of its owner as the wire has it.
    """
    found: dict[int, set[str]] = {}
    entries = select(AclEntry.principal_id, AclEntry.access_type).where(
        AclEntry.owner_type == acl.owner_type, AclEntry.owner_id == acl.owner_id
    )
    for principal, right in session.execute(entries.order_by(AclEntry.principal_id)):
        found.setdefault(principal, set()).add(right)
    return {
        "id": owner_text,
        "creationDate": to_iso(acl.created_on),
        "etag": acl.etag,
        "resourceAccess": [
            {"principalId": principal, "accessType": [each for each in AccessType if each in held]}
            for principal, held in found.items()
        ],
    }


def parse(session: Session, body: Mapping[str, Any]) -> dict[int, frozenset[AccessType]]:
    """Read who is to hold what from an AccessControlList.

    Raises:
        BadRequest: an entry names nobody, somebody unknown, no right, or an unknown one.
    """
    found: dict[int, frozenset[AccessType]] = {}
    for entry in request_fields.get_list(body, "resourceAccess") or []:
        if not isinstance(entry, dict):
            raise BadRequest("ACL's resourceAccess must hold objects.")
        principal = request_fields.get_integer(entry, "principalId")
        if principal is None:
            raise BadRequest("Group ID is null in the ACL")
        words = request_fields.get_list(entry, "accessType")
        if not words:
            raise BadRequest(f"No access types were given for principal {principal} in the ACL.")
        rights = frozenset(
            request_fields.parse_enum(AccessType, each, "accessType") for each in words
        )
        found[principal] = found.get(principal, frozenset()) | rights
    known = set(session.scalars(select(Principal.id).where(Principal.id.in_(found))))
    if unknown := sorted(set(found) - known):
        raise BadRequest(f"The ACL names principals that do not exist: {unknown}")
    return found


def check_public_grants(wanted: Grants) -> None:
    """Check that the public is given no more than READ, and nobody anonymous is named.

    Raises:
        BadRequest: it is not so.
    """
    if ANONYMOUS in wanted:
        raise BadRequest(
            f"Cannot assign permissions to anonymous. To share with everybody, use the public "
            f"group, {PUBLIC}."
        )
    if set(wanted.get(PUBLIC, ())) - {AccessType.READ}:
        raise BadRequest("Only READ permissions can be assigned to the public group")


def check_caller_keeps_access(caller: Caller, made_by: int, wanted: Grants) -> None:
    """Check that the caller can still change the list afterwards.

    Args:
        caller: who sets it.
        made_by: who made the owner of the list, and so may lose the right.
        wanted: what it is to say.

    Raises:
        BadRequest: the caller could not.
    """
    keeps = any(
        AccessType.CHANGE_PERMISSIONS in rights and principal in caller.groups
        for principal, rights in wanted.items()
    )
    if not (keeps or caller.is_admin or made_by == caller.id):
        raise BadRequest("Caller is trying to revoke their own ACL editing permissions.")


def create(session: Session, owner: Owner, wanted: Grants, now: int) -> Acl:
    """Give an owner that has none a list."""
    acl = Acl(owner_type=owner.kind, owner_id=owner.id, etag=str(uuid.uuid4()), created_on=now)
    session.add(acl)
    _add_entries(session, acl, wanted)
    return acl


def replace(session: Session, acl: Acl, wanted: Grants) -> None:
    """Replace all that a list says."""
    _delete_entries(session, acl)
    acl.etag = str(uuid.uuid4())
    _add_entries(session, acl, wanted)


def delete(session: Session, acl: Acl) -> None:
    """Remove a list with its entries."""
    _delete_entries(session, acl)
    session.delete(acl)
    session.flush()


def _delete_entries(session: Session, acl: Acl) -> None:
    session.execute(
        sql_delete(AclEntry).where(
            AclEntry.owner_type == acl.owner_type, AclEntry.owner_id == acl.owner_id
        )
    )


def _add_entries(session: Session, acl: Acl, wanted: Grants) -> None:
    session.add_all(
        AclEntry(
            owner_type=acl.owner_type,
            owner_id=acl.owner_id,
            principal_id=principal,
            access_type=right.value,
        )
        for principal, rights in wanted.items()
        for right in rights
    )
    session.flush()
