"""Thread pool for transfers: one bounded pool per client, shared by all of its transfers.

Limits:

    threads  `max_threads` of the client
    memory   threads x 256 KiB; parts are streamed, so the sizes of parts and files do not matter
    retries  a part that fails is retried according to the retry policy of the client; only
             consecutive failures without any transferred byte between them count
    stalls   a connection that transfers nothing within the timeout of the client is closed, and
             the part is retried; the default timeout is 60 s for the next bytes of a response,
             and 10 s without progress while a part is sent
"""

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Final, TypeVar

from synapse_workflows.client.core import interruption
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseHTTPError,
    SynapseTimeoutError,
)
from synapse_workflows.constants import KiB

P = TypeVar("P")

#: Bytes that a thread reads and holds in memory at a time.
BLOCK_SIZE: Final = 128 * KiB
#: Seconds to wait for running parts after Ctrl-C. Parts that still wait for the network after this
#: time are abandoned.
CANCEL_TIMEOUT: Final = 3.0
#: Maximum seconds between two calls of the `limit` of a transfer.
LIMIT_INTERVAL: Final = 0.1
#: Policy of a request that the session sends only once, because the transfer handles the retries.
NO_RETRY: Final = RetryPolicy(attempts=1)
#: Errors of a request; their `retry_category` decides whether the part is retried.
REQUEST_ERRORS: Final = (SynapseConnectionError, SynapseTimeoutError, SynapseHTTPError)

RequestError = SynapseConnectionError | SynapseTimeoutError | SynapseHTTPError


class TransferCancelledError(Exception):
    """A part stopped because its transfer was cancelled.

    The error that caused the cancellation is raised by another part.
    """


class CancelToken:
    """Cancellation of a transfer. All parts stop before their next block or their next delay."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: set[Callable[[], None]] = set()

    def cancel(self) -> None:
        """Cancel the transfer: end all delays, and close the connections that are being read."""
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, set()
        for callback in callbacks:
            with suppress(Exception):  # the connection may already be closed
                callback()

    def raise_if_cancelled(self) -> None:
        """Raise TransferCancelledError if the transfer was cancelled."""
        if self._event.is_set():
            raise TransferCancelledError

    def wait(self, seconds: float) -> None:
        """Wait; raise TransferCancelledError when the transfer is cancelled."""
        if self._event.wait(seconds):
            raise TransferCancelledError

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Generator[None]:
        """Call `callback` if the transfer is cancelled while the block runs.

        The call comes from the thread that cancels the transfer.
        """
        with self._lock:
            self.raise_if_cancelled()
            self._callbacks.add(callback)
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.discard(callback)


class Backoff:
    """Delays between the attempts of one part.

    Args:
        policy: Retry settings of the client.
        cancel_token: Cancellation of the transfer. A cancellation also ends a running delay.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        cancel_token: CancelToken,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._cancel_token = cancel_token
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Reset the number of failures after bytes were transferred."""
        self._failures = 0
        self._since = self._clock()

    def wait_after(self, error: RequestError) -> None:
        """Wait before the next attempt.

        Raises:
            SynapseError: `error`, if it is permanent or the retries are used up.
        """
        self._failures += 1
        retry_after = error.retry_after if isinstance(error, SynapseHTTPError) else None
        delay = self._policy.delay(self._failures, retry_after)
        is_late = self._clock() + delay - self._since > self._policy.total
        can_repeat = error.retry_category.can_repeat_request
        if not can_repeat or is_late or self._failures >= self._policy.attempts:
            raise error
        self._cancel_token.wait(delay)


class TransferExecutor:
    """Thread pool of one client. The threads start on first use and stop with the client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._settings: tuple[int, int] | None = None

    def run(
        self,
        parts: Iterable[P],
        work: Callable[[P], object],
        cancel_token: CancelToken,
        *,
        threads: int,
        limit: Callable[[], int] | None = None,
    ) -> None:
        """Call `work` for every part in the threads, and return when all parts are done.

        The first error cancels the transfer, and is raised after the other parts have stopped. At
        most `threads` parts are submitted at a time, so that several transfers can share the pool.

        Args:
            parts: The parts, taken one by one.
            work: Function that is called in a thread. It has to check `cancel_token` between
                blocks.
            cancel_token: Cancelled at the first error and at Ctrl-C.
            threads: Size of the pool.
            limit: Returns the number of parts to run at the same time, 1 to `threads`; called
                again after each part, and at least every `LIMIT_INTERVAL` seconds.
        """
        remaining, running = iter(parts), set[Future[object]]()

        def work_interruptibly(part: P) -> None:
            with interruption.interruptible(cancel_token.on_cancel):
                work(part)

        try:
            while True:
                allowed = threads if limit is None else limit()
                for part in islice(remaining, max(0, allowed - len(running))):
                    running.add(self._submit(threads, work_interruptibly, part))
                if not running:
                    return
                timeout = None if len(running) >= threads else LIMIT_INTERVAL
                done, running = wait(running, timeout, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        except BaseException as error:
            cancel_token.cancel()
            for future in running:
                future.cancel()
            if isinstance(error, Exception):
                wait(running)
            else:
                # The pool does not know a thread whose start was interrupted: Python would wait
                # for this thread forever when it exits.
                self._retire_pool()
                wait(running, CANCEL_TIMEOUT)
            raise

    def close(self) -> None:
        """Shut down the threads without waiting for running parts."""
        self._retire_pool(cancel_futures=True)

    def _retire_pool(self, *, cancel_futures: bool = False) -> None:
        """Shut down the threads after the submitted parts; the next part starts new threads."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=cancel_futures)
            self._pool = None

    def _submit(self, threads: int, work: Callable[[P], object], part: P) -> Future[object]:
        """Submit a part; create a new pool after `max_threads` changed or after a fork."""
        with self._lock:
            settings = (threads, os.getpid())
            if self._pool is None or self._settings != settings:
                self._pool = ThreadPoolExecutor(threads, thread_name_prefix="synapse-transfer")
                self._settings = settings
            return self._pool.submit(work, part)


def get_executor(syn: Session) -> TransferExecutor:
    """Return the transfer executor of a client."""
    return syn.get_or_create("transfers", TransferExecutor)
