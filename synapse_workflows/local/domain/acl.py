"""Access control lists of entities: who may read, set and drop them, and what they may say."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete as sql_delete, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import access, entities, fields, hierarchy
from synapse_workflows.local.domain.access import ENTITY_ACL
from synapse_workflows.local.domain.caller import Caller
from synapse_workflows.local.domain.dates import iso
from synapse_workflows.local.domain.ids import ROOT, entity_text
from synapse_workflows.local.errors import (
    BadRequest,
    CertificationRequired,
    Forbidden,
    NotFound,
)
from synapse_workflows.local.storage.tables import Acl, AclEntry, Entity, Principal
from synapse_workflows.vocabulary import ANONYMOUS, AUTHENTICATED_USERS, PUBLIC, AccessType

Grants = dict[int, frozenset[AccessType]]


def grants(session: Session, entity_id: int) -> Grants:
    """Give what an entity's own ACL says: principal -> rights."""
    found: dict[int, set[AccessType]] = {}
    entries = select(AclEntry.principal_id, AclEntry.access_type).where(
        AclEntry.owner_type == ENTITY_ACL, AclEntry.owner_id == entity_id
    )
    for principal, right in session.execute(entries.order_by(AclEntry.principal_id)):
        found.setdefault(principal, set()).add(AccessType(right))
    return {principal: frozenset(rights) for principal, rights in found.items()}


def own(session: Session, entity_id: int) -> dict[str, Any] | None:
    """Write the AccessControlList that an entity owns; None when it inherits."""
    acl = session.get(Acl, (ENTITY_ACL, entity_id))
    if acl is None:
        return None
    return {
        "id": entity_text(entity_id),
        "creationDate": iso(acl.created_on),
        "etag": acl.etag,
        "resourceAccess": [
            {"principalId": principal, "accessType": [each for each in AccessType if each in held]}
            for principal, held in grants(session, entity_id).items()
        ],
    }


