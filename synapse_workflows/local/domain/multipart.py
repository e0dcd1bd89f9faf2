"""Multipart uploads: start, resume, and pre-signed URLs of the parts.

    UPLOADING --complete--> COMPLETED

An equal request resumes the upload. With forceRestart, the request deletes the upload and starts a
new one. Functions that make blob files or uploads in the S3 server unused return them. The caller
must remove them after the transaction is committed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import bindparam, select, union_all
from sqlalchemy.orm import Session

from synapse_workflows.constants import MULTIPART_UPLOAD_REQUEST
from synapse_workflows.local.domain import (
    bucket_uploads,
    file_handles,
    multipart_requests,
    presigned_urls,
    request_fields,
)
from synapse_workflows.local.domain.bucket_uploads import BucketUpload
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.database import fetch_rows, insert_row
from synapse_workflows.local.storage.file_models import BucketPart, Part, Upload

UPLOADING: Final = "UPLOADING"
COMPLETED: Final = "COMPLETED"
_ADDED_PARTS = union_all(
    select(Part.number).where(Part.upload_id == bindparam("upload_id"), Part.added),
    select(BucketPart.number).where(BucketPart.upload_id == bindparam("upload_id")),
)


@dataclass(frozen=True)
class Unused:
    """What a request made unused: names of blob files, and uploads in the S3 server."""

    files: list[str] = field(default_factory=list)
    bucket_uploads: list[BucketUpload] = field(default_factory=list)


def start(
    service: Service,
    session: Session,
    caller: Caller,
    body: Mapping[str, Any],
    *,
    default_type: str = MULTIPART_UPLOAD_REQUEST,
    force_restart: bool = False,
    bucket_upload: BucketUpload | None = None,
) -> tuple[dict[str, Any], Unused]:
    """Start an upload, or return the existing upload of the same user with an equal request.

    Args:
        service: The service.
        session: Database session with write access.
        caller: User of the request.
        body: MultipartUploadRequest or MultipartUploadCopyRequest.
        default_type: Concrete type of a request without concreteType.
        force_restart: Delete the existing upload and start a new one.
        bucket_upload: Upload in the S3 server for the parts of the new upload; None if the service
            receives them.

    Returns:
        MultipartUploadStatus, and what the caller must remove after the transaction is committed.

    Raises:
        BadRequest: The request is invalid.
        Forbidden: The caller is anonymous, may not use the storage location, or may not download
            the file to copy.
        NotFound: No such storage location, or no such file to copy.
    """
    file_handles.check_logged_in(caller)
    request = multipart_requests.parse(service, session, caller, body, default_type)
    existing = multipart_requests.find_equal(session, caller, request)
    if existing is not None and not force_restart:
        return serialize_status(session, existing), _list_unused(bucket_upload)
    unused = Unused() if existing is None else _delete(session, existing)
    upload = Upload(
        id=next_id(session, "upload"),
        started_by=caller.id,
        started_on=caller.now,
        updated_on=caller.now,
        state=UPLOADING,
        request=request.serialize() | bucket_uploads.serialize(bucket_upload),
        request_hash=request.fingerprint(),
        part_count=request.part_count,
    )
    insert_row(session, upload)
    return serialize_status(session, upload), unused


def _delete(session: Session, upload: Upload) -> Unused:
    names = list(session.scalars(select(Part.name).where(Part.upload_id == upload.id)))
    is_open = upload.state == UPLOADING
    unused = _list_unused(bucket_uploads.find(upload) if is_open else None, names)
    session.delete(upload)
    session.flush()
    return unused


def _list_unused(upload: BucketUpload | None, files: Sequence[str] = ()) -> Unused:
    return Unused(list(files), [] if upload is None else [upload])


def serialize_status(session: Session, upload: Upload) -> dict[str, Any]:
    """Return the MultipartUploadStatus of an upload."""
    states = ["1" if upload.state == COMPLETED else "0"] * upload.part_count
    if upload.state == UPLOADING:
        for (number,) in fetch_rows(session, _ADDED_PARTS, upload_id=upload.id):
            states[number - 1] = "1"
    return {
        "uploadId": str(upload.id),
        "startedBy": str(upload.started_by),
        "startedOn": to_iso(upload.started_on),
        "updatedOn": to_iso(upload.updated_on),
        "state": upload.state,
        "partsState": "".join(states),
        "resultFileHandleId": None if upload.result_id is None else str(upload.result_id),
    }


def get_upload(session: Session, caller: Caller, upload_id: int) -> Upload:
    """Return an upload of the caller.

    Raises:
        NotFound: No such upload, or a restart deleted it.
        Forbidden: Another user started the upload.
    """
    message = f"Multi-part upload {upload_id} does not exist"
    upload = get_or_404(session, Upload, upload_id, message)
    if upload.started_by != caller.id:
        raise Forbidden("Only the user that started a multi-part upload can access it.")
    return upload


def check_part_number(upload: Upload, value: int | None) -> int:
    """Return a valid part number.

    Raises:
        BadRequest: The upload has no such part.
    """
    if value is None or not 1 <= value <= upload.part_count:
        raise BadRequest(
            f"Invalid part number {value}: expected a number from 1 to {upload.part_count}."
        )
    return value


def create_urls(
    service: Service, session: Session, caller: Caller, upload_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Create the upload URLs of parts (BatchPresignedUploadUrlRequest).

    Completed uploads are accepted, too.

    Raises:
        BadRequest: Part numbers are missing or out of range.
        NotFound: No such upload.
        Forbidden: Another user started the upload.
    """
    upload = get_upload(session, caller, upload_id)
    numbers = request_fields.get_list(body, "partNumbers")
    if not numbers:
        raise BadRequest("partNumbers must have at least one part number.")
    content_type = request_fields.get_text(body, "contentType")
    urls = []
    for each in numbers:
        number = check_part_number(
            upload, request_fields.get_integer({"partNumbers": each}, "partNumbers")
        )
        headers = _get_copy_headers(session, upload, number)
        if content_type is not None:
            headers["Content-Type"] = content_type
        url = _create_url(service, upload, number, headers)
        urls.append({"partNumber": number, "uploadPresignedUrl": url, "signedHeaders": headers})
    return {"partPresignedUrls": urls}


def _create_url(service: Service, upload: Upload, number: int, headers: dict[str, str]) -> str:
    """Return the URL of a part: of the S3 server for new files in buckets."""
    bucket_upload = bucket_uploads.find(upload)
    if bucket_upload is None or "source_id" in upload.request:
        return presigned_urls.create_upload_url(service, upload.id, number, headers)
    return bucket_uploads.create_url(service, bucket_upload, number)


def _get_copy_headers(session: Session, upload: Upload, number: int) -> dict[str, str]:
    """Return the headers of a request that copies a part; empty for parts of new files."""
    source_id = upload.request.get("source_id")
    if source_id is None:
        return {}
    location = file_handles.get_handle(session, source_id).location
    first, last = get_part_range(upload, number)
    return {
        "x-amz-copy-source": quote(f"{location['bucketName']}/{location['key']}"),
        "x-amz-copy-source-range": f"bytes={first}-{last}",
    }


def get_part_range(upload: Upload, number: int) -> tuple[int, int]:
    """Return the offsets of the first and the last byte of a part."""
    part_size = int(upload.request["part_size"])
    first = (number - 1) * part_size
    return first, min(first + part_size, int(upload.request["file_size"])) - 1
