"""Bulk download of files in table cells, as zip files."""

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.file_names import append_to_stem, safe_file_name
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseDownloadError
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.transfer import download, download_request
from synapse_workflows.client.transfer.partial_file import PartialFile
from synapse_workflows.constants import MODEL

#: Default number of files in one request.
BATCH_SIZE: Final = 2500
#: Maximum number of requests of one download.
MAX_REQUESTS: Final = 100
_REQUEST: Final = f"{MODEL}.file.BulkFileDownloadRequest"
_SIZE_LIMIT: Final = "EXCEEDS_SIZE_LIMIT"
_BLOCK_SIZE: Final = 1024 * 1024


@dataclass
class _TableFiles:
    """State of a download of files of one table.

    Args:
        syn: The session that sends the requests.
        table_id: ``syn123``.
        directory: Download directory; None for the cache.
        paths: Paths of the downloaded files by file handle ID.
    """

    syn: Session
    table_id: str
    directory: Path | None
    paths: dict[str, str] = field(default_factory=dict)


def downloadTableColumns(
    syn: Session,
    table: Any,
    columns: str | Sequence[str],
    downloadLocation: str | os.PathLike[str] | None = None,
    **kwargs: Any,
) -> dict[str, str]:
    """Download the files in columns of a query result, in batches.

    Cached files are not downloaded again.

    Args:
        syn: The session that sends the requests.
        table: The result of ``tableQuery(..., resultsAs='csv')``.
        columns: Name, or list of names, of columns of type FILEHANDLEID.
        downloadLocation: Download directory; None for the cache. A file whose name exists in the
            directory gets its file handle ID as a suffix: ``name-123.txt``.
        **kwargs: ``max_files_per_request`` (default 2500).

    Returns:
        Paths by file handle ID. Files that could not be downloaded are missing; a warning is
        logged for each.

    Raises:
        ValueError: `table` is not a CSV result, a column does not exist, or
            ``max_files_per_request`` is less than 1.
        TypeError: `columns` is neither a name nor a list, or a keyword is unknown.
        SynapseDownloadError: A zip file is corrupt.
        SynapseForbiddenError: The caller may not download from the table.

    Source:
        POST /file/bulk/async/start of the file service
        https://rest-docs.synapse.org/rest/POST/file/bulk/async/start.html
    """
    batch = int(kwargs.pop("max_files_per_request", BATCH_SIZE))
    if kwargs:
        raise TypeError(f"Unexpected **kwargs: {kwargs}; the only one is max_files_per_request")
    if batch < 1:
        raise ValueError(f"max_files_per_request must be at least 1, not {batch}")
    handles = _list_file_handles(syn, table, _validate_columns(table, columns))
    directory = None if downloadLocation is None else download.parse_directory(downloadLocation)
    files = _TableFiles(syn, table.tableId, directory)
    _find_cached(files, handles)
    pending = [handle for handle in handles if handle not in files.paths]
    requests = 0
    while pending and requests < MAX_REQUESTS:
        requested, pending = pending[:batch], pending[batch:]
        pending += _fetch_batch(files, requested)
        requests += 1
    if pending:
        syn.logger.warning(
            "Stopped the download of %d files after %d requests", len(pending), requests
        )
    return {handle: files.paths[handle] for handle in handles if handle in files.paths}


def _validate_columns(table: Any, columns: str | Sequence[str]) -> list[str]:
    if not isinstance(table, CsvFileTable):
        raise ValueError(  # noqa: TRY004 - compatible with synapseclient
            "Only the results of a query as 'csv' can be used here, not "
            f"{type(table).__name__}: query with resultsAs='csv'."
        )
    if not isinstance(columns, str | list | tuple):
        raise TypeError(f"Columns must be a name or a list of names, not {type(columns).__name__}")
    names = [columns] if isinstance(columns, str) else list(columns)
    existing = [column.get("name") for column in table.columns()]
    missing = [name for name in names if name not in existing]
    if missing:
        raise ValueError(
            f"Columns not found: {', '.join(map(str, missing))}. "
            f"The result has the columns {', '.join(map(str, existing))}."
        )
    return names


def _list_file_handles(syn: Session, table: CsvFileTable, columns: Iterable[str]) -> list[str]:
    """Return the unique file handle IDs in the given columns."""
    names = [column.get("name") for column in table.columns()]
    positions = [names.index(name) for name in columns]
    found: dict[str, None] = {}
    for row in table:
        for value in (row[position] for position in positions):
            text = "" if value is None else str(value).strip()
            if text.isascii() and text.isdecimal():
                found[text] = None
            elif text:
                syn.logger.warning("Ignored invalid file handle ID: %s", text)
    return list(found)


