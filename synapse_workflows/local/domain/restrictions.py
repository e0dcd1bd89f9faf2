"""Access requirements that restrict downloads."""

from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL, AccessType
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import format_entity_id, generate_etag, next_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import sts_rules
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import AccessRequirement, Entity


def serialize(requirement: AccessRequirement) -> dict[str, Any]:
    """Serialize a database row as a LockAccessRequirement."""
    created_on, created_by = to_iso(requirement.created_on), str(requirement.created_by)
    return {
        "concreteType": f"{MODEL}.LockAccessRequirement",
        "id": requirement.id,
        "versionNumber": 0,
        "name": str(requirement.id),
        "etag": requirement.etag,
        "createdOn": created_on,
        "createdBy": created_by,
        "modifiedOn": created_on,
        "modifiedBy": created_by,
        "accessType": AccessType.DOWNLOAD.value,
        "subjectsDefinedByAnnotations": False,
        "subjectIds": [{"id": format_entity_id(requirement.entity_id), "type": "ENTITY"}],
    }


def create_lock(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Restrict downloads of an entity and its descendants to administrators.

    Raises:
        BadRequest: The entity or one of its ancestors is already restricted, or the entity is
            below an STS-enabled folder.
        Forbidden: The caller lacks CREATE or UPDATE.
        NotFound: No such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    access.require(session, caller, entity_id, AccessType.CREATE)
    if access.is_restricted(session, entity):
        raise BadRequest(f"Entity {format_entity_id(entity_id)} is already restricted.")
    sts_rules.check_not_below_sts_folder(
        session, entity, "Cannot add access requirements in a child of an STS-enabled folder"
    )
    requirement = AccessRequirement(
        id=next_id(session, "access_requirement"),
        entity_id=entity_id,
        etag=generate_etag(),
        created_on=caller.now,
        created_by=caller.id,
    )
    session.add(requirement)
    return serialize(requirement)


def list_requirements(
    session: Session, caller: Caller, entity_id: int, page: Page
) -> list[dict[str, Any]]:
    """List the access requirements of an entity and its ancestors.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    requirements = access.list_requirements(session, entity)[page.offset :][: page.limit]
    return [serialize(each) for each in requirements]


def get_information(session: Session, caller: Caller, entity: Entity) -> dict[str, Any]:
    """Return the RestrictionInformationResponse of an entity."""
    is_restricted = access.is_restricted(session, entity)
    return {
        "objectId": entity.id,
        "restrictionLevel": "CONTROLLED_BY_ACT" if is_restricted else "OPEN",
        "hasUnmetAccessRequirement": is_restricted and not caller.is_admin,
    }
