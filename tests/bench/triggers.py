"""Benchmark of many waiting triggers in one event loop, as in a triggerer.

    python tests/bench/triggers.py [triggers, 1000] [questions, 20] [interval, 10 s] [kinds, all]

The triggers ask `questions` different questions: the queues or tables that they watch. None of the
conditions is ever met. The service and each measurement run in processes of their own. `lag` is
the time by which a coroutine wakes too late, and `busy` the CPU time of the event loop meanwhile,
without the effect of other load on the machine. Memory is that of the process, with Airflow.

    submissions      triggers of SynapseSubmissionSensor
    tables           triggers of SynapseTableRowsSensor
    separate clients the same requests for submissions, each trigger with an HTTP client of its own
"""

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

MB = 1_000_000
TICK = 0.005
#: Path of the request that each poll sends once -> kind of the poll.
POLLS = {"/submission/status/all": "submissions", "/table/query/async/start": "tables"}
LIMITS = {"lag_start_ms": 50, "lag_later_ms": 50, "memory_mb": 200, "connections": 50}


class PollCounter:
    """ASGI middleware that counts polls.

    Args:
        app: the service.
        count: the shared counter.
    """

    def __init__(self, app: Any, count: Any) -> None:
        self.app = app
        self.count = count

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].endswith(tuple(POLLS)):
            with self.count.get_lock():
                self.count.value += 1
        await self.app(scope, receive, send)


def serve(folder: Path, questions: int, count: Any, pipe: Any) -> None:
    """Run a service with queues and tables; send the connection and their ids."""
    from synapse_workflows import Column, Project, Schema
    from synapse_workflows.testing import over_socket

    with (
        over_socket(folder, wrap=lambda app: PollCounter(app, count)) as service,
        service.client() as syn,
    ):
        project = syn.store(Project("bench")).id
        columns = [Column(name="n", columnType="INTEGER")]
        tables = [
            syn.store(Schema(f"table {n}", columns, parent=project)).id for n in range(questions)
        ]
        queues = []
        for n in range(questions):
            body = json.dumps({"name": f"queue {n}", "contentSource": project})
            queues.append(syn.restPOST("/evaluation", body)["id"])
        pipe.send((service.airflow_connection, {"tables": tables, "submissions": queues}))
        pipe.recv()


def create_trigger(kind: str, subject: str, interval: float) -> Any:
    from synapse_workflows.triggers import tables

    arguments = {"synapse_conn_id": "synapse_default", "poll_interval": interval}
    if kind == "tables":
        sql = f"select * from {subject}"
        return tables.SynapseTableRowsTrigger(table_id=subject, sql=sql, min_rows=1, **arguments)
    from synapse_workflows.triggers import submissions

    return submissions.SynapseSubmissionCountTrigger(
        evaluation_id=subject, status="RECEIVED", min_submissions=1, **arguments
    )


async def run_trigger(trigger: Any) -> None:
    async for _ in trigger.run():
        pass


async def poll_separately(subject: str, interval: float) -> None:
    """Poll with an HTTP client that nothing else uses."""
    from synapse_workflows.client.core.async_session import AsyncSession
    from synapse_workflows.client.core.credentials import Token
    from synapse_workflows.client.core.http_request import Endpoints
    from synapse_workflows.client.core.submission_lists import fetch_submission_ids

    connection = json.loads(os.environ["AIRFLOW_CONN_SYNAPSE_DEFAULT"])
    endpoints = Endpoints(connection["host"])
    async with AsyncSession(endpoints, Token(connection["password"])) as session:
        while True:
            await asyncio.sleep(interval)
            await session.run(fetch_submission_ids(subject, "RECEIVED"))


