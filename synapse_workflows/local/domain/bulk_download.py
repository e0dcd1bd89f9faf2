"""Many files in one archive (BulkFileDownloadRequest)."""

import io
import zipfile
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
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.blobs import FileWriter, StoredFile

_M: Final = f"{MODEL}.file"
_FORMATS: Final = ("CommandLineCache", "Flat")


@dataclass(frozen=True)
class _ArchiveFile:
    """A file that was asked for: what lies in storage, or why there is nothing."""

    asked: Association
    name: str = ""
    pieces: tuple[StoredFile, ...] = ()
    size: int = 0
    failure: tuple[str, str] | None = None


class _DraftWriter(io.RawIOBase):
    """A draft as a file that can only be written."""

    def __init__(self, draft: FileWriter) -> None:
        self._draft = draft

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes."""
        self._draft.write(bytes(data))
        return len(data)


def create_archive(run: JobRun) -> dict[str, Any]:
    """Put files into an archive of the caller's.

    Returns:
        A BulkFileDownloadResponse: per file what became of it, and the archive if it has any.

    Raises:
        BadRequest: no file was asked for, or the request is malformed.
    """
    body = run.request
    wanted = [
        file_associations.parse(each)
        for each in request_fields.get_list(body, "requestedFiles") or []
    ]
    if not wanted:
        raise BadRequest("BulkFileDownloadRequest.requestedFiles must have at least one file.")
    layout = request_fields.parse_choice(
        _FORMATS, body.get("zipFileFormat") or _FORMATS[0], "zipFileFormat"
    )
    found = _find_files(run, wanted)
    if all(each.failure for each in found):
        return _build_response(run, [_build_summary(each, None) for each in found], None)
    name = request_fields.get_text(body, "zipFileName") or f"Job-{run.job_id}.zip"
    with run.service.blobs.draft() as draft:
        summaries = _write_archive(run, draft, found, flat=layout == "Flat")
        handle_id = generated_files.store(run.service, run.caller, draft, name, "application/zip")
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


def _find_files(run: JobRun, wanted: list[Association]) -> list[_ArchiveFile]:
    """Look for the files, and stop at what an archive can hold."""
    found: list[_ArchiveFile] = []
    seen: set[int] = set()
    size, most = 0, run.service.settings.archive_bytes
    with run.service.database.reading() as session:
        for asked in wanted:
            one = _ArchiveFile(asked, failure=("DUPLICATE", "The file was asked for before."))
            if asked.handle_id not in seen:
                one = _find_file(session, run.caller, asked)
            seen.add(asked.handle_id)
            if one.failure is None and size + one.size > most:
                told = f"The files together have more than {most} bytes."
                one = _ArchiveFile(asked, failure=("EXCEEDS_SIZE_LIMIT", told))
            size += one.size
            found.append(one)
    return found


def _find_file(session: Session, caller: Caller, asked: Association) -> _ArchiveFile:
    handle, failure = file_associations.find_handle(session, caller, asked)
    if handle is None:
        told = f"FileHandle {asked.handle_id}: {failure}"
        return _ArchiveFile(asked, failure=(failure or "UNKNOWN_ERROR", told))
    if handle.blob_id is None:
        told = f"FileHandle {handle.id} does not lie in Synapse."
        return _ArchiveFile(asked, failure=("UNKNOWN_ERROR", told))
    pieces = tuple(file_handles.list_pieces(session, handle))
    return _ArchiveFile(asked, handle.file_name, pieces, handle.content_size or 0)


def _write_archive(
    run: JobRun, draft: FileWriter, found: list[_ArchiveFile], *, flat: bool
) -> list[dict[str, Any]]:
    summaries = []
    names: set[str] = set()
    with zipfile.ZipFile(_DraftWriter(draft), "w") as archive:
        for number, each in enumerate(found, 1):
            run.progress.report(number, len(found), f"Packed {number} of {len(found)} files")
            entry = None
            if each.failure is None:
                entry = _choose_entry_name(each, names, flat=flat)
                names.add(entry)
                with archive.open(zipfile.ZipInfo(entry), "w", force_zip64=True) as file:
                    for chunk in run.service.blobs.read(each.pieces):
                        file.write(chunk)
            summaries.append(_build_summary(each, entry))
    return summaries


def _choose_entry_name(file: _ArchiveFile, names: set[str], *, flat: bool) -> str:
    """Name the entry of a file; it never leads out of where the archive is opened."""
    number = file.asked.handle_id
    name = file.name.replace("\\", "/").rpartition("/")[2].strip(". ") or "file"
    if not flat:
        return f"{number % 1000}/{number}/{name}"
    path = PurePosixPath(name)
    unique, turn = name, 0
    while unique in names:
        turn += 1
        unique = f"{path.stem}({turn}){path.suffix}"
    return unique


def _build_summary(file: _ArchiveFile, entry: str | None) -> dict[str, Any]:
    code, told = file.failure or (None, None)
    return {
        "fileHandleId": str(file.asked.handle_id),
        "associateObjectId": file.asked.object_id,
        "associateObjectType": file.asked.object_type,
        "status": "SUCCESS" if entry is not None else "FAILURE",
        "zipEntryName": entry,
        "failureCode": code,
        "failureMessage": told,
    }


BULK_DOWNLOAD: Final = async_jobs.JobType(f"{_M}.BulkFileDownloadRequest", create_archive)
