"""Base class of the Synapse hook: the client of an Airflow connection."""

import os
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from synapse_workflows.client.api.login import use_credentials
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import (
    SynapseError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseUnauthorizedError,
)
from synapse_workflows.hooks import async_sessions, connection_uri
from synapse_workflows.hooks.connection import ClientSettings
from synapse_workflows.hooks.credentials import (
    describe_fallback,
    explain_rejection,
    find_credentials,
)
from synapse_workflows.hooks.submission_operations import SubmissionOperations
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import (
    LineageMode,
    LineageModeName,
    check_lineage_required,
    resolve_lineage_required,
    without_lineage,
)
from synapse_workflows.lineage.lineage_settings import LineageSettings, RecordParams
from synapse_workflows.lineage.task_state_store import AIRFLOW_LOCK
from synapse_workflows.operator_arguments import check_text

#: Maximum number of transfer threads of a task. Many tasks may share a worker.
_MAX_THREADS = 8
#: Short retries: a person is waiting for the connection test.
_CONNECTION_TEST_RETRY = RetryPolicy(attempts=2, total=10, wait=0.5, max_wait=2)


class SynapseBaseHook(BaseHook):
    """Log in to Synapse (synapse.org) with an Airflow connection.

    Args:
        synapse_conn_id: Id of the connection. Its password is a personal access token.
        lineage_mode: `merge`, `replace`, `declared` or `off`; None for that of the connection or
            of `[synapse] lineage_mode`.
        lineage_required: Whether a task fails if its Activity cannot be stored; None for the value
            of the connection or of `[synapse] lineage_required`.
        record_params: Whether the description of an Activity lists the parameters and the `conf`
            of the run, without secrets: True, False, or a list of names; None for the value of the
            connection or of `[synapse] record_params`.
        code_parent_id: Folder or project in which code without a permanent URL is stored, as a
            File with a version for each content; None for the value of the connection or of
            `[synapse] code_parent_id`.
        retry: Retry and backoff settings of the client, also of its login.

    Raises:
        ValueError: Invalid `synapse_conn_id`, `lineage_mode`, `lineage_required`, `record_params`
            or `code_parent_id`.
    """

    conn_name_attr = "synapse_conn_id"
    default_conn_name = "synapse_default"
    conn_type = "synapse"
    hook_name = "Synapse (synapse.org)"

    def __init__(
        self,
        synapse_conn_id: str = default_conn_name,
        lineage_mode: LineageModeName | None = None,
        *,
        lineage_required: bool | None = None,
        record_params: RecordParams | None = None,
        code_parent_id: str | None = None,
        retry: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_text(synapse_conn_id, "synapse_conn_id")
        self.synapse_conn_id = synapse_conn_id
        self.retry = retry
        self.lineage_mode = LineageMode.resolve(lineage_mode)
        if lineage_required is not None:
            check_lineage_required(lineage_required)
        self.lineage_required = lineage_required
        self._has_lineage_mode = lineage_mode is not None
        self.lineage_settings = LineageSettings.parse(record_params, code_parent_id)

    @property
    def client(self) -> LineageClient:
        """Logged-in client of the connection, created on first access.

        Raises:
            AirflowNotFoundException: The connection is not defined.
            SynapseNoCredentialsError: The connection has no token.
            SynapseUnauthorizedError: Synapse rejects the token.
        """
        return self._client

    def get_conn(self) -> LineageClient:
        """Return `client`."""
        return self.client

    @property
    def ops(self) -> SubmissionOperations:
        """Deprecated operations on submissions, under the names of py-orca."""
        return SubmissionOperations(self.client)

    def without_lineage(self) -> AbstractContextManager[None]:
        """Suspend lineage inside this block, for all clients of the task.

        What is read, stored or run inside the block is not recorded. Stored entities have no
        asset event, and no Activity unless the call declares an Activity. The block applies to
        the current thread.
        """
        return without_lineage()

    async def async_session(self) -> AsyncSession:
        """Create a session for the event loop of a trigger. The caller must close the session.

        Sessions of the same connection in one event loop share an HTTP client.

        Raises:
            AirflowNotFoundException: The connection is not defined.
            SynapseNoCredentialsError: The connection has no token.
        """
        return await self.create_async_session(await self.async_settings())

    async def create_async_session(self, settings: ClientSettings, **options: Any) -> AsyncSession:
        """Create a session from the settings of the connection. The caller must close the session.

        Args:
            settings: The settings.
            options: Arguments `retry` and `timeout` of `AsyncSession`.

        Raises:
            SynapseNoCredentialsError: The connection has no token.
        """
        return await async_sessions.create_session(settings, **options)

    async def async_settings(self) -> ClientSettings:
        """Return the settings of the connection, in an event loop.

        Raises:
            AirflowNotFoundException: The connection is not defined.
        """
        return await async_sessions.read_settings(self.synapse_conn_id)

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the connection works, and a message with the user name. Never raises."""
        try:
            settings = self.settings()
            client = self._create_client(settings, retry=_CONNECTION_TEST_RETRY, timeout=10)
            profile = client.call("GET", "/userProfile").json
        except Exception as error:  # noqa: BLE001 - the web UI shows the error
            return False, self._redact(f"{type(error).__name__}: {error}")
        message = f"Connected as {profile['userName']} (id {profile['ownerId']})"
        found = client.credentials
        if found is not None and found.origin != f"the connection {self.synapse_conn_id!r}":
            message += f", with the {found.noun} from {found.origin}"
        return True, message

    def settings(self) -> ClientSettings:
        """Return the settings of the connection.

        Raises:
            AirflowNotFoundException: The connection is not defined.
            SynapseConfigError: Invalid `cache_limit`.
        """
        try:
            with AIRFLOW_LOCK:
                connection = self.get_connection(self.synapse_conn_id)
        except AirflowNotFoundException as missing:
            found = connection_uri.find_connection(self.synapse_conn_id)
            if found is not None:
                for secret in connection_uri.list_secrets(found):
                    mask_secret(secret)
                return ClientSettings.from_connection(found, origin=connection_uri.ORIGIN)
            variable = f"AIRFLOW_CONN_{self.synapse_conn_id.upper()}"
            raise AirflowNotFoundException(
                f"The connection {self.synapse_conn_id!r} is not defined. Create a connection of "
                "type 'synapse' whose password is a personal access token, in the Airflow UI "
                f"under Admin > Connections or in the environment variable {variable}."
                f"{connection_uri.explain_missing(self.synapse_conn_id)}"
            ) from missing
        return ClientSettings.from_connection(connection)

    def get_entity_url(self, entity_id: str, version: int | None = None) -> str:
        """Return the URL of an entity on the web portal of the connection.

        Args:
            entity_id: `syn123`.
            version: Version number; None for the current version.

        Raises:
            AirflowNotFoundException: The connection is not defined.
        """
        portal = self.settings().endpoints["portalEndpoint"].rstrip("/")
        suffix = f".{version}" if version else ""
        return f"{portal}/Synapse:{entity_id}{suffix}"

    def get_evaluation_url(self, evaluation_id: str) -> str | None:
        """Return the URL of an evaluation: the challenge page of its project on the web portal.

        synapse.org has no page of a single evaluation.

        Args:
            evaluation_id: ID of the evaluation.

        Returns:
            The URL; None if the evaluation does not exist or the user may not read it.

        Source:
            GET /evaluation/{id}
        """
        try:
            evaluation = self.client.getEvaluation(evaluation_id)
        except (SynapseForbiddenError, SynapseNotFoundError):
            return None
        return f"{self.get_entity_url(evaluation.contentSource)}/challenge/"

    def get_principal_url(self, principal_id: str) -> str | None:
        """Return the URL of the page of a user or a team on the web portal of the connection.

        Args:
            principal_id: ID of the user or team.

        Returns:
            The URL; None if the principal does not exist or Synapse does not answer.

        Source:
            GET /userGroupHeaders/batch
        """
        portal = self.settings().endpoints["portalEndpoint"].rstrip("/")
        params = {"ids": principal_id}
        try:
            found = self.client.call("GET", "/userGroupHeaders/batch", params=params).json
        except SynapseError:
            return None
        headers = found["children"]
        if not headers:
            return None
        return f"{portal}/{'Profile' if headers[0]['isIndividual'] else 'Team'}:{principal_id}"

    @cached_property
    def _client(self) -> LineageClient:
        settings = self.settings()
        client = self._create_client(settings, retry=self.retry)
        self.log.info("Logged in to Synapse as %s with %s", client.username, settings.origin)
        if settings.origin != connection_uri.ORIGIN:
            connection_uri.log_ignored(self.synapse_conn_id)
        return client

    def _create_client(self, settings: ClientSettings, **options: Any) -> LineageClient:
        """Create a client and log in; `options` are further arguments of `Synapse`."""
        found = find_credentials(settings)
        if settings.token is None:  # Airflow masks the password of a connection itself
            mask_secret(str(found.secret))
        client = LineageClient(
            synapse_conn_id=self.synapse_conn_id,
            lineage_mode=self._resolve_lineage_mode(settings),
            lineage_required=self._resolve_lineage_required(settings),
            lineage_settings=self.lineage_settings
            | settings.lineage_settings
            | LineageSettings.from_config(),
            **settings.endpoints,
            skip_checks=True,
            # ignore ~/.synapseConfig of the worker: it may belong to another user
            configPath=os.devnull,
            cache_root_dir=settings.cache_root,
            cache_limit=settings.cache_limit,
            limit_requests=settings.limit_requests,
            **options,
        )
        client.max_threads = min(client.max_threads, _MAX_THREADS)
        client.storage_config_path = settings.storage_config
        client.use_boto_sts_transfers = settings.use_boto_sts
        try:
            use_credentials(client, found, settings.username)
        except SynapseUnauthorizedError as error:
            raise explain_rejection(error, settings) from None
        if found.origin != settings.origin:
            username = str(client.username)
            self.log.warning("%s", describe_fallback(settings.origin, username, found))
        return client

    def _resolve_lineage_mode(self, settings: ClientSettings) -> LineageMode:
        if self._has_lineage_mode or settings.lineage_mode is None:
            return self.lineage_mode
        return settings.lineage_mode

    def _resolve_lineage_required(self, settings: ClientSettings) -> bool:
        given = self.lineage_required
        return resolve_lineage_required(settings.lineage_required if given is None else given)

    def _redact(self, text: str) -> str:
        try:
            secret = find_credentials(self.settings()).secret
        except Exception:  # noqa: BLE001 - no connection, no secret
            return text
        return text.replace(secret, "***")
