"""Benchmark of many deferred sensors in the triggerers of a cluster with PostgreSQL.

    python tests/bench/waiting.py [sensors, 1000] [questions, 50] [interval, 10 s]

The sensors are mapped task instances of four kinds. They ask `questions` different questions: the
queues, tables and folders that they watch. Some processes poll for all of them first and defer
them, with Airflow's task runner and its API server: two processes per task would take most of the
time. These processes pause while the triggerers are measured, and resume the tasks at the end.

All sensors wait in one triggerer, which is killed; then in two. Half of the conditions are met,
one triggerer is killed, and the other half is met. Printed are

    cpu       share of a processor that the process with the event loop and the supervisor use
    memory    of these two processes, without what is shared with other components: all are forked
              from one process in this cluster
    lag       longest time by which a coroutine of the event loop wakes too late, as Airflow
              measures it, and how often it is more than 20 ms; other processes add to it
    wake      time from the change of what a sensor waits for until Airflow schedules its task
"""

import json
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.service_with_log import LoggedService, run_service
from distributed.cluster import Cluster, run_cluster
from distributed.environment import Options

from synapse_workflows import Column, File, Folder, Project, Schema, Synapse, Table

MB = 1_000_000
DAG_ID = "waiting"
QUEUE = "in-process"
#: Processes that run tasks.
WORKERS = 6
WORKER = Path(__file__).parents[1] / "distributed" / "in_process_worker.py"
TIMEOUT = 3600
#: Airflow's watchdog sleeps 0.1 s.
WATCHDOG = 0.1
ENVIRONMENT = {
    "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": str(TIMEOUT),
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": str(TIMEOUT),
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",  # Airflow's default
    "AIRFLOW__TRIGGERER__BLOCKED_MAIN_THREAD_WARNING_THRESHOLD": str(WATCHDOG + 0.02),
}
#: Ends of the routes of which each poll sends one request.
POLLS = ("/submission/status/all", "/table/query/async/start", "/entity/children")
BLOCKED = re.compile(r"async thread was blocked for ([0-9.]+) seconds")
DAG = """
import json

from airflow.sdk import dag

from synapse_workflows import (
    SynapseNewFilesSensor,
    SynapseSubmissionSensor,
    SynapseTableChangeSensor,
    SynapseTableRowsSensor,
)

MAPPED = json.loads({mapped!r})
WAIT = dict(deferrable=True, poke_interval={interval}, synapse_conn_id="bench", queue={queue!r})


@dag(schedule=None)
def waiting():
    SynapseSubmissionSensor.partial(task_id="submissions", **WAIT).expand(
        evaluation_id=MAPPED["submissions"]
    )
    SynapseTableRowsSensor.partial(task_id="rows", **WAIT).expand(sql=MAPPED["rows"])
    SynapseTableChangeSensor.partial(task_id="changes", **WAIT).expand(table_id=MAPPED["changes"])
    SynapseNewFilesSensor.partial(task_id="files", **WAIT).expand(container_id=MAPPED["files"])


waiting()
"""
KINDS = ("submissions", "rows", "changes", "files")


