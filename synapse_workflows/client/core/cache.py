"""The local cache: files by the id of their file handle, shared with other Synapse clients.

Layout: `<root>/<handle id mod 1000>/<handle id>/` holds the files and their map, see `cache_map`.
Besides what the official clients do, the cache can have a limit of bytes: then the least
recently used copy goes first, but never one that a living process holds.
"""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from synapse_workflows.client.core import cache_eviction, cache_map
from synapse_workflows.client.core.cache_map import CacheMap, path_key
from synapse_workflows.client.core.cache_pins import PinnedFiles

FileHandleId = str | int | Mapping[str, Any]

_EVICTION_LOCK = "eviction"
#: Seconds for which it is believed how full the cache is.
_GLANCE_SECONDS = 5.0


class Cache:
    """A cache of files on this machine. Safe among threads and processes.

    Args:
        cache_root_dir: Where it lies; `~` and environment variables are expanded. Made when
            something is added.
        limit: Bytes that the files in it may take; None for no limit.
    """

    def __init__(
        self, cache_root_dir: str | Path = "~/.synapseCache", limit: int | None = None
    ) -> None:
        root = os.path.expandvars(Path(cache_root_dir).expanduser())
        self.cache_root_dir = os.path.abspath(root)  # noqa: PTH100 - links stay links
        self.limit = limit
        self._root = Path(self.cache_root_dir)
        self._headroom = _Headroom()
        self._pins = PinnedFiles(self._root / cache_map.PRIVATE_NAME / "holds")

    def __reduce__(self) -> tuple[Any, ...]:
        return Cache, (self.cache_root_dir, self.limit)

    def __repr__(self) -> str:
        return f"Cache({self.cache_root_dir!r}, limit={self.limit!r})"

    def get_cache_dir(self, file_handle_id: FileHandleId) -> str:
        """Name the directory of a file handle, given its id, the handle, or a File entity."""
        number = _id_of(file_handle_id)
        return str(self._root / str(int(number) % cache_map.FANOUT) / number)

    def contains(self, file_handle_id: FileHandleId, path: str | Path) -> bool:
        """Tell whether exactly this path is a copy, by its modification time."""
        entry = self._read(file_handle_id).get(path_key(path))
        return entry is not None and entry.current(path)

    def get(self, file_handle_id: FileHandleId, path: str | Path | None = None) -> str | None:
        """Find an unmodified copy of a file.

        Args:
            file_handle_id: The handle.
            path: A directory: a copy directly in it is preferred to one elsewhere, and entries
                there that are true no more are dropped. A file that is a known copy: that one or
                none. None, or another file: any copy, the newest first.

        Returns:
            The path of the copy, or None.
        """
        entries = self._read(file_handle_id)
        if not entries:
            return None
        key = path_key(path) if path is not None else None
        inside = _directly_in(key, entries)
        stale: CacheMap = {}
        for candidate in _candidates(key, entries, inside):
            if entries[candidate].unmodified(candidate):
                self._touch(candidate)
                break
            if candidate in inside:
                stale[candidate] = entries[candidate]
        else:
            candidate = None
        self._drop(file_handle_id, stale)
        return candidate

    def add(
        self, file_handle_id: FileHandleId, path: str | Path, md5: str | None = None
    ) -> dict[str, Any]:
        """Record a file as a copy; it stays where it is.

        Args:
            file_handle_id: The handle.
            path: The file.
            md5: MD5 of its content in hex; computed when not given.

        Returns:
            The handle's map, as it is written.

        Raises:
            ValueError: There is no such file.
        """
        if not path or not Path(path).exists():
            raise ValueError(f'Can\'t find file "{path}"')
        directory = Path(self.get_cache_dir(file_handle_id))
        entry = cache_map.create_entry(path, md5 or cache_map.file_md5(path))
        with cache_map.locked(self._root, directory):
            entries = cache_map.read(directory) | {path_key(path): entry}
            cache_map.write(directory, entries)
        self._touch(path)
        return cache_map.to_json(entries)

    def remove(
        self,
        file_handle_id: FileHandleId,
        path: str | Path | None = None,
        delete: bool | None = None,
    ) -> list[str]:
        """Forget copies.

        Args:
            file_handle_id: The handle; of a File entity, its `path` counts.
            path: Which copy; all of them when None.
            delete: Delete the files too.

        Returns:
            The paths that were forgotten.
        """
        if path is None and isinstance(file_handle_id, Mapping):
            path = file_handle_id.get("path")
        directory = Path(self.get_cache_dir(file_handle_id))
        if not directory.exists():
            return []
        with cache_map.locked(self._root, directory):
            entries = cache_map.read(directory)
            wanted = entries if path is None else {path_key(path)}
            removed = [key for key in entries if key in wanted]
            for key in removed if delete else ():
                Path(key).unlink(missing_ok=True)
            kept = {key: entry for key, entry in entries.items() if key not in removed}
            cache_map.write(directory, kept)
        return removed

    def purge(
        self,
        before_date: datetime | float | None = None,
        after_date: datetime | float | None = None,
        dry_run: bool = False,
    ) -> int:
        """Delete the copies in the cache whose maps were last written in a period.

        Files outside the cache stay, and so does what another living process holds.

        Args:
            before_date: Only maps older than this: a datetime (local when naive) or seconds
                since 1970.
            after_date: Only maps newer than this.
            dry_run: Print the directories, and delete nothing.

        Returns:
            How many handles were chosen.

        Raises:
            ValueError: No date is given, or `after_date` is later than `before_date`.
        """
        if before_date is None and after_date is None:
            raise ValueError("Either before date or after date should be provided")
        before, after = _seconds(before_date, float("inf")), _seconds(after_date, float("-inf"))
        if before < after:
            raise ValueError("Before date should be larger than after date")
        if not self._root.is_dir():
            return 0
        with cache_map.shared_lock(self._root, _EVICTION_LOCK):
            held = self._pins.of_others()
            chosen = [
                directory
                for directory in cache_eviction.iter_handle_directories(self._root)
                if _written(directory, after, before)
                and not cache_eviction.is_in_use(directory, held)
            ]
            for directory in chosen:
                if dry_run:
                    print(directory)  # noqa: T201 - what a dry run is for
                else:
                    self._delete(directory)
        return len(chosen)

    def pin(self, path: str | Path) -> None:
        """Keep a file from eviction, until this process ends or calls `release`.

        A file outside the cache is never evicted, and needs no holding.

        Raises:
            FileNotFoundError: It is gone already.
        """
        if not Path(path).resolve().is_relative_to(self._root.resolve()):
            return
        with cache_map.shared_lock(self._root, _EVICTION_LOCK):
            Path(path).stat()
            self._pins.add(path)

    def release_pins(self) -> None:
        """Give free all files that this process holds, as at the end of a task."""
        self._pins.release()

    def make_room(self, size: int = 0) -> int:
        """Evict what was used longest ago, until `size` more bytes are within the limit.

        Returns:
            Bytes by which the limit is exceeded all the same, because too much is in use or
            `size` alone is more; 0 when all is well or there is no limit.
        """
        if self.limit is None or not self._root.is_dir():
            return 0
        if self._headroom.take(size):
            return 0
        with cache_map.shared_lock(self._root, _EVICTION_LOCK):
            found = list(cache_eviction.iter_cached_files(self._root))
            excess = sum(each.size for each in found) + size - self.limit
            self._headroom = _Headroom(-excess, self.limit)
            if excess <= 0:
                return 0
            freed = cache_eviction.evict(self._root, excess, found, self._pins.everyones())
        return max(0, excess - freed)

    def _read(self, file_handle_id: FileHandleId) -> CacheMap:
        directory = Path(self.get_cache_dir(file_handle_id))
        if not directory.exists():
            return {}
        with cache_map.locked_to_read(self._root, directory):
            return cache_map.read(directory)

    def _drop(self, file_handle_id: FileHandleId, stale: CacheMap) -> None:
        if not stale:
            return
        directory = Path(self.get_cache_dir(file_handle_id))
        with suppress(PermissionError), cache_map.locked(self._root, directory):
            now = cache_map.read(directory)
            cache_map.write(directory, {k: e for k, e in now.items() if stale.get(k) != e})

    def _delete(self, directory: Path) -> None:
        with cache_map.locked(self._root, directory):
            shutil.rmtree(directory)

    def _touch(self, path: str | Path) -> None:
        """Note the use of a copy, for eviction: its access time; the other one stays."""
        if self._root in Path(path).parents:
            with suppress(OSError):
                os.utime(path, ns=(time.time_ns(), Path(path).stat().st_mtime_ns))


