"""The files of entities: their handles, and where to fetch the bytes."""

from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities, file_handles
from synapse_workflows.local.domain.ids import entity_text
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.file_models import FileHandle


def handle_of(session: Session, caller: Caller, entity_id: int, number: int | None) -> FileHandle:
    """Give the data handle of a version of a file, of the current one for None.

    Raises:
        Forbidden: the caller may not READ and DOWNLOAD the entity.
        NotFound: no such entity or version, or it has no file.
    """
    access.require(session, caller, entity_id, AccessType.READ)
    entity = access.require(session, caller, entity_id, AccessType.DOWNLOAD)
    version = entities.version_of(session, entity, number)
    if version.file_handle_id is None:
        raise NotFound(f"{entity_text(entity_id)} does not have a file.")
    return file_handles.load(session, version.file_handle_id)


def handles(
    session: Session, caller: Caller, entity_id: int, number: int | None
) -> dict[str, Any]:
    """Give the data handle of a version and its preview (FileHandleResults).

    Raises:
        Forbidden: the caller may not READ and DOWNLOAD the entity.
        NotFound: no such entity or version, or it has no file.
    """
    handle = handle_of(session, caller, entity_id, number)
    return {"list": with_preview(session, handle)}


def with_preview(session: Session, handle: FileHandle) -> list[dict[str, Any]]:
    """Write a file handle and, after it, its preview when it has one."""
    found = [file_handles.wire(handle)]
    if handle.preview_id is not None:
        found.append(file_handles.wire(file_handles.load(session, handle.preview_id)))
    return found
