"""The Airflow hook: from a connection to a Synapse client whose lineage writes itself."""

import os
from functools import cached_property
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.http_request import Endpoints
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import SynapseNoCredentialsError
from synapse_workflows.hooks.connection import ClientSettings
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import LineageMode

#: Many tasks share a worker: transfers of one of them take no more threads than this.
_MAX_THREADS = 8
#: Who presses a button waits for the answer.
_CONNECTION_TEST_RETRY = RetryPolicy(attempts=2, total=10, wait=0.5, max_wait=2)


class SynapseHook(BaseHook):
    """Speaks to Synapse (synapse.org) as one Airflow connection says.

    Inside a running task, whatever the client reads and stores is gathered as the lineage of the
    task; what it stores carries an Activity. Nothing has to be said for that.

    Args:
        synapse_conn_id: the connection: its password is a personal access token.
        lineage_mode: `auto`, `declared` or `off`, see `[synapse] lineage_mode`; None means that.
    """

    conn_name_attr = "synapse_conn_id"
    default_conn_name = "synapse_default"
    conn_type = "synapse"
    hook_name = "Synapse (synapse.org)"

    def __init__(
        self,
        synapse_conn_id: str = default_conn_name,
        lineage_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.synapse_conn_id = synapse_conn_id
        self.lineage_mode = LineageMode.resolve(lineage_mode)

    @property
    def client(self) -> LineageClient:
        """The client, logged in; made when first asked for.

        Raises:
            AirflowNotFoundException: There is no such connection.
            SynapseNoCredentialsError: The connection holds no token.
            SynapseUnauthorizedError: Synapse does not take the token.
        """
        client = self._client
        collector = current_collector()
        # whatever an earlier try has stored already is not stored again as a new version
        client.skip_unchanged = collector is not None and collector.is_retry
        return client

    def get_conn(self) -> LineageClient:
        """Give the client, as `client` does."""
        return self.client

    async def async_session(self) -> AsyncSession:
        """Make what speaks to Synapse in the event loop of a trigger; the caller closes it.

        Raises:
            AirflowNotFoundException: There is no such connection.
            SynapseNoCredentialsError: It holds no token.
        """
        connection = await self.aget_connection(self.synapse_conn_id)
        settings = ClientSettings.from_connection(connection, await connection.aextra_dejson())
        at = settings.endpoints
        return AsyncSession(
            Endpoints(at["repoEndpoint"], at["authEndpoint"], at["fileHandleEndpoint"]),
            Token(self._token(settings), origin=f"the connection {self.synapse_conn_id!r}"),
        )

    def test_connection(self) -> tuple[bool, str]:
        """Say whether the connection works, and as whom; never raises."""
        try:
            client = self._logged_in(retry=_CONNECTION_TEST_RETRY, timeout=10)
            profile = client.call("GET", "/userProfile").json
        except Exception as failed:  # noqa: BLE001 - whatever it is, the page shows it
            return False, self._without_token(f"{type(failed).__name__}: {failed}")
        return True, f"Connected as {profile['userName']} (id {profile['ownerId']})"

    def settings(self) -> ClientSettings:
        """Read the connection.

        Raises:
            AirflowNotFoundException: There is no such connection.
        """
        try:
            connection = self.get_connection(self.synapse_conn_id)
        except AirflowNotFoundException as missing:
            variable = f"AIRFLOW_CONN_{self.synapse_conn_id.upper()}"
            raise AirflowNotFoundException(
                f"The connection {self.synapse_conn_id!r} is not defined. Make one of type "
                "'synapse' whose password is a personal access token: in Airflow's pages under "
                f"Admin > Connections, or in the environment variable {variable}."
            ) from missing
        return ClientSettings.from_connection(connection)

    @cached_property
    def _client(self) -> LineageClient:
        client = self._logged_in()
        self.log.info(
            "Speaking to Synapse as %s, by the connection %s",
            client.username,
            self.synapse_conn_id,
        )
        return client

    def _logged_in(self, **options: Any) -> LineageClient:
        """Make a client; `options` are more of what `Synapse` takes."""
        settings = self.settings()
        token = self._token(settings)
        client = LineageClient(
            synapse_conn_id=self.synapse_conn_id,
            lineage_mode=self.lineage_mode,
            **settings.endpoints,
            skip_checks=True,
            # the worker's own ~/.synapseConfig is somebody else's: it decides nothing here
            configPath=os.devnull,
            cache_root_dir=settings.cache_dir,
            cache_limit=settings.cache_limit,
            **options,
        )
        client.max_threads = min(client.max_threads, _MAX_THREADS)
        client.login(authToken=token, silent=True)
        return client

    def _token(self, settings: ClientSettings) -> str:
        if settings.token is None:
            # SYNAPSE_AUTH_TOKEN is nobody's fallback: it may be another person's
            raise SynapseNoCredentialsError(
                f"The connection {self.synapse_conn_id!r} holds no token. Put a personal access "
                "token into its password; they are made on synapse.org under Account settings."
            )
        return settings.token

    def _without_token(self, text: str) -> str:
        try:
            token = self.settings().token
        except Exception:  # noqa: BLE001 - without a connection there is no token to show
            return text
        return text.replace(token, "***") if token else text


class SynHook(SynapseHook):
    """The same for connections of type `syn`, as existing secrets name it."""

    conn_type = "syn"
    hook_name = "Synapse (synapse.org), type syn"
