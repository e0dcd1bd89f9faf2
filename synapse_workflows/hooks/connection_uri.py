"""The connection in the variable SYNAPSE_CONNECTION_URI, as that of py-orca."""

import logging
import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from airflow.sdk import Connection

from synapse_workflows.client.errors import SynapseConfigError

_log: Final = logging.getLogger(__name__)

VARIABLE: Final = "SYNAPSE_CONNECTION_URI"
#: The only connection that the variable defines. Others are other accounts.
_CONN_ID: Final = "synapse_default"
_CONN_TYPES: Final = ("syn", "synapse")
#: Description of this source in messages.
ORIGIN: Final = f"the connection in {VARIABLE}"
_EXPECTED: Final = "expected syn://:<token>@, with special characters of the token as %XX"


def find_connection(conn_id: str, environ: Mapping[str, str] | None = None) -> Any | None:
    """Return the connection of the variable SYNAPSE_CONNECTION_URI, if the variable defines it.

    The caller masks the secrets of `list_secrets` in the logs.

    Args:
        conn_id: Id of a connection that Airflow does not have.
        environ: Environment variables; None for those of this process.

    Returns:
        The Airflow connection; None if the variable is not set, another connection is wanted, or
        Airflow's own variable defines the connection, with a value that Airflow cannot read.

    Raises:
        SynapseConfigError: Invalid URI. The message does not contain the URI.
    """
    uri = get_uri(environ)
    if not uri or conn_id != _CONN_ID or _get_airflow_value(conn_id, environ):
        return None
    try:
        connection = Connection.from_uri(uri, conn_id=conn_id)
    except Exception:  # noqa: BLE001 - the messages of these errors contain the URI
        raise SynapseConfigError(f"Invalid {VARIABLE}: {_EXPECTED}.") from None
    if connection.conn_type not in _CONN_TYPES:
        raise SynapseConfigError(
            f"Invalid {VARIABLE}: its scheme is neither 'syn' nor 'synapse'; {_EXPECTED}."
        )
    return connection


def get_uri(environ: Mapping[str, str] | None = None) -> str:
    """Return the value of the variable SYNAPSE_CONNECTION_URI; empty if it is not set."""
    return (os.environ if environ is None else environ).get(VARIABLE, "").strip()


def log_ignored(conn_id: str) -> None:
    """Log that Airflow's connection precedes the variable, if the variable is set."""
    if conn_id == _CONN_ID and get_uri():
        _log.info("%s is not used: Airflow has the connection %r", VARIABLE, conn_id)


def list_secrets(connection: Any) -> list[str]:
    """Return the password of a connection as it is, and as it is written in a URI."""
    password = connection.password or ""
    return list(dict.fromkeys(filter(None, (password, quote(password, safe="")))))


def _get_airflow_value(conn_id: str, environ: Mapping[str, str] | None = None) -> str:
    environ = os.environ if environ is None else environ
    return environ.get(f"AIRFLOW_CONN_{conn_id.upper()}", "").strip()


def explain_missing(conn_id: str) -> str:
    """Return why the variables do not define a connection; empty if they are not set."""
    if _get_airflow_value(conn_id):
        return f" Airflow cannot read the value of this variable: {_EXPECTED}, or JSON."
    if not get_uri():
        return ""
    return f" {VARIABLE} is used only for the connection {_CONN_ID!r}, not for {conn_id!r}."
