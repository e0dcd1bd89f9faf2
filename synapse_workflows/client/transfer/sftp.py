"""Upload of files to SFTP servers, and download from them."""

import hashlib
import posixpath
import stat
import uuid
from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseDownloadError,
    SynapseTransferError,
    SynapseUploadFailedException,
)
from synapse_workflows.client.transfer import progress
from synapse_workflows.client.transfer.executor import (
    BLOCK_SIZE,
    CANCEL_TIMEOUT,
    Backoff,
    CancelToken,
)
from synapse_workflows.client.transfer.progress import Progress
from synapse_workflows.client.transfer.sftp_connection import (
    SftpUrl,
    open_sftp,
    raising_sftp_errors,
    require_paramiko,
)
from synapse_workflows.client.transfer.sftp_reader import iter_blocks
from synapse_workflows.client.transfer.upload_source import UploadSource
from synapse_workflows.constants import MiB

if TYPE_CHECKING:
    import paramiko

#: Bytes between two offsets at which an upload can be resumed.
_CHECKPOINT_SIZE: Final = MiB


def upload_file(syn: Session, source: UploadSource, directory_url: str, md5: str) -> str:
    """Upload a file to a directory of an SFTP server.

    The directory is created. The file appears under its name when it is complete: it is written
    under a temporary name. After an interruption of the connection, the upload is resumed. An
    existing file is never replaced; a file with the same content is used, for example after an
    earlier attempt of a task that was killed before it recorded the upload.

    Args:
        syn: Session whose configuration, retry settings and progress display are used.
        source: The file.
        directory_url: URL of the directory.
        md5: MD5 of the file in hex.

    Returns:
        The URL of the file on the server, without user info.

    Raises:
        SynapseUploadFailedException: The upload failed, the file changed, or the server already
            has another file of this name.
        SynapseConfigError: The login is missing or rejected, or the server is not known.
        SynapseConnectionError: The connection failed repeatedly.
    """
    require_paramiko()
    name = source.path.name
    target = SftpUrl.parse(directory_url).joined(name)
    with progress.show_progress(
        syn, f"Uploading {name}", f"Uploaded {name}", source.size
    ) as shown:
        _SftpUpload(syn, source, target, md5, shown).run()
    return str(target)


