"""Airflow with scheduler, triggerer, API server and LocalExecutor, in separate processes."""

import json
import secrets
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from support.airflow_database import create_database
from synapse_workflows.demo.processes import run_process
from synapse_workflows.demo.runner import airflow_environment, run_airflow_command


@dataclass(frozen=True)
class Backfill:
    """Runs of a DAG, one for each day; both dates are inclusive."""

    dag_id: str
    first: str
    last: str


class Scheduler:
    """A running scheduler and its metadata database.

    Args:
        folder: working directory.
        environment: environment of its processes.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    @contextmanager
    def run_triggerer(self) -> Iterator[None]:
        """Run a triggerer during the block, then kill it with all its processes at once."""
        with (self.folder / "triggerer.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield
            finally:
                parent = psutil.Process(process.pid)
                for one in [parent, *parent.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        one.kill()
                process.wait()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "airflow" / "airflow.db", timeout=30)) as db:
            return db.execute(sql, values).fetchall()

    def wait_for_runs(self, count: int, timeout: float) -> list[str]:
        """Wait until `count` runs have ended; return their states."""
        deadline = time.monotonic() + timeout
        while True:
            rows = self.query("select state from dag_run where state in ('success', 'failed')")
            if len(rows) == count:
                return [state for (state,) in rows]
            assert time.monotonic() < deadline, f"{len(rows)} of {count} runs have ended"
            time.sleep(0.5)

    def results(self, task_id: str) -> dict[tuple[str, str], Any]:
        """Return the result of a task in each run, by DAG and run ID."""
        rows = self.query(
            "select dag_id, run_id, value from xcom where task_id = ? and key = 'return_value'",
            task_id,
        )
        return {(dag_id, run_id): _parse(value) for dag_id, run_id, value in rows}


def _parse(value: Any) -> Any:
    parsed = json.loads(value)
    return json.loads(parsed) if isinstance(parsed, str) else parsed


@contextmanager
def run_scheduler(
    folder: Path,
    dags: Path,
    connection: str,
    at_once: int,
    backfills: Iterable[Backfill] = (),
    components: Iterable[str] = (),
) -> Iterator[Scheduler]:
    """Run Airflow during the block.

    Args:
        folder: working directory.
        dags: folder of the DAGs.
        connection: the connection `synapse_default`, as JSON text.
        at_once: maximum number of concurrent runs per DAG, and of concurrent tasks in total.
        backfills: backfills that are created before the scheduler starts.
        components: further components of Airflow to start: `triggerer`, `dag-processor`.
    """
    port = _find_free_port()
    environment = airflow_environment(folder, {"airflow_connection": connection}, dags) | {
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": str(at_once),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"sqlite:///{folder / 'airflow' / 'airflow.db'}?timeout=60"
        ),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        # another triggerer takes over the triggers of a killed one after this time
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "0.5",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "2",
    }
    create_database(folder)
    commands = [["dags", "reserialize"]]
    for one in backfills:
        dates = ["--from-date", one.first, "--to-date", one.last]
        limit = ["--max-active-runs", str(at_once)]
        commands.append(["backfill", "create", "--dag-id", one.dag_id, *dates, *limit])
    for command in commands:
        run_airflow_command(environment, folder / f"{command[0]}.log", *command)
    with ExitStack() as stack:

        def start(component: str, *options: str) -> None:
            log = stack.enter_context((folder / f"{component}.log").open("wb"))
            stack.enter_context(run_process(["airflow", component, *options], environment, log))

        start("api-server", "--port", str(port))
        _wait_for_server(f"http://127.0.0.1:{port}/api/v2/version")
        start("scheduler", "--skip-serve-logs")  # its tasks require the API server
        for component in components:
            start(component)
        yield Scheduler(folder, environment)


def _find_free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for_server(url: str) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            assert time.monotonic() < deadline, "the API server did not start"
        time.sleep(0.3)
