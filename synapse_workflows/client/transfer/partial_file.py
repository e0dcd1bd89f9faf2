"""Partial file of a download that is running or was interrupted.

A download writes these files to the directory of its target `<target>`:

    <target>.synapse_download_<handle id>         the bytes, at their final offsets
    <target>.synapse_download_<handle id>.parts   expected content and complete parts, JSON lines
    <target>.synapse_download_<handle id>.lock    locked by the process that downloads

With these files, a killed download can be resumed, and two processes never write to the same
file.
"""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from filelock import FileLock, Timeout

from synapse_workflows.client.core import cache_map
from synapse_workflows.client.core.file_names import PARTIAL_MARK, numbered_name
from synapse_workflows.client.errors import SynapseDownloadError
from synapse_workflows.client.model.disk_space import NO_SPACE_ERRORS
from synapse_workflows.client.transfer.progress import format_size

#: Maximum length of a file name in bytes. A longer name is replaced by its hash, so that suffixes
#: can be appended.
_MAX_NAME_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class ExpectedContent:
    """Expected content of a download. Only parts of the same content can be resumed.

    Attributes:
        size: Size in bytes.
        md5: MD5 in hex.
        part_size: Size of each part except the last, in bytes.
    """

    size: int
    md5: str
    part_size: int


def remove_stale_locks(folder: Path) -> None:
    """Delete the lock files that killed processes left beside files that are complete.

    Args:
        folder: Target directory of downloads; it may not exist.
    """
    for path in folder.glob(f"*{PARTIAL_MARK}*.lock"):
        lock = FileLock(path)
        with suppress(Timeout, OSError), lock.acquire(timeout=0):
            if not path.with_suffix("").exists():
                path.unlink()


