"""How a cache stays within its limit: the least recently used copy goes first.

Only files that lie in the cache's own directories count and go: copies that are recorded there
and unmodified, and what interrupted downloads left. A file that a person changed or put there
is not ours to delete.
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from synapse_workflows.client.core import cache_map

#: What stands between the target's name and the handle's id in a file being downloaded.
PARTIAL_MARK = ".synapse_download_"
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file in the cache.

    Attributes:
        path: Where it is.
        size: Bytes.
        used: When it was last used, in nanoseconds since 1970.
    """

    path: Path
    size: int
    used: int

    @property
    def partial(self) -> bool:
        """Whether it belongs to a download that has not ended."""
        return PARTIAL_MARK in self.path.name


def iter_handle_directories(root: Path) -> Iterator[Path]:
    """Find the directories of all handles in a cache."""
    return (Path(path) for path in _handles(root))


def iter_cached_files(root: Path) -> Iterator[CachedFile]:
    """Find all files in a cache, but for maps, locks, and lists of parts."""
    for directory in _handles(root):
        for found in _listed(directory):
            if found.name.startswith(cache_map.MAP_NAME) or _beside_partial(found.name):
                continue
            with suppress(OSError):
                facts = found.stat(follow_symlinks=False)
                yield CachedFile(Path(found.path), facts.st_size, facts.st_atime_ns)


def evict(root: Path, excess: int, found: Collection[CachedFile], held: frozenset[str]) -> int:
    """Delete the least recently used files, until `excess` bytes are free again.

    Args:
        root: The cache.
        excess: Bytes to free.
        found: The files of the cache.
        held: Real paths of files that must stay.

    Returns:
        The bytes freed; less than `excess` where too much is in use.
    """
    freed = 0
    for resident in sorted(found, key=lambda each: each.used):
        if freed >= excess:
            break
        if str(resident.path.resolve()) in held:
            continue
        if (_drop_partial if resident.partial else _drop_copy)(root, resident.path):
            freed += resident.size
    return freed


def _drop_copy(root: Path, path: Path) -> bool:
    """Delete a recorded, unmodified copy and its entry; tell whether it was one."""
    directory = path.parent
    with cache_map.locked(root, directory):
        entries = cache_map.read(directory)
        keys = [key for key in entries if Path(key).resolve() == path.resolve()]
        if not any(entries[key].current(path) for key in keys):
            return False
        path.unlink(missing_ok=True)
        left = {key: entry for key, entry in entries.items() if key not in keys}
        if left:
            cache_map.write(directory, left)
        else:
            (directory / cache_map.MAP_NAME).unlink(missing_ok=True)
    with suppress(OSError):
        directory.rmdir()
    return True


def _drop_partial(_root: Path, path: Path) -> bool:
    """Delete what an interrupted download left, unless the download is going on."""
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    with suppress(OSError):
        for leftover in (path, Path(f"{path}.parts"), Path(lock.lock_file)):
            leftover.unlink(missing_ok=True)
    lock.release()
    with suppress(OSError):
        path.parent.rmdir()
    return True


def _beside_partial(name: str) -> bool:
    return PARTIAL_MARK in name and name.endswith((".lock", ".parts"))


def is_in_use(directory: Path, held: frozenset[str]) -> bool:
    """Tell whether a file of a directory is held, or being downloaded."""
    real = directory.resolve()
    if any(Path(path).is_relative_to(real) for path in held):
        return True
    return any(_taken(path) for path in directory.glob(f"*{PARTIAL_MARK}*.lock"))


def _taken(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _handles(root: Path) -> Iterator[str]:
    for shard in _numbered(root):
        yield from _numbered(shard)


def _numbered(directory: str | Path) -> list[str]:
    return [
        found.path
        for found in _listed(directory)
        if _NUMBER.fullmatch(found.name) and found.is_dir(follow_symlinks=False)
    ]


def _listed(directory: str | Path) -> list[os.DirEntry[str]]:
    """List a directory with what the file system tells along: a cache can hold many files."""
    try:
        with os.scandir(directory) as found:
            return list(found)
    except OSError:
        return []
