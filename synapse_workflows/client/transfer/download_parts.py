"""Bytes from a URL into a file: ranges side by side, each one tried until it is whole."""

from http import HTTPStatus
from typing import TYPE_CHECKING

import urllib3

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseDownloadError,
    SynapseHTTPError,
)
from synapse_workflows.client.transfer import executor, part_plan, presigned_urls
from synapse_workflows.client.transfer.executor import BLOCK, Halt, Patience
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.partial_file import Partial
from synapse_workflows.client.transfer.presigned_urls import Address
from synapse_workflows.client.transfer.progress import Progress

if TYPE_CHECKING:
    from synapse_workflows.client.core.flows import Reply


class RangesIgnoredError(Exception):
    """The server answers a range with the whole file."""


class Fetch:
    """One download: its parts, and what they share.

    Args:
        syn: Whose it is.
        address: Where the bytes are.
        partial: Where they go.
        progress: Who is told.
    """

    def __init__(
        self, syn: Session, address: Address, partial: Partial, progress: Progress
    ) -> None:
        self._syn = syn
        self._address = address
        self._partial = partial
        self._progress = progress
        self._halt = Halt()

    def parts(self, parts: tuple[Part, ...]) -> None:
        """Fetch parts at once, as many as the client has threads.

        Raises:
            SynapseDownloadError: A part could not be fetched, or the disk is full.
            RangesIgnoredError: The server knows no ranges: fetch the whole instead.
        """
        threads = self._syn.max_threads if self._syn.multi_threaded else 1
        executor.of(self._syn).run(parts, self._ranged, self._halt, threads=threads)

    def whole(self, size: int | None) -> None:
        """Fetch the file in one stream, going on where it is cut as long as the server can.

        Args:
            size: Bytes of the file, if known.

        Raises:
            SynapseDownloadError: It could not be fetched, or the disk is full.
        """
        end = size if size is not None else -1
        self._until_whole(Part(1, 0, end), ranged=False)

    def _ranged(self, part: Part) -> None:
        self._until_whole(part, ranged=True)
        self._partial.finished(part.number)

    def _until_whole(self, part: Part, *, ranged: bool) -> None:
        """Fetch one part, in as many tries as make headway."""
        attempt = _Attempt(part, ranged=ranged)
        patience = Patience(self._syn.retry, self._halt)
        refusals = 0
        while not attempt.whole:
            self._halt.check()
            lease = self._address.lease()
            furthest = attempt.furthest
            try:
                self._read(attempt, lease.url)
            except executor.PASSING as error:
                if attempt.furthest > furthest:
                    patience.headway()
                    refusals = 0
                patience.after(error)
            except SynapseHTTPError as error:
                if attempt.beyond(error.status):
                    return
                refusals += 1
                if (
                    error.status not in presigned_urls.EXPIRED
                    or refusals > presigned_urls.REFUSALS
                ):
                    raise
                self._address.refused(lease)

    def _read(self, attempt: "_Attempt", url: str) -> None:
        """Read one answer, as far as it goes."""
        reply = self._syn.call(
            "GET",
            url,
            auth=None,
            headers=attempt.headers(),
            stream=True,
            retry=executor.ONCE,
        )
        response = reply.response
        if response is None:
            raise SynapseDownloadError("a streamed answer without a stream")
        try:
            before = attempt.offset
            attempt.check(reply)
            self._progress.moved(attempt.offset - before)
            with self._halt.cutting(getattr(response.raw, "shutdown", response.close)):
                self._copy(attempt, response.raw)
        finally:
            response.close()

    def _copy(self, attempt: "_Attempt", raw: urllib3.BaseHTTPResponse) -> None:
        while not attempt.whole:
            self._halt.check()
            try:
                # As it is stored: a content encoding is part of what the MD5 was made of.
                data = raw.read(attempt.wanted(), decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as failed:
                self._halt.check()
                raise SynapseConnectionError(f"The connection broke off: {failed}") from failed
            if not data:
                attempt.ended()
                return
            self._partial.write(data, attempt.offset)
            attempt.advance(len(data))
            self._progress.moved(len(data))


class _Attempt:
    """How far one part has come.

    Args:
        part: What to fetch; its end is -1 where the size of the file is not known.
        ranged: Ask for a range even where it begins at the beginning.
    """

    def __init__(self, part: Part, *, ranged: bool) -> None:
        self._part = part
        self._ranged = ranged
        self._open_ended = part.end < 0
        self._complete = False
        self._validator = ""
        self.offset = part.start
        self.furthest = part.start

    @property
    def whole(self) -> bool:
        return self._complete or self.offset == self._part.end

    def headers(self) -> dict[str, str]:
        """Ask for what is missing; for no range where it is all, so that any server can serve."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self._ranged or self.offset:
            headers["Range"] = part_plan.range_header(
                self.offset, None if self._open_ended else self._part.end
            )
            if self._validator:
                headers["If-Range"] = self._validator
        return headers

    def check(self, reply: "Reply") -> None:
        """Look whether the answer is what was asked for; a whole one begins at its beginning."""
        if reply.status == HTTPStatus.PARTIAL_CONTENT:
            _check_range(reply.headers.get("Content-Range", ""), self.offset)
            return
        if self._ranged:
            raise RangesIgnoredError
        self.offset = 0
        tag = reply.headers.get("ETag", "")
        self._validator = "" if tag.startswith("W/") else tag
        length = reply.headers.get("Content-Length", "")
        if length.isdigit() and not self._open_ended and int(length) != self._part.end:
            raise SynapseConnectionError(
                f"The answer has {length} bytes where the file has {self._part.end}"
            )

    def wanted(self) -> int:
        return BLOCK if self._open_ended else min(BLOCK, self._part.end - self.offset)

    def advance(self, size: int) -> None:
        self.offset += size
        self.furthest = max(self.furthest, self.offset)

    def ended(self) -> None:
        """Take the end of an answer for the end of the file, if nobody knows better."""
        if not self._open_ended:
            missing = self._part.end - self.offset
            raise SynapseConnectionError(f"The answer ended {missing} bytes too early")
        self._complete = True

    def beyond(self, status: int) -> bool:
        """Take "there is no such range" for the end of a file of unknown size."""
        self._complete = (
            self._open_ended
            and self.offset > 0
            and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        )
        return self._complete


def _check_range(said: str, offset: int) -> None:
    if said and not said.startswith(f"bytes {offset}-"):
        raise SynapseConnectionError(f"The answer is {said!r} where byte {offset} was asked for")
