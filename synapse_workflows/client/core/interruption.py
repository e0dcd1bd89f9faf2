"""Interruption of a thread that waits for the response to a request.

A transfer that is cancelled, for example by Ctrl-C, does not wait for its threads until the
timeout of their connections: it closes these connections.
"""

import socket
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

#: Registers, during a block, a function that may be called from another thread.
Register = Callable[[Callable[[], None]], AbstractContextManager[None]]

_register: Final[ContextVar[Register | None]] = ContextVar("register", default=None)


@contextmanager
def interruptible(register: Register) -> Generator[None]:
    """Make the waits of this thread for responses interruptible during the block.

    Args:
        register: Called before each wait, with a function that closes the connection. The request
            then fails as if the server had closed the connection.
    """
    token = _register.set(register)
    try:
        yield
    finally:
        _register.reset(token)


class InterruptibleConnection:
    """Mixin for the connections of urllib3 whose wait for a response can be interrupted."""

    sock: socket.socket

    def getresponse(self) -> Any:
        """Wait for the response; see `urllib3.connection.HTTPConnection.getresponse`."""
        register = _register.get()
        if register is None:
            return super().getresponse()  # type: ignore[misc]
        with register(partial(self.sock.shutdown, socket.SHUT_RDWR)):
            return super().getresponse()  # type: ignore[misc]
