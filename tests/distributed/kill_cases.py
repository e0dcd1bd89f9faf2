"""Scenarios of the kill matrix on the cluster: a worker is killed or frozen at held requests."""

import importlib.util
import json
import pickle
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from distributed.cluster import Cluster
from distributed.comparison import normalize_activities
from distributed.dag_tests import DagTest, DagTests
from distributed.holding_proxy import HoldingProxy, RecordingProxy
from distributed.metadata import Metadata
from support.kill_matrix import (
    KillPoint,
    Scenario,
    World,
    changes_something,
    is_optional,
    select_kill_points,
)

DAG_FILE = Path(__file__).with_name("dags") / "kill_cases.py"
MATRIX = Path(__file__).parents[1] / "airflow" / "test_kill_matrix.py"
#: The machines of the killed workers, and the queue of these workers.
MACHINES = ("c", "d")
QUEUE = "killed"
TIMEOUT = 600
#: Tasks that a worker runs besides the held ones. Without them, it takes the retry of a task whose
#: heartbeat was late from the queue, and the retry is lost for minutes when the worker is killed.
SPARE = 12
RUN_ID = "manual__case"
#: Point of a case that is not held.
NOWHERE = KillPoint("")
_numbers = count(1)
_files = count(1)


def load_scenarios() -> list[Scenario]:
    """Return the scenarios of the kill matrix."""
    spec = importlib.util.spec_from_file_location("kill_matrix_scenarios", MATRIX)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    scenarios: list[Scenario] = module.SCENARIOS
    return scenarios


def select_scenarios(scenarios: Iterable[Scenario]) -> list[Scenario]:
    """Return the first scenario of each operator, and of the code of tasks."""
    first: dict[Any, Scenario] = {}
    for scenario in scenarios:
        create = scenario.create
        first.setdefault(create.func if isinstance(create, partial) else create, scenario)
    return list(first.values())


def select_points(scenario: Scenario, events: Sequence[str]) -> tuple[KillPoint, KillPoint]:
    """Return the most dangerous points: before and after the last request that changes something.

    Without such a request, these are before the last request and after its response.
    """
    points = select_kill_points(scenario, events, "requests")
    sent = [one for one in points if changes_something(one.event)]
    last = sent[-1] if sent else points[-2]
    after = next(
        one
        for one in points[points.index(last) :]
        if one.event.startswith(f"{last.event} ") and one.number == last.number
    )
    return last, after


@dataclass
class Case:
    """A run of a scenario.

    Args:
        scenario: the scenario.
        world: its world; the machines have copies of its files.
        proxy: the proxy of its requests.
        dag_id: ID of the DAG.
        file: name of the file of the DAG.
    """

    scenario: Scenario
    world: World
    proxy: HoldingProxy
    dag_id: str
    file: str

    @property
    def name(self) -> str:
        return f"{self.scenario.name}: {self.proxy.point}"

    @property
    def connection(self) -> str:
        """The connection to the proxy."""
        text = self.world.service.airflow_connection
        return text.replace(self.proxy.upstream, self.proxy.base_url)


