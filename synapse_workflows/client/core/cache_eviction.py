"""Eviction of the least recently used files of a cache.

Only files inside the cache directories count towards the limit. Only recorded, unmodified copies
and the files of interrupted downloads are deleted. Files that a user changed or added are never
deleted.
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from synapse_workflows.client.core import cache_lock, cache_map
from synapse_workflows.client.core.file_names import PARTIAL_MARK

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file in the cache.

    Attributes:
        path: Path of the file.
        size: Size in bytes.
        used_at: Time of the last use, in nanoseconds since 1970.
    """

    path: Path
    size: int
    used_at: int

    @property
    def is_partial(self) -> bool:
        """Whether the file belongs to a download that is running or was interrupted."""
        return PARTIAL_MARK in self.path.name


def iter_handle_directories(root: Path) -> Iterator[Path]:
    """Yield the directories of all file handles in a cache."""
    return (Path(path) for path in _handle_directories(root))


def iter_cached_files(root: Path) -> Iterator[CachedFile]:
    """Yield all files in a cache except maps, locks and lists of parts."""
    for directory in _handle_directories(root):
        for entry in _scan(directory):
            if entry.name.startswith(cache_map.MAP_NAME) or _is_partial_metadata(entry.name):
                continue
            with suppress(OSError):
                stat = entry.stat(follow_symlinks=False)
                yield CachedFile(Path(entry.path), stat.st_size, stat.st_atime_ns)


def evict(root: Path, excess: int, files: Collection[CachedFile], pinned: frozenset[str]) -> int:
    """Delete the least recently used files until `excess` bytes are freed.

    Args:
        root: Root of the cache.
        excess: Bytes to free.
        files: All files of the cache.
        pinned: Real paths of files that must be kept.

    Returns:
        The freed bytes; less than `excess` if too many files are in use.
    """
    freed = 0
    for file in sorted(files, key=lambda each: each.used_at):
        if freed >= excess:
            break
        if str(file.path.resolve()) in pinned:
            continue
        if (_delete_partial if file.is_partial else _delete_copy)(root, file.path):
            freed += file.size
    return freed


def is_in_use(directory: Path, pinned: frozenset[str]) -> bool:
    """Return whether a file of a directory is pinned or being downloaded."""
    real = directory.resolve()
    if any(Path(path).is_relative_to(real) for path in pinned):
        return True
    return any(_is_locked(path) for path in directory.glob(f"*{PARTIAL_MARK}*.lock"))


def _delete_copy(root: Path, path: Path) -> bool:
    """Delete a recorded, unmodified copy and its entry; return whether it was deleted."""
    directory = path.parent
    with cache_lock.map_lock(root, directory):
        entries = cache_map.read(directory)
        keys = [key for key in entries if Path(key).resolve() == path.resolve()]
        if not any(entries[key].has_same_time(path) for key in keys):
            return False
        path.unlink(missing_ok=True)
        remaining = {key: entry for key, entry in entries.items() if key not in keys}
        if remaining:
            cache_map.write(directory, remaining)
        else:
            (directory / cache_map.MAP_NAME).unlink(missing_ok=True)
    with suppress(OSError):
        directory.rmdir()
    return True


def _delete_partial(_root: Path, path: Path) -> bool:
    """Delete a partial file and its metadata unless the download is running."""
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    with suppress(OSError):
        for file in (path, Path(f"{path}.parts"), Path(lock.lock_file)):
            file.unlink(missing_ok=True)
    lock.release()
    with suppress(OSError):
        path.parent.rmdir()
    return True


def _is_partial_metadata(name: str) -> bool:
    return PARTIAL_MARK in name and name.endswith((".lock", ".parts"))


def _is_locked(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _handle_directories(root: Path) -> Iterator[str]:
    for directory in _numbered_directories(root):
        yield from _numbered_directories(directory)


def _numbered_directories(directory: str | Path) -> list[str]:
    return [
        entry.path
        for entry in _scan(directory)
        if _NUMBER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
    ]


def _scan(directory: str | Path) -> list[os.DirEntry[str]]:
    """Scan a directory with `os.scandir`, which is fast for many files."""
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []
