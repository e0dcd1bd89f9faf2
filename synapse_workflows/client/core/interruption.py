"""Interruption of a thread that sends a request, or waits for its response or its next attempt.

A transfer that is cancelled, for example by Ctrl-C, does not wait for its threads until the
timeout of their connections, or the end of their delays: it closes these connections and ends
these delays.
"""

import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

#: Registers, during a block, a function that may be called from another thread.
Register = Callable[[Callable[[], None]], AbstractContextManager[None]]

_register: Final[ContextVar[Register | None]] = ContextVar("register", default=None)


@contextmanager
def interruptible(register: Register) -> Generator[None]:
    """Make the requests of this thread, and the delays between them, interruptible in the block.

    Args:
        register: Called before each wait, with a function that ends the wait. For a connection,
            the function closes it: the request then fails as if the server had closed it.
    """
    token = _register.set(register)
    try:
        yield
    finally:
        _register.reset(token)


def sleep(seconds: float) -> None:
    """Wait for a number of seconds.

    Raises:
        InterruptedError: The wait was interrupted.
    """
    register = _register.get()
    if register is None:
        time.sleep(seconds)
        return
    interrupted = threading.Event()
    with register(interrupted.set):
        if interrupted.wait(seconds):
            raise InterruptedError("The delay before the next attempt was interrupted.")


class InterruptibleConnection:
    """Mixin for the connections of urllib3 whose sending and waiting can be interrupted."""

    def send(self, data: Any) -> None:
        """Send a block of the request; see `http.client.HTTPConnection.send`."""
        with self._closed_by_interruption():
            super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        """Wait for the response; see `urllib3.connection.HTTPConnection.getresponse`."""
        with self._closed_by_interruption():
            return super().getresponse()  # type: ignore[misc]

    def _closed_by_interruption(self) -> AbstractContextManager[None]:
        register, sock = _register.get(), getattr(self, "sock", None)
        if register is None or sock is None:  # `send` connects if there is no connection
            return nullcontext()
        return register(partial(sock.shutdown, socket.SHUT_RDWR))
