"""The same conversations inside an event loop: flows driven with httpx2, without threads."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, TypeVar

import httpx2
import tenacity

from synapse_workflows.client.core import flows, http_errors, http_request, wire
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.flows import Call, Flow, Pause, Reply
from synapse_workflows.client.core.http_request import Endpoints, HttpRequest
from synapse_workflows.client.core.retry import Failure, Outcome, RetryPolicy, RetryState
from synapse_workflows.client.core.session import TIMEOUT, Session

if TYPE_CHECKING:
    from synapse_workflows.client.core.http_request import Identity

T = TypeVar("T")
_log = logging.getLogger(__name__)


class AsyncSession:
    """Drives flows in an event loop, under one identity.

    Args:
        endpoints: Where Synapse is; production when None.
        credentials: Whose requests these are; None for nobody.
        client: Used for all calls and left open (``AsyncClient(transport=ASGITransport(app))``
            speaks to a service in this process); one of our own when None.
        retry: How patiently calls are made again.
        timeout: Seconds to connect and seconds between two reads, or one number for both.
    """

    def __init__(
        self,
        endpoints: Endpoints | None = None,
        credentials: Token | None = None,
        *,
        client: httpx2.AsyncClient | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] = TIMEOUT,
    ) -> None:
        self.endpoints = endpoints or Endpoints()
        self.credentials = credentials
        self.retry = retry or RetryPolicy()
        _hush()
        self._client = client or httpx2.AsyncClient(headers={"User-Agent": wire.USER_AGENT})
        self._is_own = client is None
        self._timeout = _timeout(timeout)

    @classmethod
    def of(cls, session: Session, client: httpx2.AsyncClient | None = None) -> "AsyncSession":
        """Make one that speaks as a `Session` does: endpoints, credentials, patience."""
        return cls(
            session.endpoints,
            session.credentials,
            client=client,
            retry=session.retry,
            timeout=session.timeout,
        )

    async def run(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its result."""
        reply: Reply | None = None
        error: Exception | None = None
        while True:
            try:
                step = flows.advance(flow, reply, error)
            except StopIteration as done:
                result: T = done.value
                return result
            reply, error = None, None
            try:
                reply = await self._step(step)
            except Exception as failed:  # noqa: BLE001 - the flow decides, in its own words
                error = failed

    async def call(self, call: Call) -> Reply:
        """Ask and wait for the answer.

        Raises:
            SynapseHTTPError: Another status than 2xx, of the class of that status.
            SynapseAuthenticationError: 401 or 403 while there are no credentials.
            SynapseConnectionError: No connection, or an answer that broke off.
            SynapseTimeoutError: No answer in time.
        """
        letter = http_request.write(call, self.endpoints, self.credentials)
        secrets = (self.credentials.secret,) if self.credentials else ()
        tries = RetryState(call, self.retry, lambda level, text: _tell(level, text, secrets))
        retrying = tenacity.AsyncRetrying(**tries.settings())
        outcome = tries.settle(await retrying(self._send, letter))
        if outcome.succeeded and outcome.reply is not None:
            return outcome.reply
        raise http_errors.error(
            call,
            outcome,
            secrets=secrets,
            anonymous=not self.credentials and self.endpoints.include(letter.url),
        )

    async def close(self) -> None:
        """Close the connections; a client that was given stays open."""
        if self._is_own:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _step(self, step: Call | Pause) -> Reply | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        return await self.call(step)

    async def _send(self, letter: HttpRequest) -> Outcome:
        try:
            response = await self._follow(letter)
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError):
            raise
        except (httpx2.TransportError, httpx2.DecodingError) as failed:
            return Outcome(failure=_failure(failed), reason=str(failed) or type(failed).__name__)
        reply = Reply(response.status_code, response.headers, response.content)
        if wire.is_success(reply.status):
            return Outcome(reply)
        kind = response.headers.get("Content-Type", "")
        said, _ = wire.reason(reply.status, kind, reply.content)
        asked = wire.retry_after(response.headers, datetime.now(UTC))
        return Outcome(reply, reason=said, retry_after=asked)

    async def _follow(self, letter: HttpRequest) -> httpx2.Response:
        address, headers = letter.url, letter.headers
        response = await self._request(letter, address, headers)
        for _ in range(wire.MAX_REDIRECTS if letter.method in {"GET", "HEAD"} else 0):
            target = wire.redirected(response.status_code, response.headers, address)
            if target is None:
                break
            headers = wire.headers_for(target, address, headers)
            address = target
            response = await self._request(letter, address, headers)
        return response

    async def _request(
        self, letter: HttpRequest, address: str, headers: Mapping[str, str]
    ) -> httpx2.Response:
        sent = {k: v for k, v in headers.items() if k.lower() != "authorization"}
        identity: Identity = letter.auth
        value = identity.value_for(address)
        if value:
            sent["Authorization"] = value
        return await self._client.request(
            letter.method,
            address,
            content=letter.body,
            headers=sent,
            auth=None,
            follow_redirects=False,
            timeout=self._timeout,
        )


def _hush() -> None:
    """Keep each request out of the log of whoever polls, unless they set that logger's level."""
    logger = logging.getLogger(httpx2.__name__)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


def _timeout(seconds: float | tuple[float, float]) -> httpx2.Timeout:
    connect, read = seconds if isinstance(seconds, tuple) else (seconds, seconds)
    return httpx2.Timeout(read, connect=connect)


def _failure(failed: Exception) -> Failure:
    if isinstance(failed, httpx2.ConnectError) and _is_ssl(failed):
        return Failure.BROKEN
    if isinstance(failed, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return Failure.NOT_SENT
    return Failure.TIMED_OUT if isinstance(failed, httpx2.TimeoutException) else Failure.LOST


def _is_ssl(failed: BaseException | None) -> bool:
    while failed is not None:
        if isinstance(failed, ssl.SSLError):
            return True
        failed = failed.__cause__ or failed.__context__
    return False


def _tell(level: int, text: str, secrets: tuple[str, ...]) -> None:
    _log.log(level, "%s", wire.redact(text, secrets))
