"""Request bodies that write themselves to the socket, for example with `sendfile`."""

import socket
from abc import ABC, abstractmethod
from typing import Any


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
    """Mixin for the connections of urllib3 that supports a `SocketBody`."""

    sock: socket.socket

    def request(
        self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any
    ) -> None:
        """Send a request; see `urllib3.connection.HTTPConnection.request`."""
        # urllib3 passes each element of an iterable to `send`.
        chunks = (body,) if isinstance(body, SocketBody) else body
        super().request(method, url, chunks, headers, **options)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        """Send bytes, or a `SocketBody`."""
        if isinstance(data, SocketBody):
            data.write_to(self.sock)
        else:
            super().send(data)  # type: ignore[misc]
