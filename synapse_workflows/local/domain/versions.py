"""Versions of entities: creation, lists and deletion."""

from typing import Any, Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities, file_handles, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import EntityRequest
from synapse_workflows.local.domain.ids import format_entity_id, generate_etag, parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import sts_rules
from synapse_workflows.local.domain.tables import schemas
from synapse_workflows.local.errors import BadRequest, Conflict, PreconditionFailed
from synapse_workflows.local.storage.database import fetch_rows
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion, Principal

MAX_VERSIONS: Final = 15_000
_IS_OF_ENTITY = EntityVersion.entity_id == bindparam("entity_id")
_VERSION_COUNT = select(func.count()).select_from(EntityVersion).where(_IS_OF_ENTITY)
_OTHER_VERSION = select(EntityVersion.number).where(
    _IS_OF_ENTITY,
    EntityVersion.label == bindparam("label"),
    EntityVersion.number != bindparam("number"),
)


def has_same_content(session: Session, old_handle: int, new_handle: int) -> bool:
    """Return whether two file handles have the same MD5."""
    old = file_handles.get_handle(session, old_handle).content_md5
    new = file_handles.get_handle(session, new_handle).content_md5
    return old is not None and old == new


def prepare_update(
    session: Session, entity: Entity, request: EntityRequest, *, new_version: bool
) -> EntityVersion:
    """Return the version that an update changes, with its label, comment and file handle.

    A new version is created on request or when the content of a file changes. In the second case
    the label of the new version is its number, and the new version has no comment.

    Args:
        session: Database session with write access.
        entity: Entity to update.
        request: Parsed request.
        new_version: Whether the caller requested a new version.

    Raises:
        BadRequest: The entity has too many versions.
        Conflict: Another version has the label.
    """
    current = entities.get_version(session, entity)
    if not request.type.is_versionable:
        return current
    old, new = current.file_handle_id, request.file_handle_id
    content_changed = (
        old is not None
        and new is not None
        and old != new
        and not has_same_content(session, old, new)
    )
    if new_version and not request.type.has_snapshots:
        current = create_version(session, entity, current, request.label, request.comment)
    elif content_changed:
        current = create_version(session, entity, current, None, None)
    else:
        label = request.label or str(current.number)
        check_label_available(session, entity, label, current.number)
        current.label, current.comment = label, request.comment
    current.file_handle_id = new
    return current


def create_version(
    session: Session,
    entity: Entity,
    previous: EntityVersion,
    label: str | None,
    comment: str | None,
) -> EntityVersion:
    """Create a version with the annotations of the previous version and without an activity."""
    [(count,)] = fetch_rows(session, _VERSION_COUNT, entity_id=entity.id)
    if count >= MAX_VERSIONS:
        raise BadRequest(
            f"Cannot create a version of {format_entity_id(entity.id)}: it has {MAX_VERSIONS} "
            "versions, which is the limit."
        )
    number = entity.highest_version + 1
    label = label or str(number)
    check_label_available(session, entity, label, number)
    version = EntityVersion(
        entity_id=entity.id,
        number=number,
        label=label,
        comment=comment,
        description=previous.description,
        modified_on=previous.modified_on,
        modified_by=previous.modified_by,
        file_handle_id=previous.file_handle_id,
        activity_id=None,
        properties=previous.properties,
        annotations=previous.annotations,
    )
    session.add(version)
    entity.current_version = entity.highest_version = number
    return version


def check_label_available(session: Session, entity: Entity, label: str, number: int) -> None:
    """Check that no version except `number` has the label.

    Raises:
        Conflict: The label is in use.
    """
    if fetch_rows(session, _OTHER_VERSION, entity_id=entity.id, label=label, number=number):
        raise Conflict(
            f"A version with the label: {label} already exists "
            f"for the entity: {format_entity_id(entity.id)}"
        )


def delete(session: Session, caller: Caller, entity_id: int, number: int) -> None:
    """Delete a version. The highest remaining version becomes the current one.

    Raises:
        BadRequest: The entity has no other version.
        Forbidden: The caller lacks DELETE.
        NotFound: No such entity or version.
    """
    entity = access.require(session, caller, entity_id, AccessType.DELETE)
    access.get_not_trashed(session, entity_id)  # `require` skips this check for administrators
    version = entities.get_version(session, entity, number)
    numbers = set(
        session.scalars(select(EntityVersion.number).where(EntityVersion.entity_id == entity.id))
    )
    if numbers == {number}:
        raise BadRequest("Cannot delete the last version of an entity")
    session.delete(version)
    current = max(numbers - {number})
    if current != entity.current_version:
        entity.current_version = current
        schemas.sync_current_version(session, entity)
    entity.etag = generate_etag()


def list_versions(
    session: Session, caller: Caller, entity_id: int, page: Page
) -> list[dict[str, Any]]:
    """List the versions of an entity as VersionInfo, newest first.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    rows = session.execute(
        select(EntityVersion, FileHandle, Principal.name)
        .outerjoin(FileHandle, FileHandle.id == EntityVersion.file_handle_id)
        .outerjoin(Principal, Principal.id == EntityVersion.modified_by)
        .where(EntityVersion.entity_id == entity.id)
        .order_by(EntityVersion.number.desc())
        .limit(page.limit)
        .offset(page.offset)
    )
    return [_serialize_info(entity, version, handle, name) for version, handle, name in rows]


def _serialize_info(
    entity: Entity, version: EntityVersion, handle: FileHandle | None, modified_by: str | None
) -> dict[str, Any]:
    size = None if handle is None else handle.content_size
    return {
        "id": format_entity_id(entity.id),
        "versionNumber": version.number,
        "versionLabel": version.label,
        "versionComment": version.comment,
        "isLatestVersion": version.number == entity.current_version,
        "modifiedBy": modified_by,
        "modifiedByPrincipalId": str(version.modified_by),
        "modifiedOn": to_iso(version.modified_on),
        "contentMd5": None if handle is None else handle.content_md5,
        "contentSize": None if size is None else str(size),
    }


def replace_file_handle(
    session: Session, caller: Caller, entity_id: int, number: int, body: request_fields.Body
) -> None:
    """Replace the file handle of a version (FileHandleUpdateRequest). The MD5s must be equal.

    Raises:
        BadRequest: The MD5s differ, a file handle has no MD5, or the new file handle is not in the
            STS-enabled storage location of the folder.
        Forbidden: The caller lacks UPDATE, or does not own the new file handle.
        NotFound: No such entity, version or file handle.
        PreconditionFailed: The version does not have the old file handle.
    """
    old = parse_id(request_fields.get_required_text(body, "oldFileHandleId"), "oldFileHandleId")
    new = parse_id(request_fields.get_required_text(body, "newFileHandleId"), "newFileHandleId")
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    version = entities.get_version(session, entity, number)
    if version.file_handle_id != old:
        raise PreconditionFailed(
            f"The id of the provided old file handle (id: {old}) does not match the id of the "
            f"file handle of {format_entity_id(entity_id)}, version {number}"
        )
    handle = file_handles.get_own_handle(session, caller, new)
    sts_rules.check_file_handle(session, entity, handle)
    if not has_same_content(session, old, new):
        raise BadRequest(
            f"Cannot replace file handle {old} by {new}: their MD5s must be set and equal."
        )
    version.file_handle_id = new
    entity.etag = generate_etag()
