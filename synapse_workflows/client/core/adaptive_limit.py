"""Limit of the requests of one account that adapts to the refusals of Synapse (status 429).

A refusal decreases the limit by a factor. While requests wait, the limit grows by small steps.
Each machine adapts a limit of its own; the limits of all machines together approach the limit of
the account.

A machine whose single requests are refused sends them in bursts with pauses in between. A refusal
doubles the pause, each accepted request shortens it. Requests of one burst follow each other, so
that the machine keeps its place: of all machines, only those that start a burst are refused.
Evenly distributed requests of as many machines would be refused more often. All pauses are random,
so that machines do not synchronize.

No function here performs I/O or reads a clock. Times are in seconds of the monotonic clock of the
machine.
"""

import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

#: Synapse's limits per account: concurrent requests, and requests per seconds.
DEFAULT_CONCURRENCY: Final = 3
DEFAULT_RATE: Final = (600, 60)
#: Seconds without a refusal after which a limit ends.
RECOVERY_SECONDS: Final = 300.0
#: Longest time in seconds for which no request is sent, whatever a Retry-After header requests.
MAX_BLOCK_SECONDS: Final = 600.0
#: Share of the limit of the account with which a machine starts.
_START: Final = 0.5
#: Factor of each decrease.
_DECREASE: Final = 0.75
#: Growth of the rate per second of waiting, as a share of its first value.
_RATE_GROWTH: Final = 0.02
#: Growth of the concurrency per request that had to wait: far from the last refused value, and
#: near that value.
_FAST_GROWTH: Final = 1 / 20
_SLOW_GROWTH: Final = 1 / 100
#: Pause between bursts in seconds: the first one, the longest one, and its decrease per accepted
#: request.
FIRST_PAUSE: Final = 4.0
MAX_PAUSE: Final = 16.0
_PAUSE_STEP: Final = 0.15
#: Duration of a burst in seconds.
BURST_SECONDS: Final = 5.0
#: Number of characters of a reason that are parsed.
_REASON_LENGTH: Final = 1000