class LagMonitor:
    """Coroutine that records by how much it wakes too late."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.lag = 0.0
        self.busy = 0.0

    async def run(self) -> None:
        while True:
            start, start_cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK)
            self.lag = max(self.lag, time.perf_counter() - start - TICK)
            self.busy = max(self.busy, time.thread_time() - start_cpu)

    def describe(self, phase: str) -> dict[str, float]:
        """Return the maximum lag in milliseconds, and the CPU time of the loop during it."""
        return {
            f"lag_{phase}_ms": round(self.lag * 1000, 1),
            f"busy_{phase}_ms": round(self.busy * 1000, 1),
        }


async def measure(kind: str, subjects: list[str], count: int, interval: float) -> dict[str, Any]:
    """Start the triggers as Airflow's triggerer does, and watch them for three intervals."""
    monitor = LagMonitor()
    watching = asyncio.create_task(monitor.run())
    await asyncio.sleep(10 * TICK)
    tasks = []
    make: Callable[[str], Coroutine[Any, Any, None]]
    if kind == "separate clients":
        make = lambda subject: poll_separately(subject, interval)  # noqa: E731
    else:
        make = lambda subject: run_trigger(create_trigger(kind, subject, interval))  # noqa: E731
    for number in range(count):
        tasks.append(asyncio.create_task(make(subjects[number % len(subjects)])))
        await asyncio.sleep(0)
    await asyncio.sleep(interval / 2)
    result: dict[str, Any] = monitor.describe("start")
    monitor.reset()
    await asyncio.sleep(3 * interval)
    result |= monitor.describe("later") | {"failed": sum(task.done() for task in tasks)}
    for task in [*tasks, watching]:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, watching, return_exceptions=True)
    return result


def run_measurement(arguments: str) -> None:
    """Measure in this process, with the modules of a triggerer already imported."""
    import airflow.sdk  # noqa: F401

    given = json.loads(arguments)
    create_trigger(given["kind"].replace("separate clients", "submissions"), "syn1", 1)
    result = asyncio.run(measure(**given))
    sys.stdout.write(json.dumps(result) + "\n")


def observe(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run a measurement; add its maximum memory and number of connections to its result."""
    memory, connections = 0, 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
        process = psutil.Process(child.pid)
        while child.poll() is None:
            with suppress(psutil.Error):
                memory = max(memory, process.memory_info().rss)
                connections = max(connections, len(process.net_connections(kind="inet")))
            time.sleep(0.5)
        assert child.returncode == 0
        result: dict[str, Any] = json.loads(child.stdout.read().splitlines()[-1])
    return result | {"memory_mb": round(memory / MB, 1), "connections": connections}


def report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(count: int = 1000, questions: int = 20, interval: float = 10, *kinds: str) -> None:
    context = multiprocessing.get_context("spawn")
    polls = context.Value("i", 0)
    pipe, other = context.Pipe()
    with tempfile.TemporaryDirectory() as name:
        service = context.Process(target=serve, args=(Path(name), questions, polls, other))
        service.start()
        try:
            connection, subjects = pipe.recv()
            environment = os.environ | {
                "AIRFLOW_CONN_SYNAPSE_DEFAULT": connection,
                "AIRFLOW_HOME": name,
                "_AIRFLOW_PROCESS_CONTEXT": "client",
            }
            report(f"{count} triggers, {questions} questions, every {interval:g} s")
            report(f"limits: {LIMITS}, {questions} polls per interval")
            for kind in kinds or ("submissions", "tables", "separate clients"):
                polls.value = 0
                given = {
                    "kind": kind,
                    "subjects": subjects["tables" if kind == "tables" else "submissions"],
                    "count": count,
                    "interval": interval,
                }
                command = [sys.executable, __file__, "--measure", json.dumps(given)]
                result = observe(command, environment) | {"polls": polls.value}
                report(f"{kind:17} {result}")
        finally:
            pipe.send(None)
            service.join(30)
            service.kill()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        run_measurement(sys.argv[2])
    else:
        counts = [float(value) if "." in value else int(value) for value in sys.argv[1:4]]
        main(*counts, *sys.argv[4:])
