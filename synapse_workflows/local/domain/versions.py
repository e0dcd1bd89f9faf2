"""Versions of entities: which change makes one, and how they are listed and deleted."""

from typing import Any, Final

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities, file_handles, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import EntityRequest
from synapse_workflows.local.domain.ids import format_entity_id, parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import schemas
from synapse_workflows.local.errors import BadRequest, Conflict, ServiceError
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion, Principal

MAX_VERSIONS: Final = 15_000


def has_same_content(session: Session, old_handle: int, new_handle: int) -> bool:
    """Tell whether two file handles are known to hold the same bytes."""
    old = file_handles.get_handle(session, old_handle).content_md5
    new = file_handles.get_handle(session, new_handle).content_md5
    return old is not None and old == new


def prepare_update(
    session: Session, entity: Entity, draft: EntityRequest, *, asked: bool
) -> EntityVersion:
    """Give the version that an update writes to, with its label, comment and file handle.

    A new version is made when the caller asks for one, and when a file's content changes; then
    label and comment are what the caller says, or on their own account the number and nothing.

    Args:
        session: writes the tables.
        entity: what is updated.
        draft: what it should become.
        asked: whether the caller asked for a new version.

    Raises:
        BadRequest: there are too many versions.
        Conflict: another version has the label.
    """
    current = entities.get_version(session, entity, None)
    if not draft.kind.versionable:
        return current
    old, new = current.file_handle_id, draft.file_handle_id
    content_changed = (
        old is not None
        and new is not None
        and old != new
        and not has_same_content(session, old, new)
    )
    if asked and not draft.kind.has_snapshots:
        current = create_version(session, entity, current, draft.label, draft.comment)
    elif content_changed:
        current = create_version(session, entity, current, None, None)
    else:
        label = draft.label or str(current.number)
        check_label_available(session, entity, label, current.number)
        current.label, current.comment = label, draft.comment
    current.file_handle_id = new
    return current


def create_version(
    session: Session,
    entity: Entity,
    previous: EntityVersion,
    label: str | None,
    comment: str | None,
) -> EntityVersion:
    """Begin a version: annotations go over from the previous one, the activity does not."""
    held = select(func.count()).select_from(EntityVersion)
    if (session.scalar(held.where(EntityVersion.entity_id == entity.id)) or 0) >= MAX_VERSIONS:
        raise BadRequest(f"{format_entity_id(entity.id)} has {MAX_VERSIONS} versions, the limit.")
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
    """Check that no version but `number` has the label.

    Raises:
        Conflict: one has.
    """
    taken = exists().where(
        EntityVersion.entity_id == entity.id,
        EntityVersion.label == label,
        EntityVersion.number != number,
    )
    if session.scalar(select(taken)):
        raise Conflict(
            f"A version with the label: {label} already exists "
            f"for the entity: {format_entity_id(entity.id)}"
        )


def delete(session: Session, caller: Caller, entity_id: int, number: int) -> None:
    """Delete a version; without the current one the highest that remains is current.

    Raises:
        BadRequest: it is the only one.
        Forbidden: the caller lacks DELETE.
        NotFound: no such entity or version.
    """
    entity = access.require(session, caller, entity_id, AccessType.DELETE)
    if access.is_trashed(entity):  # an administrator gets this far
        access.get_not_trashed(session, entity_id)
    version = entities.numbered(session, entity, number)
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
    entity.etag = entities.generate_etag()


def list_versions(
    session: Session, caller: Caller, entity_id: int, asked: Page
) -> list[dict[str, Any]]:
    """List versions as VersionInfo, newest first.

    Raises:
        Forbidden: the caller may not READ the entity.
        NotFound: there is no such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    found = session.execute(
        select(EntityVersion, FileHandle, Principal.name)
        .outerjoin(FileHandle, FileHandle.id == EntityVersion.file_handle_id)
        .outerjoin(Principal, Principal.id == EntityVersion.modified_by)
        .where(EntityVersion.entity_id == entity.id)
        .order_by(EntityVersion.number.desc())
        .limit(asked.limit)
        .offset(asked.offset)
    )
    return [_serialize_info(entity, version, handle, name) for version, handle, name in found]


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
    """Let a version hold another file handle of the same content (FileHandleUpdateRequest).

    Raises:
        BadRequest: the content differs or is not known to be the same.
        Forbidden: the caller lacks UPDATE, or the new handle is somebody else's.
        NotFound: no such entity, version or handle.
        ServiceError: 412, the version does not hold the old handle.
    """
    old = parse_id(request_fields.get_required_text(body, "oldFileHandleId"), "oldFileHandleId")
    new = parse_id(request_fields.get_required_text(body, "newFileHandleId"), "newFileHandleId")
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    version = entities.numbered(session, entity, number)
    if version.file_handle_id != old:
        raise ServiceError(
            f"The id of the provided old file handle (id: {old}) does not match the id of the "
            f"file handle of {format_entity_id(entity_id)}, version {number}",
            status=412,
        )
    file_handles.get_own_handle(session, caller, new)
    if not has_same_content(session, old, new):
        raise BadRequest(
            f"The MD5 of the file handles {old} and {new} must be known and the same."
        )
    version.file_handle_id = new
    entity.etag = entities.generate_etag()
