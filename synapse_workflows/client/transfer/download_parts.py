"""Download of a file in parts, with parallel range requests and retries."""

import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import urllib3

from synapse_workflows.client.core import response_limits
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseDownloadError,
    SynapseHTTPError,
    SynapseTimeoutError,
)
from synapse_workflows.client.transfer import executor, part_plan, presigned_urls
from synapse_workflows.client.transfer.executor import (
    BLOCK_SIZE,
    REQUEST_ERRORS,
    Backoff,
    CancelToken,
)
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.prefix_md5 import PrefixMd5
from synapse_workflows.client.transfer.presigned_urls import RenewableUrl
from synapse_workflows.client.transfer.progress import Progress

if TYPE_CHECKING:
    from synapse_workflows.client.core.flows import Reply


#: Number of threads of a connection that is faster than the computation of the MD5: one thread
#: receives, one thread computes.
_FEW_THREADS: Final = 2


class RangesNotSupportedError(Exception):
    """The server responded to a range request with the whole file."""


class PartTarget(Protocol):
    """Receiver of the bytes of a file."""

    @property
    def target(self) -> Path:
        """Path of the file, for messages."""

    def write(self, data: bytes, offset: int) -> None:
        """Write bytes at an offset of the file."""

    def mark_complete(self, number: int) -> None:
        """Record that all bytes of a part were written."""


