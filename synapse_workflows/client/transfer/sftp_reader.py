"""Reads of files on SFTP servers, with several requests at a time."""

from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from synapse_workflows.constants import KiB

if TYPE_CHECKING:
    import paramiko

#: Bytes of one read request, and maximum number of requests without a response.
_READ_SIZE: Final = 32 * KiB
_READ_COUNT: Final = 256


def iter_blocks(file: "paramiko.SFTPFile", offset: int, size: int) -> Generator[bytes]:
    """Yield the content of a file in blocks.

    Args:
        file: The file.
        offset: Offset of the first byte.
        size: Size of the file in bytes.

    Raises:
        EOFError: The file ended before `size` bytes.
        paramiko.SSHException: The connection was interrupted.
        OSError: The server refused a request, or did not respond in time.
    """
    return _Reader(file, offset, size).iter_blocks()


class _Reader:
    """Reader that sends its requests in the thread of the caller.

    `SFTPFile.prefetch` of paramiko sends them in a thread of its own. This thread fails unhandled
    when the connection is interrupted, and does not end while responses are missing.
    """

    def __init__(self, file: "paramiko.SFTPFile", offset: int, size: int) -> None:
        self._file = file
        self._sftp: Any = file.sftp
        self._offset = offset
        self._size = size
        # Number, offset and length of each request, in the order of the offsets.
        self._requests: deque[tuple[int, int, int]] = deque()
        # Responses that arrived before the responses to earlier requests.
        self._responses: dict[int, tuple[int, Any]] = {}

    def iter_blocks(self) -> Generator[bytes]:
        while True:
            while self._offset < self._size and len(self._requests) < _READ_COUNT:
                length = min(_READ_SIZE, self._size - self._offset)
                self._requests.append(self._request(self._offset, length))
                self._offset += length
            if not self._requests:
                return
            number, offset, length = self._requests.popleft()
            data = self._receive(number)
            if not data:
                raise EOFError(f"the file ended at {offset} of {self._size} bytes")
            if len(data) < length:  # a server may return less than requested
                rest = self._request(offset + len(data), length - len(data))
                self._requests.appendleft(rest)
            yield data

    def _request(self, offset: int, length: int) -> tuple[int, int, int]:
        from paramiko.sftp import CMD_READ, int64

        number: int = self._sftp._async_request(  # noqa: SLF001 - there is no public way
            self, CMD_READ, self._file.handle, int64(offset), length
        )
        return number, offset, length

    def _receive(self, number: int) -> bytes:
        """Wait for a response; return its data, which is empty at the end of the file."""
        from paramiko.sftp import CMD_DATA, CMD_STATUS, SFTPError

        try:
            if number in self._responses:
                kind, message = self._responses.pop(number)
                if kind == CMD_STATUS:
                    self._sftp._convert_status(message)  # noqa: SLF001
            else:
                kind, message = self._sftp._read_response(number)  # noqa: SLF001
        except EOFError:
            return b""
        if kind != CMD_DATA:
            raise SFTPError(f"unexpected response of type {kind}")
        data: bytes = message.get_string()
        return data

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        """Store a response by request number. paramiko calls this for responses out of order."""
        self._responses[number] = kind, message
