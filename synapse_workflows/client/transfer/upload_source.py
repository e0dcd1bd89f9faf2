"""Source file of an upload, and its parts as request bodies."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import requests
from requests.auth import AuthBase

from synapse_workflows.client.core import cache_map
from synapse_workflows.client.core.socket_body import SocketBody
from synapse_workflows.client.errors import SynapseUploadFailedException
from synapse_workflows.client.model.entity_names import require_valid_name
from synapse_workflows.client.model.paths import expand_home
from synapse_workflows.client.transfer.executor import CancelToken
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.constants import KiB, MiB

#: Bytes that are sent with one call of `sendfile`.
_SENDFILE_SIZE: Final = MiB
#: Bytes that are read and sent at a time if the connection uses TLS.
_TLS_BLOCK_SIZE: Final = 256 * KiB


@dataclass(frozen=True, slots=True)
class UploadSource:
    """State of a file when its upload started.

    Attributes:
        path: Absolute path.
        size: Size in bytes.
        modified: Modification time in nanoseconds since 1970.
        inode: Inode number.
        status_changed: Time of the last change of the content or the properties (ctime), in
            nanoseconds since 1970. In contrast to `modified`, programs cannot restore it.
    """

    path: Path
    size: int
    modified: int
    inode: int
    status_changed: int

    @classmethod
    def of(cls, path: str | os.PathLike[str], file_name: str | None = None) -> "UploadSource":
        """Read the state of a file, and check that Synapse accepts the file.

        Args:
            path: The file.
            file_name: Name of the file in Synapse; None for the name of `path`.

        Raises:
            FileNotFoundError: The file does not exist.
            IsADirectoryError: The path is a directory.
            ValueError: The file is empty, or is not a regular file, for example a pipe.
            SynapseMalformedEntityError: The name of the file is invalid in Synapse.
        """
        absolute = expand_home(path).absolute()
        if absolute.is_dir():
            raise IsADirectoryError(
                f"Cannot upload {absolute}: it is a directory. Only files can be uploaded."
            )
        if not absolute.exists():
            raise FileNotFoundError(f"Cannot upload {absolute}: the file does not exist.")
        require_valid_name(
            file_name or absolute.name, f"the file {absolute}", "Rename the file before the upload"
        )
        if not absolute.is_file():
            raise ValueError(
                f"Cannot upload {absolute}: it is a pipe, a socket or a device. Only regular "
                "files can be uploaded. Write its content to a file first."
            )
        stat = absolute.stat()
        if not stat.st_size:
            raise ValueError(
                f"Cannot upload {absolute}: the file is empty. Synapse stores files of at least "
                "one byte."
            )
        return cls(absolute, stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns)

    def require_unchanged(self) -> None:
        """Check that the file was not changed.

        Raises:
            SynapseUploadFailedException: The file was changed or removed.
        """
        try:
            stat = self.path.stat()
            is_unchanged = (self.size, self.modified, self.inode) == (
                stat.st_size,
                stat.st_mtime_ns,
                stat.st_ino,
            )
        except OSError:
            is_unchanged = False
        if not is_unchanged:
            raise self._changed_error()

    def require_content(self, md5: str | None) -> None:
        """Check that the file was not changed, not even with a restored modification time.

        If only the status of the file changed, for example its permissions, its content is
        compared. The check is for uploads that do not hash the bytes that they send.

        Args:
            md5: MD5 of the content in hex when the upload started.

        Raises:
            SynapseUploadFailedException: The file was changed or removed.
        """
        self.require_unchanged()
        try:
            is_untouched = self.path.stat().st_ctime_ns == self.status_changed
            has_content = is_untouched or cache_map.file_md5(self.path) == md5
        except OSError:
            has_content = False
        if not has_content:
            raise self._changed_error()

    def _changed_error(self) -> SynapseUploadFailedException:
        return SynapseUploadFailedException(
            f"{self.path} was changed or removed while it was being uploaded. "
            "Upload it again when no process writes to it."
        )

    def truncated_error(self) -> SynapseUploadFailedException:
        """Return the error for a file that ends before the expected size."""
        try:
            self.require_unchanged()
        except SynapseUploadFailedException as error:
            return error
        return SynapseUploadFailedException(
            f"Cannot upload {self.path}: the file is shorter than when the upload started."
        )


class PartBody(SocketBody, AuthBase):
    """Request body that streams one part of a file.

    The bytes go from the file to the socket within the kernel (`sendfile`), or in blocks if the
    connection uses TLS. Any other transport can read the body like a file.

    The object is passed to requests as `auth`, because requests calls `auth` before each attempt
    to modify the request. Therefore, each attempt starts at the beginning of the part, and no
    credentials are sent to the storage.

    Args:
        source: The file.
        part: The part of the file to send.
        cancel_token: Cancellation of the transfer, checked before each block.
        on_progress: Called with the size of each block in bytes.
    """

    def __init__(
        self,
        source: UploadSource,
        part: Part,
        cancel_token: CancelToken,
        on_progress: Callable[[int], None],
    ) -> None:
        self._source = source
        self._part = part
        self._cancel_token = cancel_token
        self._on_progress = on_progress
        self._file = source.path.open("rb", buffering=0)
        self._sent = 0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Make this object the body of a request."""
        self.rewind_progress()
        request.headers.pop("Authorization", None)
        request.body = self  # type: ignore[assignment]  # requests takes anything with `read`
        return request

    def __len__(self) -> int:
        return self._part.size

    def write_to(self, sock: socket.socket) -> None:
        """Write the part to a socket.

        Raises:
            SynapseUploadFailedException: The file cannot be read, or was truncated.
            TransferCancelledError: The transfer was cancelled.
            OSError: The connection failed, or nothing was sent within its timeout.
        """
        if type(sock) is not socket.socket:  # TLS
            while data := self.read(_TLS_BLOCK_SIZE):
                sock.sendall(data)
            return
        while remaining := self._part.size - self._sent:
            self._cancel_token.raise_if_cancelled()
            offset = self._part.start + self._sent
            sent = sock.sendfile(self._file, offset, min(remaining, _SENDFILE_SIZE))
            self._advance(sent)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`; all remaining bytes if `size` is negative.

        Raises:
            SynapseUploadFailedException: The file cannot be read, or was truncated.
            TransferCancelledError: The transfer was cancelled.
        """
        self._cancel_token.raise_if_cancelled()
        remaining = self._part.size - self._sent
        requested = remaining if size < 0 else min(size, remaining)
        if not requested:
            return b""
        try:
            data = os.pread(self._file.fileno(), requested, self._part.start + self._sent)
        except OSError as error:
            raise SynapseUploadFailedException(
                f"Cannot read {self._source.path}: {error}"
            ) from error
        self._advance(len(data))
        return data

    def rewind_progress(self) -> None:
        """Subtract the bytes of a failed attempt from the progress."""
        self._on_progress(-self._sent)
        self._sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _advance(self, size: int) -> None:
        """Count sent bytes; none are sent at the end of the file."""
        if not size:
            raise self._source.truncated_error()
        self._sent += size
        self._on_progress(size)
