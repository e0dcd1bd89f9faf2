"""Entities: reading, serialization and etags."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ZERO_ETAG, AccessType
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import CONCRETE_TYPES
from synapse_workflows.local.domain.ids import format_entity_id, generate_etag
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import StaleEtag
from synapse_workflows.local.storage.database import update_row
from synapse_workflows.local.storage.evaluation_models import SubmissionFileHandle
from synapse_workflows.local.storage.message_models import Message
from synapse_workflows.local.storage.models import Entity, EntityVersion, Profile
from synapse_workflows.local.storage.table_models import TableFileHandle
from synapse_workflows.local.storage.team_models import Team
from synapse_workflows.local.storage.wiki_models import WikiAttachment, WikiVersion


def check_etag(object_id: str, current: str, body: Mapping[str, Any]) -> None:
    """Check the etag of a request body.

    Raises:
        StaleEtag: The etag in the body is missing, or differs from the current etag.
    """
    if body.get("etag") != current:
        raise StaleEtag(object_id)


def get_version(session: Session, entity: Entity, number: int | None = None) -> EntityVersion:
    """Return a version of an entity; the current version if `number` is None.

    Raises:
        NotFound: No such version.
    """
    number = entity.current_version if number is None else number
    message = f"Cannot find a node with id {format_entity_id(entity.id)} and version {number}"
    return get_or_404(session, EntityVersion, (entity.id, number), message)


def get(
    session: Session, caller: Caller, entity_id: int, number: int | None = None
) -> dict[str, Any]:
    """Return an entity.

    Args:
        session: Database session.
        caller: User of the request; needs READ.
        entity_id: ID of the entity.
        number: Version; None for the current version.

    Raises:
        NotFound: No such entity or version, or the entity is in the trash can.
        Forbidden: The caller lacks READ.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    version = get_version(session, entity, number)
    return serialize(entity, version)


def serialize(entity: Entity, version: EntityVersion) -> dict[str, Any]:
    """Serialize a version as an Entity. Versions other than the current one get the zero etag."""
    is_current = version.number == entity.current_version
    body = {
        "name": entity.name,
        "description": version.description,
        "id": format_entity_id(entity.id),
        "etag": entity.etag if is_current else ZERO_ETAG,
        "createdOn": to_iso(entity.created_on),
        "modifiedOn": to_iso(version.modified_on),
        "createdBy": str(entity.created_by),
        "modifiedBy": str(version.modified_by),
        "parentId": None if entity.parent_id is None else format_entity_id(entity.parent_id),
        "concreteType": entity.concrete_type,
        **version.properties,
    }
    if CONCRETE_TYPES[entity.concrete_type].is_versionable:
        body |= {
            "versionNumber": version.number,
            "versionLabel": version.label,
            "versionComment": version.comment,
            "isLatestVersion": is_current,
        }
    if version.file_handle_id is not None:
        body["dataFileHandleId"] = str(version.file_handle_id)
    return body


def serialize_header(entity: Entity, version: EntityVersion) -> dict[str, Any]:
    """Return the EntityHeader of a version."""
    return {
        "id": format_entity_id(entity.id),
        "name": entity.name,
        "type": entity.concrete_type,
        "versionNumber": version.number,
        "versionLabel": version.label,
        "benefactorId": entity.benefactor_id,
        "createdOn": to_iso(entity.created_on),
        "modifiedOn": to_iso(version.modified_on),
        "createdBy": str(entity.created_by),
        "modifiedBy": str(version.modified_by),
        "isLatestVersion": version.number == entity.current_version,
    }


def get_current_header(session: Session, entity: Entity) -> dict[str, Any]:
    """Return the EntityHeader of the current version."""
    return serialize_header(entity, get_version(session, entity))


def record_change(
    session: Session, caller: Caller, entity: Entity, version: EntityVersion, **values: Any
) -> None:
    """Set a new etag, date and author of the change, and other columns of the version."""
    update_row(session, entity, etag=generate_etag())
    update_row(session, version, modified_on=caller.now, modified_by=caller.id, **values)


def has_file_handle(session: Session, entity_id: int, handle_id: int) -> bool:
    """Return whether a version of the entity has the file handle."""
    used = exists().where(
        EntityVersion.entity_id == entity_id, EntityVersion.file_handle_id == handle_id
    )
    return bool(session.scalar(select(used)))


def is_file_handle_used(session: Session, handle_id: int) -> bool:
    """Return whether an entity, table, submission, message, profile, team or wiki uses a handle.

    Entities in the trash can are included.
    """
    used = exists().where(EntityVersion.file_handle_id == handle_id)
    in_cell = exists().where(TableFileHandle.handle_id == handle_id)
    submitted = exists().where(SubmissionFileHandle.handle_id == handle_id)
    sent = exists().where(Message.file_handle_id == handle_id)
    picture = exists().where(
        Profile.properties["profilePicureFileHandleId"].as_string() == str(handle_id)
    )
    icon = exists().where(Team.icon == handle_id)
    attached = exists().where(WikiAttachment.handle_id == handle_id)
    markdown = exists().where(WikiVersion.markdown_handle_id == handle_id)
    others = sent | picture | icon | attached | markdown
    return bool(session.scalar(select(used | in_cell | submitted | others)))


def has_cell_file_handle(session: Session, entity_id: int, handle_id: int) -> bool:
    """Return whether a cell of the table has or had the file handle."""
    return session.get(TableFileHandle, (entity_id, handle_id)) is not None
