"""Ranges of a stored file, read without downloading the whole file."""

from dataclasses import dataclass, field
from pathlib import Path

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseDownloadError
from synapse_workflows.client.transfer import download_request
from synapse_workflows.client.transfer.download_parts import PartDownloader
from synapse_workflows.client.transfer.download_request import DownloadRequest, DownloadUrl
from synapse_workflows.client.transfer.executor import REQUEST_ERRORS
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.presigned_urls import RenewableUrl
from synapse_workflows.client.transfer.progress import NoProgress


@dataclass
class _Buffer:
    """Bytes of one range.

    Args:
        target: Name of the file, for messages.
        start: Offset of the first byte.
        data: The bytes received so far.
    """

    target: Path
    start: int
    data: bytearray = field(default_factory=bytearray)

    def write(self, data: bytes, offset: int) -> None:
        """Write bytes at an offset of the file."""
        first = offset - self.start
        self.data[first : first + len(data)] = data

    def mark_complete(self, number: int) -> None:
        """Do nothing: a range has one part."""


class RangeReader:
    """Reads ranges of a file, with retries. An expired URL is renewed.

    The file handle determines the content, which never changes. The MD5 of a file cannot be
    verified for a part of it.

    Args:
        syn: Session of the requests.
        request: The file.
        source: Its location, which is not external.
    """

    def __init__(self, syn: Session, request: DownloadRequest, source: DownloadUrl) -> None:
        self._syn = syn
        self._name = Path(str(source.handle.get("fileName") or request.handle_id))
        self._url = RenewableUrl(
            lambda: download_request.request_download_url(syn, request).url, source.url
        )

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to, but not including, `end`.

        Raises:
            SynapseDownloadError: The range could not be read.
            RangesNotSupportedError: The server ignores ranges.
        """
        buffer = _Buffer(self._name, start)
        downloader = PartDownloader(self._syn, self._url, buffer, NoProgress())
        try:
            downloader.download_part(Part(1, start, end))
        except REQUEST_ERRORS as error:
            raise SynapseDownloadError(f"Could not read {self._name}: {error}") from error
        return bytes(buffer.data)
