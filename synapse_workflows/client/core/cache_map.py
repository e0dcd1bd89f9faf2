"""The `.cacheMap` of a file handle: which files are copies of it, and as of when.

The layout is shared with the official Synapse clients, so that all can use one cache: a JSON
object from normalized absolute path to `{"modified_time", "content_md5"}` (or, from older
clients, to the time alone), guarded by the directory `.cacheMap.lock`. Among our own processes
an operating system lock comes first: it is freed when a process dies, and waits fairly.
"""

import errno
import hashlib
import json
import math
import os
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from synapse_workflows.client.errors import SynapseFileCacheError

MAP_NAME = ".cacheMap"
LOCK_NAME = ".cacheMap.lock"
#: Files of ours in a cache's root: locks, and lists of what is in use. Other clients skip it,
#: for they look only into directories named by a number.
PRIVATE_NAME = ".synapse_workflows"
#: Handles share the cache's first level of directories by their id modulo this.
FANOUT = 1000

#: Seconds after which other clients take a lock directory for abandoned, and so do we.
STALE_SECONDS = 10.0
#: Seconds to wait for a lock before giving up.
PATIENCE_SECONDS = 70.0
#: Seconds between two looks at a lock directory.
POLL_SECONDS = 0.05

#: What a file system says that we may look at, but not write to.
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What the map says of one copy.

    Attributes:
        modified_time: The copy's modification time when it was recorded, as ISO text.
        content_md5: MD5 of its content in hex; None in maps of older clients.
    """

    modified_time: str
    content_md5: str | None = None

    def current(self, path: str | Path) -> bool:
        """Tell whether the file is there with the modification time that was recorded.

        A recorded time of whole seconds (as all clients write) matches any fraction of it.
        """
        try:
            modified = Path(path).stat().st_mtime
        except OSError:
            return False
        if self.modified_time.endswith(".000Z"):
            modified = math.floor(modified)
        return self.modified_time == iso_time(modified)

    def unmodified(self, path: str | Path) -> bool:
        """Tell whether the file is as it was recorded: its time and, where known, its MD5.

        Reads the whole file where an MD5 is known.
        """
        if not self.current(path):
            return False
        return self.content_md5 is None or self.content_md5 == file_md5(path)


CacheMap = dict[str, CacheEntry]


def iso_time(seconds: float) -> str:
    """Write a time in seconds since 1970 as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def file_md5(path: str | Path) -> str:
    """Compute the MD5 of a file in hex, reading it in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def create_entry(path: str | Path, content_md5: str | None) -> CacheEntry:
    """Record a file as it is now, its time cut to the second as all clients do."""
    return CacheEntry(iso_time(math.floor(Path(path).stat().st_mtime)), content_md5)


def path_key(path: str | Path) -> str:
    """Normalize a path to a key of the map: absolute, with forward slashes."""
    return os.path.abspath(path).replace(os.sep, "/")  # noqa: PTH100 - links stay links


def read(directory: Path) -> CacheMap:
    """Read a map; a missing or unreadable one counts as empty."""
    try:
        raw = json.loads((directory / MAP_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(raw, dict):
        return {}
    entries = ((path, _entry(value)) for path, value in raw.items())
    return {path: entry for path, entry in entries if entry is not None}


def write(directory: Path, cache_map: Mapping[str, CacheEntry]) -> None:
    """Write a map in one step, in the form of release 4.14 of the official client."""
    text = json.dumps(to_json(cache_map))
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f"{MAP_NAME}.{os.getpid()}.tmp"
    try:
        temporary.write_text(f"{text}\n", encoding="utf-8")
        temporary.replace(directory / MAP_NAME)
    finally:
        temporary.unlink(missing_ok=True)


def to_json(cache_map: Mapping[str, CacheEntry]) -> dict[str, Any]:
    """Turn a map into what its file holds."""
    return {
        path: {"modified_time": entry.modified_time, "content_md5": entry.content_md5}
        for path, entry in cache_map.items()
    }


def _entry(value: Any) -> CacheEntry | None:
    if isinstance(value, str):
        return CacheEntry(value)
    if isinstance(value, dict) and isinstance(value.get("modified_time"), str):
        md5 = value.get("content_md5")
        return CacheEntry(value["modified_time"], md5 if isinstance(md5, str) else None)
    return None


@contextmanager
def locked(root: Path, directory: Path) -> Generator[None]:
    """Hold the map of `directory` against all other processes and threads.

    Raises:
        SynapseFileCacheError: Another process kept it for more than 70 seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with shared_lock(root, f"maps-{directory.parent.name}"), _directory_lock(directory):
        yield


@contextmanager
def locked_to_read(root: Path, directory: Path) -> Generator[None]:
    """Hold the map as `locked` does; where the cache cannot be written to, hold nothing."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(root, directory))
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
        yield


@contextmanager
def shared_lock(root: Path, name: str) -> Generator[None]:
    """Hold a lock of the whole cache by its name.

    Raises:
        SynapseFileCacheError: Another process kept it for more than 70 seconds.
    """
    directory = root / PRIVATE_NAME
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / f"{name}.lock", timeout=PATIENCE_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise _too_long(directory / f"{name}.lock") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _directory_lock(directory: Path) -> Generator[None]:
    path = directory / LOCK_NAME
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _take(path):
        if time.monotonic() > deadline:
            raise _too_long(path)
        time.sleep(POLL_SECONDS)
    taken = path.stat().st_mtime_ns
    try:
        yield
    finally:
        # Whoever found it stale and took it over has set its time anew: then it is theirs.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime_ns == taken:
                path.rmdir()


def _take(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                os.utime(path)
                return True
        return False
    except FileNotFoundError:  # the whole directory was purged meanwhile
        path.parent.mkdir(parents=True, exist_ok=True)
        return False
    return True


def _too_long(path: Path) -> SynapseFileCacheError:
    return SynapseFileCacheError(
        f"Another process holds {path} for more than {PATIENCE_SECONDS:.0f} seconds. "
        "Try again later, or remove it if no process uses this cache."
    )
