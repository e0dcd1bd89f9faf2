"""Bytes on disk: written under a temporary name, there for good once they are kept.

<root>/drafts/<name>        being written; worthless after a crash
<root>/kept/<ab>/<name>     whole, flushed to the disk, never changed
"""

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

#: Bytes that are in memory at a time while a file is read.
CHUNK_SIZE: Final = 1 << 19


@dataclass(frozen=True)
class StoredFile:
    """One kept file and how many bytes it has."""

    name: str
    size: int


class FileWriter:
    """A file on its way in; as a context manager it vanishes unless it was kept.

    `size` and `md5` tell of what was written so far.
    """

    def __init__(self, path: Path, kept: Path) -> None:
        self.name = path.name
        self.size = 0
        self._path = path
        self._kept = kept
        self._digest = hashlib.md5()
        self._file = path.open("xb")

    @property
    def md5(self) -> str:
        """The MD5 of the bytes written so far, 32 hexadecimal digits."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._digest.update(data)
        self._file.write(data)
        self.size += len(data)

    def keep(self) -> StoredFile:
        """Flush the bytes to the disk and give them their place; they survive a crash now."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if not self._kept.parent.exists():
            self._kept.parent.mkdir(exist_ok=True)
            _sync_directory(self._kept.parent.parent)
        self._path.rename(self._kept)
        _sync_directory(self._kept.parent)
        return StoredFile(self.name, self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # a full disk refuses what was still buffered
            self._file.close()
        self._path.unlink(missing_ok=True)


class BlobStore:
    """The bytes of one service.

    Args:
        root: directory that holds them; created when missing.
    """

    def __init__(self, root: Path) -> None:
        self._drafts = root / "drafts"
        self._kept = root / "kept"
        self._drafts.mkdir(parents=True, exist_ok=True)
        self._kept.mkdir(exist_ok=True)

    def draft(self) -> FileWriter:
        """Begin a file."""
        name = str(uuid.uuid4())
        return FileWriter(self._drafts / name, self._path(name))

    def read(
        self, pieces: Iterable[StoredFile], first: int = 0, last: int | None = None
    ) -> Iterator[bytes]:
        """Read pieces in their order as one stream.

        Args:
            pieces: what to read.
            first: offset of the first byte in the stream.
            last: offset of the last byte, included; None reads to the end.
        """
        begin = 0
        for piece in pieces:
            skip = max(first - begin, 0)
            stop = piece.size if last is None else min(last + 1 - begin, piece.size)
            if skip < stop:
                yield from self._read(piece.name, skip, stop)
            begin += piece.size

    def _read(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        with self._path(name).open("rb", buffering=0) as file:
            file.seek(start)
            while start < stop:
                data = file.read(min(CHUNK_SIZE, stop - start))
                if not data:
                    raise EOFError(f"{name} ends at {start}, before {stop}")
                start += len(data)
                yield data

    def md5(self, pieces: Iterable[StoredFile]) -> str:
        """Compute the MD5 of pieces read as one stream, 32 hexadecimal digits."""
        digest = hashlib.md5()
        for data in self.read(pieces):
            digest.update(data)
        return digest.hexdigest()

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that nothing refers to any more; missing ones are fine."""
        for name in names:
            self._path(name).unlink(missing_ok=True)

    def sweep(self, wanted: set[str]) -> int:
        """Remove drafts, and kept files that are not wanted: what a crash left behind.

        Only for a service that has not begun to answer.

        Returns:
            How many files went.
        """
        waste = [path for path in self._drafts.iterdir() if path.is_file()]
        waste += [path for path in self._kept.glob("*/*") if path.name not in wanted]
        for path in waste:
            path.unlink()
        return len(waste)

    def _path(self, name: str) -> Path:
        return self._kept / name[:2] / name


def _sync_directory(path: Path) -> None:
    """Make a rename in a directory survive the loss of power."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
