"""Staging of a file: `staged(path)` copies it to where the tasks on all workers can read it."""

import hashlib
import logging
import time
from collections.abc import Mapping
from os import PathLike
from typing import Any, Final, TypedDict, overload

from airflow.sdk import ObjectStoragePath

from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.errors import SynapseTransferError
from synapse_workflows.client.transfer.progress import ProgressLog, format_size
from synapse_workflows.constants import MiB
from synapse_workflows.idempotency.local_files import LocalFile, as_local_file, is_list
from synapse_workflows.lineage.collector import LineageCollector, current_collector
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    is_file_reference,
    parse_reference_text,
)
from synapse_workflows.provenance.record import Origin, Record, UrlRef
from synapse_workflows.staging.staged_keys import StagingTask, get_try
from synapse_workflows.staging.staging_area import StagingArea, warn_if_not_shared
from synapse_workflows.staging.transfer_retries import retry_transfer

_log: Final = logging.getLogger(__name__)
#: Size in bytes of a file whose MD5 takes a noticeable time.
_LARGE: Final = 100 * MiB


class StagedFile(TypedDict):
    """Reference to a staged file, as JSON.

    `staged` is its path in the staging area of `[synapse] staging`. `size` is in bytes, `md5` in
    hex. `dag_id`, `run_id`, `task_id` and `map_index` name the task instance that staged it;
    `map_index` is None for a task that is not mapped.
    """

    staged: str
    name: str
    size: int
    md5: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int | None


@overload
def staged(path: str | PathLike[str] | ObjectStoragePath) -> StagedFile: ...
@overload
def staged(path: list[Any] | tuple[Any, ...]) -> list[Any]: ...
@overload
def staged(path: Mapping[str, Any]) -> Mapping[str, Any]: ...
def staged(path: Any) -> Any:
    """Copy a file to the staging area; return a reference that tasks on all workers can use.

    For a file that one task makes and another task stores: `return staged("/tmp/summary.txt")`.
    All arguments of operators that take a file, and `local_path`, accept the reference. The
    staging area is `[synapse] staging`: the URL of an object storage, or a folder that all workers
    share. The default is a folder of this machine.

    The copy is readable when it is complete. A retry replaces what earlier tries of the task have
    staged. Other tasks and other instances of a mapped task may stage files of the same name at
    the same time. What the task has read becomes an input of what the other task stores.

    Args:
        path: A local path, a URL, or an `ObjectStoragePath`. A reference that another task
            returned is returned unchanged. For a list of these, a list is returned.

    Returns:
        A `StagedFile`.

    Raises:
        RuntimeError: The function is called outside a running task.
        AirflowFailException: The argument is not a path.
        SynapseFileNotFoundError: The file does not exist, or is a directory.
        SynapseConfigError: `[synapse] staging` is invalid.
        SynapseTransferError: The file cannot be written, or changes meanwhile.
    """
    collector = current_collector()
    if collector is None:
        raise RuntimeError(
            "staged() was called outside a running task, so no task owns the staged file. Call it "
            "in a @task function, or in the execute method of an operator. Functions of "
            "@task.virtualenv and @task.external_python run in another process: write their files "
            "to an object storage, and return the URL"
        )
    if is_list(path):
        return [staged(one) for one in path]
    value = parse_reference_text(path)
    if is_file_reference(value):
        return value
    _reject_open_file(value)
    area = collector.get_or_create("staging area", _open_area)
    with as_local_file(value, _no_reference) as file:
        _record_read(collector, file)
        task, try_number = StagingTask.of(collector.ti), collector.ti.try_number
        reference = retry_transfer(lambda: _stage(area, file, task, try_number))
    _remove_earlier_tries(area, collector)
    return reference


def _open_area() -> StagingArea:
    area = StagingArea.open()
    warn_if_not_shared(area)
    return area


def _reject_open_file(value: Any) -> None:
    """Reject a file object: its content may be in the memory of the task."""
    if hasattr(value, "read") and not isinstance(value, PathLike | ObjectStoragePath):
        raise InvalidArgumentError(
            f"Invalid path of type {type(value).__name__}: expected the path of a file. Close the "
            "file, and pass its path"
        )


def _no_reference(reference: Mapping[str, Any]) -> str:
    raise InvalidArgumentError(f"Invalid path {dict(reference)!r:.100}: expected a file")


def _record_read(collector: LineageCollector, file: LocalFile) -> None:
    if file.url and LineageMode.resolve(None).is_automatic and not collector.has_manual_lineage:
        collector.add(Record.from_refs(Origin.READ, used=[UrlRef(file.url)]))


def _stage(area: StagingArea, file: LocalFile, task: StagingTask, try_number: int) -> StagedFile:
    """Copy a local file to the staging area, and check that it has not changed meanwhile."""
    path, size = file.path, file.path.stat().st_size
    name = _get_name(file)
    if size >= _LARGE:
        _log.info("Computing the MD5 of %s (%s)", name, format_size(size))
    md5, digest = file_md5(path), hashlib.md5(usedforsecurity=False)
    key = task.create_key(try_number, md5)
    label = f"{name} in {area.url}"
    shown = ProgressLog(_log.info, f"Staging {label}", f"Staged {label}", size, time.monotonic)

    def add(block: bytes) -> None:
        digest.update(block)
        shown.advance(len(block))

    area.upload(path, key, add)
    if digest.hexdigest() != md5 or path.stat().st_size != size:
        area.remove(key)
        raise SynapseTransferError(
            f"{path} changed while it was staged. Close the file, and end the programs that write "
            "it, before staged() is called"
        )
    shown.end()
    return {
        "staged": key,
        "name": name,
        "size": size,
        "md5": md5,
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": task.task_id,
        "map_index": task.map_index,
    }


def _get_name(file: LocalFile) -> str:
    """Return the name of a file. XComs can only contain names in UTF-8."""
    name = file.stored_name or file.path.name
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"Invalid path {str(file.path)!a}: the name of the file is not UTF-8. Rename the file"
        ) from None
    return name


def _remove_earlier_tries(area: StagingArea, collector: LineageCollector) -> None:
    """Remove what earlier tries of the task have staged, once in a try.

    Their results were never returned. A late try leaves the files of the tries after it. Files of
    a worker with another user ID may remain: the staged file is valid all the same.
    """
    done: list[bool] = collector.get_or_create("removed staged files", list)
    if done or not collector.is_retry:
        return
    done.append(True)
    try:
        for file in area.list_files(StagingTask.of(collector.ti).directory):
            if get_try(file.key) < collector.ti.try_number:
                area.remove(file.key)
    except SynapseTransferError as error:
        _log.warning("Files that an earlier try has staged remain: %s", error)
