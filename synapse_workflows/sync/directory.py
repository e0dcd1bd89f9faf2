"""Directory of a synchronization: on this machine, or in an object storage."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

#: Symbolic links are followed, skipped, or listed only if they lead to files.
Symlinks = Literal["follow", "skip", "files"]
#: Downloads a file into a directory under a name; returns its path.
Download = Callable[[Path, str], Path]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a directory.

    Args:
        size: Size in bytes.
        modified: Time of the last change in nanoseconds since 1970, or the etag of an object.
        etag: Etag of an object, if it may be the MD5 of its content.
    """

    size: int
    modified: int | str | None = None
    etag: str | None = None


@dataclass
class Listing:
    """Files and folders of a directory, by path with forward slashes.

    Args:
        files: The files.
        folders: The folders, without the directory itself.
        skipped: Reasons by path, of entries that are ignored on purpose.
        refused: Reasons by path, of entries that are no regular readable files.
        ignored: Partial downloads and manifests.
    """

    files: dict[str, FileEntry] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)


class Directory(Protocol):
    """Directory whose files are uploaded, or to which files are downloaded."""

    #: Path, or URL without credentials.
    url: str
    #: Path, or URL that may contain the ID of a connection.
    location: str

    def list_files(self, *, symlinks: Symlinks, must_exist: bool) -> Listing:
        """List all files below the directory.

        Args:
            symlinks: What to do about symbolic links on this machine.
            must_exist: Whether a missing directory is an error.

        Raises:
            FileNotFoundError: The directory does not exist.
            NotADirectoryError: The path is a file.
            OSError: A folder cannot be listed.
        """

    def find(self, path: str) -> FileEntry | None:
        """Return a file; None if it does not exist."""

    def compute_md5(self, path: str) -> str:
        """Return the MD5 of a file in hex."""

    def as_local_file(self, path: str, name: str) -> AbstractContextManager[Path]:
        """Provide a file as a local file with a name that Synapse accepts, inside the block.

        Args:
            path: Path of the file.
            name: Name of the local file, unless the file is local and has a valid name.
        """

    def write(self, path: str, download: Download) -> None:
        """Write a file, which appears when its content is complete."""

    def remove_leftovers(self, folders: Iterable[str]) -> None:
        """Delete what killed downloads left in folders whose files are complete."""

    def delete(self, path: str) -> None:
        """Delete a file; ignore a file that does not exist."""

    def create_folder(self, path: str) -> None:
        """Create a folder, if this kind of directory has folders."""

    def delete_folder(self, path: str) -> bool:
        """Delete a folder if it is empty; return whether it does not exist any more."""

    def require_space(self, size: int) -> None:
        """Check that files of a total size in bytes can be written.

        Raises:
            SynapseDownloadError: The disk has not enough free space.
        """

    def find_case_conflict(self, path: str, paths: dict[str, Any]) -> str | None:
        """Return another of the paths that would be the same file, because case is ignored."""
