"""MD5 of a file of which parts are still being written."""

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.constants import MiB

#: Bytes of added parts that may wait for the computation of the MD5 before it is behind.
MAX_BACKLOG: Final = 32 * MiB
#: Bytes to read at a time. Between two blocks, the thread waits for the interpreter lock, which
#: the threads that receive data hold often.
_BLOCK_SIZE: Final = 2 * MiB


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
        self._resumed = self._contiguous_end(0)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._block = memoryview(bytearray(_BLOCK_SIZE))
        self._position = 0
        self._part_start = 0
        self._lock = threading.Lock()

    @property
    def is_behind(self) -> bool:
        """Whether parts are added faster than they are read.

        Parts of an earlier download, at the start of a resumed file, do not count.
        """
        start = self._part_start
        return start >= self._resumed and (
            self._contiguous_end(start, MAX_BACKLOG) - start > MAX_BACKLOG
        )

    def add(self, part: Part) -> None:
        """Add a complete part, which must not be written again."""
        self._ends[part.start] = part.end
        if self._position in self._ends and self._lock.acquire(blocking=False):
            try:
                while (end := self._ends.get(self._position)) is not None:
                    self._read(end)
                    self._part_start = end
            finally:
                self._lock.release()

    def hexdigest(self) -> str:
        """Return the MD5 of the whole file in hex. All parts must be complete."""
        with self._lock:
            self._read(None)
            return self._md5.hexdigest()

    def _contiguous_end(self, start: int, length: float = float("inf")) -> int:
        """Return the end of the added parts from `start` without a gap, up to about `length`."""
        end = start
        while end - start <= length and end in self._ends:
            end = self._ends[end]
        return end

    def _read(self, end: int | None) -> None:
        """Read up to offset `end`, or to the end of the file."""
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._position)
            while end is None or self._position < end:
                remaining = _BLOCK_SIZE if end is None else end - self._position
                count = file.readinto(self._block[:remaining])
                if not count:
                    return
                self._md5.update(self._block[:count])
                self._position += count
