"""Pinned files of a cache: files that a running process uses and that must not be evicted.

Each process writes the paths of its pinned files to a list `<id>.paths` in the cache and holds the
lock `<id>.lock`. The lock is released when the process ends, even after a crash. A list whose
lock is free belongs to no running process. The next process that reads the lists deletes it.

A list belongs to a process and not to a client object, because callers use a returned path after
the client object was deleted. All clients of a process share its list.
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


class _PinList:
    """List of the files that this process has pinned in one cache, with its lock."""

    def __init__(self, directory: Path, pinned: Iterable[str] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.owner = os.getpid()
        self.name = uuid.uuid4().hex
        self.pinned: set[str] = set()
        self._paths = directory / f"{self.name}.paths"
        self._lock = FileLock(directory / f"{self.name}.lock", thread_local=False)
        self._lock.acquire()
        atexit.register(self.delete)
        for path in pinned:
            self.add(path)

    def exists(self) -> bool:
        """Return whether the files of the list exist; they are deleted together with the cache."""
        return Path(self._lock.lock_file).exists()

    def add(self, path: str) -> None:
        if path not in self.pinned:
            with self._paths.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(f"{path}\0")
            self.pinned.add(path)

    def delete(self) -> None:
        """Release all files. In a forked process, keep the list of the parent process."""
        atexit.unregister(self.delete)
        if os.getpid() == self.owner:
            _delete_list(self._lock, self._paths)


_lists_lock: Final = threading.Lock()
_lists: Final[dict[str, _PinList]] = {}


class PinnedFiles:
    """Files of one cache that processes use. Safe for threads and forks.

    Args:
        directory: Directory with the lists of all processes. It is created by `add`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, path: str | Path) -> None:
        """Pin a file until this process ends or calls `release`."""
        with _lists_lock:
            own = self._own_list()
            if own is None or not own.exists():
                own = _lists[self._key] = _PinList(self._directory, own.pinned if own else ())
            own.add(os.path.realpath(path))

    def release(self) -> None:
        """Release all files pinned by this process."""
        with _lists_lock:
            own = self._own_list()
            _lists.pop(self._key, None)
            if own is not None:
                own.delete()

    def of_other_processes(self) -> frozenset[str]:
        """Return the files pinned by other running processes; requires the eviction lock."""
        own = self._own_list()
        own_name = own.name if own is not None else None
        return _read_lists(
            path for path in self._directory.glob("*.lock") if path.stem != own_name
        )

    def of_all_processes(self) -> frozenset[str]:
        """Return the files pinned by all running processes; requires the eviction lock."""
        own = self._own_list()
        return self.of_other_processes().union(own.pinned if own is not None else ())

    @property
    def _key(self) -> str:
        return os.path.realpath(self._directory)

    def _own_list(self) -> _PinList | None:
        own = _lists.get(self._key)
        return own if own is not None and own.owner == os.getpid() else None


def _read_lists(locks: Iterable[Path]) -> frozenset[str]:
    """Read the lists whose lock is held, and delete the others."""
    pinned: set[str] = set()
    for path in locks:
        paths = path.with_suffix(".paths")
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            pinned.update(_read_paths(paths))
        else:
            _delete_list(lock, paths)
    return frozenset(pinned)


def _delete_list(lock: FileLock, paths: Path) -> None:
    with suppress(OSError):
        paths.unlink(missing_ok=True)
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _read_paths(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return []
    return [line for line in text.split("\0") if line]