class PartialFile:
    """Partial file of one download. Several threads may write its parts at the same time.

    Args:
        target: Final path of the file.
        handle_id: ID of the file handle.
    """

    def __init__(self, target: Path, handle_id: str) -> None:
        self.target = target
        name = target.name
        if len(os.fsencode(name)) > _MAX_NAME_LENGTH:
            name = hashlib.md5(os.fsencode(name)).hexdigest()
        self.path = target.with_name(f"{name}{PARTIAL_MARK}{handle_id}")
        self.is_resumed = False
        self._parts_path = self.path.with_name(f"{self.path.name}.parts")
        self._lock_path = self.path.with_name(f"{self.path.name}.lock")
        self._list_lock = threading.Lock()
        self._file: _Descriptor | None = None
        self._expected: ExpectedContent | None = None
        self._is_opened = self._has_parts = False

    @contextmanager
    def locked(self) -> Generator[bool]:
        """Lock the partial file against other processes and threads.

        Yields:
            Whether the lock was free. If False, the lock was acquired after waiting, and another
            process may have downloaded the file meanwhile.
        """
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock_path, poll_interval=0.1)
        was_free = True
        try:
            lock.acquire(timeout=0)
        except Timeout:
            was_free = False
            lock.acquire()
        try:
            yield was_free
        finally:
            with suppress(OSError):
                self._lock_path.unlink()
            lock.release()

    def open(self, expected: ExpectedContent | None) -> frozenset[int]:
        """Open the file for writing, and resume an earlier download of the same content.

        Args:
            expected: Expected content; None if the content is unknown. A download of unknown
                content cannot be resumed later.

        Returns:
            The numbers of the parts that are already complete.
        """
        complete = self._complete_parts(expected) if expected is not None else frozenset[int]()
        self.close()
        self.is_resumed = self._has_parts = bool(complete)
        self._expected, self._is_opened = expected, True
        self._file = _Descriptor(self.path, empty=not complete)
        if not complete:
            self._parts_path.unlink(missing_ok=True)
        if not complete and expected is not None:
            with self._checking_space(0):
                self._parts_path.write_text(json.dumps(asdict(expected)) + "\n", encoding="ascii")
        return complete

    def require_space(self, size: int) -> None:
        """Check that the disk has enough free space for the file.

        Args:
            size: Size of the whole file in bytes.

        Raises:
            SynapseDownloadError: There is not enough free space.
        """
        allocated = 0
        with suppress(FileNotFoundError):
            allocated = 512 * self.path.stat().st_blocks
        if size - allocated > self._free_space():
            raise self._no_space_error(size - allocated)

    def write(self, data: bytes, offset: int) -> None:
        """Write bytes at an offset.

        Raises:
            SynapseDownloadError: The disk is full.
        """
        file = self._file
        if file is None:
            raise ValueError(f"Cannot write to {self.path}: it is not open.")
        view = memoryview(data)
        with self._checking_space(len(view)):
            while view:
                written = os.pwrite(file.number, view, offset)
                view, offset = view[written:], offset + written

    def mark_complete(self, number: int) -> None:
        """Record that a part is complete, so that a resumed download skips it."""
        if self._expected is None:
            return
        self._has_parts = True
        with (
            self._list_lock,
            suppress(OSError),
            self._parts_path.open("a", encoding="ascii") as file,
        ):
            file.write(f"{number}\n")

    def md5(self) -> str:
        """Compute the MD5 of the file in hex."""
        return cache_map.file_md5(self.path)

    def move_to_target(self, *, overwrite: bool) -> Path:
        """Move the complete file to its target atomically.

        Args:
            overwrite: Whether to replace an existing file. False to use a free name such as
                `name(1).txt`.

        Returns:
            The final path.
        """
        self.close()
        if overwrite:
            self.path.replace(self.target)
            target = self.target
        else:
            target = self._move_to_free_name()
        self._parts_path.unlink(missing_ok=True)
        return target

    def discard(self) -> None:
        """Delete the partial file and its list of parts."""
        self.close()
        for path in (self.path, self._parts_path):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file. A thread that is writing a block can still finish the block."""
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Delete the partial file, unless an error occurred and the download can be resumed."""
        self.close()
        if kind is not None and self._is_opened and not (self._expected and self._has_parts):
            self.discard()

    def _complete_parts(self, expected: ExpectedContent) -> frozenset[int]:
        """Read the numbers of the complete parts; empty if the parts belong to other content."""
        try:
            head, *lines = self._parts_path.read_text(encoding="ascii").splitlines()
            if json.loads(head) != asdict(expected) or not self.path.exists():
                return frozenset()
            return frozenset(int(line) for line in lines)
        except (OSError, ValueError):
            return frozenset()

    def _move_to_free_name(self) -> Path:
        """Move the file to the first free name. A hard link is used: it never replaces a file."""
        for target in iter_free_names(self.target):
            try:
                target.hardlink_to(self.path)
            except FileExistsError:
                continue
            except OSError:  # the file system does not support links
                self.path.replace(target)
                return target
            self.path.unlink()
            return target
        raise AssertionError("unreachable: the iterator is infinite")

    @contextmanager
    def _checking_space(self, size: int) -> Generator[None]:
        """Raise SynapseDownloadError if the disk is full, and discard the partial file later."""
        try:
            yield
        except OSError as error:
            if error.errno not in NO_SPACE_ERRORS:
                raise
            self._expected = None
            raise self._no_space_error(size) from error

    def _free_space(self) -> int:
        return shutil.disk_usage(self.path.parent).free

    def _no_space_error(self, needed: int) -> SynapseDownloadError:
        free = self._free_space()
        return SynapseDownloadError(
            f"Not enough disk space for {self.target}: {format_size(needed)} ({needed} bytes) are "
            f"needed, {format_size(free)} ({free} bytes) are free in {self.path.parent}.\n"
            "Free space, or choose another download location or cache directory."
        )


class _Descriptor:
    """File descriptor that is closed when the last reference to this object is deleted.

    A thread that waits for the network may write a block after its transfer has ended. Until then,
    the descriptor must stay open, so that its number is not reused for another file.
    """

    def __init__(self, path: Path, *, empty: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self.number = os.open(path, flags | os.O_TRUNC if empty else flags, 0o666)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            os.close(self.number)


def iter_free_names(path: Path) -> Generator[Path]:
    """Yield the paths that do not exist, of `path`, `name(1).txt`, `name(2).txt`, and so on."""
    number, candidate = 0, path
    while True:
        if not os.path.lexists(candidate):
            yield candidate
        number += 1
        candidate = path.with_name(numbered_name(path.name, number))
