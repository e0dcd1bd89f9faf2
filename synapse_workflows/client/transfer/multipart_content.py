"""Contents of multipart uploads: how the parts are sent, and their expected MD5s."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager

from requests.auth import AuthBase

from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.transfer.content_hashes import ContentHashes
from synapse_workflows.client.transfer.executor import CancelToken
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.upload_source import PartBody, UploadSource


class AttemptFailedError(Exception):
    """An attempt failed. Another attempt that sends the missing parts may succeed."""


class MultipartContent(ABC):
    """Content of a multipart upload.

    Attributes:
        label: Path or description of the content, for messages.
        size: Size in bytes; 0 if unknown.
        start_path: Path of the start request.
    """

    label: str
    size: int
    start_path: str

    @abstractmethod
    def list_parts(self, count: int) -> tuple[Part, ...]:
        """Return all parts, given the number of parts in the service."""

    @abstractmethod
    def require_unchanged(self) -> None:
        """Raise SynapseUploadFailedException if the content was changed."""

    @abstractmethod
    def open_body(
        self, part: Part, cancel_token: CancelToken, on_progress: Callable[[int], None]
    ) -> AbstractContextManager[AuthBase | None]:
        """Open the body of the request that sends a part; None for a request without body."""

    @abstractmethod
    def get_md5(self, part: Part, reply: Reply) -> str:
        """Return the expected MD5 of a part in hex.

        Args:
            part: The part.
            reply: Response of the storage to the part.

        Raises:
            AttemptFailedError: The storage did not store the part.
        """


class LocalFileContent(MultipartContent):
    """Content of a local file.

    Args:
        source: The file.
        parts: All parts of the file.
        hashes: MD5s of the file and of its parts.
    """

    start_path = "/file/multipart"

    def __init__(
        self, source: UploadSource, parts: tuple[Part, ...], hashes: ContentHashes
    ) -> None:
        self.label, self.size = str(source.path), source.size
        self._source = source
        self._parts = parts
        self._hashes = hashes

    def list_parts(self, count: int) -> tuple[Part, ...]:  # noqa: ARG002 - known without it
        """Return all parts."""
        return self._parts

    def require_unchanged(self) -> None:
        """Raise SynapseUploadFailedException if the file was changed or removed."""
        self._source.require_unchanged()

    def open_body(
        self, part: Part, cancel_token: CancelToken, on_progress: Callable[[int], None]
    ) -> PartBody:
        """Open the file for one part."""
        return PartBody(self._source, part, cancel_token, on_progress)

    def get_md5(self, part: Part, reply: Reply) -> str:  # noqa: ARG002 - see below
        """Return the MD5 that was computed before the upload.

        The service compares it with the bytes that it received. Therefore, a file that is changed
        without a trace is not uploaded with mixed content.
        """
        return self._hashes.part_md5s[part.number - 1]
