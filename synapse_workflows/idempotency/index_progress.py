"""Progress of a run that indexes many objects, as log lines."""

import threading
import time
from collections.abc import Callable
from typing import Final

from synapse_workflows.client.transfer.progress import format_size
from synapse_workflows.idempotency.object_paths import S3Object
from synapse_workflows.lineage.lineage_client import LineageClient

#: Minimum number of seconds between two log lines.
_INTERVAL: Final = 10.0


class IndexProgress:
    """Counter of objects, which writes a log line every 10 seconds.

    Args:
        client: Its logger writes the lines.
        url: URL of the prefix.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, client: LineageClient, url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = client.logger
        self._url = url
        self._clock = clock
        self._lock = threading.Lock()
        self._total = self._objects = self._bytes = 0
        self._logged_at = clock()

    def begin(self, total: int) -> None:
        """Set the number of objects."""
        self._total = total
        self._logger.info("Indexing %s: %d objects", self._url, total)

    def count(self, one: S3Object) -> None:
        """Count an object. May be called by several threads."""
        with self._lock:
            self._objects += 1
            self._bytes += one.size
            if self._clock() - self._logged_at < _INTERVAL:
                return
            self._logged_at = self._clock()
            done, size = self._objects, format_size(self._bytes)
        self._logger.info("Indexing %s: %d of %d objects, %s", self._url, done, self._total, size)
