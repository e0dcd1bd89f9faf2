"""Access requirements: locks on data, and what a caller learns of them."""

from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL, AccessType
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import format_entity_id, next_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import AccessRequirement, Entity


def serialize(requirement: AccessRequirement) -> dict[str, Any]:
    """Write a LockAccessRequirement."""
    made_on, made_by = to_iso(requirement.created_on), str(requirement.created_by)
    return {
        "concreteType": f"{MODEL}.LockAccessRequirement",
        "id": requirement.id,
        "versionNumber": 0,
        "name": str(requirement.id),
        "etag": requirement.etag,
        "createdOn": made_on,
        "createdBy": made_by,
        "modifiedOn": made_on,
        "modifiedBy": made_by,
        "accessType": AccessType.DOWNLOAD.value,
        "subjectsDefinedByAnnotations": False,
        "subjectIds": [{"id": format_entity_id(requirement.entity_id), "type": "ENTITY"}],
    }


def create_lock(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Lock an entity and all below it against downloads by everybody but administrators.

    Raises:
        BadRequest: it, or something above it, is restricted already.
        Forbidden: the caller lacks CREATE or UPDATE.
        NotFound: there is no such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    access.require(session, caller, entity_id, AccessType.CREATE)
    if access.list_requirements(session, entity):
        raise BadRequest(f"Entity {format_entity_id(entity_id)} is already restricted.")
    requirement = AccessRequirement(
        id=next_id(session, "access_requirement"),
        entity_id=entity_id,
        etag=entities.generate_etag(),
        created_on=caller.now,
        created_by=caller.id,
    )
    session.add(requirement)
    return serialize(requirement)


def list_requirements(
    session: Session, caller: Caller, entity_id: int, asked: Page
) -> list[dict[str, Any]]:
    """List the requirements on an entity and on what is above it.

    Raises:
        Forbidden: the caller may not READ the entity.
        NotFound: there is no such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    found = access.list_requirements(session, entity)[asked.offset :][: asked.limit]
    return [serialize(each) for each in found]


def get_information(session: Session, caller: Caller, entity: Entity) -> dict[str, Any]:
    """Tell a caller about restrictions on an entity (RestrictionInformationResponse)."""
    locked = bool(access.list_requirements(session, entity))
    return {
        "objectId": entity.id,
        "restrictionLevel": "CONTROLLED_BY_ACT" if locked else "OPEN",
        "hasUnmetAccessRequirement": locked and not caller.is_admin,
    }
