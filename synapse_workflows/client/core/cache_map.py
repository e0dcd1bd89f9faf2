"""The `.cacheMap` of a file handle: known copies of a file and their modification times.

The format is shared with the official Synapse clients, so that all clients can use the same cache.
It is a JSON object that maps each normalized absolute path to
`{"modified_time": ..., "content_md5": ...}`; older clients write only the time as value.
`cache_lock` protects the file.
"""

import hashlib
import json
import math
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

MAP_NAME: Final = ".cacheMap"
#: Number of directories in the root of a cache; each file handle is in `<ID modulo this>/<ID>`.
FANOUT: Final = 1000


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """Entry of one copy.

    Attributes:
        modified_time: Recorded modification time of the copy, as ISO text.
        content_md5: MD5 of its content in hex; None in maps of older clients.
    """

    modified_time: str
    content_md5: str | None = None

    def has_same_time(self, path: str | Path) -> bool:
        """Return whether the file exists and has the recorded modification time.

        All clients record the time in whole seconds. A recorded whole second matches any fraction
        of that second.
        """
        try:
            modified = Path(path).stat().st_mtime
        except OSError:
            return False
        if self.modified_time.endswith(".000Z"):
            modified = math.floor(modified)
        return self.modified_time == iso_time(modified)

    def is_unmodified(self, path: str | Path, md5: str | None = None) -> bool:
        """Return whether a file has the recorded modification time and the recorded MD5.

        If `md5` is given, the file must have that MD5 too. The whole file is read if an MD5 is
        recorded or expected.

        Args:
            path: The copy.
            md5: Expected MD5 in hex; None for any content.
        """
        expected = {each.lower() for each in (self.content_md5, md5) if each}
        if len(expected) > 1 or not self.has_same_time(path):
            return False
        try:
            return not expected or file_md5(path) in expected
        except OSError:  # deleted in the meantime, or not readable
            return False


CacheMap = dict[str, CacheEntry]


def iso_time(seconds: float) -> str:
    """Format a time in seconds since 1970 as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    time = datetime.fromtimestamp(seconds, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def file_md5(path: str | Path) -> str:
    """Compute the MD5 of a file in hex, reading it in blocks."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def create_entry(path: str | Path, content_md5: str | None) -> CacheEntry:
    """Create the entry of a file, with its current modification time in whole seconds."""
    return CacheEntry(iso_time(math.floor(Path(path).stat().st_mtime)), content_md5)


def path_key(path: str | Path) -> str:
    """Normalize a path to a key of the map: absolute, with forward slashes."""
    return os.path.abspath(path).replace(os.sep, "/")  # noqa: PTH100 - links stay links


def read(directory: Path) -> CacheMap:
    """Read a map; a missing or unreadable map counts as empty."""
    return read_if_complete(directory) or {}


def read_if_complete(directory: Path) -> CacheMap | None:
    """Read a map without a lock.

    Returns:
        The map, empty if it is missing; None if it is unreadable, possibly because an official
        client is writing it now.
    """
    try:
        content = json.loads((directory / MAP_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict):
        return {}
    entries = ((path, _parse_entry(value)) for path, value in content.items())
    return {path: entry for path, entry in entries if entry is not None}


def create(directory: Path, cache_map: Mapping[str, CacheEntry]) -> bool:
    """Create a directory that contains a map, atomically and without a lock.

    Returns:
        Whether the directory was created; False if it exists already.
    """
    if directory.exists():
        return False
    new = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}.tmp")
    new.mkdir(parents=True)
    map_path = new / MAP_NAME
    try:
        map_path.write_text(_to_text(cache_map), encoding="utf-8")
        new.rename(directory)  # fails if the directory is not empty
    except OSError:
        map_path.unlink(missing_ok=True)
        new.rmdir()
        return False
    return True


def write(directory: Path, cache_map: Mapping[str, CacheEntry]) -> None:
    """Write a map atomically, in the format of release 4.14 of the official client."""
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f"{MAP_NAME}.{os.getpid()}.tmp"
    try:
        temporary.write_text(_to_text(cache_map), encoding="utf-8")
        temporary.replace(directory / MAP_NAME)
    finally:
        temporary.unlink(missing_ok=True)


def to_json(cache_map: Mapping[str, CacheEntry]) -> dict[str, Any]:
    """Convert a map to the content of its file."""
    return {
        path: {"modified_time": entry.modified_time, "content_md5": entry.content_md5}
        for path, entry in cache_map.items()
    }


def _to_text(cache_map: Mapping[str, CacheEntry]) -> str:
    return f"{json.dumps(to_json(cache_map))}\n"


def _parse_entry(value: Any) -> CacheEntry | None:
    if isinstance(value, str):
        return CacheEntry(value)
    if isinstance(value, dict) and isinstance(value.get("modified_time"), str):
        md5 = value.get("content_md5")
        return CacheEntry(value["modified_time"], md5 if isinstance(md5, str) else None)
    return None
