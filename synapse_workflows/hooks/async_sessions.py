"""Asynchronous sessions of Airflow connections, for triggers."""

from typing import Any

from airflow.sdk import BaseHook

from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.http_request import Endpoints
from synapse_workflows.client.core.shared_session import SharedSession
from synapse_workflows.hooks.connection import ClientSettings


async def open_session(synapse_conn_id: str) -> AsyncSession:
    """Read a connection and create a session, without blocking the event loop.

    Args:
        synapse_conn_id: Id of the connection.

    Raises:
        AirflowNotFoundException: The connection is not defined.
        SynapseNoCredentialsError: The connection has no token.
        SynapseConfigError: Invalid settings in the connection.
    """
    return await create_session(synapse_conn_id, await read_settings(synapse_conn_id))


async def read_settings(synapse_conn_id: str) -> ClientSettings:
    """Return the settings of a connection, without blocking the event loop.

    Args:
        synapse_conn_id: Id of the connection.

    Raises:
        AirflowNotFoundException: The connection is not defined.
        SynapseConfigError: Invalid settings in the connection.
    """
    connection = await BaseHook.aget_connection(synapse_conn_id)
    return ClientSettings.from_connection(connection, await connection.aextra_dejson())


async def create_session(
    synapse_conn_id: str, settings: ClientSettings, **options: Any
) -> AsyncSession:
    """Create a session from the settings of a connection.

    Args:
        synapse_conn_id: Id of the connection, for error messages.
        settings: The settings.
        options: Arguments `retry` and `timeout` of `AsyncSession`.

    Raises:
        SynapseNoCredentialsError: The connection has no token.
    """
    urls = settings.endpoints
    token = settings.require_token(synapse_conn_id)
    return await SharedSession.open(
        Endpoints(urls["repoEndpoint"], urls["authEndpoint"], urls["fileHandleEndpoint"]),
        Token(token, origin=f"the connection {synapse_conn_id!r}"),
        **options,
    )
