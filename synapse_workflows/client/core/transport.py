"""One try of one call over requests: sent to the right host under the right name, read whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, NewConnectionError

from synapse_workflows.client.core import wire
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.retries import Failure, Outcome

Origin = tuple[str, str, int | None]
#: Connections kept to one host: as many as there can be threads.
POOL_SIZE: Final = 128
_MAX_REDIRECTS = 5


@dataclass(frozen=True)
class Identity(AuthBase):
    """Whom a request speaks for, and to whom that may be told.

    Args:
        authorization: Value of the header; None for nobody.
        trusted: The only origins that may see it.
    """

    authorization: str | None = field(repr=False)
    trusted: frozenset[Origin]
    given: str | None = field(default=None, repr=False)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header, or take away what the session's defaults or a ~/.netrc put there."""
        request.headers.pop("Authorization", None)
        allowed = wire.origin(request.url or "") in self.trusted
        value = self.authorization if allowed else None
        if value or self.given:
            request.headers["Authorization"] = value or self.given or ""
        return request


@dataclass(frozen=True)
class Letter:
    """A request as it is sent.

    Args:
        method: HTTP method.
        url: Whole URL, query included.
        headers: Exactly these.
        body: Already encoded.
        auth: An `Identity`, or what requests takes as ``auth``.
        stream: Leave the body of a success unread.
        timeout: Seconds to connect and seconds between two reads.
        options: Further arguments for requests (``verify``, ``proxies``, ...).
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | str | None
    auth: Any = field(repr=False)
    stream: bool
    timeout: Any
    options: Mapping[str, Any] = field(default_factory=dict)


def new_session() -> requests.Session:
    """Make a requests session whose pool holds a connection for each thread there can be."""
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_connections=16, pool_maxsize=POOL_SIZE))
    session.headers["User-Agent"] = f"{wire.USER_AGENT} {session.headers['User-Agent']}"
    return session


def send(session: requests.Session, letter: Letter) -> Outcome:
    """Send once and read the answer; follow redirects of reads, without telling others who asks.

    Every failure becomes an `Outcome`. Exceptions that remain are of the caller's making
    (a URL or header that cannot be).
    """
    try:
        response = _follow(session, letter)
        if not letter.stream or response.status_code >= 300:  # noqa: PLR2004
            _ = response.content
    except (requests.ConnectionError, requests.Timeout, ConnectionError, TimeoutError) as failed:
        return Outcome(failure=_failure(failed), reason=_words(failed))
    except (
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
    ) as failed:
        return Outcome(failure=Failure.LOST, reason=_words(failed))
    return _outcome(response, streamed=letter.stream)


def _follow(session: requests.Session, letter: Letter) -> requests.Response:
    address, headers = letter.url, letter.headers
    options = dict(letter.options)
    follow = options.pop("allow_redirects", letter.method in {"GET", "HEAD"})
    for _ in range(_MAX_REDIRECTS):
        response = session.request(
            letter.method,
            address,
            data=letter.body,
            headers=dict(headers),
            auth=letter.auth,
            stream=letter.stream,
            timeout=letter.timeout,
            allow_redirects=False,
            **options,
        )
        target = wire.redirected(response.status_code, response.headers, address)
        if target is None or not follow:
            return response
        response.close()
        if wire.origin(target) != wire.origin(address):
            headers = {k: v for k, v in headers.items() if k.lower() not in wire.PRIVATE_HEADERS}
        address = target
    return response


def _outcome(response: requests.Response, *, streamed: bool) -> Outcome:
    succeeded = 200 <= response.status_code < 300  # noqa: PLR2004
    content = b"" if streamed and succeeded else response.content
    reply = Reply(response.status_code, response.headers, content, response)
    if succeeded:
        return Outcome(reply)
    said, _ = wire.reason(response.status_code, response.headers.get("Content-Type", ""), content)
    return Outcome(
        reply, reason=said, retry_after=wire.retry_after(response.headers, datetime.now(UTC))
    )


def _failure(failed: Exception) -> Failure:
    if isinstance(failed, requests.exceptions.SSLError):
        return Failure.BROKEN
    if isinstance(failed, requests.ConnectTimeout):
        return Failure.NOT_SENT
    if isinstance(failed, requests.Timeout | TimeoutError):
        return Failure.TIMED_OUT
    inner = failed.args[0] if failed.args else None
    inner = inner.reason if isinstance(inner, MaxRetryError) else inner
    return Failure.NOT_SENT if isinstance(inner, NewConnectionError) else Failure.LOST


def _words(failed: Exception) -> str:
    """Say what failed in words without object addresses; the caller redacts them."""
    inner = failed.args[0] if failed.args else failed
    inner = inner.reason if isinstance(inner, MaxRetryError) else inner
    text = str(inner).rpartition("object at 0x")[2].partition(">: ")[2] or str(inner)
    return text or type(failed).__name__