class _SftpUpload:
    """Upload of one file.

    Args:
        syn: Session of the upload.
        source: The file.
        target: Location on the server.
        md5: MD5 of the file in hex.
        progress: Receives the number of bytes of each block.
    """

    def __init__(
        self, syn: Session, source: UploadSource, target: SftpUrl, md5: str, progress: Progress
    ) -> None:
        self._syn = syn
        self._source = source
        self._target = target
        self._md5 = md5
        self._progress = progress
        self._directory = posixpath.dirname(target.path)
        self._temporary = f"{self._directory}/.{uuid.uuid4().hex}.part"
        self._is_started = False
        self._sent = 0
        # Offsets, and the MD5 of the bytes that were sent before each offset.
        self._checkpoints = [(0, hashlib.md5(usedforsecurity=False))]

    def run(self) -> None:
        """Upload the file, and reconnect as long as progress is made."""
        backoff = Backoff(self._syn.retry, CancelToken())
        while True:
            sent = self._sent
            try:
                with open_sftp(self._syn, self._target) as sftp:
                    self._upload(sftp)
            except SynapseConnectionError as error:
                if self._sent > sent:
                    backoff.reset()
                backoff.wait_after(error)
            else:
                return

    def _upload(self, sftp: "paramiko.SFTPClient") -> None:
        try:
            if not self._is_started:
                self._prepare(sftp)
                self._is_started = True
            uploaded = self._uploaded_size(sftp)
            if uploaded is None and self._is_stored(sftp):
                return
            self._send(sftp, uploaded or 0)
            self._rename(sftp)
        except SynapseConnectionError:
            raise
        except BaseException:
            sftp.get_channel().settimeout(CANCEL_TIMEOUT)  # type: ignore[union-attr]
            self._remove_temporary(sftp)
            raise

    def _prepare(self, sftp: "paramiko.SFTPClient") -> None:
        """Create the directory, and check that the server has no other file of this name."""
        with raising_sftp_errors(self._target):
            _make_directories(sftp, self._directory)
            exists = _find_size(sftp, self._target.path) is not None
        if exists and not self._is_stored(sftp):
            raise SynapseUploadFailedException(
                f"{self._target} already exists with other content. It was not replaced. Rename "
                "the file, or choose another directory."
            )

    def _is_stored(self, sftp: "paramiko.SFTPClient") -> bool:
        """Return whether the server has a file of this name with the same content."""
        path, size = self._target.path, self._source.size
        digest = hashlib.md5(usedforsecurity=False)
        with raising_sftp_errors(self._target):
            if _find_size(sftp, path) != size:
                return False
            with sftp.open(path, "rb") as file:
                for data in iter_blocks(file, 0, size):
                    digest.update(data)
        return digest.hexdigest() == self._md5

    def _uploaded_size(self, sftp: "paramiko.SFTPClient") -> int | None:
        """Return the number of bytes that an interrupted connection transferred."""
        with raising_sftp_errors(self._target):
            return _find_size(sftp, self._temporary)

    def _send(self, sftp: "paramiko.SFTPClient", uploaded: int) -> None:
        while self._checkpoints[-1][0] > uploaded:
            self._checkpoints.pop()
        offset, digest = self._checkpoints[-1][0], self._checkpoints[-1][1].copy()
        self._advance_to(offset)
        with raising_sftp_errors(self._target):
            remote = sftp.open(self._temporary, "r+b" if offset else "wb")
        remote.set_pipelined(pipelined=True)
        remote.seek(offset)
        for data in self._read_blocks(offset):
            with raising_sftp_errors(self._target):
                remote.write(data)
            digest.update(data)
            self._advance_to(self._sent + len(data))
            if self._sent - self._checkpoints[-1][0] >= _CHECKPOINT_SIZE:
                self._checkpoints.append((self._sent, digest.copy()))
        with raising_sftp_errors(self._target):
            remote.close()
            size = _find_size(sftp, self._temporary)
        self._source.require_unchanged()
        if (size, digest.hexdigest()) != (self._source.size, self._md5):
            raise SynapseUploadFailedException(
                f"{self._target}: the server stored {size} bytes, and {self._sent} bytes were "
                f"sent, but {self._source.path} had {self._source.size} bytes, or other content, "
                "when the upload started. Upload it again when no process writes to it."
            )

    def _rename(self, sftp: "paramiko.SFTPClient") -> None:
        try:
            with raising_sftp_errors(self._target):
                sftp.rename(self._temporary, self._target.path)
        except SynapseTransferError as error:
            if self._is_stored(sftp):  # by another process, at the same time
                self._remove_temporary(sftp)
                return
            raise SynapseUploadFailedException(
                f"The uploaded file cannot be renamed to {self._target}: it may already exist "
                f"({error})."
            ) from None

    def _remove_temporary(self, sftp: "paramiko.SFTPClient") -> None:
        with suppress(Exception):
            sftp.remove(self._temporary)

    def _read_blocks(self, offset: int) -> Generator[bytes]:
        try:
            with self._source.path.open("rb", buffering=0) as file:
                file.seek(offset)
                while data := file.read(BLOCK_SIZE):
                    yield data
        except OSError as error:
            raise SynapseUploadFailedException(
                f"Cannot read {self._source.path}: {error}"
            ) from error

    def _advance_to(self, count: int) -> None:
        self._progress.advance(count - self._sent)
        self._sent = count


def read_blocks(syn: Session, url: SftpUrl, offset: int, limit: int | None) -> Generator[bytes]:
    """Connect to a server, and yield the content of a file in blocks.

    Args:
        syn: Session whose configuration and timeouts are used.
        url: The file.
        offset: Offset of the first byte.
        limit: Maximum size of the file in bytes; None for no limit.

    Raises:
        SynapseDownloadError: The file is larger than `limit`.
        SynapseTransferError: The file does not exist, or cannot be read.
        SynapseConnectionError: The connection failed.
    """
    with open_sftp(syn, url) as sftp:
        with raising_sftp_errors(url):
            file = sftp.open(url.path, "rb")
            size = file.stat().st_size or 0
        if limit is not None and size > limit:
            raise SynapseDownloadError(
                f"{url} has {size} bytes, more than the {limit} bytes that were recorded when its "
                "MD5 was computed."
            )
        blocks = iter_blocks(file, offset, size)
        while True:
            with raising_sftp_errors(url):
                data = next(blocks, b"")
            if not data:
                return
            yield data


def _find_size(sftp: "paramiko.SFTPClient", path: str) -> int | None:
    """Return the size of a file in bytes; None if it does not exist."""
    try:
        return sftp.stat(path).st_size
    except FileNotFoundError:
        return None


def _make_directories(sftp: "paramiko.SFTPClient", directory: str) -> None:
    """Create a directory and its parents, which other processes may create at the same time."""
    path = ""
    for name in directory.strip("/").split("/"):
        path = f"{path}/{name}"
        if not _is_directory(sftp, path):
            try:
                sftp.mkdir(path)
            except OSError:
                if not _is_directory(sftp, path):
                    raise


def _is_directory(sftp: "paramiko.SFTPClient", path: str) -> bool:
    try:
        return stat.S_ISDIR(sftp.stat(path).st_mode or 0)
    except FileNotFoundError:
        return False
