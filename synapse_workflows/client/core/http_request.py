"""HTTP requests: URL, headers, body, and the credentials that may be sent to each host."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import requests
from requests.auth import AuthBase

from synapse_workflows.client.core import http_headers, urls
from synapse_workflows.client.core.credentials import Credentials
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.urls import Origin
from synapse_workflows.constants import PRODUCTION_ENDPOINTS

#: Selects the credentials of the session; None stands for an anonymous request.
SESSION_AUTH: Final = "credentials of the session"


@dataclass(frozen=True)
class Endpoints:
    """Base URLs of the three Synapse services. Credentials may be sent to these URLs."""

    repo: str = PRODUCTION_ENDPOINTS["repoEndpoint"]
    auth: str = PRODUCTION_ENDPOINTS["authEndpoint"]
    file: str = PRODUCTION_ENDPOINTS["fileHandleEndpoint"]

    def base_url(self, endpoint: str) -> str:
        """Return the base URL of ``repo``, ``auth`` or ``file``; return other text unchanged."""
        return {"repo": self.repo, "auth": self.auth, "file": self.file}.get(endpoint, endpoint)

    def origins(self) -> frozenset[Origin]:
        """Return scheme, host and port of each endpoint."""
        return _origins(self.repo, self.auth, self.file)

    def include(self, url: str) -> bool:
        """Return whether a URL has the origin of one of the endpoints."""
        return urls.origin(url) in self.origins()


@lru_cache(maxsize=16)
def _origins(*base_urls: str) -> frozenset[Origin]:
    return frozenset(map(urls.origin, base_urls))


@dataclass(frozen=True)
class Identity(AuthBase):
    """Credentials of a request, and the origins that may receive them.

    Args:
        credentials: Credentials, or the value of the header Authorization; None for an anonymous
            request.
        trusted: The only origins to which the credentials are sent.
    """

    credentials: Credentials | str | None = field(repr=False)
    trusted: frozenset[Origin]

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers of a request that is sent to a URL now; empty if it is anonymous."""
        if self.credentials is None or urls.origin(url) not in self.trusted:
            return {}
        if isinstance(self.credentials, Credentials):
            return self.credentials.headers(url)
        return {"Authorization": self.credentials}

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the headers, replacing values from session defaults or from ~/.netrc."""
        request.headers.pop("Authorization", None)
        request.headers.update(self.headers(request.url or ""))
        return request


@dataclass(frozen=True)
class HttpRequest:
    """A request as it is sent.

    Args:
        method: HTTP method.
        url: Absolute URL with query.
        headers: All headers except those set by `auth`.
        body: Encoded body.
        auth: An `Identity`, or any ``auth`` of requests.
        stream: Whether to leave the body of a successful response unread.
        timeout: Seconds to connect and seconds between two reads, or one number for both.
        options: Further arguments for requests (``verify``, ``proxies``, ...).
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | str | None = field(repr=False)
    auth: Any = field(repr=False)
    stream: bool = False
    timeout: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)


def build_request(
    call: Call,
    endpoints: Endpoints,
    credentials: Credentials | None,
    auth: Any = SESSION_AUTH,
    **settings: Any,
) -> HttpRequest:
    """Build the HTTP request of a call.

    Args:
        call: The call.
        endpoints: Base URLs of Synapse.
        credentials: Credentials of the session.
        auth: `SESSION_AUTH`, `Credentials`, None for an anonymous request, or any ``auth`` of
            requests.
        settings: ``stream``, ``timeout``, ``options`` of the `HttpRequest`.
    """
    base = endpoints.base_url(call.endpoint)
    url = urls.build_url(base, call.path, call.params)
    headers = http_headers.request_headers(call.headers, is_synapse=endpoints.include(url))
    custom = next((v for k, v in headers.items() if k.lower() == "authorization"), None)
    if auth is SESSION_AUTH and credentials is not None:
        # A base URL passed by the caller is trusted like a configured endpoint.
        auth = Identity(credentials, endpoints.origins() | {urls.origin(base)})
    elif auth is SESSION_AUTH or auth is None:
        auth = Identity(custom, frozenset({urls.origin(url)}))
    elif isinstance(auth, Credentials):
        auth = Identity(auth, frozenset({urls.origin(url)}))
    return HttpRequest(call.method, url, headers, encode_body(call.body), auth, **settings)


def encode_body(body: Any) -> bytes | str | None:
    """Encode a body: text, bytes and None are returned unchanged, anything else becomes JSON.

    Datetimes become ISO 8601 in UTC with milliseconds and ``Z``; naive ones are taken as UTC.

    Raises:
        TypeError: A value that JSON cannot represent.
        ValueError: NaN or infinity.
    """
    if body is None or isinstance(body, str | bytes):
        return body
    return json.dumps(body, default=_json_value, allow_nan=False).encode()


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return _iso_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON cannot represent a {type(value).__name__}: {value!r:.80}")


def _iso_text(time: datetime) -> str:
    """Format a datetime as ``2021-07-05T12:34:56.789Z``."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return aware.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
