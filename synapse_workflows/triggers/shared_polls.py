"""Polls that all triggers of an event loop share, one for each request.

Hundreds of sensors may wait for the same table or queue in one triggerer. They subscribe to one
task, which sends the requests once per interval and passes the result to each of them.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from airflow.sdk.exceptions import AirflowNotFoundException

from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.flows import Flow
from synapse_workflows.client.errors import SynapseUnauthorizedError
from synapse_workflows.hooks.async_sessions import open_session

T = TypeVar("T")
_log = logging.getLogger(__name__)
#: Maximum delay after repeated errors, in seconds and in intervals; at least one interval.
_MAX_BACKOFF: Final = 300.0
_MAX_INTERVALS: Final = 16.0
#: Minimum interval in seconds: a sensor may have `poke_interval=0`.
_MIN_INTERVAL: Final = 0.1


@dataclass(frozen=True)
class PollRequest(Generic[T]):
    """Requests to repeat. Subscribers with equal poll requests share the poll.

    Args:
        synapse_conn_id: Id of the Airflow connection.
        interval: Seconds between two polls, at least 0.1.
        flow: Function that returns the requests as a flow.
        arguments: Arguments of `flow`.
        keeps_state: Whether `flow` returns a function that returns the requests of each poll. The
            function is created once per shared poll, and may remember earlier polls.
    """

    synapse_conn_id: str
    interval: float
    flow: Callable[..., Flow[T]] | Callable[..., Callable[[], Flow[T]]]
    arguments: tuple[Hashable, ...]
    keeps_state: bool = False

    def create_flow(self) -> Callable[[], Flow[T]]:
        """Return a function that returns the requests of each poll."""
        create: Callable[..., Any] = partial(self.flow, *self.arguments)
        return create() if self.keeps_state else create


@dataclass(frozen=True)
class PollResult(Generic[T]):
    """Result of one poll.

    Args:
        value: Result of the flow; None after an error.
        error: The error; None after a success.
        delay: Seconds until the next poll.
    """

    value: T | None
    error: Exception | None
    delay: float


class SharedPoll(Generic[T]):
    """Task that polls until its last subscriber has left. Created by `subscribe`.

    Each poll reads the connection again, unless another poll has read it within the last half
    interval: a trigger gets it from Airflow in several messages to another process. So changes of
    the connection apply to the first poll after half an interval.
    After each error, the delay is doubled, up to 16 intervals and 5 minutes, or the interval.

    Args:
        request: The requests to repeat.
        first_delay: Seconds until the first poll.
    """

    def __init__(self, request: PollRequest[T], first_delay: float) -> None:
        self.subscribers = 0
        self._request = request
        self._create_flow = request.create_flow()
        self._session: AsyncSession | None = None
        self._waiting: list[asyncio.Future[PollResult[T]]] = []
        # Without the context of the first subscriber, whose task log would get all messages.
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(first_delay), context=Context())

    async def next_result(self) -> PollResult[T]:
        """Wait for the result of the first poll that starts after this call.

        The result of a poll that is already running may be older than what the caller knows.
        """
        future: asyncio.Future[PollResult[T]] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return await future

    async def stop(self) -> None:
        """Cancel the task and wait until its session is closed."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, delay: float) -> None:
        failures = 0
        try:
            while True:
                await asyncio.sleep(delay)
                waiting, self._waiting = self._waiting, []
                value, error = await self._poll()
                failures = 0 if error is None else failures + 1
                delay = self._get_delay(failures)
                for future in waiting:
                    if not future.done():
                        future.set_result(PollResult(value, error, delay))
        finally:
            if self._session is not None:
                await self._session.close()

    async def _poll(self) -> tuple[T | None, Exception | None]:
        try:
            try:
                session = await self._open_session(self._request.interval / 2)
                return await session.run(self._create_flow()), None
            except SynapseUnauthorizedError:  # the token may have been replaced
                session = await self._open_session(0)
                return await session.run(self._create_flow()), None
        except Exception as error:  # noqa: BLE001 - passed to the subscribers
            return None, error

    async def _open_session(self, max_age: float) -> AsyncSession:
        """Return a session for the settings of the connection, read within `max_age` seconds.

        If Airflow does not find the connection, for example while its API server restarts, the
        last session is used.
        """
        try:
            session = await open_session(self._request.synapse_conn_id, max_age=max_age)
        except AirflowNotFoundException as error:
            if self._session is None:
                raise
            _log.warning(
                "Using the last known settings of the connection %r after: %s",
                self._request.synapse_conn_id,
                error,
            )
            return self._session
        # no retries after the time of the next poll
        total = min(session.retry.total, self._request.interval)
        session.retry = replace(session.retry, total=total)
        previous, self._session = self._session, session
        if previous is not None:
            await previous.close()
        return session

    def _get_delay(self, failures: int) -> float:
        """Return the seconds until the next poll after a number of consecutive errors."""
        interval = max(self._request.interval, _MIN_INTERVAL)
        doubled: float = interval * min(2.0 ** min(failures, 10), _MAX_INTERVALS)
        return min(doubled, max(interval, _MAX_BACKOFF))


_Polls = dict[PollRequest[Any], SharedPoll[Any]]
_polls: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Polls]] = WeakKeyDictionary()


@asynccontextmanager
async def subscribe(
    request: PollRequest[T], *, first_delay: float | None = None
) -> AsyncIterator[SharedPoll[T]]:
    """Subscribe to the poll of a request inside this block.

    The first subscriber starts the poll. It ends when the last subscriber leaves.

    Args:
        request: The requests to repeat.
        first_delay: Seconds until the first poll, if this is the first subscriber; None for a
            random part of the interval, so that polls that start together run one after another.
    """
    if first_delay is None:
        first_delay = request.interval * random.uniform(0.5, 1)  # noqa: S311 - no secret
    polls = _polls.setdefault(asyncio.get_running_loop(), {})
    if request not in polls:
        polls[request] = SharedPoll(request, first_delay)
    poll = polls[request]
    poll.subscribers += 1
    try:
        yield poll
    finally:
        poll.subscribers -= 1
        if not poll.subscribers:
            del polls[request]
            await poll.stop()