_CONCURRENCY = re.compile(r"concurrent", re.IGNORECASE)
_ROUTE = re.compile(r"\bAPI call\b|\bmessage", re.IGNORECASE)
_RATE_VALUES = re.compile(
    r"\b([0-9]{1,6})\b[^\d.;]*?\bevery ([0-9]{1,6}(?:\.[0-9]{1,6})?) ?second", re.IGNORECASE
)
_CONCURRENCY_VALUE = re.compile(r"\b([0-9]{1,3}) (?:at a time|concurrent)", re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """What a response with status 429 states.

    Args:
        is_concurrency: Whether too many requests were running; else there were too many requests
            within a time window.
        is_route: Whether the limit applies only to requests for the same route.
        requests: Allowed number of requests: at a time, or within `seconds`.
        seconds: Length of the time window.
        retry_after: Seconds to wait, as requested by the server; None if there is no Retry-After.
    """

    is_concurrency: bool
    is_route: bool
    requests: int
    seconds: float
    retry_after: float | None = None

    @classmethod
    def parse(cls, reason: str, retry_after: float | None = None) -> "Refusal":
        """Parse the reason of a response; Synapse's usual limits if it names none."""
        reason = reason[:_REASON_LENGTH]
        if _CONCURRENCY.search(reason):
            value = _CONCURRENCY_VALUE.search(reason)
            allowed = int(value[1]) if value else DEFAULT_CONCURRENCY
            return cls(True, False, max(1, allowed), 0, retry_after)
        values = _RATE_VALUES.search(reason)
        requests, seconds = (int(values[1]), float(values[2])) if values else DEFAULT_RATE
        if not requests or not seconds:
            requests, seconds = DEFAULT_RATE
        return cls(False, bool(_ROUTE.search(reason)), requests, seconds, retry_after)

    def __str__(self) -> str:
        count = "1 request" if self.requests == 1 else f"{self.requests} requests"
        if self.is_concurrency:
            return f"{count} at a time"
        return f"{count} in {self.seconds:g} seconds"


@dataclass(frozen=True)
class AdaptiveLimit:
    """Limit of this machine for the requests of one account.

    Args:
        description: The limit that Synapse stated last.
        refused_at: Time of the last decrease.
        rate: Requests per second; None for no limit.
        first_rate: First value of `rate`.
        concurrency: Requests at a time; the integer part counts. None for no limit.
        ceiling: Value of `concurrency` that was refused last.
        blocked_until: Time until which no request is sent.
        next_at: Earliest time of the next request according to the rate; each planned request
            moves it. Within a burst, it only delays the next burst.
        failures: Consecutive refusals of the rate. While it is not 0, single requests test whether
            Synapse accepts requests again.
        spacing: Seconds between these single requests.
        generation: Number that changes when requests that wait have to plan their time again.
        pause: Seconds between two bursts; 0 if the machine may always send one request at a time.
        burst_end: Time at which the current burst ends.
        finished: Number of requests that ended, of those that held one of the places.
    """

    description: str = ""
    refused_at: float = 0.0
    rate: float | None = None
    first_rate: float = 0.0
    concurrency: float | None = None
    ceiling: float = 0.0
    blocked_until: float = 0.0
    next_at: float = 0.0
    failures: int = 0
    spacing: float = 0.0
    generation: int = 0
    pause: float = 0.0
    burst_end: float = 0.0
    finished: int = 0

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "AdaptiveLimit":
        """Create a limit from its fields, as stored in a file.

        Raises:
            TypeError: Unknown field, or a field that is not a number.
            ValueError: A number is not possible.
        """
        limit = cls(**values)
        optional = {"rate": limit.rate or 0, "concurrency": limit.concurrency or 0}
        numbers = {**limit.__dict__, **optional, "description": 0}
        if not isinstance(limit.description, str):
            raise TypeError("The description is not a text.")
        if not all(map(math.isfinite, numbers.values())):
            raise ValueError("A number is not finite.")
        if limit.rate is not None and not (limit.rate > 0 and limit.first_rate > 0):
            raise ValueError("The rate is not positive.")
        if limit.concurrency is not None and limit.concurrency < 1:
            raise ValueError("The concurrency is less than 1.")
        if not 0 <= limit.pause <= 2 * MAX_PAUSE:
            raise ValueError("The pause is out of range.")
        return limit

    def is_valid(self, now: float) -> bool:
        """Return whether the limit is still in force, and its times are of the current clock."""
        end = max(self.refused_at + RECOVERY_SECONDS, self.blocked_until)
        last = max(end, self.next_at, self.burst_end)
        return self.refused_at <= now <= end and last <= now + 2 * MAX_BLOCK_SECONDS

    def next_start(self, now: float) -> float:
        """Return the earliest time of the next request."""
        start = max(now, self.blocked_until)
        if self._is_in_burst(start):
            return start
        start = max(start, self.next_at)
        return max(start, self.burst_end + self.pause) if self.pause else start

    def _is_in_burst(self, start: float) -> bool:
        """Return whether the machine keeps its place; the rate delays the next burst instead."""
        return self.pause > 0 and not self.failures and start < self.burst_end

    def reserve(self, now: float, start: float) -> "AdaptiveLimit":
        """Return the limit for the requests after a request that is planned now.

        Args:
            now: The time.
            start: Time at which the planned request will be sent.
        """
        limit = self
        if self.pause and not self._is_in_burst(start):
            limit = replace(self, burst_end=start + BURST_SECONDS * _random_factor())
        if limit.failures:
            return replace(limit, next_at=start + limit.spacing)
        if limit.rate is None:
            return limit
        step = 1 / limit.rate
        rate = limit.rate + (_RATE_GROWTH * limit.first_rate * step if self.next_at > now else 0)
        return replace(limit, next_at=max(start, self.next_at) + step, rate=rate)

    def after_success(self, sent_at: float, now: float, *, waited: bool) -> "AdaptiveLimit":
        """Return the limit after a request that Synapse accepted.

        Args:
            sent_at: Time at which the request was sent.
            now: The time.
            waited: Whether the request had to wait until fewer requests were running.
        """
        limit = self
        if self.failures and sent_at >= self.refused_at:
            next_at = now + (1 / self.rate if self.rate else 0)
            generation = self.generation + 1
            limit = replace(self, failures=0, spacing=0.0, next_at=next_at, generation=generation)
        if limit.pause:
            return replace(limit, pause=max(0.0, limit.pause - _PAUSE_STEP))
        if waited and limit.concurrency is not None:
            is_near = limit.concurrency >= limit.ceiling - 1
            growth = _SLOW_GROWTH if is_near else _FAST_GROWTH
            limit = replace(limit, concurrency=limit.concurrency + growth)
        return limit

    def after_refusal(
        self,
        refusal: Refusal,
        sent_at: float,
        now: float,
        delay: Callable[[int], float],
        *,
        is_single: bool = True,
    ) -> "AdaptiveLimit":
        """Return the limit after a request that Synapse refused.

        Requests that were sent before the last decrease do not decrease the limit again.

        Args:
            refusal: The response.
            sent_at: Time at which the request was sent.
            now: The time.
            delay: Returns the seconds to wait after a number of consecutive refusals.
            is_single: Whether no other request of this process was running. If there were some,
                the process needs no pause, only fewer requests at a time.
        """
        limit = replace(self, description=str(refusal))
        if refusal.retry_after:
            limit = _block(limit, now, refusal.retry_after)
        if sent_at < self.refused_at:
            return limit
        limit = replace(limit, refused_at=now)
        if not refusal.is_concurrency:
            return _probe(_slow_down(limit, refusal), now, delay)
        if self.concurrency is None:
            concurrency = 1.0 if is_single else float(math.ceil(_START * refusal.requests))
            limit = replace(limit, concurrency=concurrency, ceiling=refusal.requests + 1.0)
            return _end_burst(limit, now) if is_single else limit
        if self.concurrency < 2:  # noqa: PLR2004 - the other requests are those of other machines
            return _end_burst(limit, now)
        return replace(limit, concurrency=_DECREASE * self.concurrency, ceiling=self.concurrency)


def _end_burst(limit: AdaptiveLimit, now: float) -> AdaptiveLimit:
    """Begin a pause. All requests that wait are planned again."""
    pause = min(max(2 * limit.pause, FIRST_PAUSE), MAX_PAUSE) * _random_factor()
    return replace(
        limit,
        pause=pause,
        burst_end=max(now, limit.blocked_until),
        generation=limit.generation + 1,
    )


def _random_factor() -> float:
    return random.uniform(0.5, 1.5)  # noqa: S311 - no secret


def _slow_down(limit: AdaptiveLimit, refusal: Refusal) -> AdaptiveLimit:
    """Decrease the rate, once for consecutive refusals."""
    if limit.rate is None:
        rate = _START * refusal.requests / refusal.seconds
        return replace(limit, rate=rate, first_rate=rate)
    return limit if limit.failures else replace(limit, rate=_DECREASE * limit.rate)


def _probe(limit: AdaptiveLimit, now: float, delay: Callable[[int], float]) -> AdaptiveLimit:
    """Send single requests, with growing delays, until Synapse accepts one."""
    spacing = delay(limit.failures + 1)
    limit = replace(limit, failures=limit.failures + 1, spacing=spacing)
    if limit.blocked_until > now:  # not the same time on all machines after a Retry-After
        return replace(limit, next_at=limit.blocked_until + delay(1))
    return _block(limit, now, spacing)


def _block(limit: AdaptiveLimit, now: float, seconds: float) -> AdaptiveLimit:
    """Send no request for a number of seconds. All requests that wait are planned again."""
    end = now + min(seconds, MAX_BLOCK_SECONDS)
    return replace(
        limit,
        blocked_until=max(limit.blocked_until, end),
        next_at=end,
        generation=limit.generation + 1,
    )
