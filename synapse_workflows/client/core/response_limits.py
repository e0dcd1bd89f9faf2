"""Limits of the time and the memory that an HTTP response may take.

In the requests library, a timeout applies to each read from the connection. A server that slowly
sends single bytes could therefore block a request forever. The connections of `LimitedAdapter`
also limit the time of a whole response, including its headers.
"""

import http.client
import io
import socket
import time
from collections.abc import Iterator
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from synapse_workflows.client.core.interruption import InterruptibleConnection
from synapse_workflows.client.core.socket_body import SocketBodyConnection
from synapse_workflows.constants import KiB, MiB

#: Maximum size in bytes of a response that is held in memory.
MAX_BODY: Final = 64 * MiB
#: Maximum time to wait for one response, as a multiple of the timeout of one read.
TIMEOUT_FACTOR: Final = 5
#: Minimum transfer rate in bytes per second. Each `MIN_RATE` received bytes add one second to the
#: maximum time of a response.
MIN_RATE: Final = KiB
#: Maximum size in bytes to which the body of an error response is truncated.
_MAX_ERROR_BODY: Final = MiB
_BLOCK_SIZE: Final = 64 * KiB


class ResponseTooLargeError(Exception):
    """A response exceeds the size limit."""


def read_body(response: requests.Response, read_timeout: float | None) -> None:
    """Read the body of a response into its ``content``.

    Args:
        response: A response whose body was not read yet.
        read_timeout: Maximum seconds between two reads. The whole body may take `TIMEOUT_FACTOR`
            times as long. None for no limit.

    Raises:
        ResponseTooLargeError: The body of a successful response has more than `MAX_BODY` bytes.
            The body of an error response is truncated instead.
        TimeoutError: The body did not arrive in time.
    """
    deadline = time.monotonic() + total_timeout(read_timeout)
    content = bytearray()
    try:
        for block in _iter_blocks(response):
            content += block
            if len(content) > (MAX_BODY if response.ok else _MAX_ERROR_BODY):
                _require_error(response)
                response.close()
                break
            _require_time(deadline)
    except BaseException:
        response.close()
        raise
    # Set the same attributes as `response.content`, which would read without a limit.
    response._content = bytes(content)  # noqa: SLF001
    response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001


def _iter_blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield the decompressed body in blocks.

    Each level of compression multiplies the possible size of a block. Therefore, only one level
    is accepted.
    """
    if "," in response.headers.get("Content-Encoding", ""):
        raise ResponseTooLargeError("The response is compressed several times.")
    blocks: Iterator[bytes] = response.iter_content(_BLOCK_SIZE)
    return blocks


def _require_error(response: requests.Response) -> None:
    if response.ok:
        raise ResponseTooLargeError(f"The response has more than {MAX_BODY // MiB} MiB.")


def _require_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError("The response did not arrive completely within the timeout.")


def total_timeout(read_timeout: float | None) -> float:
    """Return the maximum seconds for a whole response, given the seconds between two reads."""
    return float("inf") if read_timeout is None else TIMEOUT_FACTOR * read_timeout


class _TimedStream(io.RawIOBase):
    """Bytes of one response from a socket, with a limit of the total waiting time.

    The limit is `TIMEOUT_FACTOR` times the timeout of the socket, plus one second per `MIN_RATE`
    bytes.
    """

    def __init__(self, stream: io.RawIOBase, sock: socket.socket) -> None:
        self._stream = stream
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._waited = 0.0
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        started = time.monotonic()
        if self._timeout is not None:
            allowed = total_timeout(self._timeout) + self._received / MIN_RATE - self._waited
            if allowed <= 0:
                raise TimeoutError("The response did not arrive completely within the timeout.")
            if allowed < self._timeout:
                self._sock.settimeout(allowed)
        count: int | None = self._stream.readinto(buffer)
        self._waited += time.monotonic() - started
        self._received += count or 0
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _LimitedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if isinstance(self.fp, io.BufferedReader):
            self.fp = io.BufferedReader(_TimedStream(self.fp.detach(), sock))


class _LimitedConnection(InterruptibleConnection, SocketBodyConnection, HTTPConnection):
    response_class = _LimitedResponse
    # `http.client.HTTPConnection.debuglevel` would print tokens. `Synapse(debug=True)` does not.
    debuglevel = 0


class _LimitedTlsConnection(InterruptibleConnection, SocketBodyConnection, HTTPSConnection):
    response_class = _LimitedResponse
    debuglevel = 0


class _LimitedPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _LimitedConnection


class _LimitedTlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _LimitedTlsConnection


_POOL_CLASSES: Final = {"http": _LimitedPool, "https": _LimitedTlsPool}


class LimitedAdapter(HTTPAdapter):
    """Adapter of requests that limits the time of each response."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the connection pools with limited connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = dict(_POOL_CLASSES)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Create the connection pools of a proxy with limited connections."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = dict(_POOL_CLASSES)
        return manager
