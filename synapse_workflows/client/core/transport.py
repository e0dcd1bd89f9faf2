"""HTTP transport over requests: sends a request once and returns its outcome."""

import os
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError

from synapse_workflows.client.core import http_headers, response_limits, urls
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.http_errors import parse_reason
from synapse_workflows.client.core.http_request import HttpRequest
from synapse_workflows.client.core.retry import Failure, Outcome, failure_of_tls_error

#: Connections per host: the maximum number of threads.
POOL_SIZE: Final = 128


#: Environment variables with the proxy of an HTTP or HTTPS URL.
_PROXY_VARIABLES: Final = (
    *("http_proxy", "https_proxy", "all_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
)
#: Environment variables with a file of trusted certificates.
_CERTIFICATE_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class _Session(requests.Session):
    """Session that prepares a request in less time than `requests.Session`.

    requests reads all environment variables twice per request, which takes longer than to send
    the request, and copies all settings of the session, most of which are usually empty.
    """

    def __init__(self) -> None:
        super().__init__()
        # On the other systems, the settings of the system contain proxies as well.
        is_environment_only = sys.platform not in {"darwin", "win32"}
        self._may_skip = is_environment_only and not urllib.request.getproxies_environment()

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Merge the settings of a request with those of the session and the environment."""
        if self._may_skip and not any(map(os.environ.get, _PROXY_VARIABLES)):
            if self.trust_env and not (proxies or self.proxies) and verify is cert is None:
                bundles = map(os.environ.get, _CERTIFICATE_VARIABLES)
                verify = next(filter(None, bundles), self.verify)
                stream = self.stream if stream is None else stream
                return {"proxies": {}, "stream": stream, "verify": verify, "cert": self.cert}
            # A host that is excluded from proxies ends the search.
            proxies = {"no_proxy": urlsplit(url).hostname or "", **(proxies or {})}
        return super().merge_environment_settings(url, proxies, stream, verify, cert)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Merge a request with the settings of the session."""
        is_set = (self.params, self.auth, self.cookies, *self.hooks.values())
        if request.auth is None or any(is_set) or any(request.hooks.values()) or request.cookies:
            return super().prepare_request(request)
        headers = CaseInsensitiveDict({**self.headers, **(request.headers or {})})
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=request.method,
            url=request.url,
            headers={name: text for name, text in headers.items() if text is not None},
            files=request.files,
            data=request.data,
            json=request.json,
            params=request.params or "",  # requests inspects the type of an empty mapping
            auth=request.auth,
        )
        return prepared


def new_session() -> requests.Session:
    """Create a requests session with one pooled connection per possible thread."""
    session = _Session()
    for scheme in ("https://", "http://"):
        adapter = response_limits.LimitedAdapter(pool_connections=16, pool_maxsize=POOL_SIZE)
        session.mount(scheme, adapter)
    default_agent = requests.utils.default_user_agent()
    session.headers["User-Agent"] = f"{http_headers.USER_AGENT} {default_agent}"
    return session


def send(session: requests.Session, request: HttpRequest) -> Outcome:
    """Send a request once, follow redirects of read requests, and return the outcome.

    Exceptions of requests are converted to an `Outcome`, because their messages may contain a
    complete URL. If a redirect leads to another host, credentials are not sent to that host.
    """
    try:
        response = _send_following_redirects(session, request)
        if not request.stream or not response.ok:
            response_limits.read_body(response, _read_timeout(request.timeout))
    except response_limits.ResponseTooLargeError as error:
        return Outcome(failure=Failure.TOO_LARGE, reason=str(error))
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        # requests raises a plain ValueError for an invalid redirect.
        return Outcome(failure=_classify(error), reason=_describe(error))
    outcome = outcome_of(response, streamed=request.stream, now=datetime.now(UTC))
    if outcome.succeeded or response.url is None:
        return outcome
    return replace(outcome, is_redirected=urls.origin(response.url) != urls.origin(request.url))


def outcome_of(response: requests.Response, *, streamed: bool, now: datetime) -> Outcome:
    """Convert a response to an outcome. Do not read the body of a streamed successful response."""
    is_success = Reply(response.status_code).is_success
    content = b"" if streamed and is_success else response.content
    reply = Reply(response.status_code, response.headers, content, response)
    if is_success:
        return Outcome(reply)
    content_type = response.headers.get("Content-Type", "")
    reason, _ = parse_reason(reply.status, content_type, content)
    retry_after = http_headers.retry_after(response.headers, now)
    return Outcome(reply, reason=reason, retry_after=retry_after)


def _send_following_redirects(
    session: requests.Session, request: HttpRequest
) -> requests.Response:
    """Send a request and follow redirects.

    The redirect handling of requests is not used, because it reads credentials from ~/.netrc.
    """
    url = request.url
    headers: Mapping[str, str | None] = request.headers
    follow = request.options.get("allow_redirects", request.method in {"GET", "HEAD"})
    response = _send_to(session, request, url, headers)
    for _ in range(urls.MAX_REDIRECTS if follow else 0):
        target = urls.redirect_target(response.status_code, response.headers, url)
        if target is None:
            break
        response.close()
        if urls.origin(target) != urls.origin(url):
            # The value None removes a header that the caller set for the whole session.
            removed = dict.fromkeys(http_headers.PRIVATE_HEADERS)
            headers = removed | http_headers.headers_after_redirect(target, url, headers)
        url = target
        response = _send_to(session, request, url, headers)
    return response


def _send_to(
    session: requests.Session, request: HttpRequest, url: str, headers: Mapping[str, str | None]
) -> requests.Response:
    return session.request(
        request.method,
        url,
        data=request.body,
        headers=dict(headers),
        auth=request.auth,
        stream=True,
        timeout=request.timeout,
        **{**request.options, "allow_redirects": False},
    )


def _read_timeout(timeout: Any) -> float | None:
    """Return the seconds between two reads from the timeout of a request."""
    seconds: float | None = timeout[1] if isinstance(timeout, tuple) else timeout
    return seconds


def _classify(error: Exception) -> Failure:
    tls_failure = failure_of_tls_error(error)
    if tls_failure is not None:
        return tls_failure
    # For an invalid URL or header, requests raises an error that is also a ValueError.
    if isinstance(error, requests.exceptions.SSLError | ValueError):
        return Failure.INVALID
    if isinstance(error, requests.ConnectTimeout):
        return Failure.NOT_CONNECTED
    if isinstance(error, requests.Timeout | TimeoutError) or is_read_timeout(error):
        return Failure.TIMED_OUT
    if isinstance(_cause(error), NewConnectionError):
        return Failure.NOT_CONNECTED
    return Failure.INTERRUPTED


def _describe(error: Exception) -> str:
    if is_read_timeout(error):
        return "no more data within the timeout"
    return str(_cause(error)) or type(error).__name__


def is_read_timeout(error: Exception) -> bool:
    """Return whether a response was interrupted because it did not arrive in time."""
    return isinstance(_cause(error), ReadTimeoutError)


def _cause(error: Exception) -> object:
    """Return the error of urllib3 that requests wraps."""
    if isinstance(error, HTTPError):
        return error
    inner = error.args[0] if error.args else error
    return inner.reason if isinstance(inner, MaxRetryError) else inner