def _find_cached(files: _TableFiles, handles: Iterable[str]) -> None:
    """Look up files in the cache, and check that they have the MD5s of their file handles."""
    syn, cache = files.syn, files.syn.cache
    recorded = [handle for handle in handles if cache.has_copies(handle)]
    known = download.known_md5s(syn)
    md5s = {each: known.get((syn.fileHandleEndpoint, each)) for each in recorded}
    unknown = [handle for handle, md5 in md5s.items() if md5 is None]
    md5s |= download_request.request_md5s(syn, unknown, "TableEntity", files.table_id)
    for handle, md5 in md5s.items():
        if md5 is None:
            continue
        cached = cache.get(handle, files.directory, md5)
        if cached and files.directory in {None, Path(cached).parent}:
            files.paths[handle] = cached


def _fetch_batch(files: _TableFiles, handles: Sequence[str]) -> list[str]:
    """Request files, and extract the zip file; return the file handles to request again.

    Source:
        POST /file/bulk/async/start of the file service
        https://rest-docs.synapse.org/rest/POST/file/bulk/async/start.html
    """
    requested = [
        {
            "fileHandleId": handle,
            "associateObjectType": "TableEntity",
            "associateObjectId": files.table_id,
        }
        for handle in handles
    ]
    body = {"concreteType": _REQUEST, "requestedFiles": requested}
    response = async_jobs.run(
        files.syn, "/file/bulk/async", body, endpoint="file", repeatable=True
    )
    summary = response.get("fileSummary") or ()
    successful = [one for one in summary if one.get("status") == "SUCCESS"]
    if successful and response.get("resultZipFileHandleId"):
        _unpack(files, str(response["resultZipFileHandleId"]), successful)
    deferred = []
    for one in summary:
        if one.get("failureCode") == _SIZE_LIMIT:
            deferred.append(str(one["fileHandleId"]))
        elif one.get("status") != "SUCCESS":
            reason = one.get("failureMessage") or one.get("failureCode")
            files.syn.logger.warning("File handle %s: %s", one.get("fileHandleId"), reason)
    if successful:
        return deferred
    for handle in deferred:  # files that are too large for a zip file
        _fetch_single(files, handle)
    return []


def _fetch_single(files: _TableFiles, handle: str) -> None:
    path = download.download_file(
        files.syn,
        file_handle={"id": handle},
        associate_type="TableEntity",
        associate_id=files.table_id,
        directory=files.directory,
        if_collision=None if files.directory is None else download.KEEP_BOTH,
    )
    files.paths[handle] = str(path)


def _unpack(files: _TableFiles, zip_handle: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Download a zip file, and extract its files into the download directory or the cache."""
    path = download.download_file(
        files.syn,
        file_handle={"id": zip_handle, "fileName": f"{zip_handle}.zip"},
        associate_type="TableEntity",
        associate_id=files.table_id,
    )
    if path is None:
        raise SynapseDownloadError(f"The zip file {zip_handle} could not be downloaded")
    try:
        with zipfile.ZipFile(path) as archive:
            for item in items:
                _extract(files, archive, str(item["zipEntryName"]), str(item["fileHandleId"]))
    except (zipfile.BadZipFile, KeyError) as error:
        raise SynapseDownloadError(
            f"The zip file {zip_handle} is corrupt, or lacks files listed by Synapse: {error}"
        ) from None
    finally:
        files.syn.cache.remove(zip_handle, path, delete=True)


def _extract(files: _TableFiles, archive: zipfile.ZipFile, entry: str, handle: str) -> None:
    name = safe_file_name(entry, handle)
    directory = files.directory or Path(files.syn.cache.get_cache_dir(handle))
    target = _choose_target(directory / name, handle, overwrite=files.directory is None)
    partial = PartialFile(target, handle)
    with partial.locked(), partial, archive.open(entry) as source:
        partial.require_space(archive.getinfo(entry).file_size)
        partial.open(None)
        offset = 0
        while block := source.read(_BLOCK_SIZE):
            partial.write(block, offset)
            offset += len(block)
        target = partial.move_to_target(overwrite=True)
    md5 = file_md5(target)
    download.known_md5s(files.syn)[files.syn.fileHandleEndpoint, handle] = md5
    files.syn.cache.add(handle, target, md5)
    files.syn.cache.pin(target)
    files.paths[handle] = str(target)


def _choose_target(path: Path, handle: str, *, overwrite: bool) -> Path:
    """Return a path for one file handle only, because several files can have the same name."""
    if overwrite or not os.path.lexists(path):
        return path
    return path.with_name(append_to_stem(path.name, f"-{handle}"))
