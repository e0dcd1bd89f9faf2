"""Secrets backend for AWS connections with STS credentials of Synapse folders.

Airflow imports this module while it reads its configuration. Modules that read the configuration
are imported on first use.
"""

import inspect
import json
import logging
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Final

from airflow.sdk.bases.secrets_backend import BaseSecretsBackend
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSecretsBackendAccessDenied,
)

from synapse_workflows.client.errors import RetryCategory, SynapseError
from synapse_workflows.hooks.sts_conn_ids import is_sts_conn_id

_log: Final = logging.getLogger(__name__)
#: Methods of a delegate.
_METHODS: Final = ("get_conn_value", "get_connection", "get_variable", "get_config")


class StsConnectionError(AirflowSecretsBackendAccessDenied):
    """The AWS connection of a folder cannot be provided.

    Airflow ignores other errors of a secrets backend. Hooks of the Amazon provider would then use
    the credentials of the worker.
    """


class StsConnectionScopeError(StsConnectionError, AirflowFailException):
    """The folder has no credentials with the permission. A task fails at once."""


class SynapseStsBackend(BaseSecretsBackend):
    """Secrets backend that provides AWS connections with STS credentials of Synapse folders.

    The connection ID `synapse-sts://syn123` gives read-only, `synapse-sts://syn123/read_write`
    full access to the storage of the folder. In URLs of objects, write dots:
    `s3://synapse-sts.syn123.read_write@bucket/key`. A deployment has one secrets backend;
    all other connections, variables and configuration values come from `delegate`:

        [secrets]
        backend = synapse_workflows.secrets.SynapseStsBackend
        backend_kwargs = {"delegate": "airflow.providers.hashicorp.secrets.vault.VaultBackend",
                          "delegate_kwargs": {"url": "http://vault.example.org:8200"}}

    The credentials of a connection expire after at most 12 hours, unless the AWS hooks have the
    session factory `synapse_workflows.hooks.sts_session_factory.SynapseStsSessionFactory`.

    Args:
        synapse_conn_id: The connection of the account that gets the credentials.
        delegate: Import path of the class of another secrets backend, or a backend; None for none.
        delegate_kwargs: Arguments of that class, as a dictionary or as JSON.

    Raises:
        ImportError: The module of the class does not exist.
        AttributeError: The class does not exist.
        ValueError: Invalid `delegate_kwargs`, or the delegate is not a secrets backend.
    """

    def __init__(
        self,
        synapse_conn_id: str = "synapse_default",
        delegate: str | Any = None,
        delegate_kwargs: Mapping[str, Any] | str | None = None,
    ) -> None:
        super().__init__()
        self.synapse_conn_id = synapse_conn_id
        kwargs = _parse_kwargs(delegate_kwargs)
        if kwargs and not isinstance(delegate, str):
            raise ValueError("delegate_kwargs require delegate, the import path of a class.")
        self.delegate = _create_delegate(delegate, kwargs)

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str | None:
        """Return a connection as text; None for an unknown connection."""
        if is_sts_conn_id(conn_id):
            return self._create_connection(conn_id)
        value: str | None = self._call_delegate("get_conn_value", team_name, conn_id=conn_id)
        return value

    def get_connection(self, conn_id: str, team_name: str | None = None) -> Any:
        """Return a connection; None for an unknown connection.

        Raises:
            StsConnectionScopeError: The folder has no credentials with the permission.
            StsConnectionError: Synapse cannot be reached; a retry may succeed.
        """
        if is_sts_conn_id(conn_id):
            return self.deserialize_connection(conn_id, self._create_connection(conn_id))
        return self._call_delegate("get_connection", team_name, conn_id=conn_id)

    def get_variable(self, key: str, team_name: str | None = None) -> str | None:
        """Return a variable of the delegate; None for an unknown variable."""
        value: str | None = self._call_delegate("get_variable", team_name, key=key)
        return value

    def get_config(self, key: str) -> str | None:
        """Return a configuration value of the delegate; None for an unknown key."""
        return None if self.delegate is None else self.delegate.get_config(key)

    def _set_connection_class(self, conn_class: type) -> None:
        super()._set_connection_class(conn_class)
        if self.delegate is not None and hasattr(self.delegate, "_set_connection_class"):
            self.delegate._set_connection_class(conn_class)  # noqa: SLF001 - as Airflow does

    def _call_delegate(self, name: str, team_name: str | None, **arguments: Any) -> Any:
        """Call a method of the delegate."""
        if self.delegate is None:
            return None
        method = getattr(self.delegate, name)
        if _accepts_team_name(method):
            arguments["team_name"] = team_name
        return method(**arguments)

    def _create_connection(self, conn_id: str) -> str:
        from synapse_workflows.hooks.sts_connections import (
            SOURCES,
            StsReference,
            create_connection_fields,
        )

        try:
            reference = StsReference.from_conn_id(conn_id, self.synapse_conn_id)
            assert reference is not None  # noqa: S101 - the ID has the scheme
            fields = create_connection_fields(
                reference, SOURCES.get(reference), with_credentials=True
            )
        except Exception as error:
            _log.error("Cannot provide the connection %s: %s", conn_id, error)
            is_permanent = isinstance(error, AirflowFailException | AirflowNotFoundException) or (
                isinstance(error, SynapseError) and error.retry_category is RetryCategory.PERMANENT
            )
            error_class = StsConnectionScopeError if is_permanent else StsConnectionError
            raise error_class(f"Cannot provide the connection {conn_id!r}: {error}") from error
        return json.dumps(fields)


def _parse_kwargs(value: Mapping[str, Any] | str | None) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError:
            # the text may have secrets
            raise ValueError("Invalid delegate_kwargs: expected a JSON object.") from None
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(
            f"Invalid delegate_kwargs: expected an object, not {type(value).__name__}."
        )
    return dict(value or {})


def _create_delegate(delegate: Any, kwargs: Mapping[str, Any]) -> Any:
    """Return the delegate, given as an import path or as a backend.

    Airflow ignores errors of a secrets backend, so a wrong delegate must be found here.
    """
    if delegate is None:
        return None
    found = delegate
    if isinstance(delegate, str):
        try:
            found = pkgutil.resolve_name(delegate)
        except (ImportError, AttributeError, ValueError) as error:
            error_class = type(error) if type(error) is not ModuleNotFoundError else ImportError
            raise error_class(f"Cannot import the delegate {delegate!r}: {error}") from error
    created = found(**kwargs) if callable(found) else found
    missing = [name for name in _METHODS if not callable(getattr(created, name, None))]
    if missing:
        raise ValueError(
            f"Invalid delegate {delegate!r}: it has no method {missing[0]}. Expected the import "
            "path of a secrets backend, for example "
            "'airflow.providers.hashicorp.secrets.vault.VaultBackend'."
        )
    return created


def _accepts_team_name(method: Callable[..., Any]) -> bool:
    """Return whether a method has the parameter that Airflow 3.2 has added."""
    parameters = inspect.signature(method).parameters.values()
    return any(one.name == "team_name" or one.kind is one.VAR_KEYWORD for one in parameters)
