"""Directory of a synchronization in an object storage, or in another file system of fsspec."""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.core.file_names import is_safe_path
from synapse_workflows.client.transfer.file_systems import copy_to_local, write_file
from synapse_workflows.constants import MiB
from synapse_workflows.sync.directory import Download, FileEntry, Listing, Symlinks
from synapse_workflows.sync.manifest import is_manifest
from synapse_workflows.sync.results import ItemError

_MD5: Final = re.compile(r"[0-9a-f]{32}")


class ObjectDirectory:
    """Directory in an object storage.

    Args:
        file_system: File system of fsspec.
        root: Path of the directory in the file system.
        url: URL of the directory without credentials, for messages.
        location: URL of the directory, which may contain the ID of a connection.
    """

    def __init__(self, file_system: Any, root: str, url: str, location: str) -> None:
        self._fs = file_system
        self._root = root.rstrip("/")
        self.url = url
        self.location = location

    def list_files(self, *, symlinks: Symlinks, must_exist: bool) -> Listing:  # noqa: ARG002
        """List all objects; see `Directory.list_files`. An empty directory is the same as none."""
        self._fs.invalidate_cache()
        try:
            found: Mapping[str, Any] = self._fs.find(self._root, detail=True)
        except FileNotFoundError:
            if must_exist:
                raise FileNotFoundError(f"{self.url} does not exist") from None
            found = {}
        listing = Listing()
        for key, info in found.items():
            if key.rstrip("/") == self._root.lstrip("/") or key.rstrip("/") == self._root:
                if info.get("size"):
                    raise NotADirectoryError(f"{self.url} is a file, not a directory")
                continue
            self._add(listing, key, info)
        if must_exist and not found and not self._fs.exists(self._root):
            raise FileNotFoundError(f"{self.url} does not exist, or contains no object")
        return listing

    def _add(self, listing: Listing, key: str, info: Mapping[str, Any]) -> None:
        path = key.removeprefix(self._root).removeprefix("/")
        is_marker = key.endswith("/") and not info.get("size")
        if is_marker or info.get("type") == "directory" or is_manifest(path.rpartition("/")[2]):
            return
        if not is_safe_path(path):
            listing.refused[path] = "its key is no path: a name in it is empty, '.' or '..'"
            return
        listing.files[path] = _to_entry(info)
        parts = path.split("/")[:-1]
        listing.folders.update("/".join(parts[: depth + 1]) for depth in range(len(parts)))

    def find(self, path: str) -> FileEntry | None:
        """Return an object; None if it does not exist."""
        self._fs.invalidate_cache()
        try:
            info = self._fs.info(self._resolve(path))
        except FileNotFoundError:
            return None
        return None if info.get("type") == "directory" else _to_entry(info)

    def compute_md5(self, path: str) -> str:
        """Read an object and return its MD5 in hex."""
        digest = hashlib.md5(usedforsecurity=False)
        with self._fs.open(self._resolve(path), "rb") as stream:
            while block := stream.read(MiB):
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def as_local_file(self, path: str, name: str) -> Iterator[Path]:
        """Provide a temporary copy of an object."""
        with tempfile.TemporaryDirectory(prefix="synapse-") as folder:
            copy = Path(folder) / name
            copy_to_local(self._fs, self._resolve(path), copy)
            yield copy

    def write(self, path: str, download: Download) -> None:
        """Download to a temporary file, and stream it to the object."""
        with tempfile.TemporaryDirectory(prefix="synapse-") as folder:
            copy = download(Path(folder), "content")
            write_file(self._fs, self._resolve(path), copy, f"{self.url.rstrip('/')}/{path}")

    def remove_leftovers(self, folders: Iterable[str]) -> None:
        """Do nothing: downloads to an object storage leave nothing there."""

    def delete(self, path: str) -> None:
        """Delete an object; ignore an object that does not exist."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._resolve(path))

    def create_folder(self, path: str) -> None:
        """Do nothing: an object storage has no folders."""

    def delete_folder(self, path: str) -> bool:  # noqa: ARG002
        """Do nothing: an object storage has no folders."""
        return True

    def require_space(self, size: int) -> None:
        """Do nothing: the space of an object storage is not limited."""

    def find_case_conflict(self, path: str, paths: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        """Return None: keys are case-sensitive."""
        return None

    def _resolve(self, path: str) -> str:
        if not is_safe_path(path):
            raise ItemError(f"Invalid path {path!r}: it leaves the directory", is_permanent=True)
        return f"{self._root}/{path}"


def _to_entry(info: Mapping[str, Any]) -> FileEntry:
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    changed = etag or info.get("LastModified") or info.get("mtime") or info.get("created")
    if isinstance(changed, datetime):
        changed = changed.timestamp()  # some file systems list a number and return a datetime
    return FileEntry(
        int(info.get("size") or 0),
        None if changed is None else str(changed),
        etag if _MD5.fullmatch(etag) else None,
    )
