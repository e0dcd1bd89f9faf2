"""Throttling: how much one user may ask at once and within a time."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import TooManyRequests
from synapse_workflows.local.settings import Throttle


class RateLimiter:
    """Counts the requests of each user; anonymous callers are not counted.

    Args:
        bounds: what a user may; None counts nothing.
    """

    def __init__(self, bounds: Throttle | None) -> None:
        self._bounds = bounds
        self._guard = threading.Lock()
        self._under_way: defaultdict[int, int] = defaultdict(int)
        self._times: defaultdict[int, deque[int]] = defaultdict(deque)
        self._columns: defaultdict[int, deque[int]] = defaultdict(deque)

    @contextmanager
    def limit(self, caller: Caller) -> Iterator[None]:
        """Count one request while the block lasts.

        Raises:
            TooManyRequests: the caller is beyond the bounds.
        """
        if self._bounds is None or caller.is_anonymous:
            yield
            return
        with self._guard:
            self._count(self._bounds, caller)
        try:
            yield
        finally:
            with self._guard:
                self._under_way[caller.id] -= 1

    def count_columns_request(self, caller: Caller) -> None:
        """Count one request for the columns of a table, which has a bound of its own.

        Raises:
            TooManyRequests: the caller is beyond it.
        """
        if self._bounds is None or caller.is_anonymous:
            return
        with self._guard:
            times = self._recent(self._columns, self._bounds, caller)
            if len(times) >= self._bounds.columns:
                raise TooManyRequests(
                    f"Requests are too frequent for API call: /entity/#/column. User {caller.id} "
                    f"may send {self._bounds.columns} every {self._bounds.seconds} seconds."
                )
            times.append(caller.now)

    @staticmethod
    def _recent(
        counted: defaultdict[int, deque[int]], bounds: Throttle, caller: Caller
    ) -> deque[int]:
        """Give the times of a caller's requests that still count."""
        times = counted[caller.id]
        while times and caller.now - times[0] >= bounds.seconds * 1000:
            times.popleft()
        return times

    def _count(self, bounds: Throttle, caller: Caller) -> None:
        times = self._recent(self._times, bounds, caller)
        if self._under_way[caller.id] >= bounds.concurrent:
            raise TooManyRequests(
                f"Too many concurrent requests. User {caller.id} may have "
                f"{bounds.concurrent} at a time."
            )
        if len(times) >= bounds.requests:
            raise TooManyRequests(
                f"Requests are too frequent. User {caller.id} may send {bounds.requests} "
                f"every {bounds.seconds} seconds."
            )
        self._under_way[caller.id] += 1
        times.append(caller.now)
