"""File handles of entities."""

from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities, file_handles
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.file_models import FileHandle


def get_handle(session: Session, caller: Caller, entity_id: int, number: int | None) -> FileHandle:
    """Return the data file handle of an entity version; the current version if `number` is None.

    Raises:
        Forbidden: The caller lacks READ or DOWNLOAD.
        NotFound: No such entity or version, or the version has no file.
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
    """Return the data file handle of an entity version and its preview (FileHandleResults).

    Raises:
        Forbidden: The caller lacks READ or DOWNLOAD.
        NotFound: No such entity or version, or the version has no file.
    """
    handle = get_handle(session, caller, entity_id, number)
    return {"list": serialize_with_preview(session, handle)}


def serialize_with_preview(session: Session, handle: FileHandle) -> list[dict[str, Any]]:
    """Return a file handle, followed by its preview if it has one."""
    results = [file_handles.serialize(handle)]
    if handle.preview_id is not None:
        results.append(file_handles.serialize(file_handles.get_handle(session, handle.preview_id)))
    return results
