"""Clients of the file system: of an Airflow connection, or of the user of this machine."""

import os
import sys
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapse_workflows.client.synapse import Synapse
    from synapse_workflows.lineage.collector import LineageCollector

_DEFAULT_CONN_ID = "synapse_default"


@dataclass
class FileSystemClient:
    """The client of a file system, logged in at the first access to Synapse.

    In an Airflow task, the client is that of a connection, and all file systems of the task share
    it. Its reads and writes are recorded as the lineage of the task. Callbacks, triggers and DAG
    files use the connection, too. Outside of Airflow, the client has the account of the user:
    `SYNAPSE_AUTH_TOKEN`, `~/.synapseConfig` or the keyring.

    Args:
        synapse_conn_id: Airflow connection; None for `synapse_default` in a process of Airflow.
        profile: Profile of the configuration file, outside of Airflow.
        config_path: Configuration file, outside of Airflow; None for `~/.synapseConfig`.
    """

    synapse_conn_id: str | None = None
    profile: str | None = None
    config_path: str | None = None
    _client: Any = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def get(self) -> "Synapse":
        """Return the client.

        Raises:
            ValueError: `profile` or `config_path` is given in a task.
            AirflowNotFoundException: The connection is not defined.
            SynapseAuthenticationError: There are no credentials, or Synapse rejects them.
        """
        collector = current_collector()
        if collector is not None:
            if self.profile or self.config_path:
                raise ValueError(
                    "Invalid storage options profile and config_path: a task uses a connection, "
                    "for example syn://conn_id@syn123 or synapse_conn_id='conn_id'."
                )
            from synapse_workflows.hooks.base import SynapseBaseHook

            conn_id = self.synapse_conn_id or _DEFAULT_CONN_ID
            hook = collector.get_or_create(f"hook {conn_id}", lambda: SynapseBaseHook(conn_id))
            return hook.client
        with self._lock:
            if self._client is None:
                self._client = self._log_in()
            client: Synapse = self._client
            return client

    def _log_in(self) -> "Synapse":
        is_user = self.profile or self.config_path or not _is_airflow_process()
        conn_id = self.synapse_conn_id or (None if is_user else _DEFAULT_CONN_ID)
        if conn_id is not None:
            from synapse_workflows.hooks.base import SynapseBaseHook

            return SynapseBaseHook(conn_id).client
        from synapse_workflows.client.synapse import Synapse

        options: dict[str, Any] = (
            {} if self.config_path is None else {"configPath": self.config_path}
        )
        client = Synapse(skip_checks=True, silent=True, **options)
        client.login(silent=True, profile=self.profile)
        return client


def current_collector() -> "LineageCollector | None":
    """Return the lineage collector of the running Airflow task; None outside a task."""
    if "airflow.sdk" not in sys.modules:
        return None
    from synapse_workflows.lineage import collector

    return collector.current_collector()


def _is_airflow_process() -> bool:
    """Return whether this is a process of a task, a trigger, a DAG file or an Airflow server."""
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    has_supervisor = getattr(runner, "SUPERVISOR_COMMS", None) is not None
    return has_supervisor or (
        "airflow.sdk" in sys.modules and "_AIRFLOW_PROCESS_CONTEXT" in os.environ
    )


def mask_in_task(secret: str) -> None:
    """Mask a secret in the log of the running Airflow task, if there is one."""
    if current_collector() is not None:
        from airflow.sdk.log import mask_secret

        mask_secret(secret)
