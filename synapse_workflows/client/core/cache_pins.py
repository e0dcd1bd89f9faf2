"""Which files of a cache are in use, and by whom: so that eviction leaves them alone.

Each process that uses files has a list `<id>.paths` of them in the cache, and holds the lock
`<id>.lock` while it lives. The lock falls with the process, however it ends; a list whose lock
is free belongs to nobody and is swept away by whoever finds it.

The process is the owner, not a client object: the path that a client returned is used long after
the client is gone. So this is the one thing here that all clients of a process share.
"""

import atexit
import os
import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout


class _HeldList:
    """The list of this process for one cache, with its lock."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.owner = os.getpid()
        self.name = uuid.uuid4().hex
        self.held: set[str] = set()
        self._paths = directory / f"{self.name}.paths"
        self._lock = FileLock(directory / f"{self.name}.lock", thread_local=False)
        self._lock.acquire()
        atexit.register(self.give_up)

    def add(self, path: str) -> None:
        if path not in self.held:
            with self._paths.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(f"{path}\0")
            self.held.add(path)

    def give_up(self) -> None:
        """Give everything free; what a fork inherited is its parent's and stays."""
        atexit.unregister(self.give_up)
        if os.getpid() == self.owner:
            _sweep(self._lock, self._paths)


_guard: Final = threading.Lock()
_lists: Final[dict[str, _HeldList]] = {}


class PinnedFiles:
    """What this process uses of one cache. Safe among threads, and across a fork."""

    def __init__(self, directory: Path) -> None:
        """Look at the lists in `directory`; nothing is written yet."""
        self._directory = directory

    def add(self, path: str | Path) -> None:
        """Note a file as in use by this process, until it ends or calls `release`."""
        with _guard:
            mine = self._mine()
            if mine is None:
                mine = _lists[self._key] = _HeldList(self._directory)
            mine.add(os.path.realpath(path))

    def release(self) -> None:
        """Give free all that this process holds in this cache."""
        with _guard:
            mine = self._mine()
            _lists.pop(self._key, None)
            if mine is not None:
                mine.give_up()

    def of_others(self) -> frozenset[str]:
        """Read what other living processes use; call under the cache's eviction lock."""
        mine = self._mine()
        own = mine.name if mine is not None else None
        return _in_use(path for path in self._directory.glob("*.lock") if path.stem != own)

    def everyones(self) -> frozenset[str]:
        """Read what living processes use, this one included; call under the eviction lock."""
        mine = self._mine()
        return self.of_others().union(mine.held if mine is not None else ())

    @property
    def _key(self) -> str:
        return os.path.realpath(self._directory)

    def _mine(self) -> _HeldList | None:
        mine = _lists.get(self._key)
        return mine if mine is not None and mine.owner == os.getpid() else None


def _in_use(locks: Iterable[Path]) -> frozenset[str]:
    held: set[str] = set()
    for path in locks:
        listed = path.with_suffix(".paths")
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            held.update(_read(listed))
        else:
            _sweep(lock, listed)
    return frozenset(held)


def _sweep(lock: FileLock, paths: Path) -> None:
    with suppress(OSError):
        paths.unlink(missing_ok=True)
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _read(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return []
    return [line for line in text.split("\0") if line]
