"""Bulk download: several files in one archive (BulkFileDownloadRequest)."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import (
    async_jobs,
    file_associations,
    file_handles,
    generated_files,
    request_fields,
)
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.file_associations import Association
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import buckets
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.s3.object_store import ObjectStore
from synapse_workflows.local.storage.blobs import BlobStore, FileWriter, StoredFile

_M: Final = f"{MODEL}.file"
_FORMATS: Final = ("CommandLineCache", "Flat")


@dataclass(frozen=True)
class _ArchiveFile:
    """A requested file: its stored bytes or its object, or the failure code and message.

    `object` is the object store, the bucket and the key of a file in a bucket.
    """

    association: Association
    name: str = ""
    stored_files: tuple[StoredFile, ...] = ()
    object: tuple[ObjectStore, str, str] | None = None
    size: int = 0
    failure: tuple[str, str] | None = None

    def read(self, blobs: BlobStore) -> Iterator[bytes]:
        """Read the bytes in chunks."""
        if self.object is None:
            return blobs.read(self.stored_files)
        store, bucket, key = self.object
        return store.read(bucket, key)


class _WriterStream(io.RawIOBase):
    """Write-only file object on a file writer."""

    def __init__(self, writer: FileWriter) -> None:
        self._writer = writer

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes."""
        self._writer.write(bytes(data))
        return len(data)


def create_archive(run: JobRun) -> dict[str, Any]:
    """Create an archive of the requested files, owned by the caller.

    Returns:
        BulkFileDownloadResponse with the status of each file, and the file handle of the archive
        if the archive contains any files.

    Raises:
        BadRequest: The request is malformed or has no files.
    """
    body = run.request
    associations = [
        file_associations.parse(each)
        for each in request_fields.get_list(body, "requestedFiles") or []
    ]
    if not associations:
        raise BadRequest("BulkFileDownloadRequest.requestedFiles must have at least one file.")
    layout = request_fields.parse_choice(
        _FORMATS, body.get("zipFileFormat") or _FORMATS[0], "zipFileFormat"
    )
    files = _find_files(run, associations)
    if all(each.failure for each in files):
        return _build_response(run, [_build_summary(each, None) for each in files], None)
    name = request_fields.get_text(body, "zipFileName") or f"Job-{run.job_id}.zip"
    with run.service.blobs.create() as writer:
        summaries = _write_archive(run, writer, files, flat=layout == "Flat")
        handle_id = generated_files.store(run.service, run.caller, writer, name, "application/zip")
    return _build_response(run, summaries, handle_id)


def _build_response(
    run: JobRun, summaries: list[dict[str, Any]], handle_id: int | None
) -> dict[str, Any]:
    return {
        "concreteType": f"{_M}.BulkFileDownloadResponse",
        "resultZipFileHandleId": None if handle_id is None else str(handle_id),
        "fileSummary": summaries,
        "userId": str(run.caller.id),
    }


def _find_files(run: JobRun, associations: list[Association]) -> list[_ArchiveFile]:
    """Find the requested files and apply the size limit of an archive."""
    files: list[_ArchiveFile] = []
    seen: set[int] = set()
    size, max_size = 0, run.service.settings.archive_bytes
    with run.service.database.read_transaction() as session:
        for association in associations:
            file = _ArchiveFile(
                association, failure=("DUPLICATE", "The file was requested before.")
            )
            if association.handle_id not in seen:
                file = _find_file(run.service, session, run.caller, association)
            seen.add(association.handle_id)
            if file.failure is None and size + file.size > max_size:
                message = f"The files together exceed the limit of {max_size} bytes."
                file = _ArchiveFile(association, failure=("EXCEEDS_SIZE_LIMIT", message))
            size += file.size
            files.append(file)
    return files


def _find_file(
    service: Service, session: Session, caller: Caller, association: Association
) -> _ArchiveFile:
    handle, failure = file_associations.find_handle(session, caller, association)
    if handle is None:
        message = f"FileHandle {association.handle_id}: {failure}"
        return _ArchiveFile(association, failure=(failure or "UNKNOWN_ERROR", message))
    found = buckets.find_object(service, session, handle)
    if handle.blob_id is None and found is None:
        message = f"FileHandle {handle.id} is not stored in Synapse."
        return _ArchiveFile(association, failure=("UNKNOWN_ERROR", message))
    stored_files = tuple(file_handles.list_stored_files(session, handle))
    size = handle.content_size or 0
    return _ArchiveFile(association, handle.file_name, stored_files, found, size)


def _write_archive(
    run: JobRun, writer: FileWriter, files: list[_ArchiveFile], *, flat: bool
) -> list[dict[str, Any]]:
    summaries = []
    names: set[str] = set()
    with zipfile.ZipFile(_WriterStream(writer), "w") as archive:
        for number, each in enumerate(files, 1):
            run.progress.report(number, len(files), f"Packed {number} of {len(files)} files")
            entry = None
            if each.failure is None:
                entry = _choose_entry_name(each, names, flat=flat)
                names.add(entry)
                with archive.open(zipfile.ZipInfo(entry), "w", force_zip64=True) as file:
                    for chunk in each.read(run.service.blobs):
                        file.write(chunk)
            summaries.append(_build_summary(each, entry))
    return summaries


def _choose_entry_name(file: _ArchiveFile, names: set[str], *, flat: bool) -> str:
    """Return the path of a file in the archive. The path stays in the extraction directory."""
    number = file.association.handle_id
    name = file.name.replace("\\", "/").rpartition("/")[2].strip(". ") or "file"
    if not flat:
        return f"{number % 1000}/{number}/{name}"
    path = PurePosixPath(name)
    unique, count = name, 0
    while unique in names:
        count += 1
        unique = f"{path.stem}({count}){path.suffix}"
    return unique


def _build_summary(file: _ArchiveFile, entry: str | None) -> dict[str, Any]:
    code, message = file.failure or (None, None)
    return {
        "fileHandleId": str(file.association.handle_id),
        "associateObjectId": file.association.object_id,
        "associateObjectType": file.association.object_type,
        "status": "SUCCESS" if entry is not None else "FAILURE",
        "zipEntryName": entry,
        "failureCode": code,
        "failureMessage": message,
    }


BULK_DOWNLOAD: Final = async_jobs.JobType(f"{_M}.BulkFileDownloadRequest", create_archive)
