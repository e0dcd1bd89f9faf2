"""Results of the files of a synchronization, which are processed in parallel."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.redaction import redact
from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseAuthenticationError,
    SynapseError,
    SynapseNotFoundError,
)
from synapse_workflows.client.transfer.progress import format_size
from synapse_workflows.sync.plan import SyncItem

#: Minimum number of seconds between two log lines.
_INTERVAL: Final = 10.0
#: Number of temporary failures without a success between them after which the work is stopped.
_MAX_FAILURES: Final = 10
#: Error numbers and other errors of a file that a retry can mend are all but these.
_PERMANENT_ERRORS: Final = (ValueError, TypeError, IsADirectoryError, NotADirectoryError)

#: What was done: `failed` items have an error.
Outcome = Literal["new", "changed", "deleted", "failed", "stopped"]


class ItemError(Exception):
    """An item cannot be synchronized.

    Args:
        message: What failed, why, and what to do.
        is_permanent: Whether a retry cannot succeed.
    """

    def __init__(self, message: str, *, is_permanent: bool = False) -> None:
        super().__init__(message)
        self.is_permanent = is_permanent


@dataclass(frozen=True, slots=True)
class FileResult:
    """Result of one file or folder.

    Args:
        item: The item of the plan.
        outcome: `new`, `changed`, `deleted`, `failed`, or `stopped` before it was begun.
        entity_id: ID of the entity.
        version: Version of the entity.
        error: Why it failed; empty for a success.
        is_permanent: Whether a retry cannot succeed.
    """

    item: SyncItem
    outcome: Outcome
    entity_id: str | None = None
    version: int | None = None
    error: str = ""
    is_permanent: bool = False

    @classmethod
    def of_error(cls, item: SyncItem, error: Exception) -> Self:
        """Create the result of an item that failed."""
        is_permanent = isinstance(error, _PERMANENT_ERRORS)
        if isinstance(error, ItemError):
            is_permanent = error.is_permanent
        elif isinstance(error, SynapseNotFoundError):
            is_permanent = False  # deleted since the comparison: a retry compares again
        elif isinstance(error, SynapseError):
            is_permanent = error.retry_category is RetryCategory.PERMANENT
        text = redact(str(error) or type(error).__name__)
        return cls(item, "failed", item.entity_id, None, text, is_permanent)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON, without empty values."""
        values = {
            "path": self.item.path,
            "outcome": self.outcome,
            "id": self.entity_id,
            "version": self.version,
            "size": self.item.size,
            "error": self.error,
        }
        return {key: value for key, value in values.items() if value not in (None, "")}


class SyncProgress:
    """Counter of files, which writes a log line every 10 seconds.

    Args:
        logger: Writes the lines.
        title: Start of each line.
        total: Number of files.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        logger: logging.Logger,
        title: str,
        total: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger, self._title, self._total = logger, title, total
        self._clock = clock
        self._lock = threading.Lock()
        self._count = self._bytes = 0
        self._logged_at = clock()

    def count(self, size: int | None) -> None:
        """Count a file. May be called by several threads."""
        with self._lock:
            self._count += 1
            self._bytes += size or 0
            if self._clock() - self._logged_at < _INTERVAL:
                return
            self._logged_at = self._clock()
            done, size = self._count, self._bytes
        self._logger.info(
            "%s: %d of %d files, %s", self._title, done, self._total, format_size(size)
        )


class ItemRunner:
    """Runs a function for each item, in a bounded number of threads.

    A failed item does not stop the others, unless many fail one after the other for temporary
    reasons, for example because the service is down.

    Args:
        logger: Lists the results.
        max_threads: Maximum number of items at a time.
        progress: Counts the items.
    """

    def __init__(self, logger: logging.Logger, max_threads: int, progress: SyncProgress) -> None:
        self._logger = logger
        self._max_threads = max_threads
        self._progress = progress
        self._lock = threading.Lock()
        self._failures = 0

    def run(
        self, function: Callable[[SyncItem], FileResult], items: Sequence[SyncItem]
    ) -> Iterator[FileResult]:
        """Yield the result of each item, in the order of the items.

        Raises:
            SynapseAuthenticationError: The token is invalid, which concerns all items.
        """

        def call(item: SyncItem) -> FileResult:
            result = self._call(function, item)
            self._progress.count(item.size)
            return result

        for _, result in map_parallel(call, items, self._max_threads):
            if result.outcome == "failed":
                self._logger.error("%s failed: %s", result.item.path, result.error)
            yield result

    def _call(self, function: Callable[[SyncItem], FileResult], item: SyncItem) -> FileResult:
        if self._failures >= _MAX_FAILURES:
            error = f"not begun, because {_MAX_FAILURES} files failed one after the other"
            return FileResult(item, "stopped", error=error)
        try:
            result = function(item)
        except SynapseAuthenticationError:
            raise
        except (SynapseError, ItemError, OSError, ValueError) as error:
            result = FileResult.of_error(item, error)
        with self._lock:
            is_temporary = result.outcome == "failed" and not result.is_permanent
            self._failures = self._failures + 1 if is_temporary else 0
        return result