def read(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Give the ACL that an entity owns.

    Raises:
        Forbidden: the caller may not READ the entity.
        NotFound: no such entity, or it inherits; then the reason names where the ACL is.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    found = own(session, entity_id)
    if found is None:
        raise NotFound(
            "The requested ACL does not exist. This entity inherits its permissions from: "
            f"/repo/v1/entity/{entity_text(entity.benefactor_id)}/acl"
        )
    return found


def _read_grants(session: Session, body: Mapping[str, Any]) -> Grants:
    """Read who is to hold what from an AccessControlList."""
    found: Grants = {}
    for entry in fields.items(body, "resourceAccess") or []:
        if not isinstance(entry, dict):
            raise BadRequest("ACL's resourceAccess must hold objects.")
        principal = fields.integer(entry, "principalId")
        if principal is None:
            raise BadRequest("Group ID is null in the ACL")
        words = fields.items(entry, "accessType")
        if not words:
            raise BadRequest(f"No access types were given for principal {principal} in the ACL.")
        rights = frozenset(fields.word(AccessType, each, "accessType") for each in words)
        found[principal] = found.get(principal, frozenset()) | rights
    known = set(session.scalars(select(Principal.id).where(Principal.id.in_(found))))
    if unknown := sorted(set(found) - known):
        raise BadRequest(f"The ACL names principals that do not exist: {unknown}")
    return found


def _require_valid(caller: Caller, entity: Entity, wanted: Grants) -> None:
    """Check the rules for ACLs of entities."""
    if ANONYMOUS in wanted:
        raise BadRequest(
            f"Cannot assign permissions to anonymous. To share with everybody, use the public "
            f"group, {PUBLIC}."
        )
    if wanted.get(PUBLIC, frozenset()) - {AccessType.READ}:
        raise BadRequest("Only READ permissions can be assigned to the public group")
    if AccessType.DOWNLOAD in wanted.get(AUTHENTICATED_USERS, ()) and not caller.is_certified:
        raise CertificationRequired(
            "Only certified users can allow authenticated users to download."
        )
    keeps = any(
        AccessType.CHANGE_PERMISSIONS in rights and principal in caller.groups
        for principal, rights in wanted.items()
    )
    if not (keeps or caller.is_admin or entity.created_by == caller.id):
        raise BadRequest("Caller is trying to revoke their own ACL editing permissions.")


def _store(session: Session, entity_id: int, wanted: Grants) -> None:
    session.execute(
        sql_delete(AclEntry).where(
            AclEntry.owner_type == ENTITY_ACL, AclEntry.owner_id == entity_id
        )
    )
    for principal, rights in wanted.items():
        for right in rights:
            session.add(
                AclEntry(
                    owner_type=ENTITY_ACL,
                    owner_id=entity_id,
                    principal_id=principal,
                    access_type=right.value,
                )
            )
    session.flush()


def create(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Give an entity an ACL of its own; what inherited through it follows.

    Raises:
        BadRequest: the ACL breaks a rule.
        Forbidden: it has one already, or the caller lacks CHANGE_PERMISSIONS.
        NotFound: no such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.CHANGE_PERMISSIONS)
    if hierarchy.has_own_acl(session, entity_id):
        raise Forbidden("Resource already has an ACL.")
    wanted = _read_grants(session, body)
    _require_valid(caller, entity, wanted)
    session.add(
        Acl(
            owner_type=ENTITY_ACL,
            owner_id=entity_id,
            etag=entities.new_etag(),
            created_on=caller.now,
        )
    )
    _store(session, entity_id, wanted)
    hierarchy.set_benefactor(session, entity, entity_id)
    return own(session, entity_id) or {}


def update(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace what an entity's own ACL says.

    Raises:
        BadRequest: the ACL breaks a rule.
        Forbidden: the entity inherits, or the caller lacks CHANGE_PERMISSIONS.
        NotFound: no such entity.
        Stale: the etag is not the ACL's.
    """
    entity = access.require(session, caller, entity_id, AccessType.CHANGE_PERMISSIONS)
    acl = session.get(Acl, (ENTITY_ACL, entity_id))
    if acl is None:
        raise Forbidden("Cannot update ACL for a resource which inherits its permissions.")
    wanted = _read_grants(session, body)
    _require_valid(caller, entity, wanted)
    entities.require_etag(entity_text(entity_id), acl.etag, body)
    acl.etag = entities.new_etag()
    _store(session, entity_id, wanted)
    return own(session, entity_id) or {}


def put(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Create the entity's ACL or replace the present one, whatever its etag.

    Raises:
        BadRequest: the ACL breaks a rule.
        Forbidden: the caller lacks CHANGE_PERMISSIONS.
        NotFound: no such entity.
    """
    acl = session.get(Acl, (ENTITY_ACL, entity_id))
    if acl is None:
        return create(session, caller, entity_id, body)
    return update(session, caller, entity_id, {**body, "etag": acl.etag})


def delete(session: Session, caller: Caller, entity_id: int) -> None:
    """Drop an entity's own ACL; it and what inherited through it follow the one above.

    Raises:
        Forbidden: a project's, none of its own, or the caller lacks CHANGE_PERMISSIONS.
        NotFound: no such entity.
    """
    entity = access.living(session, entity_id)
    if entity.parent_id in {None, ROOT}:
        raise Forbidden("Cannot delete the ACL of a project.")
    access.require(session, caller, entity_id, AccessType.CHANGE_PERMISSIONS)
    acl = session.get(Acl, (ENTITY_ACL, entity_id))
    if acl is None:
        raise Forbidden("Resource already inherits its permissions.")
    drop(session, acl)
    parent = access.find(session, entity.parent_id)
    hierarchy.set_benefactor(session, entity, parent.benefactor_id)


def drop(session: Session, acl: Acl) -> None:
    """Remove an ACL with its entries."""
    session.execute(
        sql_delete(AclEntry).where(
            AclEntry.owner_type == acl.owner_type, AclEntry.owner_id == acl.owner_id
        )
    )
    session.delete(acl)
    session.flush()
