"""Requests as they are sent: whereto, in whose name, and to whom that may be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from requests.auth import AuthBase

from synapse_workflows.client.core import wire
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.flows import Call
from synapse_workflows.constants import PRODUCTION_ENDPOINTS

Origin = tuple[str, str, int | None]
#: Stands for the credentials of the session where None means nobody.
OWN: Final = "own credentials"


@dataclass(frozen=True)
class Endpoints:
    """Base URLs of the three services that credentials may be told to."""

    repo: str = PRODUCTION_ENDPOINTS["repoEndpoint"]
    auth: str = PRODUCTION_ENDPOINTS["authEndpoint"]
    file: str = PRODUCTION_ENDPOINTS["fileHandleEndpoint"]

    def base(self, endpoint: str) -> str:
        """Base URL of ``repo``, ``auth``, ``file``; another base URL stands for itself."""
        return {"repo": self.repo, "auth": self.auth, "file": self.file}.get(endpoint, endpoint)

    def origins(self) -> frozenset[Origin]:
        """Scheme, host and port of each."""
        return frozenset(wire.origin(one) for one in (self.repo, self.auth, self.file))

    def include(self, address: str) -> bool:
        """Whether a URL is one of theirs."""
        return wire.origin(address) in self.origins()


@dataclass(frozen=True)
class Identity(AuthBase):
    """Whom a request speaks for, and to whom that may be told.

    Args:
        authorization: Value of the header; None for nobody.
        trusted: The only origins that may see it.
    """

    authorization: str | None = field(repr=False)
    trusted: frozenset[Origin]

    def value_for(self, address: str) -> str | None:
        """Value of the header for this URL; None when there is to be none."""
        return self.authorization if wire.origin(address) in self.trusted else None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header in place of what a session's defaults or a ~/.netrc put there."""
        request.headers.pop("Authorization", None)
        value = self.value_for(request.url or "")
        if value:
            request.headers["Authorization"] = value
        return request


@dataclass(frozen=True)
class HttpRequest:
    """A request as it is sent.

    Args:
        method: HTTP method.
        url: Whole URL, query included.
        headers: Exactly these, and the identity.
        body: Already encoded.
        auth: An `Identity`, or what requests takes as ``auth``.
        stream: Leave the body of a success unread.
        timeout: Seconds to connect and seconds between two reads, or one number for both.
        options: Further arguments for requests (``verify``, ``proxies``, ...).
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | str | None
    auth: Any = field(repr=False)
    stream: bool = False
    timeout: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)


def write(
    call: Call, at: Endpoints, credentials: Token | None, auth: Any = OWN, **settings: Any
) -> HttpRequest:
    """Address a call.

    Args:
        call: What is asked.
        at: The endpoints.
        credentials: Whose request it is, where `auth` does not say.
        auth: `OWN`, a `Token`, None for nobody, or what requests takes.
        settings: ``stream``, ``timeout``, ``options`` of the `HttpRequest`.
    """
    base = at.base(call.endpoint)
    address = wire.url(base, call.path, call.params)
    headers = wire.headers(call.headers, ours=at.include(address))
    given = next((v for k, v in headers.items() if k.lower() == "authorization"), None)
    if auth is OWN and credentials is not None:
        # An endpoint named by the caller is as good as one of the settings.
        auth = Identity(credentials.authorization, at.origins() | {wire.origin(base)})
    elif auth is OWN or auth is None:
        auth = Identity(given, frozenset({wire.origin(address)}))
    elif isinstance(auth, Token):
        auth = Identity(auth.authorization, frozenset({wire.origin(address)}))
    return HttpRequest(call.method, address, headers, wire.encode(call.body), auth, **settings)
