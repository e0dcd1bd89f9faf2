"""Multipart upload: start or resume, sign URLs for the parts. What becomes of them: `parts`.

    UPLOADING --complete--> COMPLETED
        the same request again finds the upload as it is; forceRestart forgets it

Functions that make files in `blobs` superfluous return their names, to be removed once the
transaction is committed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import MULTIPART_UPLOAD_REQUEST, MiB
from synapse_workflows.local.domain import file_handles, presigned_urls, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.destinations import parse_location_id
from synapse_workflows.local.domain.ids import next_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound
from synapse_workflows.local.storage.file_models import Part, Upload

MIN_PART: Final = 5 * MiB
MAX_PART: Final = 5 * 1024 * MiB
MAX_PARTS: Final = 10_000
MAX_FILE: Final = 5 * 1024 * 1024 * MiB
UPLOADING: Final = "UPLOADING"
COMPLETED: Final = "COMPLETED"


@dataclass(frozen=True)
class UploadRequest:
    """A MultipartUploadRequest that keeps the rules. Sizes are bytes."""

    file_name: str
    file_size: int
    part_size: int
    md5: str
    content_type: str
    storage_location_id: int
    generate_preview: bool

    @property
    def part_count(self) -> int:
        """How many parts the file has."""
        return -(-self.file_size // self.part_size)

    def fingerprint(self) -> str:
        """Give what makes two requests the same: an MD5 of all fields."""
        return hashlib.md5(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def parse_request(body: Mapping[str, Any]) -> UploadRequest:
    """Read a MultipartUploadRequest.

    Raises:
        BadRequest: a field is missing or out of range.
        NotFound: there is no such storage location.
    """
    kind = request_fields.get_text(body, "concreteType")
    if kind not in {None, MULTIPART_UPLOAD_REQUEST}:
        raise BadRequest(f"{kind} is not supported here: use {MULTIPART_UPLOAD_REQUEST}.")
    request = UploadRequest(
        file_name=request_fields.get_required_text(body, "fileName"),
        file_size=_parse_size(body, "fileSizeBytes", 1, MAX_FILE),
        part_size=_parse_size(body, "partSizeBytes", MIN_PART, MAX_PART),
        md5=file_handles.parse_md5(
            request_fields.get_required_text(body, "contentMD5Hex"), "contentMD5Hex"
        ),
        content_type=request_fields.get_text(body, "contentType") or "application/octet-stream",
        storage_location_id=parse_location_id(body.get("storageLocationId")),
        generate_preview=request_fields.get_boolean(body, "generatePreview", default=True),
    )
    if request.part_count > MAX_PARTS:
        raise BadRequest(
            f"The file would need {request.part_count} parts; {MAX_PARTS} are allowed. "
            "Use a larger partSizeBytes."
        )
    return request


def _parse_size(body: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = request_fields.get_integer(body, key)
    if value is None or not least <= value <= most:
        raise BadRequest(f"{key} must be between {least} and {most} bytes; it is {value}.")
    return value


def start(
    session: Session, caller: Caller, body: Mapping[str, Any], *, force_restart: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Start an upload, or find the one that the same user started with the same request.

    Returns:
        The MultipartUploadStatus, and the files that a restart made superfluous.

    Raises:
        BadRequest: the request breaks a rule.
        Forbidden: the caller is anonymous.
    """
    file_handles.check_logged_in(caller)
    request = parse_request(body)
    known = session.scalar(
        select(Upload).where(
            Upload.started_by == caller.id, Upload.request_hash == request.fingerprint()
        )
    )
    if known is not None and not force_restart:
        return serialize_status(session, known), []
    superfluous = [] if known is None else _delete(session, known)
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
    return serialize_status(session, upload), superfluous


def _delete(session: Session, upload: Upload) -> list[str]:
    names = list(session.scalars(select(Part.name).where(Part.upload_id == upload.id)))
    session.delete(upload)
    session.flush()
    return names


def serialize_status(session: Session, upload: Upload) -> dict[str, Any]:
    """Write a MultipartUploadStatus."""
    states = ["1" if upload.state == COMPLETED else "0"] * upload.part_count
    added = select(Part.number).where(Part.upload_id == upload.id, Part.added)
    for number in session.scalars(added):
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
    """Give an upload to the one who started it.

    Raises:
        NotFound: there is none, or it was forgotten by a restart.
        Forbidden: somebody else started it.
    """
    upload = session.get(Upload, upload_id)
    if upload is None:
        raise NotFound(f"Multi-part upload {upload_id} does not exist")
    if upload.started_by != caller.id:
        raise Forbidden("Only the user that started a multi-part upload can access it.")
    return upload


def check_part_number(upload: Upload, value: int | None) -> int:
    """Check the number of a part.

    Raises:
        BadRequest: the upload has no such part.
    """
    if value is None or not 1 <= value <= upload.part_count:
        raise BadRequest(
            f"Part numbers of this upload go from 1 to {upload.part_count}, not {value}."
        )
    return value


def create_urls(
    service: Service, session: Session, caller: Caller, upload_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Answer a BatchPresignedUploadUrlRequest, also for an upload that is completed.

    Raises:
        BadRequest: no part number, or one out of range.
        NotFound: there is no such upload.
        Forbidden: somebody else started it.
    """
    upload = get_upload(session, caller, upload_id)
    numbers = request_fields.get_list(body, "partNumbers")
    if not numbers:
        raise BadRequest("partNumbers must hold at least one part number.")
    content_type = request_fields.get_text(body, "contentType")
    headers = {} if content_type is None else {"Content-Type": content_type}
    urls = []
    for each in numbers:
        number = check_part_number(
            upload, request_fields.get_integer({"partNumbers": each}, "partNumbers")
        )
        signed = presigned_urls.create_upload_url(service, upload_id, number, content_type)
        urls.append({"partNumber": number, "uploadPresignedUrl": signed, "signedHeaders": headers})
    return {"partPresignedUrls": urls}
