"""Multipart uploads: start, resume, and pre-signed URLs of the parts.

    UPLOADING --complete--> COMPLETED

An equal request resumes the upload. With forceRestart, the request deletes the upload and starts a
new one. Functions that make blob files unused return the names of these files. The caller must
remove the files after the transaction is committed.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import MULTIPART_UPLOAD_REQUEST
from synapse_workflows.local.domain import (
    file_handles,
    multipart_requests,
    presigned_urls,
    request_fields,
)
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.file_models import Part, Upload

UPLOADING: Final = "UPLOADING"
COMPLETED: Final = "COMPLETED"


def start(
    session: Session,
    caller: Caller,
    body: Mapping[str, Any],
    *,
    default_type: str = MULTIPART_UPLOAD_REQUEST,
    force_restart: bool = False,
) -> tuple[dict[str, Any], list[str]]:
    """Start an upload, or return the existing upload of the same user with an equal request.

    Args:
        session: Database session with write access.
        caller: User of the request.
        body: MultipartUploadRequest or MultipartUploadCopyRequest.
        default_type: Concrete type of a request without concreteType.
        force_restart: Delete the existing upload and start a new one.

    Returns:
        MultipartUploadStatus, and the names of blob files that a restart made unused.

    Raises:
        BadRequest: The request is invalid.
        Forbidden: The caller is anonymous, may not use the storage location, or may not download
            the file to copy.
        NotFound: No such storage location, or no such file to copy.
    """
    file_handles.check_logged_in(caller)
    request = multipart_requests.parse(session, caller, body, default_type)
    existing = session.scalar(
        select(Upload).where(
            Upload.started_by == caller.id, Upload.request_hash == request.fingerprint()
        )
    )
    if existing is not None and not force_restart:
        return serialize_status(session, existing), []
    unused = [] if existing is None else _delete(session, existing)
    upload = Upload(
        id=next_id(session, "upload"),
        started_by=caller.id,
        started_on=caller.now,
        updated_on=caller.now,
        state=UPLOADING,
        request=request.serialize(),
        request_hash=request.fingerprint(),
        part_count=request.part_count,
    )
    session.add(upload)
    session.flush()
    return serialize_status(session, upload), unused


def _delete(session: Session, upload: Upload) -> list[str]:
    names = list(session.scalars(select(Part.name).where(Part.upload_id == upload.id)))
    session.delete(upload)
    session.flush()
    return names


def serialize_status(session: Session, upload: Upload) -> dict[str, Any]:
    """Return the MultipartUploadStatus of an upload."""
    states = ["1" if upload.state == COMPLETED else "0"] * upload.part_count
    query = select(Part.number).where(Part.upload_id == upload.id, Part.added)
    for number in session.scalars(query):
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
        url = presigned_urls.create_upload_url(service, upload_id, number, headers)
        urls.append({"partNumber": number, "uploadPresignedUrl": url, "signedHeaders": headers})
    return {"partPresignedUrls": urls}


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
