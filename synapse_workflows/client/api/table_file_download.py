"""Files in the cells of tables: many of them in one zip."""

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseDownloadError
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.paths import expand_path
from synapse_workflows.client.transfer import download
from synapse_workflows.constants import MODEL

#: Files asked for at once.
BATCH_SIZE: Final = 2500
#: Requests after which to give up.
MAX_REQUESTS: Final = 100
_REQUEST: Final = f"{MODEL}.file.BulkFileDownloadRequest"
_TOO_MUCH: Final = "EXCEEDS_SIZE_LIMIT"
_BLOCK_SIZE: Final = 1024 * 1024


@dataclass
class _TableFiles:
    """Files on their way from one table.

    Args:
        syn: Whose they are.
        table_id: ``syn123``.
        directory: Where they go; None for the cache.
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
    """Download the files in columns of a query's result, many at a time.

    Files that are in the cache are not downloaded again.

    Args:
        syn: The session that makes the calls.
        table: What ``tableQuery(..., resultsAs='csv')`` answered.
        columns: One name, or a list of names, of columns of file handles.
        downloadLocation: A directory, where of files of one name the last one stays; the cache
            when None.
        **kwargs: ``max_files_per_request`` (2500).

    Returns:
        The paths, by file handle id. Files that could not be had are not in it; the log says
        why.

    Raises:
        ValueError: Another kind of result, no such column, or less than one file at a time.
        TypeError: `columns` is neither text nor a list.
        SynapseDownloadError: The zip that Synapse made is broken.
        SynapseForbiddenError: The caller may not download from the table.

    Source:
        POST /file/bulk/async/start of the file service
        https://rest-docs.synapse.org/rest/POST/file/bulk/async/start.html
    """
    batch = int(kwargs.pop("max_files_per_request", BATCH_SIZE))
    if kwargs:
        raise TypeError(f"Unexpected **kwargs: {kwargs}; known is max_files_per_request")
    if batch < 1:
        raise ValueError(f"max_files_per_request must be at least 1, not {batch}")
    handles = _list_file_handles(syn, table, _validate_columns(table, columns))
    directory = (
        None if downloadLocation is None else Path(expand_path(os.fspath(downloadLocation)))
    )
    haul = _TableFiles(syn, table.tableId, directory)
    waiting = [handle for handle in handles if not _find_cached(haul, handle)]
    rounds = 0
    while waiting and rounds < MAX_REQUESTS:
        asked, waiting = waiting[:batch], waiting[batch:]
        waiting += _fetch_batch(haul, asked)
        rounds += 1
    if waiting:
        syn.logger.warning("Gave up on %d files after %d requests", len(waiting), rounds)
    return {handle: haul.paths[handle] for handle in handles if handle in haul.paths}


def _validate_columns(table: Any, columns: str | Sequence[str]) -> list[str]:
    if not isinstance(table, CsvFileTable):
        raise ValueError(  # noqa: TRY004 - as the reference has it
            "Only the results of a query as 'csv' can be used here, not "
            f"{type(table).__name__}: query with resultsAs='csv'."
        )
    if not isinstance(columns, str | list | tuple):
        raise TypeError(f"Columns must be a name or a list of names, not {type(columns).__name__}")
    wanted = [columns] if isinstance(columns, str) else list(columns)
    there = [column.get("name") for column in table.columns()]
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ValueError(f"Columns not found: {', '.join(map(str, missing))}")
    return wanted


def _list_file_handles(syn: Session, table: CsvFileTable, columns: Iterable[str]) -> list[str]:
    """List the file handle ids in some columns, each once."""
    names = [column.get("name") for column in table.columns()]
    positions = [names.index(name) for name in columns]
    found: dict[str, None] = {}
    for row in table:
        for value in (row[at] for at in positions):
            text = "" if value is None else str(value).strip()
            if text.isascii() and text.isdecimal():
                found[text] = None
            elif text:
                syn.logger.warning("Weird file handle: %s", text)
    return list(found)


def _find_cached(haul: _TableFiles, handle: str) -> bool:
    """Look for a file in the cache."""
    cached = haul.syn.cache.get(handle, haul.directory)
    if cached is None or (haul.directory and Path(cached).parent != haul.directory):
        return False
    haul.paths[handle] = cached
    return True


def _fetch_batch(haul: _TableFiles, handles: Sequence[str]) -> list[str]:
    """Ask for files, and take out of the zip what is in it; return what to ask for again.

    Source:
        POST /file/bulk/async/start of the file service
        https://rest-docs.synapse.org/rest/POST/file/bulk/async/start.html
    """
    files = [
        {
            "fileHandleId": handle,
            "associateObjectType": "TableEntity",
            "associateObjectId": haul.table_id,
        }
        for handle in handles
    ]
    body = {"concreteType": _REQUEST, "requestedFiles": files}
    answer = async_jobs.run(haul.syn, "/file/bulk/async", body, endpoint="file", repeatable=True)
    summary = answer.get("fileSummary") or ()
    good = [one for one in summary if one.get("status") == "SUCCESS"]
    if good and answer.get("resultZipFileHandleId"):
        _unpack(haul, str(answer["resultZipFileHandleId"]), good)
    again = []
    for one in summary:
        if one.get("failureCode") == _TOO_MUCH:
            again.append(str(one["fileHandleId"]))
        elif one.get("status") != "SUCCESS":
            said = one.get("failureMessage") or one.get("failureCode")
            haul.syn.logger.warning("File handle %s: %s", one.get("fileHandleId"), said)
    if good:
        return again
    for handle in again:  # too large for any zip
        _fetch_single(haul, handle)
    return []


def _fetch_single(haul: _TableFiles, handle: str) -> None:
    path = download.download_file(
        haul.syn,
        file_handle={"id": handle},
        associate_type="TableEntity",
        associate_id=haul.table_id,
        directory=haul.directory,
        if_collision=None if haul.directory is None else download.OVERWRITE_LOCAL,
    )
    haul.paths[handle] = str(path)


def _unpack(haul: _TableFiles, zip_handle: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Download a zip, and put its files where they belong."""
    path = download.download_file(
        haul.syn,
        file_handle={"id": zip_handle, "fileName": f"{zip_handle}.zip"},
        associate_type="TableEntity",
        associate_id=haul.table_id,
    )
    if path is None:
        raise SynapseDownloadError(f"The zip file {zip_handle} could not be downloaded")
    try:
        with zipfile.ZipFile(path) as archive:
            for item in items:
                _extract(haul, archive, str(item["zipEntryName"]), str(item["fileHandleId"]))
    except (zipfile.BadZipFile, KeyError) as error:
        raise SynapseDownloadError(
            f"The zip file {zip_handle} does not hold what Synapse says it does: {error}"
        ) from None
    finally:
        haul.syn.cache.remove(zip_handle, path, delete=True)


def _extract(haul: _TableFiles, archive: zipfile.ZipFile, entry: str, handle: str) -> None:
    name = PurePosixPath(entry.replace("\\", "/")).name
    # No name leads out of the directory, or names the directory itself.
    name = name if name not in {"", ".", ".."} else handle
    directory = haul.directory or Path(haul.syn.cache.get_cache_dir(handle))
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / name
    partial = directory / f"{name}.synapse_download_{handle}"
    with archive.open(entry) as source, partial.open("wb") as file:
        while block := source.read(_BLOCK_SIZE):
            file.write(block)
    partial.replace(target)
    haul.syn.cache.add(handle, target)
    haul.syn.cache.hold(target)
    haul.paths[handle] = str(target)