class PartDownloader:
    """Downloads the parts of one file.

    Args:
        syn: Session of the download.
        url: URL of the file.
        partial: Receives the bytes of the parts.
        progress: Receives the number of bytes of each block.
    """

    def __init__(
        self, syn: Session, url: RenewableUrl, partial: PartTarget, progress: Progress
    ) -> None:
        self._syn = syn
        self._url = url
        self._partial = partial
        self._progress = progress
        self._cancel_token = CancelToken()
        self._limit: int | None = None

    def download_parts(self, parts: tuple[Part, ...], md5: PrefixMd5) -> None:
        """Download parts in parallel, in the threads of the client.

        Args:
            parts: The parts.
            md5: Receives each complete part, in the thread that downloaded it. While it is behind,
                and during the first moments, only `_FEW_THREADS` threads are used: on a fast
                connection, more threads would compete with the computation of the MD5 for the
                processors.

        Raises:
            SynapseDownloadError: A part could not be downloaded, or the disk is full.
            RangesNotSupportedError: The server ignores ranges; download the whole file instead.
        """
        threads = self._syn.max_threads if self._syn.multi_threaded else 1
        started = time.monotonic()

        def download(part: Part) -> None:
            self._download(part, is_range=True)
            self._partial.mark_complete(part.number)
            md5.add(part)

        def limit() -> int:
            is_starting = time.monotonic() - started < executor.LIMIT_INTERVAL
            return min(_FEW_THREADS, threads) if is_starting or md5.is_behind else threads

        executor.get_executor(self._syn).run(
            parts, download, self._cancel_token, threads=threads, limit=limit
        )

    def download_part(self, part: Part) -> None:
        """Download one part.

        Raises:
            SynapseDownloadError: The part could not be downloaded.
            RangesNotSupportedError: The server ignores ranges; download the whole file instead.
        """
        self._download(part, is_range=True)

    def download_whole(self, size: int | None, limit: int | None = None) -> None:
        """Download the file in one stream; resume it where possible after an interruption.

        Args:
            size: Size of the file in bytes, if known.
            limit: Maximum size in bytes, if the size is not known.

        Raises:
            SynapseDownloadError: The file could not be downloaded, is larger than `limit`, or the
                disk is full.
        """
        end = size if size is not None else -1
        self._limit = limit
        self._download(Part(1, 0, end), is_range=False)

    def _download(self, part: Part, *, is_range: bool) -> None:
        """Download one part, retrying as long as progress is made."""
        state = _PartState(part, is_range=is_range)
        backoff = Backoff(self._syn.retry, self._cancel_token)
        rejections = 0
        while not state.is_complete:
            self._cancel_token.raise_if_cancelled()
            url = self._url.get()
            furthest, started = state.furthest, time.monotonic()
            try:
                self._send_request(state, url.url)
            except REQUEST_ERRORS as error:
                if error.retry_category.can_repeat_request:
                    # Single bytes that a server sends slowly do not count as progress.
                    required = max(1.0, (time.monotonic() - started) * response_limits.MIN_RATE)
                    if state.furthest - furthest >= required:
                        backoff.reset()
                        rejections = 0
                    backoff.wait_after(error)
                    continue
                if state.is_past_end(error):
                    return
                rejections += 1
                if not presigned_urls.is_rejection(error) or (
                    rejections > presigned_urls.MAX_REJECTIONS
                ):
                    raise
                self._url.renew(url)

    def _send_request(self, state: "_PartState", url: str) -> None:
        """Send one request and read its response to the end, or until it is interrupted."""
        reply = self._syn.call(
            "GET",
            url,
            auth=None,
            headers=state.request_headers(),
            stream=True,
            retry=executor.NO_RETRY,
        )
        response = reply.response
        if response is None:
            raise SynapseDownloadError("The response to a streamed request has no stream.")
        try:
            offset = state.offset
            state.check_response(reply)
            self._progress.advance(state.offset - offset)
            close = getattr(response.raw, "shutdown", response.close)
            with self._cancel_token.on_cancel(close):
                self._copy(state, response.raw)
        finally:
            response.close()

    def _copy(self, state: "_PartState", raw: urllib3.BaseHTTPResponse) -> None:
        while not state.is_complete:
            self._cancel_token.raise_if_cancelled()
            try:
                # The data is not decoded, because the MD5 is computed over the stored bytes,
                # including their content encoding.
                data = raw.read(state.next_size(), decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                self._cancel_token.raise_if_cancelled()
                if isinstance(error, urllib3.exceptions.ReadTimeoutError):
                    raise SynapseTimeoutError("No more data within the timeout") from error
                raise SynapseConnectionError(f"The connection was interrupted: {error}") from error
            if not data:
                state.end_of_response()
                return
            if self._limit is not None and state.offset + len(data) > self._limit:
                raise SynapseDownloadError(
                    f"Cannot download {self._partial.target.name}: it has more than the "
                    f"{self._limit} bytes that were recorded when its MD5 was computed."
                )
            self._partial.write(data, state.offset)
            state.advance(len(data))
            self._progress.advance(len(data))


class _PartState:
    """Progress of one part.

    Args:
        part: The part; its end is -1 if the size of the file is not known.
        is_range: Whether to send a range request even for a part that starts at 0.
    """

    def __init__(self, part: Part, *, is_range: bool) -> None:
        self._part = part
        self._is_range = is_range
        self._is_open_ended = part.end < 0
        self._has_ended = False
        self._validator = ""
        self.offset = part.start
        self.furthest = part.start

    @property
    def is_complete(self) -> bool:
        return self._has_ended or self.offset == self._part.end

    def request_headers(self) -> dict[str, str]:
        """Return the headers of a request for the missing bytes.

        A request for a whole file has no Range header, because some servers do not support ranges.
        """
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self._is_range or self.offset:
            headers["Range"] = part_plan.range_header(
                self.offset, None if self._is_open_ended else self._part.end
            )
            if self._validator:
                headers["If-Range"] = self._validator
        return headers

    def check_response(self, reply: "Reply") -> None:
        """Check that the response has the requested range; restart at 0 for a whole file."""
        if reply.status == HTTPStatus.PARTIAL_CONTENT:
            _check_range(reply.headers.get("Content-Range", ""), self.offset)
            return
        if self._is_range:
            raise RangesNotSupportedError
        self.offset = 0
        tag = reply.headers.get("ETag", "")
        self._validator = "" if tag.startswith("W/") else tag
        length = reply.headers.get("Content-Length", "")
        if (
            length.isascii()
            and length.isdecimal()
            and not self._is_open_ended
            and int(length) != self._part.end
        ):
            raise SynapseConnectionError(
                f"The response has {length} bytes, but the file has {self._part.end} bytes."
            )

    def next_size(self) -> int:
        """Return the maximum size of the next block in bytes."""
        if self._is_open_ended:
            return BLOCK_SIZE
        return min(BLOCK_SIZE, self._part.end - self.offset)

    def advance(self, size: int) -> None:
        self.offset += size
        self.furthest = max(self.furthest, self.offset)

    def end_of_response(self) -> None:
        """Treat the end of the response as the end of the file, if the file size is not known."""
        if not self._is_open_ended:
            missing = self._part.end - self.offset
            raise SynapseConnectionError(f"The response ended {missing} bytes too early.")
        self._has_ended = True

    def is_past_end(self, error: Exception) -> bool:
        """Return whether an error means that a file of unknown size ends at the offset."""
        if not isinstance(error, SynapseHTTPError):
            return False
        is_end = error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        self._has_ended = is_end and self._is_open_ended and self.offset > 0
        return self._has_ended


def _check_range(content_range: str, offset: int) -> None:
    if content_range and not content_range.startswith(f"bytes {offset}-"):
        raise SynapseConnectionError(
            f"The response has the range {content_range!r}, but byte {offset} was requested."
        )
