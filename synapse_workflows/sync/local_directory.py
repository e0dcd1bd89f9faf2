"""Directory of a synchronization on this machine."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.file_names import PARTIAL_MARK, is_safe_path
from synapse_workflows.client.errors import SynapseDownloadError
from synapse_workflows.client.model.entity_names import is_valid_name
from synapse_workflows.client.transfer.partial_file import remove_stale_locks
from synapse_workflows.client.transfer.progress import format_size
from synapse_workflows.sync.directory import Download, FileEntry, Listing, Symlinks
from synapse_workflows.sync.manifest import is_manifest
from synapse_workflows.sync.results import ItemError


class LocalDirectory:
    """Directory on this machine.

    Args:
        root: The directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = self.location = str(root)

    def list_files(self, *, symlinks: Symlinks, must_exist: bool) -> Listing:
        """List all files; see `Directory.list_files`.

        Partial downloads and manifests are ignored.
        """
        listing = Listing()
        if not os.path.lexists(self.root):
            if not must_exist:
                return listing
            raise FileNotFoundError(f"The directory {self.root} does not exist on this worker")
        if not self.root.is_dir():
            raise NotADirectoryError(f"{self.root} is not a directory")
        pending = [("", [os.path.realpath(self.root)])]
        while pending:
            folder, above = pending.pop()
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if self._add(listing, path, entry, above, symlinks=symlinks):
                        pending.append((path, [*above, os.path.realpath(entry.path)]))
        return listing

    def _add(
        self,
        listing: Listing,
        path: str,
        entry: "os.DirEntry[str]",
        above: list[str],
        *,
        symlinks: Symlinks,
    ) -> bool:
        """Add an entry of a folder; return whether it is a folder to list."""
        if PARTIAL_MARK in entry.name or is_manifest(entry.name):
            listing.ignored.add(path)
            return False
        is_ignored = symlinks == "skip" or (symlinks == "files" and entry.is_dir())
        reason = _describe_unusable(entry, path, above)
        if entry.is_symlink() and is_ignored:
            listing.skipped[path] = "it is a symbolic link"
        elif reason is not None:
            listing.refused[path.encode("utf-8", "backslashreplace").decode()] = reason
        elif entry.is_dir():
            listing.folders.add(path)
            return True
        else:
            listing.files[path] = _to_entry(entry.stat())
        return False

    def find(self, path: str) -> FileEntry | None:
        """Return a file; None if it does not exist."""
        try:
            found = self._resolve(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _to_entry(found) if stat.S_ISREG(found.st_mode) else None

    def compute_md5(self, path: str) -> str:
        """Return the MD5 of a file in hex."""
        return file_md5(self._resolve(path))

    @contextmanager
    def as_local_file(self, path: str, name: str) -> Iterator[Path]:
        """Provide the file; if its name is invalid in Synapse, a link with another name."""
        file = self._resolve(path)
        if is_valid_name(file.name):
            yield file
            return
        with tempfile.TemporaryDirectory(prefix="synapse-") as folder:
            link = Path(folder) / name
            link.symlink_to(file.absolute())
            yield link

    def write(self, path: str, download: Download) -> None:
        """Write a file, which appears when its content is complete."""
        target = self._resolve(path)
        self._require_inside(target.parent, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._require_inside(target.parent, path)
        if target.is_dir() and not target.is_symlink():
            raise ItemError(
                f"{target} is a directory, so the file cannot be written. Move the directory away",
                is_permanent=True,
            )
        download(target.parent, target.name)

    def remove_leftovers(self, folders: Iterable[str]) -> None:
        """Delete the lock files that killed downloads left in folders."""
        for folder in folders:
            remove_stale_locks(self._resolve(folder) if folder else self.root)

    def delete(self, path: str) -> None:
        """Delete a file, or a symbolic link."""
        target = self._resolve(path)
        self._require_inside(target.parent, path)
        target.unlink(missing_ok=True)

    def create_folder(self, path: str) -> None:
        """Create a folder."""
        target = self._resolve(path)
        self._require_inside(target, path)
        target.mkdir(parents=True, exist_ok=True)

    def delete_folder(self, path: str) -> bool:
        """Delete a folder if it is empty; return whether it does not exist any more."""
        target = self._resolve(path)
        self._require_inside(target, path)
        with suppress(OSError):
            target.rmdir()
        return not target.exists()

    def require_space(self, size: int) -> None:
        """Check that the disk has enough free space."""
        existing = next(
            one for one in (self.root.absolute(), *self.root.absolute().parents) if one.exists()
        )
        free = shutil.disk_usage(existing).free
        if size > free:
            raise SynapseDownloadError(
                f"Not enough space in {self.root}: the files need {format_size(size)}, and "
                f"{format_size(free)} are free. Nothing was downloaded. Free space, or choose "
                "another directory."
            )

    def find_case_conflict(self, path: str, paths: dict[str, Any]) -> str | None:
        """Return another path that is the same file, because the file system ignores case."""
        return paths.get(path.casefold()) if self._ignores_case else None

    @cached_property
    def _ignores_case(self) -> bool:
        """Whether the file system of the directory ignores the case of names."""
        existing = next(
            one for one in (self.root.absolute(), *self.root.absolute().parents) if one.exists()
        )
        try:
            with tempfile.NamedTemporaryFile(prefix=f".a{PARTIAL_MARK}", dir=existing) as file:
                name = Path(file.name)
                return name.with_name(name.name.swapcase()).exists()
        except OSError:
            return False

    def _resolve(self, path: str) -> Path:
        if not is_safe_path(path):
            raise ItemError(f"Invalid path {path!r}: it leaves the directory", is_permanent=True)
        return self.root / path

    def _require_inside(self, folder: Path, path: str) -> None:
        """Check that no symbolic link leads a file out of the directory."""
        if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(self.root)):
            raise ItemError(
                f"{path!r} is outside of {self.root}, because a folder on the path is a symbolic "
                "link. Remove the link",
                is_permanent=True,
            )


def _describe_unusable(entry: "os.DirEntry[str]", path: str, above: list[str]) -> str | None:
    """Return why an entry is neither a folder nor a regular file; None for these."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is no valid UTF-8"
    if entry.is_symlink() and not Path(entry.path).exists():
        return "it is a symbolic link to a file that does not exist"
    if entry.is_dir():
        is_loop = entry.is_symlink() and os.path.realpath(entry.path) in above
        return "it is a symbolic link to a folder that contains it" if is_loop else None
    return None if entry.is_file() else "it is a pipe, a socket or a device"


def _to_entry(found: os.stat_result) -> FileEntry:
    return FileEntry(found.st_size, found.st_mtime_ns)
