"""Removal of staged files that are stored or expired."""

import logging
import time
from datetime import timedelta
from typing import Final, TypedDict

from synapse_workflows.client.errors import SynapseTransferError
from synapse_workflows.client.transfer.progress import format_size
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.operator_arguments import check_flags, parse_seconds
from synapse_workflows.staging.staged_keys import StagingTask
from synapse_workflows.staging.staging_area import StagingArea, StoredFile

_log: Final = logging.getLogger(__name__)
#: Number of removed files between two lines of the log.
_LOG_STEP: Final = 1000


class CleanedStaging(TypedDict):
    """Result of `clean_staging`, as JSON: removed files and their bytes; those of a dry run."""

    files: int
    size: int
    dry_run: bool


def clean_staging(
    older_than: timedelta | float | None = None, *, dry_run: bool = False
) -> CleanedStaging:
    """Remove staged files: those of the running DAG run, or all that are older than a limit.

    Without `older_than`, call it in a last task of the DAG, when the other tasks have stored what
    was staged. Only files that `staged` has written are removed; interrupted uploads count, too.

    Args:
        older_than: Minimum age, in seconds or as timedelta, of the files to remove, of all DAGs.
            Use more than the longest time from `staged` to the last task that takes the file,
            including retries. None for all files of the current run.
        dry_run: Whether to remove nothing, and to log the files instead.

    Raises:
        RuntimeError: `older_than` is None outside a running task.
        InvalidArgumentError: An argument is invalid.
        SynapseConfigError: `[synapse] staging` is invalid.
        SynapseTransferError: The staging area cannot be listed, or files cannot be removed; the
            others are removed.
    """
    check_flags(dry_run=dry_run)
    area = StagingArea.open()
    selected = _select_old(area, older_than) if older_than is not None else _select_run(area)
    result: CleanedStaging = {"files": 0, "size": 0, "dry_run": dry_run}
    errors: list[SynapseTransferError] = []
    for file in selected:
        if dry_run:
            _log.info("Dry run: would remove %s (%s)", file.key, format_size(file.size))
        elif not _remove(area, file, errors):
            continue
        result["files"] += 1
        result["size"] += file.size
        if result["files"] % _LOG_STEP == 0:
            _log.info("%d of %d staged files", result["files"], len(selected))
    verb = "Dry run: would remove" if dry_run else "Removed"
    size = format_size(result["size"])
    _log.info("%s %d staged files (%s) in %s", verb, result["files"], size, area.url)
    if errors:
        raise SynapseTransferError(
            f"{len(errors)} of {len(selected)} staged files were not removed. The first error: "
            f"{errors[0]}"
        )
    return result


def _remove(area: StagingArea, file: StoredFile, errors: list[SynapseTransferError]) -> bool:
    """Remove a file; add an error to the list, because others may still be removed."""
    try:
        return area.remove(file.key)
    except SynapseTransferError as error:
        _log.warning("%s was not removed: %s", file.key, error)
        errors.append(error)
        return False


def _select_run(area: StagingArea) -> list[StoredFile]:
    """Return the files of the current run."""
    collector = current_collector()
    if collector is None:
        raise RuntimeError(
            "clean_staging() was called outside a running task, so there is no run whose files to "
            "remove. Pass older_than=timedelta(days=7), or call it in a task"
        )
    return area.list_files(StagingTask.of(collector.ti).run_directory)


def _select_old(area: StagingArea, older_than: timedelta | float) -> list[StoredFile]:
    """Return the files of a minimum age."""
    limit = time.time() - parse_seconds(older_than, "older_than")
    return [file for file in area.list_files() if file.modified_at < limit]
