"""Local file cache, shared with other Synapse clients.

Layout: `<root>/<handle ID mod 1000>/<handle ID>/` contains the files of a file handle and their
map, see `cache_map`. Unlike the cache of the official clients, this cache can have a size limit.
The least recently used copy is evicted first. A file that a running process has pinned is never
evicted.
"""

import logging
import os
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from synapse_workflows.client.core import cache_eviction, cache_lock, cache_map
from synapse_workflows.client.core.cache_map import CacheMap, path_key
from synapse_workflows.client.core.cache_pins import PinnedFiles
from synapse_workflows.client.model.paths import expand_home

FileHandleId = str | int | Mapping[str, Any]

_log = logging.getLogger(__name__)
_EVICTION_LOCK = "eviction"
#: Seconds for which the measured size of the cache stays valid.
_HEADROOM_SECONDS = 5.0


class Cache:
    """A file cache on this machine. Safe for threads and processes.

    A cache that cannot be used (not writable, no space left, deleted by another process) counts as
    empty: files are not found and not recorded, and a warning is logged.

    Args:
        cache_root_dir: Root directory; `~` and environment variables are expanded. It is created
            when a file is added.
        limit: Maximum size of the files in bytes; None for no limit.
        external_copies: Whether `get` finds recorded copies outside the cache: uploaded files and
            files in download directories.
    """

    def __init__(
        self,
        cache_root_dir: str | Path = "~/.synapseCache",
        limit: int | None = None,
        *,
        external_copies: bool = True,
    ) -> None:
        root = os.path.expandvars(expand_home(cache_root_dir))
        self.cache_root_dir = os.path.abspath(root)  # noqa: PTH100 - links stay links
        self.limit = limit
        self.external_copies = external_copies
        self._root = Path(self.cache_root_dir)
        self._headroom = _Headroom()
        self._pins = PinnedFiles(self._root / cache_lock.PRIVATE_NAME / "pins")

    def __reduce__(self) -> tuple[Any, ...]:
        return _create_cache, (self.cache_root_dir, self.limit, self.external_copies)

    def __repr__(self) -> str:
        return f"Cache({self.cache_root_dir!r}, limit={self.limit!r})"

    def get_cache_dir(self, file_handle_id: FileHandleId) -> str:
        """Return the directory of a file handle, given its ID, the handle, or a File entity."""
        number = _id_of(file_handle_id)
        return str(self._root / str(int(number) % cache_map.FANOUT) / number)

    def contains(self, file_handle_id: FileHandleId, path: str | Path) -> bool:
        """Return whether a path is a recorded copy that still has its recorded time."""
        entry = self._read(file_handle_id).get(path_key(path))
        return entry is not None and entry.has_same_time(path)

    def get(
        self,
        file_handle_id: FileHandleId,
        path: str | Path | None = None,
        md5: str | None = None,
    ) -> str | None:
        """Find an unmodified copy of a file.

        Args:
            file_handle_id: The file handle.
            path: If `path` is a directory, a copy directly in that directory is preferred, and
                outdated entries of the directory are removed. If `path` is a recorded copy, only
                that copy is returned. If `path` is None or any other path, the newest copy is
                returned.
            md5: Expected MD5 of the content in hex. Without `md5`, a cache that was also used
                with another Synapse instance may return a file of that instance whose file handle
                has the same ID.

        Returns:
            The path of the copy, or None.
        """
        entries = self._read(file_handle_id)
        if not entries:
            return None
        key = path_key(path) if path is not None else None
        inside = _copies_in(key, entries)
        if not self.external_copies:
            own = self._own_copies(file_handle_id, entries)
            entries = {each: entries[each] for each in entries if each in {key, *inside, *own}}
        outdated: CacheMap = {}
        for candidate in _candidates(key, entries, inside):
            if entries[candidate].is_unmodified(candidate, md5):
                self._touch(candidate)
                break
            if candidate in inside and not entries[candidate].is_unmodified(candidate):
                outdated[candidate] = entries[candidate]
        else:
            candidate = None
        self._remove_entries(file_handle_id, outdated)
        return candidate

    def has_copies(self, file_handle_id: FileHandleId) -> bool:
        """Return whether copies are recorded, without checking whether the files still exist."""
        return bool(self._read(file_handle_id))

    def add(
        self, file_handle_id: FileHandleId, path: str | Path, md5: str | None = None
    ) -> dict[str, Any]:
        """Record a file as a copy. The file is not moved.

        Args:
            file_handle_id: The file handle.
            path: Path of the file.
            md5: MD5 of the content in hex; computed by default.

        Returns:
            The map of the file handle as JSON.

        Raises:
            ValueError: The file does not exist.
        """
        if not path or not Path(path).exists():
            raise ValueError(f'Can\'t find file "{path}"')
        directory = Path(self.get_cache_dir(file_handle_id))
        entries = {path_key(path): cache_map.create_entry(path, md5 or cache_map.file_md5(path))}
        with self._tolerating_failure():
            if not cache_map.create(directory, entries):
                with cache_lock.map_lock(self._root, directory):
                    entries = cache_map.read(directory) | entries
                    cache_map.write(directory, entries)
        self._touch(path)
        return cache_map.to_json(entries)

    def remove(
        self,
        file_handle_id: FileHandleId,
        path: str | Path | None = None,
        delete: bool | None = None,
    ) -> list[str]:
        """Remove copies from the map.

        Args:
            file_handle_id: The file handle; or a File entity, of which the copy at its `path` is
                removed.
            path: The copy to remove; all copies by default.
            delete: Whether to delete the files as well.

        Returns:
            The removed paths.
        """
        if path is None and isinstance(file_handle_id, Mapping):
            path = file_handle_id.get("path")
        directory = Path(self.get_cache_dir(file_handle_id))
        if not directory.exists():
            return []
        with cache_lock.map_lock(self._root, directory):
            entries = cache_map.read(directory)
            selected = entries if path is None else {path_key(path)}
            removed = [key for key in entries if key in selected]
            for key in removed if delete else ():
                Path(key).unlink(missing_ok=True)
            remaining = {key: entry for key, entry in entries.items() if key not in removed}
            cache_map.write(directory, remaining)
        return removed

    def purge(
        self,
        before_date: datetime | float | None = None,
        after_date: datetime | float | None = None,
        dry_run: bool = False,
    ) -> int:
        """Delete the copies in the cache whose maps were last written in a period.

        Files outside the cache and files pinned by another running process are kept.

        Args:
            before_date: End of the period: a datetime (local time if naive) or seconds since
                1970; None for no end.
            after_date: Start of the period, in the same form; None for no start.
            dry_run: Whether to print the directories instead of deleting the copies.

        Returns:
            The number of selected file handles.

        Raises:
            ValueError: No date is given, or `after_date` is later than `before_date`.
        """
        if before_date is None and after_date is None:
            raise ValueError(
                "Either before date or after date should be provided: before_date and after_date "
                "are None."
            )
        before, after = _seconds(before_date, float("inf")), _seconds(after_date, float("-inf"))
        if before < after:
            raise ValueError(
                "Before date should be larger than after date: before_date is "
                f"{before_date!r}, after_date is {after_date!r}."
            )
        if not self._root.is_dir():
            return 0
        with cache_lock.named_lock(self._root, _EVICTION_LOCK):
            pinned = self._pins.of_other_processes()
            selected = [
                directory
                for directory in cache_eviction.iter_handle_directories(self._root)
                if _was_written(directory, after, before)
                and not cache_eviction.is_in_use(directory, pinned)
            ]
            for directory in selected:
                if dry_run:
                    print(directory)  # noqa: T201 - the purpose of a dry run
                else:
                    self._delete(directory)
        return len(selected)

    def pin(self, path: str | Path) -> None:
        """Protect a file from eviction until this process ends or calls `release_pins`.

        A file outside the cache is never evicted and is not pinned.

        Raises:
            FileNotFoundError: The file does not exist any more.
        """
        if not Path(path).resolve().is_relative_to(self._root.resolve()):
            return
        with (
            self._tolerating_failure(),
            cache_lock.named_lock(self._root, _EVICTION_LOCK),
        ):
            if Path(path).exists():
                self._pins.add(path)
        Path(path).stat()

    def release_pins(self) -> None:
        """Release all files pinned by this process in this cache."""
        self._pins.release()

    def make_room(self, size: int = 0) -> int:
        """Evict the least recently used files until `size` more bytes are within the limit.

        Returns:
            Bytes by which the limit is still exceeded, because too many files are in use or `size`
            exceeds the limit; 0 otherwise or without a limit.
        """
        if self.limit is None or not self._root.is_dir():
            return 0
        if self._headroom.take(size):
            return 0
        excess = freed = 0
        with (
            self._tolerating_failure(),
            cache_lock.named_lock(self._root, _EVICTION_LOCK),
        ):
            files = list(cache_eviction.iter_cached_files(self._root))
            excess = sum(each.size for each in files) + size - self.limit
            self._headroom = _Headroom(-excess, self.limit)
            if excess <= 0:
                return 0
            pinned = self._pins.of_all_processes()
            freed = cache_eviction.evict(self._root, excess, files, pinned)
        return max(0, excess - freed)

    def _read(self, file_handle_id: FileHandleId) -> CacheMap:
        directory = Path(self.get_cache_dir(file_handle_id))
        entries = cache_map.read_if_complete(directory)
        if entries is not None:
            return entries
        with self._tolerating_failure():
            if directory.exists():
                with cache_lock.map_read_lock(self._root, directory):
                    return cache_map.read(directory)
        return {}

    def _own_copies(self, file_handle_id: FileHandleId, entries: CacheMap) -> list[str]:
        """Return those copies that are in the directory of the file handle."""
        directory = Path(self.get_cache_dir(file_handle_id)).resolve()
        return [path for path in entries if Path(path).parent.resolve() == directory]

    def _remove_entries(self, file_handle_id: FileHandleId, outdated: CacheMap) -> None:
        if not outdated:
            return
        directory = Path(self.get_cache_dir(file_handle_id))
        with suppress(OSError), cache_lock.map_lock(self._root, directory):
            current = cache_map.read(directory)
            remaining = {key: each for key, each in current.items() if outdated.get(key) != each}
            cache_map.write(directory, remaining)

    def _delete(self, directory: Path) -> None:
        with cache_lock.map_lock(self._root, directory):
            shutil.rmtree(directory)

    @contextmanager
    def _tolerating_failure(self) -> Generator[None]:
        """Log errors of the file system instead of raising them: the cache is optional."""
        try:
            yield
        except OSError as error:
            _log.warning("The cache %s cannot be used: %s", self.cache_root_dir, error)

    def _touch(self, path: str | Path) -> None:
        """Set the access time of a copy to now, for eviction; keep its modification time."""
        if self._root in Path(path).parents:
            with suppress(OSError):
                os.utime(path, ns=(time.time_ns(), Path(path).stat().st_mtime_ns))


