"""A file on its way to its name: bytes, what is known of them, and whose they are.

Beside the target `<target>` lie, while a download goes on or after it was interrupted:

    <target>.synapse_download_<handle id>         the bytes, each at its place
    <target>.synapse_download_<handle id>.parts   which parts are whole: JSON, one line each
    <target>.synapse_download_<handle id>.lock    held by the process that downloads

So a killed download goes on where it stopped, and two processes never write to one file.
"""

import errno
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
from synapse_workflows.client.core.cache_eviction import PARTIAL_MARK
from synapse_workflows.client.errors import SynapseDownloadError
from synapse_workflows.client.transfer.progress import human

#: What a file system says when there is no room: none at all, none for this user or process.
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: Bytes of a name above which it is shortened, to leave room for what is appended.
_LONG_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Content:
    """What the bytes are to be; parts of a file that was to be another are worthless.

    Attributes:
        size: Bytes.
        md5: MD5 of all of them, in hex.
        part_size: Bytes of each part but the last.
    """

    size: int
    md5: str
    part_size: int


class Partial:
    """The bytes of one download. Its parts may be written by several threads at once.

    Args:
        target: The name that the file gets in the end.
        handle_id: The file handle.
    """

    def __init__(self, target: Path, handle_id: str) -> None:
        self.target = target
        name = target.name
        if len(os.fsencode(name)) > _LONG_NAME:
            name = hashlib.md5(os.fsencode(name)).hexdigest()
        self.path = target.with_name(f"{name}{PARTIAL_MARK}{handle_id}")
        self.resumed = False
        self._parts = self.path.with_name(f"{self.path.name}.parts")
        self._lock_path = self.path.with_name(f"{self.path.name}.lock")
        self._guard = threading.Lock()
        self._file: _Descriptor | None = None
        self._content: Content | None = None
        self._begun = self._worth_keeping = False

    @contextmanager
    def locked(self) -> Generator[bool]:
        """Keep other processes and threads away.

        Yields:
            Whether it was free at once; else somebody has just downloaded the same file.
        """
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock_path, poll_interval=0.1)
        free = True
        try:
            lock.acquire(timeout=0)
        except Timeout:
            free = False
            lock.acquire()
        try:
            yield free
        finally:
            with suppress(OSError):
                self._lock_path.unlink()
            lock.release()

    def open(self, content: Content | None) -> frozenset[int]:
        """Begin, or go on where an earlier download of the same content stopped.

        Args:
            content: What is to come; None if that is not known: then nothing is kept.

        Returns:
            The numbers of the parts that are there already.
        """
        there = self._known(content) if content is not None else frozenset[int]()
        self.close()
        self.resumed = self._worth_keeping = bool(there)
        self._content, self._begun = content, True
        self._file = _Descriptor(self.path, empty=not there)
        if not there:
            self._parts.unlink(missing_ok=True)
        if not there and content is not None:
            with self._room(0):
                self._parts.write_text(json.dumps(asdict(content)) + "\n", encoding="ascii")
        return there

    def require_room(self, size: int) -> None:
        """Check that the disk can take the file.

        Args:
            size: Bytes of the whole file.

        Raises:
            SynapseDownloadError: It cannot.
        """
        taken = 0
        with suppress(FileNotFoundError):
            taken = 512 * self.path.stat().st_blocks
        if size - taken > self._free():
            raise self._no_room(size - taken)

    def write(self, data: bytes, offset: int) -> None:
        """Put bytes at their place.

        Raises:
            SynapseDownloadError: The disk is full.
        """
        file = self._file
        if file is None:
            raise ValueError(f"{self.path} is not open")
        view = memoryview(data)
        with self._room(len(view)):
            while view:
                written = os.pwrite(file.number, view, offset)
                view, offset = view[written:], offset + written

    def finished(self, number: int) -> None:
        """Note that a part is whole, so that it need not come again."""
        if self._content is None:
            return
        self._worth_keeping = True
        with self._guard, suppress(OSError), self._parts.open("a", encoding="ascii") as file:
            file.write(f"{number}\n")

    def md5(self) -> str:
        """Compute the MD5 of what is there, in hex."""
        return cache_map.file_md5(self.path)

    def place(self, *, overwrite: bool) -> Path:
        """Give the file its name, in one step.

        Args:
            overwrite: Take the place of what has the name; else evade it, as `name(1).txt`.

        Returns:
            The name it got.
        """
        self.close()
        if overwrite:
            self.path.replace(self.target)
            target = self.target
        else:
            target = self._evade()
        self._parts.unlink(missing_ok=True)
        return target

    def discard(self) -> None:
        """Delete the bytes, and what is known of them."""
        self.close()
        for path in (self.path, self._parts):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop writing; a thread that is about to write a block still can."""
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Keep what an interrupted download may go on with; leave nothing else behind."""
        self.close()
        if kind is not None and self._begun and not (self._content and self._worth_keeping):
            self.discard()

    def _known(self, content: Content) -> frozenset[int]:
        """Read which parts are whole, if they are of the same content."""
        try:
            head, *lines = self._parts.read_text(encoding="ascii").splitlines()
            if json.loads(head) != asdict(content) or not self.path.exists():
                return frozenset()
            return frozenset(int(line) for line in lines)
        except (OSError, ValueError):
            return frozenset()

    def _evade(self) -> Path:
        """Take the first free name; a link cannot take the place of a file, as a rename can."""
        for target in free_names(self.target):
            try:
                target.hardlink_to(self.path)
            except FileExistsError:
                continue
            except OSError:  # a file system without links
                self.path.replace(target)
                return target
            self.path.unlink()
            return target
        raise AssertionError("names never end")

    @contextmanager
    def _room(self, size: int) -> Generator[None]:
        """Say in clear words that the disk is full, and keep nothing then."""
        try:
            yield
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self._content = None
            raise self._no_room(size) from error

    def _free(self) -> int:
        return shutil.disk_usage(self.path.parent).free

    def _no_room(self, needed: int) -> SynapseDownloadError:
        free = self._free()
        return SynapseDownloadError(
            f"No room on the disk for {self.target}: {human(needed)} ({needed} bytes) more are "
            f"needed, {human(free)} ({free} bytes) are free in {self.path.parent}.\n"
            "Free some, or choose another place (download location, cache directory)."
        )


class _Descriptor:
    """An open file, closed when the last who may write to it is gone.

    A thread that hangs in the network may come back after its transfer has ended; the number of
    its file must not be another file's by then.
    """

    def __init__(self, path: Path, *, empty: bool) -> None:
        how = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self.number = os.open(path, how | os.O_TRUNC if empty else how, 0o666)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            os.close(self.number)


def free_names(path: Path) -> Generator[Path]:
    """Go through `path`, `name(1).txt`, `name(2).txt`, ... where nothing lies."""
    number, candidate = 0, path
    while True:
        if not candidate.exists():
            yield candidate
        number += 1
        candidate = path.with_name(f"{path.stem}({number}){path.suffix}")
