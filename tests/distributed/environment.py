"""Configuration of Airflow in a cluster."""

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet
from distributed.servers import DATABASE_USER

from synapse_workflows.free_ports import LOOPBACK

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Options:
    """Options of a cluster.

    Args:
        concurrency: maximum number of tasks that each worker runs at once.
        triggerers: number of triggerers.
        heartbeat_timeout: time without a heartbeat after which Airflow regards a task as dead, in
            seconds.
        seeds: data sets of the local Synapse.
        environment: further environment variables of all processes.
    """

    concurrency: int = 6
    triggerers: int = 1
    heartbeat_timeout: int = 15
    seeds: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def create_path(folder: Path) -> str:
    """Return the variable PATH with the programs that the machines of a cluster share."""
    return f"{folder}/shared/bin{os.pathsep}{os.environ['PATH']}"


def create_environment(folder: Path, ports: Mapping[str, int], options: Options) -> dict[str, str]:
    """Return the environment variables of all processes of a cluster."""
    url = f"http://{LOOPBACK}:{ports['api-server']}"
    database = f"postgresql+psycopg2://{DATABASE_USER}@{LOOPBACK}:{ports['postgres']}/airflow"
    settings = {
        "api": {
            "base_url": url,
            "host": LOOPBACK,
            "port": ports["api-server"],
            "secret_key": secrets.token_hex(32),
            "workers": 1,
        },
        "api_auth": {"jwt_secret": secrets.token_hex(32)},
        "celery": {
            "broker_url": f"redis://{LOOPBACK}:{ports['redis']}/0",
            "result_backend": f"db+{database}",
            "sync_parallelism": 1,
            "worker_prefetch_multiplier": 1,
        },
        "core": {
            "dags_are_paused_at_creation": False,
            "dags_folder": folder / "dags",
            "default_task_retries": 2,  # the heartbeats of a busy machine may be late
            "default_task_retry_delay": 0,
            "execution_api_server_url": f"{url}/execution/",
            "executor": "CeleryExecutor",
            "fernet_key": Fernet.generate_key().decode(),
            "load_examples": False,
            "max_active_runs_per_dag": 1000,
            "max_active_tasks_per_dag": 1000,
            "parallelism": 1000,
            "simple_auth_manager_all_admins": True,
        },
        "dag_processor": {
            "dag_bundle_storage_path": folder / "bundles",
            "min_file_process_interval": 3600,  # files are parsed once
            "parsing_processes": 1,
            "refresh_interval": 1,
        },
        "database": {"sql_alchemy_conn": database},
        "logging": {
            "trigger_log_server_port": ports["trigger-logs"],
            "worker_log_server_port": ports["logs"],
        },
        "operators": {"default_queue": "default"},
        "scheduler": {
            "max_tis_per_query": 64,
            "scheduler_heartbeat_sec": 1,
            "scheduler_idle_sleep_time": 0.5,
            "task_instance_heartbeat_sec": 3,
            "task_instance_heartbeat_timeout": options.heartbeat_timeout,
            "task_instance_heartbeat_timeout_detection_interval": 1,
        },
        "synapse": {"staging": f"file://{folder}/shared/staging"},
        "triggerer": {"job_heartbeat_sec": 0.5, "triggerer_health_check_threshold": 3},
        "workers": {"min_heartbeat_interval": 3},
    }
    variables = {
        f"AIRFLOW__{section}__{name}".upper(): str(value)
        for section, values in settings.items()
        for name, value in values.items()
    }
    inherited = {name: os.environ[name] for name in ("LANG", "TZ") if name in os.environ}
    paths = {
        "AIRFLOW_HOME": folder / "airflow",
        "HOME": folder / "home",
        "PATH": create_path(folder),
        "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}",
        "TMPDIR": folder / "tmp",
    }
    others = {
        "GIT_CEILING_DIRECTORIES": str(TESTS.parent),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    variables |= {name: str(path) for name, path in paths.items()}
    return inherited | variables | others | dict(options.environment)
