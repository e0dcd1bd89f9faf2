"""Interruption of uploads with the transfer manager of boto3.

boto3 waits for all running requests and their retries when an upload is interrupted, for example
by Ctrl-C. If the server does not respond, this takes minutes. This module closes the connections
of these requests, and limits the time of the requests that remove what was uploaded.
"""

import functools
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, Final

from synapse_workflows.client.core import interruption
from synapse_workflows.client.core.interruption import InterruptibleConnection
from synapse_workflows.client.transfer.executor import CancelToken, TransferCancelledError

#: Maximum duration of the requests after an interruption, in seconds.
_CLEANUP_TIMEOUT: Final = 5.0


class Interruption:
    """Interruption of the S3 requests in a block, and in the tasks that the block starts."""

    def __init__(self) -> None:
        self.is_interrupted = False
        self._running = CancelToken()
        self._cleanup = CancelToken()
        self._timer = threading.Timer(_CLEANUP_TIMEOUT, self._cleanup.cancel)
        self._timer.daemon = True

    def interrupt(self) -> None:
        """Close the connections of the running requests, and end all retries.

        Later requests are sent, but their connections are closed after 5 seconds.
        """
        self.is_interrupted = True
        self._running.cancel()
        self._timer.start()

    @contextmanager
    def active(self) -> Generator[None]:
        """Make the requests of the block interruptible."""
        token = _active.set(self)
        try:
            with interruption.interruptible(self._register):
                yield
        finally:
            _active.reset(token)
            self._timer.cancel()

    def _register(self, callback: Callable[[], None]) -> AbstractContextManager[None]:
        token = self._cleanup if self.is_interrupted else self._running
        return token.on_cancel(callback)


_active: Final[ContextVar[Interruption | None]] = ContextVar("active", default=None)


@contextmanager
def limited_cleanup() -> Generator[None]:
    """Send the requests of the block only once, and end them after 5 seconds."""
    limit = Interruption()
    with limit.active():
        limit.interrupt()
        yield


class ContextExecutor(ThreadPoolExecutor):
    """Thread pool whose tasks inherit the context variables of the code that submits them."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule a call; see `concurrent.futures.Executor.submit`."""
        return super().submit(copy_context().run, fn, *args, **kwargs)


def make_interruptible(client: Any) -> None:
    """Make the requests of an S3 client of boto3 interruptible."""
    session = client._endpoint.http_session  # noqa: SLF001 - there is no public way
    session._pool_classes_by_scheme.update(_create_pool_classes())  # noqa: SLF001
    client.meta.events.register_first("needs-retry.s3", _end_retries)


def _end_retries(**_: Any) -> None:
    active = _active.get()
    if active is not None and active.is_interrupted:
        raise TransferCancelledError


@functools.cache
def _create_pool_classes() -> dict[str, type]:
    """Create the classes of the connection pools, by URL scheme."""
    from botocore import awsrequest

    return {
        "http": _create_pool_class(awsrequest.AWSHTTPConnectionPool, awsrequest.AWSHTTPConnection),
        "https": _create_pool_class(
            awsrequest.AWSHTTPSConnectionPool, awsrequest.AWSHTTPSConnection
        ),
    }


def _create_pool_class(pool: type, connection: type) -> type:
    interruptible = type("_Connection", (InterruptibleConnection, connection), {})
    return type("_Pool", (pool,), {"ConnectionCls": interruptible})
