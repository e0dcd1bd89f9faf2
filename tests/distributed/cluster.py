"""Airflow with CeleryExecutor, PostgreSQL and Redis; two workers on machines of their own.

Each worker has its own mount namespace: all paths are the same on both machines, but the files are
not. HOME, TMPDIR, AIRFLOW_HOME, the cache of Synapse, the DAG folder, /tmp and /dev/shm belong to
one machine. All servers listen on free ports of the loopback interface.
"""

import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from distributed.environment import TESTS, Options, create_environment, create_path
from distributed.metadata import Metadata
from distributed.processes import Processes, run_processes
from distributed.servers import (
    DATABASE_USER,
    init_database,
    is_listening,
    redis_arguments,
)

from synapse_workflows.free_ports import LOOPBACK, find_free_ports
from synapse_workflows.testing import SynapseService

#: Names of the workers, which are also the names of their queues.
WORKERS = ("a", "b")
#: Names of all machines: those of the workers, and two whose workers tests start and kill.
MACHINES = (*WORKERS, "c", "d")
#: Names of the servers that listen on a port.
SERVERS = ("api-server", "postgres", "redis", "logs", "trigger-logs")
#: Maximum time for the cluster to start, in seconds.
START_TIMEOUT = 600
#: Maximum time for Airflow to find and parse a new DAG file, in seconds.
PARSE_TIMEOUT = 180
ENDED = ("success", "failed")


