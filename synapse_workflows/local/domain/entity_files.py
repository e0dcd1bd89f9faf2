"""The files of entities: their handles, and where to fetch the bytes."""

from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities, file_handles
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.file_models import FileHandle


def get_handle(session: Session, caller: Caller, entity_id: int, number: int | None) -> FileHandle:
    """Give the data handle of a version of a file, of the current one for None.

    Raises:
        Forbidden: the caller may not READ and DOWNLOAD the entity.
        NotFound: no such entity or version, or it has no file.
    """
    access.require(session, caller, entity_id, AccessType.READ)
    entity = access.require(session, caller, entity_id, AccessType.DOWNLOAD)
    version = entities.get_version(session, entity, number)
    if version.file_handle_id is None:
        raise NotFound(f"{format_entity_id(entity_id)} does not have a file.")
    return file_handles.get_handle(session, version.file_handle_id)


def list_handles(
    session: Session, caller: Caller, entity_id: int, number: int | None
) -> dict[str, Any]:
    """Give the data handle of a version and its preview (FileHandleResults).

    Raises:
        Forbidden: the caller may not READ and DOWNLOAD the entity.
        NotFound: no such entity or version, or it has no file.
    """
    handle = get_handle(session, caller, entity_id, number)
    return {"list": serialize_with_preview(session, handle)}


def serialize_with_preview(session: Session, handle: FileHandle) -> list[dict[str, Any]]:
    """Write a file handle and, after it, its preview when it has one."""
    found = [file_handles.serialize(handle)]
    if handle.preview_id is not None:
        found.append(file_handles.serialize(file_handles.get_handle(session, handle.preview_id)))
    return found
