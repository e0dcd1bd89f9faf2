"""One try of one call over requests: sent as addressed, read whole, failures as values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError
from urllib3.exceptions import MaxRetryError, NewConnectionError

from synapse_workflows.client.core import wire
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.http_request import HttpRequest
from synapse_workflows.client.core.retry import Failure, Outcome

#: Connections kept to one host: as many as there can be threads.
POOL_SIZE: Final = 128


def new_session() -> requests.Session:
    """Make a requests session whose pool holds a connection for each thread there can be."""
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_connections=16, pool_maxsize=POOL_SIZE))
    session.headers["User-Agent"] = f"{wire.USER_AGENT} {requests.utils.default_user_agent()}"
    return session


def send(session: requests.Session, letter: HttpRequest) -> Outcome:
    """Send once and read the answer; follow redirects of reads, without telling others who asks.

    Whatever fails becomes an `Outcome`: what requests raises itself may quote a whole URL.
    """
    try:
        response = _follow(session, letter)
        if not letter.stream or not response.ok:
            _ = response.content
    except (requests.RequestException, ConnectionError, TimeoutError) as failed:
        return Outcome(failure=_failure(failed), reason=_words(failed))
    return outcome(response, streamed=letter.stream, now=datetime.now(UTC))


def outcome(response: requests.Response, *, streamed: bool, now: datetime) -> Outcome:
    """Read what an answer says; the body of a streamed success stays unread."""
    succeeded = wire.is_success(response.status_code)
    content = b"" if streamed and succeeded else response.content
    reply = Reply(response.status_code, response.headers, content, response)
    if succeeded:
        return Outcome(reply)
    said, _ = wire.reason(reply.status, response.headers.get("Content-Type", ""), content)
    return Outcome(reply, reason=said, retry_after=wire.retry_after(response.headers, now))


def _follow(session: requests.Session, letter: HttpRequest) -> requests.Response:
    """Go where redirects lead. requests itself would take names and passwords from a ~/.netrc."""
    address, headers = letter.url, letter.headers
    follow = letter.options.get("allow_redirects", letter.method in {"GET", "HEAD"})
    response = _send(session, letter, address, headers)
    for _ in range(wire.MAX_REDIRECTS if follow else 0):
        target = wire.redirected(response.status_code, response.headers, address)
        if target is None:
            break
        response.close()
        headers = wire.headers_for(target, address, headers)
        address = target
        response = _send(session, letter, address, headers)
    return response


def _send(
    session: requests.Session, letter: HttpRequest, address: str, headers: Mapping[str, str]
) -> requests.Response:
    return session.request(
        letter.method,
        address,
        data=letter.body,
        headers=dict(headers),
        auth=letter.auth,
        stream=letter.stream,
        timeout=letter.timeout,
        **{**letter.options, "allow_redirects": False},
    )


def _failure(failed: Exception) -> Failure:
    # Errors of requests that are a ValueError too: a URL or a header that cannot be.
    if isinstance(failed, SSLError | ValueError):
        return Failure.BROKEN
    if isinstance(failed, requests.ConnectTimeout):
        return Failure.NOT_SENT
    if isinstance(failed, requests.Timeout | TimeoutError):
        return Failure.TIMED_OUT
    return Failure.NOT_SENT if isinstance(_cause(failed), NewConnectionError) else Failure.LOST


def _words(failed: Exception) -> str:
    return str(_cause(failed)) or type(failed).__name__


def _cause(failed: Exception) -> object:
    """What urllib3 said, below what requests made of it."""
    inner = failed.args[0] if failed.args else failed
    return inner.reason if isinstance(inner, MaxRetryError) else inner
