"""Download of staged files to the cache of a worker."""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from airflow.sdk import conf

from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.core.cache_limit import parse_size
from synapse_workflows.client.core.default_cache import find_default_cache
from synapse_workflows.client.core.file_names import safe_file_name
from synapse_workflows.client.errors import (
    SynapseDownloadError,
    SynapseError,
    SynapseFileNotFoundError,
    SynapseMd5MismatchError,
)
from synapse_workflows.client.transfer.partial_file import PartialFile
from synapse_workflows.client.transfer.progress import ProgressLog
from synapse_workflows.lineage.collector import LineageCollector, current_collector
from synapse_workflows.lineage.data_dependencies import TaskInstances
from synapse_workflows.provenance.record import Origin, Record
from synapse_workflows.staging.staged_keys import StagingTask, require_key
from synapse_workflows.staging.staging_area import StagingArea
from synapse_workflows.staging.transfer_retries import retry_transfer

_log: Final = logging.getLogger(__name__)
#: Directory below `[synapse] cache_dir`.
CACHE_NAME: Final = "staged"


def download_staged(reference: Mapping[str, Any]) -> Path:
    """Return the path of a staged file on this worker; download the file if necessary.

    In a running task the file stays in the cache until the task ends.

    Args:
        reference: A `StagedFile`.

    Raises:
        InvalidArgumentError: The reference was changed.
        SynapseFileNotFoundError: The staging area has no such file.
        SynapseMd5MismatchError: The file in the staging area is spoilt.
        SynapseTransferError: The file cannot be read.
        SynapseDownloadError: The cache cannot be written, or its disk is full.
    """
    key, cache = require_key(reference), _open_cache()
    number = _get_cache_number(reference)
    name = safe_file_name(reference["name"], reference["md5"])
    path = Path(cache.get_cache_dir(number), name)
    found = _find(cache, number, reference) or _download(cache, path, number, key, reference)
    collector = current_collector()
    if collector is not None:
        collector.pin_file(cache, found)
        _record_origin(collector, reference)
    return found


def _open_cache() -> Cache:
    """Return the cache of staged files. It does not depend on a connection."""
    root = conf.get("synapse", "cache_dir", fallback="") or find_default_cache()
    limit = conf.get("synapse", "cache_limit", fallback="20 GB")
    return Cache(Path(root, CACHE_NAME), parse_size(limit))


def _get_cache_number(reference: Mapping[str, Any]) -> int:
    """Return the number of a file in the cache, in place of a file handle ID."""
    text = f"{reference['md5']} {reference['name']}"
    return int(hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:15], 16)


def _find(cache: Cache, number: int, reference: Mapping[str, Any]) -> Path | None:
    found = cache.get(number, md5=reference["md5"])
    return None if found is None else Path(found)


def _download(
    cache: Cache, path: Path, number: int, key: str, reference: Mapping[str, Any]
) -> Path:
    """Download a file, once for all tasks of the worker that need it at the same time."""
    partial, size = PartialFile(path, str(number)), reference["size"]
    with _reporting_cache_errors(cache, reference), partial.locked() as was_free:
        found = None if was_free else _find(cache, number, reference)
        if found is not None:
            return found
        cache.make_room(size)
        partial.require_space(size)
        area = StagingArea.open()
        try:
            retry_transfer(lambda: _download_any(area, key, partial.path, reference))
            partial.path.replace(path)
        finally:
            partial.path.unlink(missing_ok=True)
        cache.add(number, path, reference["md5"])
        return path


@contextmanager
def _reporting_cache_errors(cache: Cache, reference: Mapping[str, Any]) -> Iterator[None]:
    """Name the cache and the way out if a file cannot be written there."""
    try:
        yield
    except SynapseError:
        raise
    except OSError as error:
        raise SynapseDownloadError(
            f"Cannot write the staged file {reference['name']!r} to {cache.cache_root_dir}: "
            f"{error}. Set [synapse] cache_dir to another directory."
        ) from error


def _download_any(area: StagingArea, key: str, target: Path, reference: Mapping[str, Any]) -> None:
    """Download a file, or the same content that another try of the task has staged."""
    for one in _iter_keys(area, key, reference):
        with suppress(FileNotFoundError):
            return _download_once(area, one, target, reference)
    raise _missing_error(area, reference)


def _iter_keys(area: StagingArea, key: str, reference: Mapping[str, Any]) -> Iterator[str]:
    """Yield the key of a reference, then those of other tries with the same content.

    The result of a try that was frozen may replace that of its retry, which has removed the file.
    """
    yield key
    for file in area.list_files(StagingTask.of_reference(reference).directory):
        if file.key.endswith(f"/{reference['md5']}"):
            yield file.key


def _download_once(
    area: StagingArea, key: str, target: Path, reference: Mapping[str, Any]
) -> None:
    """Download a file and check its MD5.

    Raises:
        FileNotFoundError: The file is not in the staging area.
    """
    digest = hashlib.md5(usedforsecurity=False)
    label, size = f"{reference['name']} from {area.url}", reference["size"]
    shown = ProgressLog(_log.info, f"Fetching {label}", f"Fetched {label}", size, time.monotonic)

    def add(block: bytes) -> None:
        digest.update(block)
        shown.advance(len(block))

    area.download(key, target, add)
    if digest.hexdigest() != reference["md5"]:
        raise SynapseMd5MismatchError(
            f"The staged file {reference['name']!r} in {area.url} is spoilt: its MD5 is "
            f"{digest.hexdigest()}, not {reference['md5']}. {_get_advice(reference)}",
            expected=reference["md5"],
            found=digest.hexdigest(),
            path=key,
        )
    shown.end()


def _missing_error(area: StagingArea, reference: Mapping[str, Any]) -> SynapseFileNotFoundError:
    reason = (
        "[synapse] staging is not set, so files are staged in a folder of each machine: set it to "
        "an object storage or a shared folder if the tasks run on several machines"
        if area.is_default
        else "clean_staging, a retry of the task or a rule of the storage has removed it, or the "
        "worker that staged it has another [synapse] staging"
    )
    return SynapseFileNotFoundError(
        f"The staged file {reference['name']!r} is not in {area.url}: {reason}. "
        f"{_get_advice(reference)}"
    )


def _get_advice(reference: Mapping[str, Any]) -> str:
    return f"Clear {StagingTask.of_reference(reference)} to stage it again."


def _record_origin(collector: LineageCollector, reference: Mapping[str, Any]) -> None:
    """Inherit the lineage of the task that staged a file, if it is a task of the same run."""
    origin, own = StagingTask.of_reference(reference), StagingTask.of(collector.ti)
    if origin.run_directory == own.run_directory:
        if origin != own:
            collector.add_upstream(TaskInstances(origin.task_id, origin.map_index))
        return
    gap = f"inputs of the staged file {reference['name']}, which {origin} made"
    collector.add(Record.from_refs(Origin.READ, gaps=[gap]))
