"""Airflow with scheduler, triggerer, DAG processor, API server and LocalExecutor, in processes."""

import json
import secrets
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import requests

from support.airflow_database import create_database
from synapse_workflows.demo.processes import run_process
from synapse_workflows.demo.runner import airflow_environment
from synapse_workflows.free_ports import find_free_port

#: Maximum time for Airflow to find and parse a new DAG file, in seconds.
PARSE_TIMEOUT = 120
PRELOADED = "synapse_workflows.demo.preloaded_airflow"
#: Maximum number of concurrent tasks.
PARALLELISM = 8


class Scheduler:
    """A running Airflow and its metadata database, shared by tests.

    Each test adds DAGs under IDs of its own; the test pauses them at its end.

    Args:
        folder: working directory.
        environment: environment of its processes.
        url: URL of the API server.
    """

    def __init__(self, folder: Path, environment: dict[str, str], url: str) -> None:
        self.folder = folder
        self.dags = folder / "dags"
        self.environment = environment
        self.url = url
        self._triggerer: subprocess.Popen | None = None

    def start_triggerer(self) -> None:
        commands = {"triggerer": ["triggerer", "--skip-serve-logs"]}
        self._triggerer = subprocess.Popen(
            [sys.executable, "-m", PRELOADED, str(self.folder), json.dumps(commands)],
            env=self.environment,
            start_new_session=True,
        )

    def kill_triggerer(self) -> None:
        """Kill the triggerer with all its processes at once."""
        if self._triggerer is None or self._triggerer.poll() is not None:
            return
        parent = psutil.Process(self._triggerer.pid)
        for one in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self._triggerer.wait()

    @contextmanager
    def run_dags(self, source: str, *dag_ids: str, folder: str = "") -> Iterator[None]:
        """Add a DAG file and wait until Airflow knows its DAGs; pause them after the block.

        Args:
            source: content of the file.
            dag_ids: IDs of its DAGs.
            folder: existing folder of the file below `dags`.
        """
        file = self.dags / folder / f"{dag_ids[0]}.py"
        file.with_suffix(".new").write_text(source)
        file.with_suffix(".new").replace(file)
        deadline = time.monotonic() + PARSE_TIMEOUT
        while not set(dag_ids) <= {dag_id for (dag_id,) in self.query("select dag_id from dag")}:
            log = (self.folder / "dag-processor.log").read_text(errors="replace")
            assert time.monotonic() < deadline, log[-5000:]
            time.sleep(0.2)
        try:
            yield
        finally:
            for dag_id in dag_ids:
                self.request("PATCH", f"/dags/{dag_id}", {"is_paused": True})

    def create_runs(self, dag_id: str, days: Iterable[str]) -> None:
        """Create runs of a DAG, one for each day, with the IDs `manual__DAY`."""
        for day in days:
            body = {"dag_run_id": f"manual__{day}", "logical_date": f"{day}T00:00:00Z"}
            self.request("POST", f"/dags/{dag_id}/dagRuns", body)

    def request(self, method: str, path: str, body: Any) -> Any:
        """Send a request to the API of Airflow; return the body of its response."""
        token = requests.get(f"{self.url}/auth/token", timeout=300).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.url}/api/v2{path}"
        response = requests.request(method, url, json=body, headers=headers, timeout=300)
        assert response.ok, response.text
        return response.json()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "airflow" / "airflow.db", timeout=30)) as db:
            return db.execute(sql, values).fetchall()

    def count_states(self, pattern: str) -> Counter[str]:
        """Count the runs of DAGs in each state; the pattern of the IDs is that of SQL's `like`."""
        rows = self.query("select state from dag_run where dag_id like ?", pattern)
        return Counter(state for (state,) in rows)

    def wait_for_runs(self, pattern: str, count: int, timeout: float) -> Counter[str]:
        """Wait until `count` runs of DAGs have ended; return the number in each state."""
        deadline = time.monotonic() + timeout
        while True:
            states = self.count_states(pattern)
            if states["success"] + states["failed"] == count:
                return states
            assert time.monotonic() < deadline, f"{states}, not {count} ended runs"
            time.sleep(0.5)

    def results(self, pattern: str, task_id: str) -> dict[tuple[str, str], Any]:
        """Return the result of a task of DAGs in each run, by DAG and run ID."""
        rows = self.query(
            "select dag_id, run_id, value from xcom "
            "where dag_id like ? and task_id = ? and key = 'return_value'",
            *(pattern, task_id),
        )
        return {(dag_id, run_id): _parse(value) for dag_id, run_id, value in rows}


def _parse(value: Any) -> Any:
    parsed = json.loads(value)
    return json.loads(parsed) if isinstance(parsed, str) else parsed


@contextmanager
def run_scheduler(folder: Path, connection: str) -> Iterator[Scheduler]:
    """Run Airflow during the block.

    Args:
        folder: working directory; its subdirectory `dags` has the DAGs.
        connection: the connection `synapse_default`, as JSON text.
    """
    url, execution_port = f"http://127.0.0.1:{find_free_port()}", str(find_free_port())
    (folder / "dags").mkdir()
    environment = _create_environment(folder, connection, url, execution_port)
    create_database(folder)
    commands = {
        "api-server": ["api-server", "--apps", "core", "--port", url.rpartition(":")[2]],
        # In one process, a request that waits for SQLite's lock in the event loop blocks the
        # request that has the lock, until the timeout of SQLite.
        "execution-api": ["api-server", "--apps", "execution", "--port", execution_port],
        "dag-processor": ["dag-processor"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
    }
    arguments = [PRELOADED, str(folder), json.dumps(commands)]
    with (
        (folder / "airflow.log").open("wb") as log,
        run_process(arguments, environment, log),
        ExitStack() as stack,
    ):
        scheduler = Scheduler(folder, environment, url)
        scheduler.start_triggerer()
        stack.callback(scheduler.kill_triggerer)
        _wait_for_server(f"{url}/api/v2/version")
        _wait_for_server(f"http://127.0.0.1:{execution_port}/execution/health")
        yield scheduler


def _create_environment(
    folder: Path, connection: str, url: str, execution_port: str
) -> dict[str, str]:
    service = {"airflow_connection": connection}
    return airflow_environment(folder, service, folder / "dags") | {
        "AIRFLOW__API__PORT": url.rpartition(":")[2],
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": (
            f"http://127.0.0.1:{execution_port}/execution/"
        ),
        "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        # files are found soon, and parsed once
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"sqlite:///{folder / 'airflow' / 'airflow.db'}?timeout=60"
        ),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        # another triggerer takes over the triggers of a killed one after this time
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "0.5",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "2",
    }


def _wait_for_server(url: str) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            assert time.monotonic() < deadline, "the API server did not start"
        time.sleep(0.3)
