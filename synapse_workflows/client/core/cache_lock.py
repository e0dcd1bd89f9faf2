"""File locks of the local cache.

The lock directory `.cacheMap.lock` in the directory of a file handle is shared with the official
Synapse clients. Processes of this package acquire an operating system lock before the lock
directory. The operating system lock is released when its process ends, even after a crash.
"""

import errno
import os
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from synapse_workflows.client.errors import SynapseFileCacheError

LOCK_NAME: Final = ".cacheMap.lock"
#: Directory in the root of a cache for locks and lists of pinned files. Other clients ignore this
#: directory, because they read only directories whose name is a number.
PRIVATE_NAME: Final = ".synapse_workflows"
#: Age in seconds from which all clients consider a lock directory abandoned.
STALE_SECONDS: Final = 10.0
#: Maximum time in seconds to wait for a lock.
TIMEOUT_SECONDS: Final = 70.0
#: Seconds between two checks of a lock directory.
POLL_SECONDS: Final = 0.05

#: Maximum number of attempts to create a lock if another process deletes its directory meanwhile.
_MAX_ATTEMPTS: Final = 5
#: Errors of a file system or directory that is not writable.
_READ_ONLY_ERRORS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def map_lock(root: Path, directory: Path) -> Generator[None]:
    """Lock the map of `directory` against all other processes and threads.

    Raises:
        SynapseFileCacheError: Another process held the lock for more than 70 seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with named_lock(root, f"maps-{directory.parent.name}"), _lock_directory(directory):
        yield


@contextmanager
def map_read_lock(root: Path, directory: Path) -> Generator[None]:
    """Lock the map like `map_lock`; acquire no lock if the cache is not writable."""
    with ExitStack() as stack:
        try:
            stack.enter_context(map_lock(root, directory))
        except OSError as error:
            if error.errno not in _READ_ONLY_ERRORS:
                raise
        yield


@contextmanager
def named_lock(root: Path, name: str) -> Generator[None]:
    """Acquire a lock of the whole cache.

    Raises:
        SynapseFileCacheError: Another process held the lock for more than 70 seconds.
    """
    path = root / PRIVATE_NAME / f"{name}.lock"
    lock = FileLock(path, timeout=TIMEOUT_SECONDS)
    try:
        _acquire(lock, path)
    except Timeout:
        raise _timeout_error(path) from None
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path) -> None:
    """Acquire a lock; create its directory again if another process deletes the directory."""
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except FileNotFoundError:
            if attempt == _MAX_ATTEMPTS:
                raise
        else:
            return


@contextmanager
def _lock_directory(directory: Path) -> Generator[None]:
    path = directory / LOCK_NAME
    deadline = time.monotonic() + TIMEOUT_SECONDS
    age = _LockAge(path)
    while not _try_acquire(path, age):
        if time.monotonic() > deadline:
            raise _timeout_error(path)
        time.sleep(POLL_SECONDS)
    acquired_at = None
    with suppress(FileNotFoundError):  # the cache was deleted in the meantime
        acquired_at = path.stat().st_mtime_ns
    try:
        yield
    finally:
        # If the modification time differs, another process took over the lock as stale and now
        # owns it.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime_ns == acquired_at:
                path.rmdir()


class _LockAge:
    """Age of a lock directory of another client.

    Args:
        path: The lock directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._modified: float | None = None
        self._since = 0.0

    def measure(self) -> float:
        """Return the age in seconds; the clock of a file server may be ahead of this one."""
        modified, now = self._path.stat().st_mtime, time.monotonic()
        if modified != self._modified:
            self._modified, self._since = modified, now
        return max(time.time() - modified, now - self._since)


def _try_acquire(path: Path, age: _LockAge) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        with suppress(OSError):
            if not path.is_dir():  # content of a file handle, written by another client
                path.unlink()
            elif age.measure() > STALE_SECONDS:
                os.utime(path)
                return True
        return False
    except FileNotFoundError:  # the directory of the file handle was purged in the meantime
        path.parent.mkdir(parents=True, exist_ok=True)
        return False
    return True


def _timeout_error(path: Path) -> SynapseFileCacheError:
    return SynapseFileCacheError(
        f"Cannot lock the cache: another process has held {path} for more than "
        f"{TIMEOUT_SECONDS:.0f} seconds. Try again later, or remove it if no process uses this "
        "cache."
    )
