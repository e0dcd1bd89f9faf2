"""Request bodies that write themselves to the socket, for example with `sendfile`."""

import socket
from abc import ABC, abstractmethod
from typing import Any, Final

from synapse_workflows.constants import KiB

#: Maximum size in bytes of a body that is sent together with the headers.
_SMALL_BODY: Final = 16 * KiB


class SocketBody(ABC):
    """Body of a request that writes itself to the socket of the connection.

    The headers of the request must include ``Content-Length``.
    """

    @abstractmethod
    def write_to(self, sock: socket.socket) -> None:
        """Write the whole body.

        Args:
            sock: The connected socket, with its timeout; a socket with TLS for ``https``.

        Raises:
            OSError: The connection failed, or nothing was sent within the timeout.
        """


class SocketBodyConnection:
    """Mixin for the connections of urllib3 that supports a `SocketBody`.

    A small body is sent together with the headers, because two packets take the time of two
    system calls in the client and in the server.
    """

    sock: socket.socket
    _small_body = b""

    def request(
        self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any
    ) -> None:
        """Send a request; see `urllib3.connection.HTTPConnection.request`."""
        is_small = isinstance(body, bytes) and len(body) <= _SMALL_BODY
        self._small_body = b""
        if isinstance(body, SocketBody):
            body = (body,)  # urllib3 passes each element of an iterable to `send`
        elif is_small and any(name.lower() == "content-length" for name in headers or ()):
            self._small_body, body = body, None
        super().request(method, url, body, headers, **options)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        """Send bytes, or a `SocketBody`."""
        if isinstance(data, SocketBody):
            data.write_to(self.sock)
        else:
            small_body, self._small_body = self._small_body, b""
            super().send(data + small_body if small_body else data)  # type: ignore[misc]