class _Headroom:
    """What was left of the limit when the cache was last looked through: that takes time.

    Args:
        size: Bytes that were left.
        limit: Of the cache, in bytes. A tenth of it is for what other processes add meanwhile.
    """

    def __init__(self, size: int = 0, limit: int = 0) -> None:
        self._left = size - limit // 10
        self._until = time.monotonic() + _GLANCE_SECONDS

    def take(self, size: int) -> bool:
        """Count `size` bytes more; tell whether they surely fit, so that no look is needed."""
        self._left -= size
        return self._left > 0 and time.monotonic() < self._until


def _id_of(file_handle_id: FileHandleId) -> str:
    if isinstance(file_handle_id, Mapping):
        data = file_handle_id.get("dataFileHandleId")
        return str(data if data is not None else file_handle_id["id"])
    return str(file_handle_id)


def _seconds(moment: datetime | float | None, otherwise: float) -> float:
    if moment is None:
        return otherwise
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment)


def _written(directory: Path, after: float, before: float) -> bool:
    """Tell whether a map was written in a period; a directory without one is in every period."""
    try:
        return after < (directory / cache_map.MAP_NAME).stat().st_mtime < before
    except FileNotFoundError:
        return True


def _directly_in(directory: str | None, entries: CacheMap) -> list[str]:
    """Choose the copies that lie in a directory, if it is one."""
    if directory is None or not Path(directory).is_dir():
        return []
    return [path for path in entries if path.rpartition("/")[0] == directory]


def _candidates(key: str | None, entries: CacheMap, preferred: list[str]) -> list[str]:
    """Put the copies in the order in which to look at them."""
    if key is not None and key in entries:
        return [key]
    newest = sorted(entries, key=lambda path: entries[path].modified_time, reverse=True)
    return preferred + [path for path in newest if path not in preferred]