class Cases:
    """Runner of cases.

    Args:
        cluster: the cluster.
        client: a client of its Synapse.
        folder: folder for `dag.test`.
    """

    def __init__(self, cluster: Cluster, client: Any, folder: Path) -> None:
        self.cluster, self.client, self.folder = cluster, client, folder
        self.upstream = cluster.synapse.endpoints["repoEndpoint"].removesuffix("/repo/v1")

    @contextmanager
    def prepare(
        self, points: Iterable[tuple[Scenario, KillPoint]], connection: str | None = None
    ) -> Iterator[list[Case]]:
        """Prepare cases and add a file with their DAGs; stop their proxies after the block.

        Args:
            points: scenarios, and where to hold them.
            connection: the connection of all cases; by default, each has that to its proxy.
        """
        cases: list[Case] = []
        name = f"cases{next(_files)}"
        try:
            for scenario, point in points:
                case = self._create(scenario, point, f"{name}.py")
                cases.append(case)
                arguments = scenario.prepare(case.world)
                self._copy_files(case)
                content = {
                    "create": scenario.create,
                    "arguments": arguments,
                    "connection": connection or case.connection,
                }
                self.cluster.add_file(f"{name}/{case.dag_id}.pickle", pickle.dumps(content))
            self.cluster.add_file(f"{name}.py", DAG_FILE.read_text())
            yield cases
        finally:
            for case in cases:
                case.proxy.stop()

    @contextmanager
    def run_undisturbed(
        self, scenarios: Sequence[Scenario]
    ) -> Iterator[Callable[[], dict[str, tuple[Any, list[str]]]]]:
        """Start runs of scenarios with `dag.test`; end them after the block.

        Yields:
            Function that waits for the runs and returns the outcome and the events of each, by the
            name of the scenario.
        """
        proxy = RecordingProxy(self.upstream)
        proxy.start()
        connection = self.cluster.synapse.airflow_connection
        connection = connection.replace(proxy.upstream, proxy.base_url)
        dags = self.cluster.folder / "dags"
        try:
            with (
                self.prepare([(one, NOWHERE) for one in scenarios], connection) as cases,
                DagTests(self.folder, dags, connection, self.cluster.process_environment) as tests,
            ):
                tests.start(
                    DagTest(case.dag_id, case.file, announce=proxy.announce(case.dag_id))
                    for case in cases
                )
                yield partial(self._collect, cases, tests, proxy)
        finally:
            proxy.stop()

    def _collect(
        self, cases: Sequence[Case], tests: DagTests, proxy: RecordingProxy
    ) -> dict[str, tuple[Any, list[str]]]:
        """Return the outcomes and events of runs with `dag.test`."""
        tests.wait()
        found = {}
        for case in cases:
            case.world.replace(proxy.base_url, "{synapse}")
            outcome = self._describe(case, tests, tests.run_id(case.dag_id), None)
            case.scenario.check(outcome)
            found[case.scenario.name] = (outcome, proxy.events[case.dag_id])
        return found

    def run_killed(self, cases: Sequence[Case]) -> None:
        """Run cases on worker C, kill its tree while all are held, and wait for the retries.

        The retries run on worker C, started again, and on worker D.
        """
        cluster = self.cluster
        self._run_held(cases)
        cluster.kill_worker("c")
        for case in cases:
            case.proxy.release()
        for name in MACHINES:
            self._start_worker(name, cases)
        self._wait(cases)
        for name in MACHINES:
            cluster.kill_worker(name)

    def run_frozen(self, cases: Sequence[Case]) -> Iterator[str]:
        """Run cases on worker C, freeze it while all are held, and wait for the retries on D.

        Yields:
            What happened: `late`, after the held requests have reached Synapse; and `thawed`,
            after the tasks on worker C have ended.
        """
        cluster = self.cluster
        self._run_held(cases)
        worker = cluster.processes.pids["worker-c"]
        frozen = cluster.processes.send_signal(worker, signal.SIGSTOP, tree=True)
        self._start_worker("d", cases)
        self._wait(cases)
        for case in cases:
            case.proxy.release(late=True)
        time.sleep(2)  # for the service to process the requests
        yield "late"
        for pid in frozen:
            cluster.processes.send_signal(pid, signal.SIGCONT)
        # the supervisors end the tasks at the next heartbeat
        cluster.wait_until(lambda: not cluster.processes.has_grandchildren("worker-c"), TIMEOUT)
        yield "thawed"
        for name in MACHINES:
            cluster.kill_worker(name)

    def describe(self, case: Case) -> dict[str, Any]:
        """Describe the outcome of a case on the cluster."""
        number = self.cluster.tasks(case.dag_id, RUN_ID)["store", -1]["try_number"]
        log = (
            f"airflow/logs/dag_id={case.dag_id}/run_id={RUN_ID}/task_id=store/attempt={number}.log"
        )
        logs = [path for one in MACHINES if (path := self.cluster.disk(one) / log).exists()]
        worker = max(logs, key=lambda path: path.stat().st_mtime).relative_to(
            self.cluster.folder / "disks"
        )
        return self._describe(case, self.cluster, RUN_ID, worker.parts[0])

    def _run_held(self, cases: Sequence[Case]) -> None:
        """Run cases on worker C until each is held or has ended."""
        cluster = self.cluster
        cluster.wait_for_dags(*(case.dag_id for case in cases))
        self._start_worker("c", cases)
        runs = [(case.dag_id, cluster.run(case.dag_id, run_id=RUN_ID)) for case in cases]

        def is_held() -> bool:
            states = cluster.run_states(runs)
            return all(
                case.proxy.held.is_set() or states[run] in ("success", "failed")
                for case, run in zip(cases, runs, strict=True)
            )

        def describe() -> str:
            waiting = [case for case in cases if not case.proxy.held.is_set()]
            return "\n".join(
                f"{case.name} is not held: {case.proxy.events}\n"
                + cluster.task_logs(case.dag_id, RUN_ID)[-3000:]
                for case in waiting[:3]
            )

        cluster.wait_until(is_held, TIMEOUT, describe)

    def _start_worker(self, name: str, cases: Sequence[Case]) -> None:
        """Start a worker and wait until it is ready.

        Until Redis has closed the connections of a killed worker, it sends messages there.
        """
        self.cluster.start_worker(name, len(cases) + SPARE, [QUEUE])
        self.cluster.wait_until(lambda: self.cluster.is_ready(name), TIMEOUT)

    def _wait(self, cases: Sequence[Case]) -> None:
        runs = [(case.dag_id, RUN_ID) for case in cases]
        self.cluster.wait_for_runs(runs, TIMEOUT, state=None)

    def _create(self, scenario: Scenario, point: KillPoint, file: str) -> Case:
        number = next(_numbers)
        folder = self.cluster.folder / "tmp" / f"world-{number}"
        folder.mkdir()
        service = self.cluster.synapse
        proxy = HoldingProxy(self.upstream, point)
        proxy.start()
        world = World(service, self.client, folder, number)
        return Case(scenario, world, proxy, f"case-{number:05}", file)

    def _copy_files(self, case: Case) -> None:
        """Copy the files of a world to both machines."""
        for name in MACHINES:
            target = self.cluster.locate(name, str(case.world.folder))
            shutil.copytree(case.world.folder, target)

    def _describe(
        self, case: Case, metadata: Metadata, run_id: str, worker: str | None
    ) -> dict[str, Any]:
        """Describe an outcome; the files are those of a worker, or of the tests."""
        world = case.world
        if worker:
            shutil.rmtree(world.targets)
            shutil.copytree(self.cluster.locate(worker, str(world.targets)), world.targets)
        for text, replacement in (
            (case.dag_id, "killable"),
            (case.proxy.base_url, "{synapse}"),
            (case.proxy.upstream, "{synapse}"),
        ):
            world.replace(text, replacement)
        value = metadata.xcom(case.dag_id, run_id, "store")
        result = {
            "state": metadata.tasks(case.dag_id, run_id)["store", -1]["state"],
            "value": self._locate_files(value, worker),
            "record": metadata.xcom(case.dag_id, run_id, "store", "synapse_lineage"),
            "asset_events": metadata.asset_events(case.dag_id, run_id),
        }
        outcome = normalize_activities(world.describe(result))
        text = re.sub(r"\bcases\d+(?=\.py\b)", "cases", json.dumps(outcome))
        described: dict[str, Any] = json.loads(text)
        return described

    def _locate_files(self, value: Any, worker: str | None) -> Any:
        """Replace the paths of a worker by those of the tests."""
        if worker is None:
            return value
        if isinstance(value, list):
            return [self._locate_files(item, worker) for item in value]
        if isinstance(value, dict) and str(value.get("path") or "").startswith(
            str(self.cluster.folder)
        ):
            return value | {"path": str(self.cluster.locate(worker, value["path"]))}
        return value


def may_end_early(case: Case) -> bool:
    """Return whether a run may end without the request at which it should be held."""
    point = case.proxy.point
    deferred = "deferred" in case.scenario.name
    return deferred or is_optional(point)