class Cluster(Metadata):
    """A running cluster.

    Args:
        folder: working directory. Below `disks`, each worker has a directory with its files.
        processes: its processes.
        ports: ports of the servers, by name.
        options: its options.
        synapse: the local Synapse.
    """

    def __init__(
        self,
        folder: Path,
        processes: Processes,
        ports: Mapping[str, int],
        options: Options,
        synapse: SynapseService,
    ) -> None:
        self.folder, self.processes, self.options = folder, processes, options
        self.ports, self.synapse = ports, synapse
        self.url = f"http://{LOOPBACK}:{ports['api-server']}"
        self._token = ""

    def disk(self, worker: str) -> Path:
        """Return the directory with the files of a worker."""
        return self.folder / "disks" / worker

    def locate(self, worker: str, path: str) -> Path:
        """Return where the tests find a file of a worker."""
        return self.disk(worker) / Path(path).relative_to(self.folder)

    @property
    def process_environment(self) -> dict[str, str]:
        """Environment variables of processes that import the modules of the tests."""
        return {
            "AIRFLOW__SYNAPSE__STAGING": f"file://{self.folder}/shared/staging",
            "PATH": create_path(self.folder),
            "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}",
            "TMPDIR": str(self.folder / "tmp"),
        }

    def create_folder(self, name: str) -> Path:
        """Create a folder for files of the tests, which is removed with the cluster."""
        path = self.folder / "tests" / name
        path.mkdir(parents=True)
        return path

    def start_worker(
        self, name: str, concurrency: int | None = None, queues: Sequence[str] = ()
    ) -> None:
        """Start a worker.

        Its tasks find the name in the environment variable `MACHINE`.

        Args:
            name: name of the worker.
            concurrency: maximum number of concurrent tasks; that of the options by default.
            queues: its queues; the default queue and that with its own name by default.
        """
        self.processes.start(
            f"worker-{name}",
            "airflow",
            *("celery", "worker", "--skip-serve-logs", "--without-mingle", "--without-gossip"),
            *("--celery-hostname", name, "--queues", ",".join(queues or ("default", name))),
            *("--concurrency", str(concurrency or self.options.concurrency)),
            disk=self.disk(name),
            environment={"MACHINE": name},
        )

    def is_ready(self, name: str) -> bool:
        """Return whether a worker takes tasks, according to its log."""
        log = self.processes.log(f"worker-{name}")
        return log.exists() and f"celery@{name} ready." in log.read_text(errors="replace")

    def kill_worker(self, name: str) -> None:
        """Kill a worker with all its processes at once; `is_ready` is false then."""
        self.processes.kill(f"worker-{name}")
        self.processes.log(f"worker-{name}").unlink()

    def start_triggerer(self, number: int = 0) -> None:
        self.processes.start(f"triggerer-{number}", "airflow", "triggerer", "--skip-serve-logs")

    def kill_triggerer(self, number: int = 0) -> None:
        """Kill a triggerer with all its processes at once."""
        self.processes.kill(f"triggerer-{number}")

    def add_file(self, name: str, content: str | bytes) -> None:
        """Add a file to the DAG folder of each machine.

        Args:
            name: path of the file in the DAG folder.
            content: its content.
        """
        data = content.encode() if isinstance(content, str) else content
        for folder in (*map(self.disk, MACHINES), self.folder):  # the DAG processor's last
            path = folder / "dags" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.new")
            temporary.write_bytes(data)
            temporary.replace(path)

    def wait_for_dags(self, *dag_ids: str, timeout: float = PARSE_TIMEOUT) -> None:
        """Wait until Airflow knows DAGs."""
        self.wait_until(
            lambda: set(dag_ids) <= {one for (one,) in self.query("select dag_id from dag")},
            timeout,
            lambda: f"{dag_ids} are not all known: {self._describe_import_errors()}",
        )

    def run(
        self,
        dag_id: str,
        conf: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        logical_date: str | None = None,
    ) -> str:
        """Create a run of a DAG.

        Args:
            dag_id: ID of the DAG.
            conf: parameters of the run.
            run_id: ID of the run; a new one by default.
            logical_date: logical date of the run, in ISO 8601.

        Returns:
            The ID of the run.
        """
        run_id = run_id or f"manual__{secrets.token_hex(4)}"
        body = {"dag_run_id": run_id, "logical_date": logical_date, "conf": dict(conf or {})}
        self.request("POST", f"/dags/{dag_id}/dagRuns", body)
        return run_id

    def wait_for_runs(
        self, runs: Sequence[tuple[str, str]], timeout: float, *, state: str | None = "success"
    ) -> dict[tuple[str, str], str]:
        """Wait until runs have ended.

        Args:
            runs: DAG and run IDs.
            timeout: maximum time in seconds.
            state: state that all runs must have at the end; None for any.

        Returns:
            The states of the runs.
        """
        found: dict[tuple[str, str], str] = {}

        def have_ended() -> bool:
            found.update(self.run_states(runs))
            return all(found[run] in ENDED for run in runs)

        self.wait_until(have_ended, timeout, lambda: self._describe_runs(found))
        wrong = {run: one for run, one in found.items() if state and one != state}
        assert not wrong, self._describe_runs(wrong)
        return found

    def wait_until(
        self, is_true: Callable[[], bool], timeout: float, describe: Callable[[], str] = str
    ) -> None:
        """Wait until a condition is true.

        Args:
            is_true: the condition.
            timeout: maximum time in seconds.
            describe: describes what was not true.

        Raises:
            AssertionError: The condition did not become true, or a process of the cluster ended.
        """
        deadline = time.monotonic() + timeout
        while not is_true():
            self.processes.check()
            assert time.monotonic() < deadline, describe()
            time.sleep(0.2)

    def task_logs(self, dag_id: str, run_id: str) -> str:
        """Return the logs of a run's tasks on all machines, with their paths."""
        pattern = f"airflow/logs/dag_id={dag_id}/run_id={run_id}/**/*.log"
        paths = sorted(path for one in MACHINES for path in self.disk(one).glob(pattern))
        return "\n".join(f"{path}:\n{path.read_text(errors='replace')}" for path in paths)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Query the metadata database of Airflow."""
        with self._database.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()

    @cached_property
    def _database(self) -> Any:
        """A connection that threads share: `wait_until` sends a query five times a second."""
        import psycopg2

        connection = psycopg2.connect(
            host=LOOPBACK, port=self.ports["postgres"], user=DATABASE_USER, dbname="airflow"
        )
        connection.autocommit = True
        return connection

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the API of Airflow; return the body of its response."""
        if not self._token:
            response = requests.get(f"{self.url}/auth/token", timeout=300)
            self._token = response.json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self.url}/api/v2{path}"
        response = requests.request(method, url, json=body, headers=headers, timeout=300)
        assert response.ok, f"{method} {path}: {response.text}"
        return response.json() if response.content else None

    def run_states(self, runs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return the states of runs."""
        rows = self.query(
            "select dag_id, run_id, state from dag_run where dag_id = any(%s)",
            [dag_id for dag_id, _ in runs],
        )
        states = {(dag_id, run_id): state for dag_id, run_id, state in rows}
        return {run: states[run] for run in runs}

    def _describe_import_errors(self) -> str:
        return str(self.query("select filename, stacktrace from import_error"))[-5000:]

    def _describe_runs(self, states: Mapping[tuple[str, str], str]) -> str:
        """Describe runs that did not succeed."""
        parts = []
        for (dag_id, run_id), state in states.items():
            if state != "success":
                tasks = {key: one["state"] for key, one in self.tasks(dag_id, run_id).items()}
                parts.append(f"{dag_id} {run_id} is {state}: {tasks}")
        for dag_id, run_id in [run for run, state in states.items() if state != "success"][:2]:
            parts.append(self.task_logs(dag_id, run_id)[-6000:])
        return "\n".join(parts)


@contextmanager
def run_cluster(options: Options | None = None) -> Iterator[Cluster]:
    """Run a cluster during the block, in a temporary directory."""
    options = options or Options()
    folder = Path(tempfile.mkdtemp(prefix="synapse-cluster-"))
    try:
        folder.chmod(0o711)  # PostgreSQL runs as another user
        ports = dict(zip(SERVERS, find_free_ports(len(SERVERS)), strict=True))
        environment = create_environment(folder, ports, options)
        for machine in (folder, *(folder / "disks" / name for name in MACHINES)):
            for name in ("home", "tmp", "airflow", "dags", "shared"):
                (machine / name).mkdir(parents=True)
        with run_processes(folder, environment) as processes:
            synapse = _start_servers(processes, folder, ports, options)
            cluster = Cluster(folder, processes, ports, options, synapse)
            _start_airflow(cluster)
            yield cluster
    finally:
        if not os.environ.get("KEEP_CLUSTER"):
            shutil.rmtree(folder, ignore_errors=True)


def _start_servers(
    processes: Processes, folder: Path, ports: Mapping[str, int], options: Options
) -> SynapseService:
    """Start PostgreSQL, Redis and the local Synapse; migrate the database of Airflow."""
    postgres = init_database(folder / "postgres", ports["postgres"])
    processes.start("postgres", "exec", *postgres, user=DATABASE_USER)
    processes.start("redis", "exec", *redis_arguments(folder, ports["redis"]))
    service_file = folder / "synapse" / "service.json"
    seeds = [word for seed in options.seeds for word in ("--seed", seed)]
    processes.start(
        "synapse",
        "synapse",
        *("serve", "--data", str(service_file.parent), "--port", "0", *seeds),
    )
    deadline = time.monotonic() + START_TIMEOUT
    while not (
        service_file.exists() and is_listening(ports["postgres"]) and is_listening(ports["redis"])
    ):
        processes.check()
        assert time.monotonic() < deadline, "the servers did not start"
        time.sleep(0.05)
    return SynapseService(json.loads(service_file.read_text()), folder)


def _start_airflow(cluster: Cluster) -> None:
    """Start the components of Airflow, and wait until they are healthy."""
    processes = cluster.processes
    processes.start("migrate", "airflow", "db", "migrate")
    processes.wait("migrate", START_TIMEOUT)
    processes.start("api-server", "airflow", "api-server")
    processes.start("dag-processor", "airflow", "dag-processor")
    for number in range(cluster.options.triggerers):
        cluster.start_triggerer(number)
    processes.start("scheduler", "airflow", "scheduler", "--skip-serve-logs")
    for name in WORKERS:
        cluster.start_worker(name)
    cluster.wait_until(lambda: _is_healthy(cluster), START_TIMEOUT)
    connection = json.loads(cluster.synapse.airflow_connection)
    extra = json.dumps(connection.pop("extra"))
    body = {"connection_id": "synapse_default", **connection, "extra": extra}
    cluster.request("POST", "/connections", body)


def _is_healthy(cluster: Cluster) -> bool:
    try:
        # the first request builds all versions of the API of the tasks, which takes seconds
        requests.get(f"{cluster.url}/execution/health", timeout=START_TIMEOUT)
        states = requests.get(f"{cluster.url}/api/v2/monitor/health", timeout=5).json()
    except (requests.RequestException, ValueError):
        return False
    names = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    return all(states.get(name, {}).get("status") == "healthy" for name in names) and all(
        cluster.is_ready(name) for name in WORKERS
    )
