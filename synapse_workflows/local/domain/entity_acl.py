"""Access control lists of entities."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AUTHENTICATED_USERS, AccessType
from synapse_workflows.local.domain import access, access_lists, entities, hierarchy
from synapse_workflows.local.domain.access import get_acl_owner
from synapse_workflows.local.domain.access_lists import Grants
from synapse_workflows.local.domain.ids import ROOT, format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import sts_rules
from synapse_workflows.local.errors import CertificationRequired, Forbidden, NotFound
from synapse_workflows.local.storage.models import Entity


def get_own(session: Session, entity_id: int) -> dict[str, Any] | None:
    """Return the AccessControlList of an entity; None if the entity inherits its ACL."""
    acl = access_lists.find_acl(session, get_acl_owner(entity_id))
    return (
        None if acl is None else access_lists.serialize(session, acl, format_entity_id(entity_id))
    )


def get(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Return the AccessControlList of an entity.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such entity, or the entity inherits its ACL. In the second case, the message
            names the benefactor.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    acl = get_own(session, entity_id)
    if acl is None:
        raise NotFound(
            "The requested ACL does not exist. This entity inherits its permissions from: "
            f"/repo/v1/entity/{format_entity_id(entity.benefactor_id)}/acl"
        )
    return acl


def _parse_grants(
    session: Session, caller: Caller, entity: Entity, body: Mapping[str, Any]
) -> Grants:
    """Parse an AccessControlList and check the rules for ACLs of entities."""
    grants = access_lists.parse(session, body)
    access_lists.check_public_grants(grants)
    if AccessType.DOWNLOAD in grants.get(AUTHENTICATED_USERS, ()) and not caller.is_certified:
        raise CertificationRequired(
            "Only certified users can allow authenticated users to download."
        )
    access_lists.check_caller_keeps_access(caller, entity.created_by, grants)
    return grants


def create(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Create an ACL for an entity.

    The new ACL also applies to descendants that inherited their ACL through the entity.

    Raises:
        BadRequest: The ACL is invalid, or the entity is below an STS-enabled folder.
        Forbidden: The entity already has an ACL, or the caller lacks CHANGE_PERMISSIONS.
        NotFound: No such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.CHANGE_PERMISSIONS)
    if hierarchy.has_own_acl(session, entity_id):
        raise Forbidden("Resource already has an ACL.")
    sts_rules.check_not_below_sts_folder(
        session, entity, "Cannot override ACLs in a child of an STS-enabled folder"
    )
    grants = _parse_grants(session, caller, entity, body)
    access_lists.create(session, get_acl_owner(entity_id), grants, caller.now)
    hierarchy.set_benefactor(session, entity, entity_id)
    return get_own(session, entity_id) or {}


def update(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace the ACL of an entity.

    Raises:
        BadRequest: The ACL is invalid.
        Forbidden: The entity inherits its ACL, or the caller lacks CHANGE_PERMISSIONS.
        NotFound: No such entity.
        StaleEtag: The etag differs from the etag of the ACL.
    """
    entity = access.require(session, caller, entity_id, AccessType.CHANGE_PERMISSIONS)
    acl = access_lists.find_acl(session, get_acl_owner(entity_id))
    if acl is None:
        raise Forbidden("Cannot update ACL for a resource which inherits its permissions.")
    grants = _parse_grants(session, caller, entity, body)
    entities.check_etag(format_entity_id(entity_id), acl.etag, body)
    access_lists.replace(session, acl, grants)
    return get_own(session, entity_id) or {}


def create_or_replace(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Create or replace the ACL of an entity, regardless of the etag.

    Raises:
        BadRequest: The ACL is invalid.
        Forbidden: The caller lacks CHANGE_PERMISSIONS.
        NotFound: No such entity.
    """
    acl = access_lists.find_acl(session, get_acl_owner(entity_id))
    if acl is None:
        return create(session, caller, entity_id, body)
    return update(session, caller, entity_id, {**body, "etag": acl.etag})


def delete(session: Session, caller: Caller, entity_id: int) -> None:
    """Delete the ACL of an entity. The entity then inherits the ACL of its parent.

    Raises:
        Forbidden: The entity is a project, it has no ACL, or the caller lacks CHANGE_PERMISSIONS.
        NotFound: No such entity.
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
