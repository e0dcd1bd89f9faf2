"""Airflow's API server on the database of runs that were executed in a process."""

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from support.airflow_database import create_database
from synapse_workflows.demo.runner import airflow_environment, run_airflow_command
from synapse_workflows.free_ports import LOOPBACK, find_free_port

TESTS = Path(__file__).parents[1]
#: Users of the web server and their roles.
USERS = {"alice": "admin", "carol": "viewer"}


@dataclass(frozen=True)
class AirflowPages:
    """A running API server.

    Args:
        url: address of the server.
        passwords: password of each user.
    """

    url: str
    passwords: Mapping[str, str]

    def log_in(self, user: str) -> str:
        """Return the token of a user."""
        answer = requests.post(
            f"{self.url}/auth/token",
            json={"username": user, "password": self.passwords[user]},
            timeout=30,
        )
        answer.raise_for_status()
        return answer.json()["access_token"]


@contextmanager
def run_airflow_pages(
    folder: Path, dags: Path, connection: str, runs: Mapping[str, Any]
) -> Iterator[AirflowPages]:
    """Run DAGs in a process, and then the API server during the block. Users have passwords.

    Args:
        folder: working directory.
        dags: folder of the DAGs.
        connection: the connection `synapse_default`, as JSON text.
        runs: parameters of one run of each DAG, by DAG ID.
    """
    passwords = {user: secrets.token_hex(8) for user in USERS}
    (folder / "passwords.json").write_text(json.dumps(passwords))
    port = find_free_port()
    url = f"http://{LOOPBACK}:{port}"
    environment = airflow_environment(folder, {"airflow_connection": connection}, dags) | {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{user}:{role}" for user, role in USERS.items()
        ),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
    }
    create_database(folder)
    arguments = [word for dag, conf in runs.items() for word in (dag, json.dumps(conf))]
    module = "synapse_workflows.demo.run_dags"
    run_airflow_command(environment, folder / "runs.log", *arguments, module=module)
    with _configure_airflow(environment), _serve(port):
        yield AirflowPages(url, passwords)


@contextmanager
def _configure_airflow(environment: Mapping[str, str]) -> Iterator[None]:
    """Configure Airflow in this process during the block: one import less than a new process."""
    from airflow import settings

    with pytest.MonkeyPatch.context() as patch:
        for name in environment.keys() - {"PYTHONPATH"}:
            patch.setenv(name, environment[name])
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        settings.configure_vars()
        settings.configure_orm()
        yield
    settings.configure_vars()
    settings.configure_orm()


@contextmanager
def _serve(port: int) -> Iterator[None]:
    """Run the API server of Airflow in a thread."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    purge_cached_app()
    config = uvicorn.Config(create_app(), host=LOOPBACK, port=port, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the API server did not start"
            time.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join()
        purge_cached_app()
