"""Rate limits per user."""

import math
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import TooManyRequests
from synapse_workflows.local.settings import Throttle


class RateLimiter:
    """Limiter of the concurrent and recent requests of each user.

    Anonymous callers have no limit.

    Args:
        limits: Limits per user; None for no limits.
    """

    def __init__(self, limits: Throttle | None) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._running: defaultdict[int, int] = defaultdict(int)
        self._times: defaultdict[int, deque[int]] = defaultdict(deque)
        self._column_requests: defaultdict[int, deque[int]] = defaultdict(deque)

    @contextmanager
    def limit(self, caller: Caller) -> Iterator[None]:
        """Count one request for the duration of the block.

        Raises:
            TooManyRequests: The caller exceeds a limit.
        """
        if self._limits is None or caller.is_anonymous:
            yield
            return
        with self._lock:
            self._start(self._limits, caller)
        try:
            yield
        finally:
            with self._lock:
                self._running[caller.id] -= 1

    def count_columns_request(self, caller: Caller) -> None:
        """Count one request for the columns of a table. A separate limit applies to such requests.

        Raises:
            TooManyRequests: The caller exceeds the limit.
        """
        if self._limits is None or caller.is_anonymous:
            return
        with self._lock:
            times = self._get_recent(self._column_requests, self._limits, caller)
            if len(times) >= self._limits.columns:
                raise create_refusal(
                    self._limits,
                    f"Requests are too frequent for API call: /entity/#/column. User {caller.id} "
                    f"may send {self._limits.columns} every {self._limits.seconds} seconds.",
                    since=times[0] if times else caller.now,
                    now=caller.now,
                )
            times.append(caller.now)

    @staticmethod
    def _get_recent(
        requests: defaultdict[int, deque[int]], limits: Throttle, caller: Caller
    ) -> deque[int]:
        """Return the start times of the caller's requests within the time window."""
        times = requests[caller.id]
        while times and caller.now - times[0] >= limits.seconds * 1000:
            times.popleft()
        return times

    def _start(self, limits: Throttle, caller: Caller) -> None:
        times = self._get_recent(self._times, limits, caller)
        if self._running[caller.id] >= limits.concurrent:
            raise create_refusal(
                limits,
                f"Too many concurrent requests. User {caller.id} may have "
                f"{limits.concurrent} at a time.",
            )
        if len(times) >= limits.requests:
            raise create_refusal(
                limits,
                f"Requests are too frequent. User {caller.id} may send {limits.requests} "
                f"every {limits.seconds} seconds.",
                since=times[0] if times else caller.now,
                now=caller.now,
            )
        self._running[caller.id] += 1
        times.append(caller.now)


def create_refusal(
    limits: Throttle, reason: str, *, since: int | None = None, now: int = 0
) -> TooManyRequests:
    """Create the error for a request that exceeds a limit.

    Args:
        limits: The limits.
        reason: Message for the caller.
        since: Start of the oldest counted request, in milliseconds since the epoch; None if the
            limit has no time window.
        now: Time of the refused request, in milliseconds since the epoch.
    """
    if not limits.retry_after:
        return TooManyRequests(reason)
    seconds = 1.0 if since is None else limits.seconds - (now - since) / 1000
    return TooManyRequests(reason, headers={"Retry-After": str(max(1, math.ceil(seconds)))})
