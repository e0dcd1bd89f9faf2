"""Asynchronous sessions that share HTTP clients."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self
from weakref import WeakKeyDictionary

import httpx2

from synapse_workflows.client.core import http_headers
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.credentials import Credentials
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.http_request import Endpoints

#: Maximum number of connections of one client; further requests wait for a free connection.
MAX_CONNECTIONS: Final = 20


@dataclass
class _Client:
    """An HTTP client, the number of open sessions that use it, and the profile of its user."""

    http: httpx2.AsyncClient
    sessions: int = 0
    profile: Mapping[str, Any] | None = None


_Clients = dict[tuple[Endpoints, Credentials], _Client]
#: Clients of each event loop. The connections of a client belong to one loop.
_clients: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Clients]] = WeakKeyDictionary()


class SharedSession(AsyncSession):
    """Session that shares its HTTP client with all sessions of one identity in an event loop.

    A client of its own for each session would cost 19 ms for the TLS settings, 0.9 MB and a
    connection. The client is closed with its last session. Sessions with other endpoints or
    other credentials never share a client. Created by `open`.
    """

    def __init__(
        self, endpoints: Endpoints, credentials: Credentials, clients: _Clients, **options: Any
    ) -> None:
        self._clients = clients
        self._identity = endpoints, credentials
        client = clients[self._identity]
        super().__init__(endpoints, credentials, client=client.http, **options)
        client.sessions += 1
        self._is_open = True

    @classmethod
    async def open(cls, endpoints: Endpoints, credentials: Credentials, **options: Any) -> Self:
        """Create a session, and the HTTP client if no other session uses it.

        Args:
            endpoints: Base URLs of Synapse.
            credentials: Credentials of the user.
            options: Arguments `retry`, `timeout` and `limiter_root` of `AsyncSession`.
        """
        clients = _clients.setdefault(asyncio.get_running_loop(), {})
        if (endpoints, credentials) not in clients:
            tls_context = await asyncio.to_thread(_create_tls_context)
            if (endpoints, credentials) not in clients:
                clients[endpoints, credentials] = _Client(_create_http_client(tls_context))
        return cls(endpoints, credentials, clients, **options)

    @property
    def profile(self) -> Mapping[str, Any] | None:
        """Profile of the user (UserProfile) if a session has read it; else None."""
        return self._clients[self._identity].profile

    async def get_profile(self) -> Mapping[str, Any]:
        """Return the profile of the user (UserProfile), which is read once for each HTTP client.

        Raises:
            SynapseHTTPError: Synapse rejects the credentials.
        """
        client = self._clients[self._identity]
        if client.profile is None:
            client.profile = (await self.call(Call("GET", "/userProfile"))).object
        return client.profile

    async def close(self) -> None:
        """Close the session, and the HTTP client if no other session uses it."""
        if not self._is_open:
            return
        self._is_open = False
        client = self._clients[self._identity]
        client.sessions -= 1
        if not client.sessions:
            del self._clients[self._identity]
            await client.http.aclose()


def _create_http_client(tls_context: ssl.SSLContext) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        headers={"User-Agent": http_headers.USER_AGENT},
        limits=httpx2.Limits(
            max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS
        ),
        verify=tls_context,
    )


@cache
def _create_tls_context() -> ssl.SSLContext:
    """Create the TLS settings of this process. This takes 19 ms, too long for an event loop."""
    return httpx2.create_ssl_context()
