"""Asynchronous sessions of Airflow connections, for triggers."""

import asyncio
import json
import logging
import time
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import amask_secret

from synapse_workflows.client.api.api_keys import check_supported
from synapse_workflows.client.api.login import verify_owner
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.core.credentials import Credentials
from synapse_workflows.client.core.http_request import Endpoints
from synapse_workflows.client.core.shared_session import SharedSession
from synapse_workflows.client.errors import SynapseFileCacheError, SynapseUnauthorizedError
from synapse_workflows.hooks import connection_uri
from synapse_workflows.hooks.connection import ClientSettings
from synapse_workflows.hooks.credentials import (
    describe_fallback,
    explain_rejection,
    find_credentials,
)

_log: Final = logging.getLogger(__name__)


@dataclass
class _LastSettings:
    """Settings of a connection that an event loop has read last."""

    value: ClientSettings | None = field(default=None, repr=False)
    read_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


_last_settings: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _LastSettings]]] = (
    WeakKeyDictionary()
)


async def open_session(synapse_conn_id: str, *, max_age: float = 0.0) -> AsyncSession:
    """Read a connection and create a session, without blocking the event loop.

    Args:
        synapse_conn_id: Id of the connection.
        max_age: Seconds within which settings that this event loop has read are used again.

    Raises:
        AirflowNotFoundException: The connection is not defined.
        SynapseNoCredentialsError: The connection has no token.
        SynapseConfigError: Invalid settings in the connection.
    """
    by_id = _last_settings.setdefault(asyncio.get_running_loop(), {})
    last = by_id.setdefault(synapse_conn_id, _LastSettings())
    async with last.lock:
        now = time.monotonic()
        if last.value is None or now - last.read_at >= max_age:
            last.value = await read_settings(synapse_conn_id)
            last.read_at = now
        settings = last.value
    return await create_session(settings)


async def read_settings(synapse_conn_id: str) -> ClientSettings:
    """Return the settings of a connection, without blocking the event loop.

    Args:
        synapse_conn_id: Id of the connection.

    Raises:
        AirflowNotFoundException: The connection is not defined.
        SynapseConfigError: Invalid settings in the connection.
    """
    try:
        connection = await BaseHook.aget_connection(synapse_conn_id)
    except AirflowNotFoundException:
        found = connection_uri.find_connection(synapse_conn_id)
        if found is None:
            raise
        for secret in connection_uri.list_secrets(found):
            await amask_secret(secret)
        _log.info("Using %s", connection_uri.ORIGIN)
        extra = await _read_extra(found)
        return ClientSettings.from_connection(found, extra, origin=connection_uri.ORIGIN)
    return ClientSettings.from_connection(connection, await _read_extra(connection))


async def _read_extra(connection: Connection) -> dict[str, Any]:
    """Return the extra fields, masked: Airflow < 3.3.2 has no `Connection.aextra_dejson`."""
    try:
        extra: dict[str, Any] = json.loads(connection.extra or "{}")
    except json.JSONDecodeError:  # as `Connection.extra_dejson` does
        _log.warning("The field extra of connection %s is not JSON", connection.conn_id)
        return {}
    await amask_secret(extra)
    return extra


async def create_session(settings: ClientSettings, **options: Any) -> AsyncSession:
    """Create a session from the settings of a connection.

    If the connection names an account, the session verifies that its credentials belong to it.

    Args:
        settings: The settings.
        options: Arguments `retry` and `timeout` of `AsyncSession`.

    Raises:
        SynapseNoCredentialsError: The connection has no token.
        SynapseAuthenticationError: The token belongs to another account.
        SynapseHTTPError: Synapse rejects the token.
    """
    urls = settings.endpoints
    found = find_credentials(settings)
    if settings.token is None:  # Airflow masks the password of a connection itself
        await amask_secret(str(found.secret))
    endpoints = Endpoints(urls["repoEndpoint"], urls["authEndpoint"], urls["fileHandleEndpoint"])
    check_supported(found, endpoints)
    options["limiter_root"] = _find_limiter_root(settings)
    session = await SharedSession.open(endpoints, found, **options)
    try:
        await _verify_identity(session, found, settings)
    except BaseException:
        await session.close()
        raise
    return session


def _find_limiter_root(settings: ClientSettings) -> str | None:
    """Return the cache directory; None without a limiter, or without a writable directory."""
    if not settings.limit_requests:
        return None
    try:
        return Cache(settings.cache_root).cache_root_dir
    except (OSError, SynapseFileCacheError) as error:
        _log.debug("The request limiter cannot be used: %s", error)
        return None


async def _verify_identity(
    session: SharedSession, found: Credentials, settings: ClientSettings
) -> None:
    """Verify who acts, unless the connection has a token and names no account."""
    if settings.token is not None and settings.username is None:
        return
    is_new = session.profile is None
    try:
        profile = await session.get_profile()
    except SynapseUnauthorizedError as error:
        raise explain_rejection(error, settings) from None
    username = verify_owner(found, profile, settings.username, found.username)
    if is_new and found.origin != settings.origin:
        _log.warning("%s", describe_fallback(settings.origin, username, found))
