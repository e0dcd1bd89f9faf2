"""MD5 of a file of which parts are still being written."""

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.constants import MiB

_BLOCK_SIZE: Final = MiB


class PrefixMd5:
    """MD5 of a file, computed up to the first incomplete part while other parts are written.

    Several threads may add parts. One of them reads the file; the others return at once.

    Args:
        path: Path of the file.
        parts: Parts that are already complete.
    """

    def __init__(self, path: Path, parts: Iterable[Part] = ()) -> None:
        self._path = path
        self._ends = {part.start: part.end for part in parts}
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._position = 0
        self._lock = threading.Lock()

    def add(self, part: Part) -> None:
        """Add a complete part, which must not be written again."""
        self._ends[part.start] = part.end
        if self._position in self._ends and self._lock.acquire(blocking=False):
            try:
                while (end := self._ends.get(self._position)) is not None:
                    self._read(end)
            finally:
                self._lock.release()

    def hexdigest(self) -> str:
        """Return the MD5 of the whole file in hex. All parts must be complete."""
        with self._lock:
            self._read(None)
            return self._md5.hexdigest()

    def _read(self, end: int | None) -> None:
        """Read up to offset `end`, or to the end of the file."""
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._position)
            while end is None or self._position < end:
                size = _BLOCK_SIZE if end is None else min(_BLOCK_SIZE, end - self._position)
                data = file.read(size)
                if not data:
                    return
                self._md5.update(data)
                self._position += len(data)