def _create_cache(root: str, limit: int | None, external_copies: bool) -> Cache:
    """Restore a pickled cache."""
    return Cache(root, limit, external_copies=external_copies)


class _Headroom:
    """Free bytes within the limit, as measured by the last scan of the cache.

    Scans are slow, so the result is kept.

    Args:
        size: Free bytes.
        limit: Limit of the cache in bytes. A tenth of it is reserved for files that other
            processes add before the next scan.
    """

    def __init__(self, size: int = 0, limit: int = 0) -> None:
        self._free = size - limit // 10
        self._expires_at = time.monotonic() + _HEADROOM_SECONDS

    def take(self, size: int) -> bool:
        """Reserve `size` bytes; return whether they fit into the limit without another scan."""
        self._free -= size
        return self._free > 0 and time.monotonic() < self._expires_at


def _id_of(file_handle_id: FileHandleId) -> str:
    if isinstance(file_handle_id, Mapping):
        data = file_handle_id.get("dataFileHandleId")
        return str(data if data is not None else file_handle_id["id"])
    return str(file_handle_id)


def _seconds(time: datetime | float | None, default: float) -> float:
    if time is None:
        return default
    if isinstance(time, datetime):
        return time.timestamp()
    return float(time)


def _was_written(directory: Path, after: float, before: float) -> bool:
    """Return whether the map of a directory was written in a period; True without a map."""
    try:
        return after < (directory / cache_map.MAP_NAME).stat().st_mtime < before
    except FileNotFoundError:
        return True


def _copies_in(directory: str | None, entries: CacheMap) -> list[str]:
    """Return the copies directly in a directory; an empty list if it is not a directory."""
    if directory is None or not Path(directory).is_dir():
        return []
    return [path for path in entries if path.rpartition("/")[0] == directory]


def _candidates(key: str | None, entries: CacheMap, preferred: list[str]) -> list[str]:
    """Return the copies in the order in which to check them."""
    if key is not None and key in entries:
        return [key]
    newest = sorted(entries, key=lambda path: entries[path].modified_time, reverse=True)
    return preferred + [path for path in newest if path not in preferred]
