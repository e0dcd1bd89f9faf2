"""Download of external files by SFTP and FTP, in one stream with resume and verification."""

import ftplib
import hashlib
from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote, urlsplit

from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseDownloadError,
    SynapseMd5MismatchError,
    SynapseTransferError,
)
from synapse_workflows.client.transfer import progress, sftp
from synapse_workflows.client.transfer.download_request import DownloadUrl
from synapse_workflows.client.transfer.executor import BLOCK_SIZE, Backoff, CancelToken
from synapse_workflows.client.transfer.partial_file import PartialFile
from synapse_workflows.client.transfer.progress import Progress
from synapse_workflows.client.transfer.sftp_connection import SftpUrl

#: Function that yields the content of a URL in blocks, from an offset on. The last argument is the
#: maximum size of the file in bytes, or None.
_Reader = Callable[[Session, str, int, int | None], Generator[bytes]]
_ANONYMOUS: Final = "anonymous"


def is_supported(scheme: str) -> bool:
    """Return whether files with this URL scheme can be downloaded by this module."""
    return scheme in _READERS


def download_external(syn: Session, source: DownloadUrl, partial: PartialFile) -> str:
    """Download an external file, and verify its MD5 if it is recorded.

    After an interruption, the download continues where it stopped.

    Returns:
        The MD5 of the file in hex.

    Raises:
        SynapseMd5MismatchError: The MD5 is wrong. The downloaded bytes were deleted.
        SynapseDownloadError: The file could not be downloaded, or the disk is full.
        SynapseConfigError: The login is missing or rejected, or the server is not known.
    """
    name = partial.target.name
    if source.size is not None:
        partial.require_space(source.size)
    partial.open(None)
    with progress.show_progress(
        syn, f"Downloading {name}", f"Downloaded {name}", source.size
    ) as shown:
        md5 = _Download(syn, source, partial, shown).run()
    if source.md5 not in {None, md5}:
        partial.discard()
        raise SynapseMd5MismatchError(
            f"The MD5 of {redact_url(source.url)} is {md5}, but {source.md5} was expected: the "
            "external file differs from the file that was recorded in Synapse.",
            expected=source.md5,
            found=md5,
            path=str(partial.target),
        )
    return md5


class _Download:
    """Download of one file, with its state after an interruption."""

    def __init__(
        self, syn: Session, source: DownloadUrl, partial: PartialFile, progress: Progress
    ) -> None:
        self._syn = syn
        self._source = source
        self._partial = partial
        self._progress = progress
        self._offset = 0
        self._md5 = hashlib.md5(usedforsecurity=False)

    def run(self) -> str:
        """Download the file, and reconnect as long as progress is made; return its MD5."""
        backoff = Backoff(self._syn.retry, CancelToken())
        while True:
            offset = self._offset
            try:
                self._read()
            except SynapseConnectionError as error:
                if self._offset > offset:
                    backoff.reset()
                try:
                    backoff.wait_after(error)
                except SynapseConnectionError:
                    raise self._failure(error) from error
            except SynapseDownloadError:
                raise
            except SynapseTransferError as error:
                raise self._failure(error) from error
            else:
                return self._md5.hexdigest()

    def _read(self) -> None:
        read = _READERS[urlsplit(self._source.url).scheme]
        limit = None if self._source.md5 is None else self._source.size
        for data in read(self._syn, self._source.url, self._offset, limit):
            if limit is not None and self._offset + len(data) > limit:
                raise SynapseDownloadError(
                    f"{redact_url(self._source.url)} has more than the {limit} bytes that were "
                    "recorded when its MD5 was computed."
                )
            self._partial.write(data, self._offset)
            self._md5.update(data)
            self._offset += len(data)
            self._progress.advance(len(data))

    def _failure(self, error: Exception) -> SynapseDownloadError:
        return SynapseDownloadError(f"Could not download {self._partial.target.name}: {error}")


def _read_sftp(syn: Session, url: str, offset: int, limit: int | None) -> Generator[bytes]:
    return sftp.read_blocks(syn, SftpUrl.parse(url), offset, limit)


def _read_ftp(syn: Session, url: str, offset: int, _limit: int | None) -> Generator[bytes]:
    """Yield the content of an FTP URL, from an offset on."""
    parts = urlsplit(url)
    timeout = syn.timeout[1] if isinstance(syn.timeout, tuple) else syn.timeout
    try:
        with ftplib.FTP(timeout=timeout) as ftp:  # noqa: S321 - the URL of the file requires FTP
            ftp.connect(parts.hostname or "", parts.port or ftplib.FTP_PORT)
            ftp.login(unquote(parts.username or _ANONYMOUS), unquote(parts.password or ""))
            ftp.voidcmd("TYPE I")
            command = f"RETR {unquote(parts.path)}"
            with ftp.transfercmd(command, offset or None) as connection:
                while data := connection.recv(BLOCK_SIZE):
                    yield data
            ftp.voidresp()
    except ftplib.error_perm as error:
        raise SynapseTransferError(f"{redact_url(url)}: {error}") from None
    except (ftplib.Error, OSError, EOFError) as error:
        raise SynapseConnectionError(
            f"{redact_url(url)}: the connection failed ({str(error) or type(error).__name__})."
        ) from None


_READERS: Final[Mapping[str, _Reader]] = MappingProxyType({"sftp": _read_sftp, "ftp": _read_ftp})
