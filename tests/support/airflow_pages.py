"""Airflow's API server on the database of runs that were executed in a process."""

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from synapse_workflows.demo.processes import find_free_port, run_process
from synapse_workflows.demo.runner import airflow_environment, run_airflow_command

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
    """Run DAGs, and then the API server during the block. Users have passwords.

    Args:
        folder: working directory.
        dags: folder of the DAGs.
        connection: the connection `synapse_default`, as JSON text.
        runs: parameters of one run of each DAG, by DAG ID.
    """
    passwords = {user: secrets.token_hex(8) for user in USERS}
    (folder / "passwords.json").write_text(json.dumps(passwords))
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    environment = airflow_environment(folder, {"airflow_connection": connection}, dags) | {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
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
    arguments = [word for dag, conf in runs.items() for word in (dag, json.dumps(conf))]
    module = "support.airflow_runs"
    run_airflow_command(environment, folder / "runs.log", *arguments, module=module)
    with (
        (folder / "api-server.log").open("wb") as log,
        run_process(["airflow", "api-server"], environment, log) as process,
    ):
        deadline = time.monotonic() + 90
        while not _is_running(url):
            assert process.poll() is None, (folder / "api-server.log").read_text()[-3000:]
            assert time.monotonic() < deadline, "the API server did not start"
            time.sleep(0.2)
        yield AirflowPages(url, passwords)


def _is_running(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/v2/version", timeout=5).ok
    except requests.RequestException:
        return False
