"""Access control lists of entities: who may read, set and drop them, and what they may say."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AUTHENTICATED_USERS, AccessType
from synapse_workflows.local.domain import access, access_lists, entities, hierarchy
from synapse_workflows.local.domain.access import get_acl_owner
from synapse_workflows.local.domain.access_lists import Grants
from synapse_workflows.local.domain.ids import ROOT, format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import CertificationRequired, Forbidden, NotFound
from synapse_workflows.local.storage.models import Entity


def get_own(session: Session, entity_id: int) -> dict[str, Any] | None:
    """Write the AccessControlList that an entity owns; None when it inherits."""
    acl = access_lists.find_acl(session, get_acl_owner(entity_id))
    return (
        None if acl is None else access_lists.serialize(session, acl, format_entity_id(entity_id))
    )


def get(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Give the ACL that an entity owns.

    Raises:
        Forbidden: the caller may not READ the entity.
        NotFound: no such entity, or it inherits; then the reason names where the ACL is.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    found = get_own(session, entity_id)
    if found is None:
        raise NotFound(
            "The requested ACL does not exist. This entity inherits its permissions from: "
            f"/repo/v1/entity/{format_entity_id(entity.benefactor_id)}/acl"
        )
    return found


def _parse_grants(
    session: Session, caller: Caller, entity: Entity, body: Mapping[str, Any]
) -> Grants:
    """Read what an ACL is to say, and check the rules for ACLs of entities."""
    wanted = access_lists.parse(session, body)
    access_lists.check_public_grants(wanted)
    if AccessType.DOWNLOAD in wanted.get(AUTHENTICATED_USERS, ()) and not caller.is_certified:
        raise CertificationRequired(
            "Only certified users can allow authenticated users to download."
        )
    access_lists.check_caller_keeps_access(caller, entity.created_by, wanted)
    return wanted


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
    wanted = _parse_grants(session, caller, entity, body)
    access_lists.create(session, get_acl_owner(entity_id), wanted, caller.now)
    hierarchy.set_benefactor(session, entity, entity_id)
    return get_own(session, entity_id) or {}


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
    acl = access_lists.find_acl(session, get_acl_owner(entity_id))
    if acl is None:
        raise Forbidden("Cannot update ACL for a resource which inherits its permissions.")
    wanted = _parse_grants(session, caller, entity, body)
    entities.check_etag(format_entity_id(entity_id), acl.etag, body)
    access_lists.replace(session, acl, wanted)
    return get_own(session, entity_id) or {}


def create_or_replace(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Create the entity's ACL or replace the present one, whatever its etag.

    Raises:
        BadRequest: the ACL breaks a rule.
        Forbidden: the caller lacks CHANGE_PERMISSIONS.
        NotFound: no such entity.
    """
    acl = access_lists.find_acl(session, get_acl_owner(entity_id))
    if acl is None:
        return create(session, caller, entity_id, body)
    return update(session, caller, entity_id, {**body, "etag": acl.etag})


def delete(session: Session, caller: Caller, entity_id: int) -> None:
    """Drop an entity's own ACL; it and what inherited through it follow the one above.

    Raises:
        Forbidden: a project's, none of its own, or the caller lacks CHANGE_PERMISSIONS.
        NotFound: no such entity.
    """
    entity = access.get_not_trashed(session, entity_id)
    if entity.parent_id in {None, ROOT}:
        raise Forbidden("Cannot delete the ACL of a project.")
    access.require(session, caller, entity_id, AccessType.CHANGE_PERMISSIONS)
    acl = access_lists.find_acl(session, get_acl_owner(entity_id))
    if acl is None:
        raise Forbidden("Resource already inherits its permissions.")
    access_lists.delete(session, acl)
    parent = access.get_entity(session, entity.parent_id)
    hierarchy.set_benefactor(session, entity, parent.benefactor_id)
