"""Requests that start multipart uploads: uploads of new files and copies of existing ones."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    MULTIPART_UPLOAD_COPY_REQUEST,
    MULTIPART_UPLOAD_REQUEST,
    MiB,
)
from synapse_workflows.local.domain import (
    entity_types,
    file_associations,
    file_handles,
    request_fields,
)
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import buckets, storage_locations, upload_rights
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.database import fetch_rows
from synapse_workflows.local.storage.file_models import FileHandle, Upload
from synapse_workflows.local.storage.storage_models import StorageLocation

MIN_PART: Final = 5 * MiB
MAX_PART: Final = 5 * 1024 * MiB
MAX_PARTS: Final = 10_000
MAX_FILE: Final = 5 * 1024 * 1024 * MiB
_EQUAL_UPLOAD: Final = select(Upload.id).where(
    Upload.started_by == bindparam("user_id"), Upload.request_hash == bindparam("request_hash")
)


@dataclass(frozen=True)
class UploadRequest:
    """A validated MultipartUploadRequest or MultipartUploadCopyRequest. Sizes are in bytes.

    `source_id` is the ID of the file handle to copy; None for a new file.
    """

    file_name: str
    file_size: int
    part_size: int
    md5: str
    content_type: str
    storage_location_id: int
    generate_preview: bool
    source_id: int | None = None

    @property
    def part_count(self) -> int:
        """The number of parts of the file."""
        return -(-self.file_size // self.part_size)

    def serialize(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def fingerprint(self) -> str:
        """Return an MD5 of all fields. Equal requests have the same fingerprint."""
        return hashlib.md5(json.dumps(self.serialize(), sort_keys=True).encode()).hexdigest()


def find_equal(session: Session, caller: Caller, request: UploadRequest) -> Upload | None:
    """Return the upload of the same user with an equal request."""
    found = fetch_rows(
        session, _EQUAL_UPLOAD, user_id=caller.id, request_hash=request.fingerprint()
    )
    return session.get_one(Upload, found[0].id) if found else None


def parse(
    service: Service,
    session: Session,
    caller: Caller,
    body: Mapping[str, Any],
    default_type: str = MULTIPART_UPLOAD_REQUEST,
) -> UploadRequest:
    """Parse a MultipartRequest.

    Args:
        service: The service.
        session: Database session.
        caller: User of the request; needs access to the storage location, and to the file to copy.
        body: MultipartUploadRequest or MultipartUploadCopyRequest.
        default_type: Concrete type of a request without concreteType.

    Raises:
        BadRequest: A field is missing or out of range, or the service has no access to the storage
            location or to the file to copy.
        Forbidden: The caller may not use the storage location, or may not download the file.
        NotFound: No such storage location or file handle.
    """
    concrete_type = request_fields.get_text(body, "concreteType") or default_type
    if concrete_type == MULTIPART_UPLOAD_REQUEST:
        request = _parse_upload(session, caller, body)
    elif concrete_type == MULTIPART_UPLOAD_COPY_REQUEST:
        request = _parse_copy(service, session, caller, body)
    else:
        raise BadRequest(
            f"Unsupported concreteType: '{concrete_type}'. Use {MULTIPART_UPLOAD_REQUEST} or "
            f"{MULTIPART_UPLOAD_COPY_REQUEST}."
        )
    if request.part_count > MAX_PARTS:
        raise BadRequest(
            f"The file would have {request.part_count} parts; the limit is {MAX_PARTS}. "
            "Use a larger partSizeBytes."
        )
    return request


def _parse_upload(session: Session, caller: Caller, body: Mapping[str, Any]) -> UploadRequest:
    location = _parse_location(session, body)
    upload_rights.check_upload(session, caller, location)
    md5 = request_fields.get_required_text(body, "contentMD5Hex")
    return UploadRequest(
        file_name=entity_types.parse_name(request_fields.get_required_text(body, "fileName")),
        file_size=_parse_size(body, "fileSizeBytes", 1, MAX_FILE),
        part_size=_parse_size(body, "partSizeBytes", MIN_PART, MAX_PART),
        md5=file_handles.parse_md5(md5, "contentMD5Hex"),
        content_type=request_fields.get_text(body, "contentType") or "application/octet-stream",
        storage_location_id=location.id,
        generate_preview=request_fields.get_boolean(body, "generatePreview", default=True),
    )


def _parse_copy(
    service: Service, session: Session, caller: Caller, body: Mapping[str, Any]
) -> UploadRequest:
    """Parse a MultipartUploadCopyRequest. Name, size, MD5 and type are those of the source."""
    association = file_associations.parse(body.get("sourceFileHandleAssociation"))
    source = file_associations.require_handle(session, caller, association)
    location = _parse_location(session, body)
    if not storage_locations.is_owner(caller, location):
        raise Forbidden(
            f"Only the creator of the storage location {location.id} can copy files to it."
        )
    _check_source(service, session, source, location)
    name = request_fields.get_text(body, "fileName")
    return UploadRequest(
        file_name=source.file_name if name is None else entity_types.parse_name(name),
        file_size=source.content_size or 0,
        part_size=_parse_size(body, "partSizeBytes", MIN_PART, MAX_PART),
        md5=source.content_md5 or "",
        content_type=source.content_type,
        storage_location_id=location.id,
        generate_preview=request_fields.get_boolean(body, "generatePreview", default=True),
        source_id=source.id,
    )


def _check_source(
    service: Service, session: Session, source: FileHandle, location: StorageLocation
) -> None:
    if source.blob_id is None and buckets.find_object(service, session, source) is None:
        raise BadRequest(
            f"FileHandle {source.id} cannot be copied: the service does not store its content."
        )
    if not source.content_size or source.content_md5 is None:
        raise BadRequest(f"FileHandle {source.id} cannot be copied: its size or MD5 is unknown.")
    if source.storage_location_id == location.id:
        raise BadRequest(
            f"FileHandle {source.id} is already in the storage location {location.id}."
        )


def _parse_location(session: Session, body: Mapping[str, Any]) -> StorageLocation:
    """Return the storage location of a request. The service must have access to its bucket."""
    location = storage_locations.parse_location(session, body.get("storageLocationId"))
    if storage_locations.get_bucket(location) is None:
        raise BadRequest(
            f"storageLocationId: the service cannot store files in {location.id}, which is a "
            f"{location.concrete_type}. Upload to its upload destination."
        )
    return location


def _parse_size(body: Mapping[str, Any], key: str, minimum: int, maximum: int) -> int:
    value = request_fields.get_integer(body, key)
    if value is None or not minimum <= value <= maximum:
        raise BadRequest(f"{key} must be between {minimum} and {maximum} bytes; it is {value}.")
    return value
