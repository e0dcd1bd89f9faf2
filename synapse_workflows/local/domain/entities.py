"""Entities as they are: finding them, reading them, guarding their etags."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ZERO_ETAG, AccessType
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import CONCRETE_TYPES
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import NotFound, StaleEtag
from synapse_workflows.local.storage.evaluation_models import SubmissionFileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion
from synapse_workflows.local.storage.table_models import TableFileHandle


def generate_etag() -> str:
    """Make an etag, different from all others."""
    return str(uuid.uuid4())


def check_etag(object_id: str, current: str, body: Mapping[str, Any]) -> None:
    """Check that the caller read the object as it is now.

    Raises:
        Stale: the body carries another etag, or none.
    """
    if body.get("etag") != current:
        raise StaleEtag(object_id)


def numbered(session: Session, entity: Entity, number: int) -> EntityVersion:
    """Give one version of an entity.

    Raises:
        NotFound: the entity never had it, or it was deleted.
    """
    version = session.get(EntityVersion, (entity.id, number))
    if version is None:
        raise NotFound(
            f"Cannot find a node with id {format_entity_id(entity.id)} and version {number}"
        )
    return version


def get_version(session: Session, entity: Entity, number: int | None) -> EntityVersion:
    """Give a version of an entity, the current one for None.

    Raises:
        NotFound: there is no such version.
    """
    return numbered(session, entity, entity.current_version if number is None else number)


def get(
    session: Session, caller: Caller, entity_id: int, number: int | None = None
) -> dict[str, Any]:
    """Give an entity to a caller who may READ it.

    Args:
        session: reads the tables.
        caller: who asks.
        entity_id: which.
        number: a version of it; None for the current one, with its etag.

    Raises:
        NotFound: no such entity or version, or it is in the trash can.
        Forbidden: the caller may not READ it.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    version = get_version(session, entity, number)
    return serialize(entity, version, zero_etag=number is not None)


def serialize(
    entity: Entity, version: EntityVersion, *, zero_etag: bool = False
) -> dict[str, Any]:
    """Write an entity.

    Args:
        entity: what is true in all versions.
        version: the version to show.
        zero_etag: hide the etag, as reads of a numbered version do.
    """
    body = {
        "name": entity.name,
        "description": version.description,
        "id": format_entity_id(entity.id),
        "etag": ZERO_ETAG if zero_etag else entity.etag,
        "createdOn": to_iso(entity.created_on),
        "modifiedOn": to_iso(version.modified_on),
        "createdBy": str(entity.created_by),
        "modifiedBy": str(version.modified_by),
        "parentId": None if entity.parent_id is None else format_entity_id(entity.parent_id),
        "concreteType": entity.concrete_type,
        **version.properties,
    }
    if CONCRETE_TYPES[entity.concrete_type].versionable:
        body |= {
            "versionNumber": version.number,
            "versionLabel": version.label,
            "versionComment": version.comment,
            "isLatestVersion": version.number == entity.current_version,
        }
    if version.file_handle_id is not None:
        body["dataFileHandleId"] = str(version.file_handle_id)
    return body


def serialize_header(entity: Entity, version: EntityVersion) -> dict[str, Any]:
    """Write an EntityHeader."""
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
    """Write the EntityHeader of the current version."""
    return serialize_header(entity, get_version(session, entity, None))


def mark_changed(entity: Entity, version: EntityVersion, caller: Caller) -> None:
    """Mark an entity as changed by the caller: a new etag, who and when."""
    entity.etag = generate_etag()
    version.modified_on = caller.now
    version.modified_by = caller.id


def has_file_handle(session: Session, entity_id: int, handle_id: int) -> bool:
    """Tell whether any version of the entity holds the file handle."""
    used = exists().where(
        EntityVersion.entity_id == entity_id, EntityVersion.file_handle_id == handle_id
    )
    return bool(session.scalar(select(used)))


def is_file_handle_used(session: Session, handle_id: int) -> bool:
    """Tell whether a version of any entity, trashed ones too, or a submission holds the handle."""
    used = exists().where(EntityVersion.file_handle_id == handle_id)
    in_cell = exists().where(TableFileHandle.handle_id == handle_id)
    submitted = exists().where(SubmissionFileHandle.handle_id == handle_id)
    return bool(session.scalar(select(used | in_cell | submitted)))


def has_cell_file_handle(session: Session, entity_id: int, handle_id: int) -> bool:
    """Tell whether a cell of the table holds, or once held, the file handle."""
    return session.get(TableFileHandle, (entity_id, handle_id)) is not None
