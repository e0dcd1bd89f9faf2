"""Storage of file content in a directory.

<root>/drafts/<name>        file that is being written, or whose transaction has not ended
<root>/stored/<ab>/<name>   complete and immutable file, flushed to disk; <ab> are the first two
                            characters of the name
"""

import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

#: Number of bytes that are read from a file at once.
CHUNK_SIZE: Final = 1 << 19
_NAME: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class StoredFile:
    """A complete file: its name and its size in bytes."""

    name: str
    size: int


class FileWriter:
    """Context manager that writes a new file and discards the file unless it is committed.

    `size` and `md5` describe the bytes written so far.
    """

    def __init__(self, path: Path, stored_path: Path, *, durable: bool) -> None:
        self.name = path.name
        self.size = 0
        self._path = path
        self._stored_path = stored_path
        self._durable = durable
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

    def commit(self) -> StoredFile:
        """Flush the file to disk and link it to its final path. The file then survives a crash.

        Unless the store is durable, the file does not survive a power failure.

        The draft remains until the end of the context. If the service crashes before it commits
        the transaction that refers to the file, the draft shows that the file is unused.
        """
        self._file.flush()
        if self._durable:
            os.fsync(self._file.fileno())
        self._file.close()
        directory = self._stored_path.parent
        if not directory.exists():
            directory.mkdir(exist_ok=True)
            self._sync(directory.parent)
        self._stored_path.hardlink_to(self._path)
        self._sync(directory)
        return StoredFile(self.name, self.size)

    def _sync(self, directory: Path) -> None:
        if self._durable:
            _sync_directory(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # on a full disk, closing fails to flush the buffer
            self._file.close()
        self._path.unlink(missing_ok=True)


class BlobStore:
    """The file content of one service.

    Args:
        root: Directory of the files; created if missing.
        durable: Whether complete files survive a power failure.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._durable = durable
        self._drafts = root / "drafts"
        self._stored = root / "stored"
        self._drafts.mkdir(parents=True, exist_ok=True)
        self._stored.mkdir(exist_ok=True)

    def create(self) -> FileWriter:
        """Create a file and return its writer."""
        name = str(uuid.uuid4())
        return FileWriter(self._drafts / name, self._get_path(name), durable=self._durable)

    def read(
        self, files: Iterable[StoredFile], first: int = 0, last: int | None = None
    ) -> Iterator[bytes]:
        """Read files one after the other as one stream, in chunks.

        Args:
            files: Files to read.
            first: Offset of the first byte in the stream.
            last: Offset of the last byte, inclusive; None to read to the end.

        Raises:
            EOFError: A file is shorter than its size.
        """
        offset = 0
        for file in files:
            start = max(first - offset, 0)
            stop = file.size if last is None else min(last + 1 - offset, file.size)
            if start < stop:
                yield from self._read(file.name, start, stop)
            offset += file.size

    def _read(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        with self._get_path(name).open("rb", buffering=0) as file:
            file.seek(start)
            while start < stop:
                data = file.read(min(CHUNK_SIZE, stop - start))
                if not data:
                    raise EOFError(f"File {name} ends at byte {start}; expected {stop} bytes.")
                start += len(data)
                yield data

    def compute_md5(self, files: Iterable[StoredFile]) -> str:
        """Return the MD5 of files read as one stream, 32 hexadecimal digits."""
        digest = hashlib.md5()
        for data in self.read(files):
            digest.update(data)
        return digest.hexdigest()

    def delete(self, names: Iterable[str]) -> None:
        """Delete files; missing files are ignored."""
        for name in names:
            self._get_path(name).unlink(missing_ok=True)

    def find_incomplete(self, files: Iterable[StoredFile]) -> StoredFile | None:
        """Return the first file that is missing or has the wrong size; None if there is none."""
        for file in files:
            path = self._get_path(file.name)
            if not path.is_file() or path.stat().st_size != file.size:
                return file
        return None

    def sweep(self, wanted: set[str], unused: set[str]) -> int:
        """Delete drafts and unused files. Call this method before the service accepts requests.

        All other files are kept, because the database may be older than these files.

        Args:
            wanted: Names of the files to keep.
            unused: Names of files that became unused.

        Returns:
            The number of deleted files.
        """
        drafts = [path for path in self._drafts.iterdir() if _NAME.fullmatch(path.name)]
        names = (unused | {path.name for path in drafts}) - wanted
        paths = [*drafts, *(self._get_path(name) for name in names)]
        deleted = [path for path in paths if path.is_file()]
        for path in deleted:
            path.unlink()
        return len(deleted)

    def _get_path(self, name: str) -> Path:
        return self._stored / name[:2] / name


def _sync_directory(path: Path) -> None:
    """Flush a directory to disk, so that a rename in it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
