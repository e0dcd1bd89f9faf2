"""Multipart uploads of files in buckets: the S3 server of the service has the parts.

    started in the S3 server -> PUT of the parts to URLs of the S3 server
    -> part added (MD5 compared with the ETag) -> completed by the S3 server

Functions with the argument `service` call the S3 server: call them outside of write transactions.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import MiB
from synapse_workflows.local.domain import multipart_requests
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import buckets, storage_locations
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.s3.errors import S3Error
from synapse_workflows.local.s3.object_store import UploadedPart
from synapse_workflows.local.storage.file_models import BucketPart, Upload

#: Key in `Upload.request` for the properties of a `BucketUpload`.
PROPERTY: Final = "bucket_upload"
#: Maximum number of bytes of a part that are kept in memory.
_MEMORY_BYTES: Final = 16 * MiB


@dataclass(frozen=True)
class BucketUpload:
    """A multipart upload of the S3 server: its bucket, its key and its ID."""

    bucket: str
    key: str
    id: str


@dataclass(frozen=True)
class BucketTarget:
    """Where a new upload stores its file."""

    bucket: str
    key: str
    content_type: str


@dataclass(frozen=True)
class BucketAssembly:
    """The added parts of an upload in order, and the size from the upload request in bytes."""

    upload: BucketUpload
    parts: tuple[UploadedPart, ...]
    claimed_size: int

    @property
    def size(self) -> int:
        """The number of bytes of all parts."""
        return sum(each.size for each in self.parts)

    @property
    def part_md5s(self) -> tuple[str, ...]:
        """The MD5s of all parts."""
        return tuple(each.etag for each in self.parts)


def find(upload: Upload) -> BucketUpload | None:
    """Return the upload in the S3 server; None if the service receives the parts."""
    properties = upload.request.get(PROPERTY)
    return None if properties is None else BucketUpload(**properties)


def find_target(
    service: Service,
    session: Session,
    caller: Caller,
    body: Mapping[str, Any],
    *,
    default_type: str,
    force_restart: bool,
) -> BucketTarget | None:
    """Return where a MultipartRequest stores its file in the S3 server.

    The arguments are those of `multipart.start`, and so are the errors.

    Returns:
        None if the service receives the parts, or the request resumes an upload.
    """
    request = multipart_requests.parse(service, session, caller, body, default_type)
    location = storage_locations.get_location(session, request.storage_location_id)
    if buckets.find_object_store(service, location) is None:
        return None
    if not force_restart and multipart_requests.find_equal(session, caller, request) is not None:
        return None
    key = storage_locations.generate_key(location, caller, request.file_name)
    return BucketTarget(storage_locations.get_bucket(location) or "", key, request.content_type)


def create(service: Service, target: BucketTarget | None) -> BucketUpload | None:
    """Start an upload in the S3 server, and create its bucket if it does not exist.

    Raises:
        S3Error: The S3 server refused the request.
        ServiceUnavailable: The S3 server does not respond.
    """
    if target is None:
        return None
    store = service.require_object_store()
    store.ensure_bucket(target.bucket)
    upload_id = store.create_upload(target.bucket, target.key, target.content_type)
    return BucketUpload(target.bucket, target.key, upload_id)


def abort(service: Service, uploads: Iterable[BucketUpload]) -> None:
    """Delete the parts of uploads that were restarted."""
    for each in uploads:
        service.require_object_store().abort_upload(each.bucket, each.key, each.id)


def serialize(upload: BucketUpload | None) -> dict[str, Any]:
    """Return the properties of an upload for `Upload.request`."""
    return {} if upload is None else {PROPERTY: asdict(upload)}


def create_url(service: Service, upload: BucketUpload, number: int) -> str:
    """Return a URL of the S3 server that uploads a part."""
    return service.require_object_store().presign_part(
        upload.bucket, upload.key, upload.id, number, service.settings.upload_url_seconds
    )


def find_part(
    service: Service, upload: BucketUpload, number: int, md5: str
) -> UploadedPart | None:
    """Return an uploaded part; None if it is missing.

    Args:
        service: The service.
        upload: Upload in the S3 server.
        number: Part number, from 1.
        md5: Expected MD5. Some servers keep all contents of a part that was uploaded repeatedly,
            until the upload is completed with one of them; the one with this MD5 is returned.

    Raises:
        S3Error: The S3 server refused the request.
        ServiceUnavailable: The S3 server does not respond.
    """
    store = service.require_object_store()
    try:
        found = store.list_part(upload.bucket, upload.key, upload.id, number)
    except S3Error as error:
        if error.code == "NoSuchUpload":
            return None
        raise
    return next((each for each in found if each.etag == md5.lower()), found[0] if found else None)


def record(session: Session, upload: Upload, part: UploadedPart) -> None:
    """Record an added part."""
    session.merge(
        BucketPart(upload_id=upload.id, number=part.number, md5=part.etag, size=part.size)
    )


def assemble(session: Session, upload: Upload, target: BucketUpload) -> BucketAssembly:
    """Collect the added parts of an upload.

    Raises:
        BadRequest: Parts are missing.
    """
    query = select(BucketPart).where(BucketPart.upload_id == upload.id)
    parts = tuple(
        UploadedPart(number=each.number, size=each.size, etag=each.md5)
        for each in session.scalars(query.order_by(BucketPart.number))
    )
    if missing := upload.part_count - len(parts):
        raise BadRequest(
            f"Missing {missing} part(s). All parts must be successfully added before a file "
            "upload can be completed."
        )
    return BucketAssembly(target, parts, upload.request["file_size"])


def complete(service: Service, assembly: BucketAssembly) -> None:
    """Create the object of an upload. Repeated calls have no effect.

    Raises:
        BadRequest: A part was replaced after it was added, or the parts are lost.
        ServiceUnavailable: The S3 server does not respond.
    """
    store = service.require_object_store()
    target = assembly.upload
    try:
        store.complete_upload(target.bucket, target.key, target.id, assembly.parts)
    except S3Error as error:
        found = store.head(target.bucket, target.key)
        if error.code == "NoSuchUpload" and found is not None and found.size == assembly.size:
            return  # another request completed it
        raise BadRequest(
            f"The S3 server does not complete the upload of {target.key}: {error.code}. A part "
            "was replaced, or the parts are lost. Restart the upload with forceRestart=true."
        ) from None


def write_part(
    service: Service, upload: BucketUpload, number: int, content: Iterator[bytes]
) -> str:
    """Store a part in the S3 server and return its ETag."""
    with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as file:
        for chunk in content:
            file.write(chunk)
        file.seek(0)
        return service.require_object_store().put_part(
            upload.bucket, upload.key, upload.id, number, file
        )
