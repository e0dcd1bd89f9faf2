"""Who moves the bytes: one bounded pool of threads per client, one coordinator per transfer.

Limits, all in one place:

    threads   `max_threads` of the client, shared by all of its transfers
    memory    threads x 128 KiB: parts are streamed, so neither their size nor the file's counts
    patience  a part that fails is tried again as the client's retry policy says; what counts are
              failures in a row, without a byte of headway between them
    stall     a connection that moves nothing for as long as the client's timeout says is cut, and
              the part tried again. The socket is the watchdog: by default, 60 s for the next bytes
              of an answer, 10 s for a block to be taken
"""

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Final, TypeVar

from synapse_workflows.client.core.retry import Outcome, RetryPolicy
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseHTTPError,
    SynapseServerError,
    SynapseTimeoutError,
    SynapseTooManyRequestsError,
)
from synapse_workflows.constants import KiB

P = TypeVar("P")

#: Bytes that a thread reads, and has in memory, at a time.
BLOCK: Final = 128 * KiB
#: Seconds that parts have to stop after Ctrl-C; what hangs in the network is left behind.
GRACE: Final = 3.0
#: The policy of a call that is made once: who makes it has patience of its own.
ONCE: Final = RetryPolicy(attempts=1)

#: What another try may mend.
PASSING: Final = (
    SynapseConnectionError,
    SynapseTimeoutError,
    SynapseServerError,
    SynapseTooManyRequestsError,
)


class HaltedError(Exception):
    """This part stops because its transfer has ended, for a reason that another part knows."""


class Halt:
    """The end of a transfer, as its parts see it: they stop at the next block, or at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._guard = threading.Lock()
        self._cuts: set[Callable[[], None]] = set()

    def stop(self) -> None:
        """End the transfer: wake who waits, cut what is being read."""
        with self._guard:
            self._event.set()
            cuts, self._cuts = self._cuts, set()
        for cut in cuts:
            with suppress(Exception):  # it may have ended by itself meanwhile
                cut()

    def check(self) -> None:
        """Raise HaltedError once the transfer has ended."""
        if self._event.is_set():
            raise HaltedError

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the transfer lasts."""
        if self._event.wait(seconds):
            raise HaltedError

    @contextmanager
    def cutting(self, cut: Callable[[], None]) -> Generator[None]:
        """Have `cut` called, from another thread, if the transfer ends before the block does."""
        with self._guard:
            self.check()
            self._cuts.add(cut)
        try:
            yield
        finally:
            with self._guard:
                self._cuts.discard(cut)


class Patience:
    """How many failures in a row one part is granted, and how long it waits after each.

    Args:
        policy: The client's.
        halt: The end of the transfer also ends a wait.
        clock: Seconds.
    """

    def __init__(
        self, policy: RetryPolicy, halt: Halt, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = policy
        self._halt = halt
        self._clock = clock
        self.headway()

    def headway(self) -> None:
        """Begin to count anew: bytes moved."""
        self._failures = 0
        self._since = self._clock()

    def after(self, error: Exception) -> None:
        """Wait before another try; raise `error` when there were enough."""
        self._failures += 1
        asked = error.retry_after if isinstance(error, SynapseHTTPError) else None
        pause = self._policy.pause(self._failures, Outcome(retry_after=asked))
        late = self._clock() + pause - self._since > self._policy.total
        late |= "certificate" in str(error)  # which no waiting will mend
        if late or self._failures >= self._policy.attempts:
            raise error
        self._halt.wait(pause)


class TransferManager:
    """The threads of one client. They begin when first needed, and end with the client."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._made_for: tuple[int, int] | None = None

    def run(
        self, parts: Iterable[P], work: Callable[[P], object], halt: Halt, *, threads: int
    ) -> None:
        """Do `work` for every part, and return when all are done.

        The first error ends the transfer and is raised here when the other parts have stopped.
        At most `threads` parts are under way or waiting, so that transfers share the pool.

        Args:
            parts: What to do, taken one by one.
            work: Called in a thread; looks at `halt` between blocks.
            halt: Stopped at the first error, and at Ctrl-C.
            threads: Size of the pool.
        """
        remaining, running = iter(parts), set[Future[object]]()
        try:
            while True:
                for part in islice(remaining, threads - len(running)):
                    running.add(self._threads(threads).submit(work, part))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        except BaseException as error:
            halt.stop()
            for future in running:
                future.cancel()
            wait(running, None if isinstance(error, Exception) else GRACE)
            raise

    def close(self) -> None:
        """End the threads; what they are doing is not waited for."""
        with self._guard:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _threads(self, count: int) -> ThreadPoolExecutor:
        """Give the pool; another one after `max_threads` changed, and after a fork."""
        with self._guard:
            wanted = (count, os.getpid())
            if self._pool is None or self._made_for != wanted:
                self._pool = ThreadPoolExecutor(count, thread_name_prefix="synapse-transfer")
                self._made_for = wanted
            return self._pool


def of(syn: Session) -> TransferManager:
    """Give the one manager of a client."""
    return syn.own("transfers", TransferManager)
