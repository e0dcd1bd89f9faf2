"""Parts of multipart uploads, and completion of uploads.

    PUT of the bytes -> part recorded -> part added (MD5 confirmed) -> upload completed

When two clients send the same upload at once, requests that arrive after its completion succeed:
uploaded parts are dropped, and added parts are compared with the stored MD5s.

Functions that make blob files unused return the names of these files. The caller must remove the
files after the transaction is committed.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete as sql_delete, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from synapse_workflows.constants import S3_FILE_HANDLE
from synapse_workflows.local.domain import bucket_uploads, file_handles, multipart
from synapse_workflows.local.domain.bucket_uploads import BucketAssembly, BucketUpload
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import buckets, storage_locations
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.s3.object_store import ObjectStore, UploadedPart
from synapse_workflows.local.storage.blobs import BlobStore, FileWriter, StoredFile
from synapse_workflows.local.storage.database import execute, fetch_rows, update_row
from synapse_workflows.local.storage.file_models import BucketPart, FileHandle, Part, Upload

log = logging.getLogger("synapse_workflows.local")

#: Key in `Upload.request` for the MD5s of the parts of a completed upload, in order.
_PART_MD5S: Final = "part_md5s"
_IS_PART = and_(Part.upload_id == bindparam("upload"), Part.number == bindparam("part"))
_PART = select(Part.name, Part.size, Part.md5).where(_IS_PART)
_UPDATE_PART = update(Part).where(_IS_PART)
_INSERT_PART = insert(Part)
_STORE_PART = _INSERT_PART.on_conflict_do_update(
    set_={key: _INSERT_PART.excluded[key] for key in ("name", "size", "md5", "added")}
)
_ADDED_PARTS = (
    select(Part.name, Part.size, Part.md5)
    .where(Part.upload_id == bindparam("upload_id"), Part.added)
    .order_by(Part.number)
)
_DELETE_PARTS = sql_delete(Part).where(Part.upload_id == bindparam("upload_id"))


def get_part_size(session: Session, upload_id: int) -> int:
    """Return the maximum number of bytes of a part.

    Raises:
        NotFound: No such upload, or a restart deleted it.
    """
    return int(_get_upload(session, upload_id).request["part_size"])


def _get_upload(session: Session, upload_id: int) -> Upload:
    message = f"Multi-part upload {upload_id} does not exist"
    return get_or_404(session, Upload, upload_id, message)


@dataclass(frozen=True)
class CopySource:
    """The bytes of a part to copy: offsets of the first and the last byte in a file.

    `object` is the object store, the bucket and the key of a file in a bucket. `target` is the
    upload in the S3 server that gets the part; None if the service stores it.
    """

    handle_id: int
    files: tuple[StoredFile, ...]
    object: tuple[ObjectStore, str, str] | None
    target: BucketUpload | None
    first: int
    last: int

    def read(self, blobs: BlobStore) -> Iterator[bytes]:
        """Read the bytes in chunks."""
        if self.object is None:
            return blobs.read(self.files, self.first, self.last)
        store, bucket, key = self.object
        return store.read(bucket, key, self.first, self.last)


def get_copy_source(service: Service, session: Session, upload_id: int, number: int) -> CopySource:
    """Return what a part of an upload copies.

    Raises:
        NotFound: No such upload, the upload copies no file, or the file handle was deleted.
    """
    upload = _get_upload(session, upload_id)
    if "source_id" not in upload.request:
        raise NotFound(f"Multi-part upload {upload_id} copies no file")
    source = file_handles.get_handle(session, upload.request["source_id"])
    first, last = multipart.get_part_range(upload, number)
    return CopySource(
        handle_id=source.id,
        files=tuple(file_handles.list_stored_files(session, source)),
        object=buckets.find_object(service, session, source),
        target=bucket_uploads.find(upload),
        first=first,
        last=last,
    )


def record_part(session: Session, upload_id: int, number: int, writer: FileWriter) -> list[str]:
    """Record an uploaded part.

    The part replaces an earlier part with the same number and different bytes. A part that
    was added stays added when the same bytes are uploaded again. A part of a completed upload is
    dropped.

    Returns:
        Names of unused blob files.

    Raises:
        NotFound: No such upload, or a restart deleted it.
    """
    if _get_upload(session, upload_id).state == multipart.COMPLETED:
        return [writer.name]
    previous = fetch_rows(session, _PART, upload=upload_id, part=number)
    if any((each.size, each.md5) == (writer.size, writer.md5) for each in previous):
        return [writer.name]
    execute(
        session,
        _STORE_PART,
        {
            "upload_id": upload_id,
            "number": number,
            "name": writer.name,
            "size": writer.size,
            "md5": writer.md5,
            "added": False,
        },
    )
    return [each.name for each in previous]


def find_bucket_upload(session: Session, caller: Caller, upload_id: int) -> BucketUpload | None:
    """Return the upload in the S3 server that has the parts; None if it is completed.

    Raises:
        NotFound: No such upload.
        Forbidden: Another user started the upload.
    """
    upload = multipart.get_upload(session, caller, upload_id)
    return None if upload.state == multipart.COMPLETED else bucket_uploads.find(upload)


def add_part(
    session: Session,
    caller: Caller,
    upload_id: int,
    number: int,
    md5: str,
    bucket_part: UploadedPart | None = None,
) -> dict[str, Any]:
    """Confirm the MD5 of an uploaded part.

    Args:
        session: Database session with write access.
        caller: User who started the upload.
        upload_id: ID of the upload.
        number: Part number, from 1.
        md5: MD5 of the part, computed by the client.
        bucket_part: The part in the S3 server; None if it is not there.

    Returns:
        AddPartResponse; ADD_FAILED if the MD5 differs or the part is missing.

    Raises:
        BadRequest: The part number is out of range.
        NotFound: No such upload.
        Forbidden: Another user started the upload.
    """
    upload = multipart.get_upload(session, caller, upload_id)
    multipart.check_part_number(upload, number)
    uploaded = _find_md5(session, upload, number) if bucket_part is None else bucket_part.etag
    failure = None
    if uploaded is None:
        failure = f"Part {number} was not uploaded. Please upload it."
    elif uploaded != md5.lower():
        failure = (
            "The provided MD5 does not match the MD5 of the uploaded part. "
            "Please re-upload the part."
        )
    elif upload.state == multipart.UPLOADING:
        if bucket_part is None:
            execute(session, _UPDATE_PART, {"upload": upload_id, "part": number, "added": True})
        else:
            bucket_uploads.record(session, upload, bucket_part)
        update_row(session, upload, updated_on=caller.now)
    return {
        "uploadId": str(upload_id),
        "partNumber": number,
        "addPartState": "ADD_SUCCESS" if failure is None else "ADD_FAILED",
        "errorMessage": failure,
    }


def _find_md5(session: Session, upload: Upload, number: int) -> str | None:
    """Return the MD5 of a part, even if the upload is completed; None if the part is missing."""
    if upload.state == multipart.COMPLETED:
        md5s: list[str] = upload.request.get(_PART_MD5S, [])
        return md5s[number - 1] if md5s else None
    parts = fetch_rows(session, _PART, upload=upload.id, part=number)
    return next((each.md5 for each in parts), None)


@dataclass(frozen=True)
class Assembly:
    """The blob files and the MD5s of all parts in order; MD5 and size of the upload request."""

    files: tuple[StoredFile, ...]
    part_md5s: tuple[str, ...]
    md5: str
    claimed_size: int

    @property
    def size(self) -> int:
        """The number of bytes of all parts."""
        return sum(each.size for each in self.files)


def assemble(session: Session, caller: Caller, upload_id: int) -> Assembly | BucketAssembly | None:
    """Collect the added parts of an upload.

    Returns:
        The parts; None if the upload is completed.

    Raises:
        BadRequest: Parts are missing.
        NotFound: No such upload.
        Forbidden: Another user started the upload.
    """
    upload = multipart.get_upload(session, caller, upload_id)
    if upload.state == multipart.COMPLETED:
        return None
    if (target := bucket_uploads.find(upload)) is not None:
        return bucket_uploads.assemble(session, upload, target)
    parts = fetch_rows(session, _ADDED_PARTS, upload_id=upload_id)
    if missing := upload.part_count - len(parts):
        raise BadRequest(
            f"Missing {missing} part(s). All parts must be successfully added before a file "
            "upload can be completed."
        )
    return Assembly(
        files=tuple(StoredFile(part.name, part.size) for part in parts),
        part_md5s=tuple(part.md5 for part in parts),
        md5=upload.request["md5"],
        claimed_size=upload.request["file_size"],
    )


def check(service: Service, upload_id: int, assembly: Assembly | BucketAssembly) -> None:
    """Complete an upload in the S3 server, or check the content of an upload to the service.

    A warning is logged if the content does not match the MD5 or the size in the upload request.

    Synapse trusts the MD5s of the parts and accepts such uploads. Call this function outside
    of a transaction.

    Raises:
        BadRequest: The S3 server refuses to complete the upload.
        ServiceUnavailable: The S3 server does not respond.
    """
    if isinstance(assembly, BucketAssembly):
        bucket_uploads.complete(service, assembly)
    elif (md5 := service.blobs.compute_md5(assembly.files)) != assembly.md5:
        log.warning(
            "Upload %d has the MD5 %s, but contentMD5Hex is %s.", upload_id, md5, assembly.md5
        )
    if assembly.size != assembly.claimed_size:
        log.warning(
            "Upload %d has %d bytes, but fileSizeBytes is %d.",
            upload_id,
            assembly.size,
            assembly.claimed_size,
        )


def complete(
    session: Session,
    caller: Caller,
    upload_id: int,
    checked: Assembly | BucketAssembly | None,
) -> dict[str, Any]:
    """Create a file handle for the parts of an upload. Repeated calls return the same result.

    Args:
        session: Database session with write access.
        caller: User who started the upload.
        upload_id: ID of the upload.
        checked: Result of `assemble`, after `check`.

    Returns:
        MultipartUploadStatus with the state COMPLETED.

    Raises:
        BadRequest: A part was replaced since `assemble`.
        NotFound: No such upload.
        Forbidden: Another user started the upload.
    """
    assembly = assemble(session, caller, upload_id)
    upload = multipart.get_upload(session, caller, upload_id)
    if assembly is None:
        return multipart.serialize_status(session, upload)
    if assembly != checked:
        raise BadRequest(
            "A part was replaced while the upload was being completed. Retry the request."
        )
    if isinstance(assembly, BucketAssembly):
        handle = _create_object(session, caller, upload, assembly)
    else:
        handle = _create_blob(session, caller, upload, assembly)
    update_row(
        session,
        upload,
        state=multipart.COMPLETED,
        result_id=handle.id,
        updated_on=caller.now,
        request={**upload.request, _PART_MD5S: list(assembly.part_md5s)},
    )
    return multipart.serialize_status(session, upload)


def _create_object(
    session: Session, caller: Caller, upload: Upload, assembly: BucketAssembly
) -> FileHandle:
    """Create the file handle of an object in a bucket."""
    session.execute(sql_delete(BucketPart).where(BucketPart.upload_id == upload.id))
    return file_handles.add(
        session,
        caller,
        concrete_type=S3_FILE_HANDLE,
        file_name=upload.request["file_name"],
        content_type=upload.request["content_type"],
        content_md5=upload.request["md5"],
        content_size=assembly.size,
        storage_location_id=upload.request["storage_location_id"],
        location={"bucketName": assembly.upload.bucket, "key": assembly.upload.key},
    )


def _create_blob(
    session: Session, caller: Caller, upload: Upload, assembly: Assembly
) -> FileHandle:
    """Create the file handle of a file that the service stores."""
    execute(session, _DELETE_PARTS, {"upload_id": upload.id})
    return file_handles.create_stored(
        session,
        caller,
        assembly.files,
        assembly.md5,
        file_name=upload.request["file_name"],
        content_type=upload.request["content_type"],
        storage_location=storage_locations.get_location(
            session, upload.request["storage_location_id"]
        ),
    )
