"""File handles: immutable metadata of stored and external files."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import bindparam, delete as sql_delete, exists, insert, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import S3_FILE_HANDLE
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entities import is_file_handle_used
from synapse_workflows.local.domain.ids import generate_etag, next_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import storage_locations
from synapse_workflows.local.errors import BadRequest, Conflict, Forbidden
from synapse_workflows.local.storage.blobs import StoredFile
from synapse_workflows.local.storage.database import execute, fetch_rows, insert_row
from synapse_workflows.local.storage.file_models import Blob, FileHandle, Part, Segment, UnusedFile
from synapse_workflows.local.storage.storage_models import StorageLocation

#: Default name and default content type of external files.
NOT_SET: Final = "NOT_SET"
MAX_NAME_LENGTH: Final = 256
_SEGMENTS = (
    select(Segment.name, Segment.size)
    .where(Segment.blob_id == bindparam("blob_id"))
    .order_by(Segment.position)
)
_INSERT_BLOB = insert(Blob)
_INSERT_SEGMENT = insert(Segment)
_MD5: Final = re.compile(r"[0-9a-f]{32}")


def get_handle(session: Session, handle_id: int) -> FileHandle:
    """Return a file handle.

    Raises:
        NotFound: No such file handle.
    """
    message = f"FileHandle with ID: {handle_id} does not exist"
    return get_or_404(session, FileHandle, handle_id, message)


def is_owner(caller: Caller, handle: FileHandle) -> bool:
    """Return whether the caller created the file handle or is an administrator."""
    return caller.is_admin or handle.created_by == caller.id


def get_own_handle(session: Session, caller: Caller, handle_id: int) -> FileHandle:
    """Return a file handle that the caller created.

    Raises:
        NotFound: No such file handle.
        Forbidden: The caller did not create the file handle.
    """
    handle = get_handle(session, handle_id)
    if not is_owner(caller, handle):
        raise Forbidden(
            "Only the creator of a FileHandle can access it directly by its ID: "
            f"user {caller.id} does not have permission to use FileHandle {handle_id}."
        )
    return handle


def serialize(handle: FileHandle) -> dict[str, Any]:
    """Serialize a database row as a FileHandle."""
    body = {
        "id": str(handle.id),
        "etag": handle.etag,
        "createdBy": str(handle.created_by),
        "createdOn": to_iso(handle.created_on),
        "modifiedOn": to_iso(handle.created_on),
        "concreteType": handle.concrete_type,
        "contentType": handle.content_type,
        "contentMd5": handle.content_md5,
        "fileName": handle.file_name,
        "storageLocationId": handle.storage_location_id,
        "contentSize": handle.content_size,
        "status": "AVAILABLE",
        **handle.location,
    }
    if handle.concrete_type == S3_FILE_HANDLE:
        body["isPreview"] = False
        body["previewId"] = None if handle.preview_id is None else str(handle.preview_id)
    return body


def list_stored_files(session: Session, handle: FileHandle) -> list[StoredFile]:
    """List the blob files of a file handle, in the order of their bytes."""
    rows = fetch_rows(session, _SEGMENTS, blob_id=handle.blob_id)
    return [StoredFile(name, size) for name, size in rows]


def create_stored(
    session: Session,
    caller: Caller,
    files: Sequence[StoredFile],
    md5: str,
    *,
    file_name: str,
    content_type: str,
    storage_location: StorageLocation | None = None,
) -> FileHandle:
    """Create an S3FileHandle and the blob of its content.

    Args:
        session: Database session with write access.
        caller: Owner of the file handle.
        files: Files with the content, in the order of their bytes.
        md5: MD5 of the content.
        file_name: Name of the file.
        content_type: Media type.
        storage_location: Storage location with a bucket; None for the default location.
    """
    blob = {"id": str(uuid.uuid4()), "size": sum(each.size for each in files), "md5": md5}
    execute(session, _INSERT_BLOB, blob)
    segments = [
        {"blob_id": blob["id"], "position": position, "name": each.name, "size": each.size}
        for position, each in enumerate(files, 1)
    ]
    execute(session, _INSERT_SEGMENT, segments)
    location = storage_location or storage_locations.parse_location(session, None)
    return add(
        session,
        caller,
        concrete_type=S3_FILE_HANDLE,
        file_name=file_name,
        content_type=content_type,
        content_md5=blob["md5"],
        content_size=blob["size"],
        storage_location_id=location.id,
        location={
            "bucketName": storage_locations.get_bucket(location),
            "key": storage_locations.generate_key(location, caller, file_name),
        },
        blob_id=blob["id"],
    )


def copy(
    session: Session, caller: Caller, original: FileHandle, changes: Mapping[str, Any]
) -> FileHandle:
    """Create a file handle of the caller for the same bytes.

    Args:
        session: Database session with write access.
        caller: Owner of the copy.
        original: File handle to copy; the caller can download it.
        changes: newFileName and newContentType, both optional.
    """
    return add(
        session,
        caller,
        concrete_type=original.concrete_type,
        file_name=request_fields.get_text(changes, "newFileName") or original.file_name,
        content_type=request_fields.get_text(changes, "newContentType") or original.content_type,
        content_md5=original.content_md5,
        content_size=original.content_size,
        storage_location_id=original.storage_location_id,
        location=dict(original.location),
        blob_id=original.blob_id,
    )


def add(session: Session, caller: Caller, *, file_name: str, **columns: Any) -> FileHandle:
    """Add a file handle of the caller to the database.

    Args:
        session: Database session with write access.
        caller: Owner of the file handle.
        file_name: Name of the file.
        columns: Other columns of the file handle.

    Raises:
        BadRequest: The file name is too long.
    """
    if request_fields.utf16_length(file_name) > MAX_NAME_LENGTH:
        raise BadRequest(
            f"File names must be {MAX_NAME_LENGTH} characters or less: {file_name[:50]!r}..."
        )
    handle = FileHandle(
        id=next_id(session, "file_handle"),
        etag=generate_etag(),
        created_by=caller.id,
        created_on=caller.now,
        file_name=file_name,
        **columns,
    )
    insert_row(session, handle)
    return handle


def delete(session: Session, caller: Caller, handle_id: int) -> list[str]:
    """Delete a file handle, and its blob if no other file handle uses it.

    Returns:
        Names of the blob files to remove after the transaction is committed.

    Raises:
        Forbidden: The caller did not create the file handle.
        Conflict: The file handle is in use.
    """
    handle = session.get(FileHandle, handle_id)
    if handle is None:
        return []
    get_own_handle(session, caller, handle_id)
    if is_file_handle_used(session, handle_id):
        raise Conflict(f"FileHandle {handle_id} cannot be deleted: it is in use.")
    unused = list_stored_files(session, handle)
    session.delete(handle)
    session.flush()
    shared = exists().where(FileHandle.blob_id == handle.blob_id)
    if handle.blob_id is None or session.scalar(select(shared)):
        return []
    session.execute(sql_delete(Segment).where(Segment.blob_id == handle.blob_id))
    session.execute(sql_delete(Blob).where(Blob.id == handle.blob_id))
    return [each.name for each in unused]


def delete_orphaned_files(service: Service) -> int:
    """Delete unused blob files that remained after a crash.

    Call this function before the service accepts requests.

    Returns:
        The number of deleted files.
    """
    with service.database.read_transaction() as session:
        referenced = {*session.scalars(select(Segment.name)), *session.scalars(select(Part.name))}
        unused = set(session.scalars(select(UnusedFile.name)))
    count = service.blobs.sweep(referenced, unused)
    with service.database.write_transaction() as session:
        session.execute(sql_delete(UnusedFile))
    return count


def check_logged_in(caller: Caller) -> None:
    """Check that the caller is not anonymous.

    Raises:
        Forbidden: The caller is anonymous.
    """
    if caller.is_anonymous:
        raise Forbidden("Anonymous users cannot create or use file handles. Please log in.")


def parse_md5(value: str, name: str) -> str:
    """Return an MD5 in lowercase hexadecimal digits.

    Raises:
        BadRequest: The value is not an MD5.
    """
    if _MD5.fullmatch(value.lower()) is None:
        raise BadRequest(f"{name} must be an MD5 of 32 hexadecimal digits.")
    return value.lower()
