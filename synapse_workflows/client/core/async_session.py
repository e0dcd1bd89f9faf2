"""Asynchronous HTTP session: executes flows in an event loop with httpx2, without threads."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, TypeVar

import httpx2
import tenacity

from synapse_workflows.client.core import (
    flows,
    http_errors,
    http_headers,
    http_request,
    response_limits,
    urls,
)
from synapse_workflows.client.core.credentials import Credentials
from synapse_workflows.client.core.flows import Call, Flow, Pause, Reply
from synapse_workflows.client.core.http_request import Endpoints, HttpRequest
from synapse_workflows.client.core.redaction import redact
from synapse_workflows.client.core.request_limiter import RequestLimiter
from synapse_workflows.client.core.retry import (
    Failure,
    Outcome,
    RetryPolicy,
    RetryState,
    failure_of_tls_error,
)
from synapse_workflows.client.core.session import TIMEOUT, Session
from synapse_workflows.constants import MiB

if TYPE_CHECKING:
    from synapse_workflows.client.core.http_request import Identity

T = TypeVar("T")
_log = logging.getLogger(__name__)


class AsyncSession:
    """Asynchronous HTTP session for one Synapse identity.

    Args:
        endpoints: Base URLs of Synapse; production if None.
        credentials: Credentials of the user; None for anonymous requests.
        client: HTTP client for all calls, for example
            ``AsyncClient(transport=ASGITransport(app))`` for a service in this process. The
            session does not close this client. None to create a client.
        retry: Retry and backoff settings.
        timeout: Seconds to connect and seconds between two reads, or one number for both.
        limiter_root: Directory of a cache. The session shares a `RequestLimiter` with the
            processes that use this cache; None for no limiter.
    """

    def __init__(
        self,
        endpoints: Endpoints | None = None,
        credentials: Credentials | None = None,
        *,
        client: httpx2.AsyncClient | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] = TIMEOUT,
        limiter_root: str | None = None,
    ) -> None:
        self.endpoints = endpoints or Endpoints()
        self.credentials = credentials
        self.retry = retry or RetryPolicy()
        _limit_client_log()
        self._client = client or httpx2.AsyncClient(
            headers={"User-Agent": http_headers.USER_AGENT}
        )
        self._owns_client = client is None
        self._timeout = _timeout(timeout)
        self._limiter_root = limiter_root

    @classmethod
    def of(cls, session: Session, client: httpx2.AsyncClient | None = None) -> "AsyncSession":
        """Create an asynchronous session with the settings of a blocking session.

        The settings are the endpoints, credentials, retry policy, timeout and request limiter.
        """
        return cls(
            session.endpoints,
            session.credentials,
            client=client,
            retry=session.retry,
            timeout=session.timeout,
            limiter_root=session.cache.cache_root_dir if session.limit_requests else None,
        )

    async def run(self, flow: Flow[T]) -> T:
        """Execute a flow and return its result."""
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
                reply = await self._execute(step)
            except Exception as failed:  # noqa: BLE001 - raised in the flow, which may handle it
                error = failed

    async def call(self, call: Call) -> Reply:
        """Send a request and return its response.

        Raises:
            SynapseHTTPError: A status other than 2xx, as the subclass for that status.
            SynapseAuthenticationError: 401 or 403 while there are no credentials.
            SynapseConnectionError: No connection, or it was interrupted.
            SynapseTimeoutError: No response within the timeout.
        """
        request = http_request.build_request(call, self.endpoints, self.credentials)
        secrets = (self.credentials.secret,) if self.credentials else ()
        state = RetryState(call, self.retry, lambda level, text: _write_log(level, text, secrets))
        retrying = tenacity.AsyncRetrying(**state.tenacity_arguments())
        outcome = state.resolve(await retrying(self._attempt, request, state))
        if outcome.succeeded and outcome.reply is not None:
            return outcome.reply
        is_synapse = self.endpoints.include(request.url)
        raise http_errors.error_of(
            call,
            outcome,
            secrets=secrets,
            is_anonymous=not self.credentials and is_synapse,
            is_storage=not is_synapse,
        )

    async def close(self) -> None:
        """Close the connections; a client that was passed in stays open."""
        if self._owns_client:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _execute(self, step: Call | Pause) -> Reply | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        return await self.call(step)

    async def _attempt(self, request: HttpRequest, state: RetryState) -> Outcome:
        """Send a request when its rate limit permits it."""
        root, credentials = self._limiter_root, self.credentials
        if root is None or credentials is None or not self.endpoints.include(request.url):
            return await self._send(request)
        steps = RequestLimiter(root, self.endpoints.repo, credentials).attempt(state)
        outcome: Outcome | None = None
        with contextlib.closing(steps):
            while True:
                try:
                    seconds = steps.send(outcome)
                except StopIteration as done:
                    final: Outcome = done.value
                    return final
                outcome = None
                if seconds is None:
                    outcome = await self._send(request)
                else:
                    await asyncio.sleep(seconds)

    async def _send(self, request: HttpRequest) -> Outcome:
        try:
            async with asyncio.timeout(response_limits.total_timeout(self._timeout.read)):
                reply, url = await self._send_following_redirects(request)
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError):
            raise
        except response_limits.ResponseTooLargeError as error:
            return Outcome(failure=Failure.TOO_LARGE, reason=str(error))
        except (httpx2.TransportError, httpx2.DecodingError, TimeoutError) as error:
            return Outcome(failure=_classify(error), reason=str(error) or type(error).__name__)
        if reply.is_success:
            return Outcome(reply)
        content_type = reply.headers.get("Content-Type", "")
        reason, _ = http_errors.parse_reason(reply.status, content_type, reply.content)
        retry_after = http_headers.retry_after(reply.headers, datetime.now(UTC))
        is_redirected = urls.origin(url) != urls.origin(request.url)
        return Outcome(reply, reason=reason, retry_after=retry_after, is_redirected=is_redirected)

    async def _send_following_redirects(self, request: HttpRequest) -> tuple[Reply, str]:
        """Return the response and its URL."""
        url, headers = request.url, request.headers
        reply = await self._send_to(request, url, headers)
        for _ in range(urls.MAX_REDIRECTS if request.method in {"GET", "HEAD"} else 0):
            target = urls.redirect_target(reply.status, reply.headers, url)
            if target is None:
                break
            headers = http_headers.headers_after_redirect(target, url, headers)
            url = target
            reply = await self._send_to(request, url, headers)
        return reply, url

    async def _send_to(self, request: HttpRequest, url: str, headers: Mapping[str, str]) -> Reply:
        sent = {k: v for k, v in headers.items() if k.lower() != "authorization"}
        identity: Identity = request.auth
        # A signature covers the path as the client sends it.
        sent.update(identity.headers(str(httpx2.URL(url))))
        async with self._client.stream(
            request.method,
            url,
            content=request.body,
            headers=sent,
            auth=None,
            follow_redirects=False,
            timeout=self._timeout,
        ) as response:
            content = await _read_body(response)
        return Reply(response.status_code, response.headers, content)


async def _read_body(response: httpx2.Response) -> bytes:
    """Read the body of a response.

    Raises:
        ResponseTooLargeError: The body has more than `response_limits.MAX_BODY` bytes.
    """
    content = bytearray()
    async for block in response.aiter_bytes():
        content += block
        if len(content) > response_limits.MAX_BODY:
            size = response_limits.MAX_BODY // MiB
            raise response_limits.ResponseTooLargeError(f"The response has more than {size} MiB.")
    return bytes(content)


def _limit_client_log() -> None:
    """Suppress the INFO line that httpx2 logs for each request, unless its log level is set."""
    logger = logging.getLogger(httpx2.__name__)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


def _timeout(seconds: float | tuple[float, float]) -> httpx2.Timeout:
    connect, read = seconds if isinstance(seconds, tuple) else (seconds, seconds)
    return httpx2.Timeout(read, connect=connect)


def _classify(error: Exception) -> Failure:
    if isinstance(error, httpx2.ConnectError):
        return failure_of_tls_error(error) or Failure.NOT_CONNECTED
    if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return Failure.NOT_CONNECTED
    is_timeout = isinstance(error, httpx2.TimeoutException | TimeoutError)
    return Failure.TIMED_OUT if is_timeout else Failure.INTERRUPTED


def _write_log(level: int, text: str, secrets: tuple[str, ...]) -> None:
    _log.log(level, "%s", redact(text, secrets))
