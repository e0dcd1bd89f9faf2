"""Multipart uploads: start, resume, and pre-signed URLs of the parts.

    UPLOADING --complete--> COMPLETED

An equal request resumes the upload. With forceRestart, the request deletes the upload and starts a
new one. Functions that make blob files unused return the names of these files. The caller must
remove the files after the transaction is committed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import MULTIPART_UPLOAD_REQUEST, MiB
from synapse_workflows.local.domain import (
    entity_types,
    file_handles,
    presigned_urls,
    request_fields,
)
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import storage_locations, upload_rights
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.file_models import Part, Upload
from synapse_workflows.local.storage.storage_models import StorageLocation

MIN_PART: Final = 5 * MiB
MAX_PART: Final = 5 * 1024 * MiB
MAX_PARTS: Final = 10_000
MAX_FILE: Final = 5 * 1024 * 1024 * MiB
UPLOADING: Final = "UPLOADING"
COMPLETED: Final = "COMPLETED"


@dataclass(frozen=True)
class UploadRequest:
    """A validated MultipartUploadRequest. Sizes are in bytes."""

    file_name: str
    file_size: int
    part_size: int
    md5: str
    content_type: str
    storage_location_id: int
    generate_preview: bool

    @property
    def part_count(self) -> int:
        """The number of parts of the file."""
        return -(-self.file_size // self.part_size)

    def fingerprint(self) -> str:
        """Return an MD5 of all fields. Equal requests have the same fingerprint."""
        return hashlib.md5(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def parse_request(session: Session, caller: Caller, body: Mapping[str, Any]) -> UploadRequest:
    """Parse a MultipartUploadRequest.

    Raises:
        BadRequest: A field is missing or out of range, or the service has no access to the storage
            location.
        Forbidden: The caller may not use the storage location.
        NotFound: No such storage location.
    """
    concrete_type = request_fields.get_text(body, "concreteType")
    if concrete_type not in {None, MULTIPART_UPLOAD_REQUEST}:
        raise BadRequest(
            f"Unsupported concreteType: '{concrete_type}'. Use {MULTIPART_UPLOAD_REQUEST}."
        )
    request = UploadRequest(
        file_name=_parse_file_name(body),
        file_size=_parse_size(body, "fileSizeBytes", 1, MAX_FILE),
        part_size=_parse_size(body, "partSizeBytes", MIN_PART, MAX_PART),
        md5=file_handles.parse_md5(
            request_fields.get_required_text(body, "contentMD5Hex"), "contentMD5Hex"
        ),
        content_type=request_fields.get_text(body, "contentType") or "application/octet-stream",
        storage_location_id=_parse_location(session, caller, body).id,
        generate_preview=request_fields.get_boolean(body, "generatePreview", default=True),
    )
    if request.part_count > MAX_PARTS:
        raise BadRequest(
            f"The file would have {request.part_count} parts; the limit is {MAX_PARTS}. "
            "Use a larger partSizeBytes."
        )
    return request


def _parse_location(session: Session, caller: Caller, body: Mapping[str, Any]) -> StorageLocation:
    """Return the storage location of a request, which must have a bucket for uploads."""
    location = storage_locations.parse_location(session, body.get("storageLocationId"))
    if storage_locations.get_bucket(location) is None:
        raise BadRequest(
            f"storageLocationId: the service cannot store files in {location.id}, which is a "
            f"{location.concrete_type}. Upload to its upload destination."
        )
    upload_rights.check_upload(session, caller, location)
    return location


def _parse_file_name(body: Mapping[str, Any]) -> str:
    """Return the file name, which follows the rules for names of entities."""
    return entity_types.parse_name(request_fields.get_required_text(body, "fileName"))


def _parse_size(body: Mapping[str, Any], key: str, minimum: int, maximum: int) -> int:
    value = request_fields.get_integer(body, key)
    if value is None or not minimum <= value <= maximum:
        raise BadRequest(f"{key} must be between {minimum} and {maximum} bytes; it is {value}.")
    return value


def start(
    session: Session, caller: Caller, body: Mapping[str, Any], *, force_restart: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Start an upload, or return the existing upload of the same user with an equal request.

    Returns:
        MultipartUploadStatus, and the names of blob files that a restart made unused.

    Raises:
        BadRequest: The request is invalid.
        Forbidden: The caller is anonymous, or may not use the storage location.
        NotFound: No such storage location.
    """
    file_handles.check_logged_in(caller)
    request = parse_request(session, caller, body)
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
        request=asdict(request),
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
    headers = {} if content_type is None else {"Content-Type": content_type}
    urls = []
    for each in numbers:
        number = check_part_number(
            upload, request_fields.get_integer({"partNumbers": each}, "partNumbers")
        )
        url = presigned_urls.create_upload_url(service, upload_id, number, content_type)
        urls.append({"partNumber": number, "uploadPresignedUrl": url, "signedHeaders": headers})
    return {"partPresignedUrls": urls}