class Questions:
    """What the sensors wait for.

    Args:
        syn: client of the service.
        number: number of questions.
        folder: folder for files.
    """

    def __init__(self, syn: Synapse, number: int, folder: Path) -> None:
        self.syn, self.folder = syn, folder
        self.project = syn.store(Project(folder.name)).id
        self.entity = self._store_file(self.project, "entity")
        self.subjects: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for n in range(number):
            kind = KINDS[n % len(KINDS)]
            self.subjects[kind].append(self._create(kind, f"{kind} {n}"))

    def map_sensors(self, number: int) -> dict[str, list[str]]:
        """Return the mapped argument of each kind of sensor."""
        mapped: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for n in range(number):
            kind = KINDS[n % len(KINDS)]
            subject = self.subjects[kind][n // len(KINDS) % len(self.subjects[kind])]
            mapped[kind].append(f"select * from {subject}" if kind == "rows" else subject)
        return mapped

    def meet(self, half: int) -> dict[str, float]:
        """Meet the conditions of the first or second half of each kind; return the times."""
        times = {}
        for kind, subjects in self.subjects.items():
            middle = len(subjects) // 2
            for subject in subjects[middle:] if half else subjects[:middle]:
                if kind == "submissions":
                    self._submit(subject)
                elif kind == "files":
                    self._store_file(subject, "new")
                else:
                    self.syn.store(Table(subject, [[1]]))
                times[subject] = time.time()
        return times

    def _create(self, kind: str, name: str) -> str:
        if kind == "submissions":
            body = json.dumps({"name": f"{self.project} {name}", "contentSource": self.project})
            return str(self.syn.restPOST("/evaluation", body)["id"])
        if kind == "files":
            return str(self.syn.store(Folder(name, parent=self.project)).id)
        columns = [Column(name="n", columnType="INTEGER")]
        return str(self.syn.store(Schema(name, columns, parent=self.project)).id)

    def _store_file(self, parent: str, name: str) -> Any:
        path = self.folder / f"{name}.txt"
        path.write_text(name)
        return self.syn.store(File(str(path), parent=parent))

    def _submit(self, queue: str) -> None:
        entity = self.entity
        body = {"evaluationId": queue, "entityId": entity.id, "versionNumber": 1}
        self.syn.restPOST(f"/evaluation/submission?etag={entity.etag}", json.dumps(body))


@dataclass
class TriggererProcesses:
    """The two processes of a triggerer, and its log."""

    supervisor: psutil.Process
    runner: psutil.Process
    log: Path

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")

    def cpu_seconds(self) -> tuple[float, float]:
        times = [one.cpu_times() for one in (self.runner, self.supervisor)]
        return times[0].user + times[0].system, times[1].user + times[1].system

    def memory(self) -> str:
        """Return the memory of the event loop's process and of the supervisor."""
        found = [one.memory_full_info() for one in (self.runner, self.supervisor)]
        return " + ".join(f"{one.uss / MB:.0f}" for one in found) + " MB"


def find_triggerers(cluster: Cluster, number: int) -> list[TriggererProcesses]:
    """Return the processes of the triggerers outside of the PID namespace of the cluster."""
    by_pid = {}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            by_pid[int(re.findall(r"NSpid:.*\s(\d+)", status)[0])] = process
    found = []
    for n in range(number):
        supervisor = by_pid[cluster.processes.pids[f"triggerer-{n}"]]
        runner = supervisor.children()[0]
        found.append(
            TriggererProcesses(supervisor, runner, cluster.processes.log(f"triggerer-{n}"))
        )
    return found


def find_lags(log: str) -> str:
    """Describe the lags in a part of a log."""
    lags = [float(text) - WATCHDOG for text in BLOCKED.findall(log)]
    return f"{max(lags, default=0):.2f} s ({len(lags)} > 20 ms)"


class Benchmark:
    """Sensors that wait in one and in two triggerers.

    Args:
        cluster: the cluster.
        service: the service.
        sensors: number of sensors.
        questions: number of questions.
        interval: seconds between two polls.
    """

    def __init__(
        self,
        cluster: Cluster,
        service: LoggedService,
        sensors: int,
        questions: int,
        interval: float,
    ) -> None:
        self.cluster, self.service = cluster, service
        self.sensors, self.number, self.interval = sensors, questions, interval
        folder = service.folder / "files"
        folder.mkdir()
        self.questions = Questions(service.client(), questions, folder)
        self.mapped = self.questions.map_sensors(sensors)
        self.times: dict[str, float] = {}

    def run(self) -> None:
        """Run it; print the measured values."""
        self._defer()
        self._wait(1)
        self.cluster.kill_triggerer(0)
        killed = time.time()
        for n in range(2):
            self.cluster.start_triggerer(n)
        self._wait_until(lambda: self._are_running(2, killed))
        report("seconds from the kill of one triggerer to two", time.time() - killed)
        self._wait(2)
        self._meet(2, 0)
        self.cluster.kill_triggerer(1)
        killed = time.time()
        self._wait_until(lambda: self._are_running(1, killed))
        report("seconds from the kill of one of two", time.time() - killed)
        time.sleep(self.interval)
        self._meet(1, 1)
        self._resume()

    def _defer(self) -> None:
        start = time.time()
        text = DAG.format(mapped=json.dumps(self.mapped), interval=self.interval, queue=QUEUE)
        self.cluster.add_file(f"{DAG_ID}.py", text)
        self.cluster.wait_for_dags(DAG_ID)
        self.cluster.run(DAG_ID)
        self._wait_until(lambda: self._count("deferred") == self.sensors)
        report("seconds to defer all", time.time() - start)
        time.sleep(self.interval)  # until the executor knows that the tasks have ended
        self._pause_workers(True)
        self._wait_until(lambda: self._are_running(1, 0))

    def _wait(self, triggerers: int) -> None:
        """Measure while the sensors wait."""
        time.sleep(1.5 * self.interval)  # until all have polled
        processes = find_triggerers(self.cluster, triggerers)
        before, start = [one.cpu_seconds() for one in processes], time.time()
        sizes = [one.read_log() for one in processes]
        time.sleep(3 * self.interval)
        seconds = time.time() - start
        requests = [one for one in self.service.requests() if one.time >= start]
        polls = [one for one in requests if one.route.endswith(POLLS)]
        report(f"waiting, {triggerers} triggerers: triggers", self._describe_distribution())
        for n, process in enumerate(processes):
            loop, supervisor = (
                f"{100 * (after - was) / seconds:.0f} %"
                for was, after in zip(before[n], process.cpu_seconds(), strict=True)
            )
            lags = find_lags(process.read_log()[len(sizes[n]) :])
            text = f"cpu {loop} + {supervisor}, memory {process.memory()}, lag {lags}"
            report(f"  triggerer {n}", text)
        report("  requests per second", len(requests) / seconds)
        report("  polls per question and interval", len(polls) / self.number / 3)
        routes = Counter(one.route for one in requests)
        report("  routes", ", ".join(f"{n} {route}" for route, n in routes.most_common()))

    def _meet(self, triggerers: int, half: int) -> None:
        """Meet half of the conditions, and wait until all their sensors are woken."""
        processes = find_triggerers(self.cluster, triggerers)
        sizes = [one.read_log() for one in processes]
        start = time.time()
        times = self.questions.meet(half)
        self.times |= times
        expected = sum(
            text.split()[-1] in self.times for texts in self.mapped.values() for text in texts
        )
        self._wait_until(lambda: self._count("deferred") == self.sensors - expected)
        woken = [
            (float(seconds), float(seconds) - times[subject])
            for subject, seconds in self._find_woken()
            if subject in times
        ]
        delays = sorted(delay for _, delay in woken)
        at = [seconds for seconds, _ in woken]
        report(f"woken by {triggerers} triggerers", len(woken))
        report("  seconds to meet the conditions", max(times.values()) - start)
        report("  seconds to wake: median", median(delays))
        report("  seconds to wake: 95 %", delays[int(0.95 * len(delays))])
        report("  seconds to wake: all", delays[-1])
        report("  seconds from the first to the last", max(at) - min(at))
        for n, process in enumerate(processes):
            report(f"  lag of {n}", find_lags(process.read_log()[len(sizes[n]) :]))

    def _resume(self) -> None:
        """Run the tasks to their end; check that each returns what it has waited for, once."""
        start = time.time()
        self._pause_workers(False)
        self._wait_until(lambda: self._count("success") == self.sensors)
        report("seconds to resume all", time.time() - start)
        tries = self.cluster.query("select distinct try_number from task_instance")
        assert tries == [(1,)], f"some sensors were tried again: {tries}"
        results = self.cluster.query(
            "select task_id, map_index, value from xcom where key = 'return_value'"
        )
        assert len(results) == self.sensors, f"{len(results)} results"
        for task_id, index, value in results:
            subject = self.mapped[task_id][index].split()[-1]
            assert subject in json.dumps(value), f"{task_id} {index} returned {value}"

    def _find_woken(self) -> list[tuple[str, float]]:
        """Return the subject of each woken sensor and the time at which Airflow scheduled it."""
        rows = self.cluster.query(
            "select task_id, map_index, extract(epoch from scheduled_dttm) from task_instance "
            "where state <> 'deferred'"
        )
        return [(self.mapped[task][index].split()[-1], seconds) for task, index, seconds in rows]

    def _are_running(self, triggerers: int, since: float) -> bool:
        """Return whether triggerers, seen since a time, run all triggers."""
        (running,), (lost,) = self.cluster.query(
            "with alive as (select id from job where job_type = 'TriggererJob' "
            "and state = 'running' and latest_heartbeat > to_timestamp(%s)) "
            "select count(*) from alive union all select count(*) from trigger "
            "where triggerer_id is null or triggerer_id not in (select id from alive)",
            since,
        )
        return bool(running == triggerers and not lost)

    def _describe_distribution(self) -> str:
        rows = self.cluster.query("select count(*) from trigger group by triggerer_id order by 1")
        return " + ".join(str(count) for (count,) in rows)

    def _count(self, state: str) -> int:
        rows = self.cluster.query("select count(*) from task_instance where state = %s", state)
        return int(rows[0][0])

    def _pause_workers(self, is_paused: bool) -> None:
        """Leave the processors to the triggerers while these are measured."""
        number = signal.SIGSTOP if is_paused else signal.SIGCONT
        for n in range(WORKERS):
            pid = self.cluster.processes.pids[f"in-process-{n}"]
            self.cluster.processes.send_signal(pid, number, tree=False)

    def _wait_until(self, is_true: Callable[[], bool]) -> None:
        def check() -> bool:
            assert not self._count("failed"), self.cluster.processes.tail("in-process-0")
            return is_true()

        self.cluster.wait_until(check, TIMEOUT)


def connect(cluster: Cluster, service: LoggedService) -> None:
    """Create the connection of the sensors."""
    connection = json.loads(service.airflow_connection)
    extra = json.dumps(connection.pop("extra"))
    body = {"connection_id": "bench", **connection, "extra": extra}
    cluster.request("POST", "/connections", body)


def report(name: str, value: float | str) -> None:
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    sys.stdout.write(f"{name:48} {text}\n")
    sys.stdout.flush()


def main(sensors: int = 1000, questions: int = 50, interval: float = 10) -> None:
    """Run the benchmark."""
    report("sensors, questions, seconds between polls", f"{sensors}, {questions}, {interval:g}")
    with (
        tempfile.TemporaryDirectory() as name,
        run_service(Path(name, "service")) as service,
        run_cluster(Options(heartbeat_timeout=TIMEOUT, environment=ENVIRONMENT)) as cluster,
    ):
        connect(cluster, service)
        for n in range(WORKERS):
            arguments = (sys.executable, str(WORKER), f"in-process-{n}", QUEUE)
            cluster.processes.start(f"in-process-{n}", "exec", *arguments)
        Benchmark(cluster, service, sensors, questions, interval).run()


if __name__ == "__main__":
    main(*(float(one) if "." in one else int(one) for one in sys.argv[1:]))  # type: ignore[arg-type]
