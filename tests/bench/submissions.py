"""Benchmark of the local service with a burst of submissions and of updates of their statuses.

    python tests/bench/submissions.py [submissions, 200] [processes, 8]

All processes submit at once, then all list the bundles of the same submissions and change their
statuses, so that most updates lose the race and return 412. The CPU seconds of the service per
request, and the load of the machine, tell what a busy machine adds.

    submit    POST /evaluation/submission of a file
    list      GET /evaluation/{id}/submission/bundle/all with up to 100 bundles
    update    PUT /evaluation/submission/{id}/status
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import requests

#: Kind of request -> seconds of each request.
Times = dict[str, list[float]]


class Client:
    """Requests of one process, with the time of each.

    Args:
        base_url: URL of the service.
        token: Access token.
    """

    def __init__(self, base_url: str, token: str) -> None:
        self.base_url = base_url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.times: Times = {}

    def call(self, kind: str, method: str, path: str, body: Any = None) -> requests.Response:
        """Send a request to the REST API; 412 is not an error."""
        start = time.perf_counter()
        response = self.session.request(method, f"{self.base_url}{path}", json=body, timeout=60)
        self.times.setdefault(kind, []).append(time.perf_counter() - start)
        if not response.ok and response.status_code != requests.codes.precondition_failed:
            raise RuntimeError(f"{method} {path} returned {response.status_code}: {response.text}")
        return response

    def create(self, path: str, **body: Any) -> dict[str, Any]:
        """Create an object."""
        created: dict[str, Any] = self.call("create", "POST", path, body).json()
        return created


def submit(client: Client, evaluation: str, entity: dict[str, Any], count: int) -> int:
    """Submit a version of an entity `count` times."""
    body = {"evaluationId": evaluation, "entityId": entity["id"], "versionNumber": 1}
    for _ in range(count):
        client.call("submit", "POST", f"/evaluation/submission?etag={entity['etag']}", body)
    return count


def update(client: Client, evaluation: str) -> int:
    """Change the status of all submissions; return the number of updates that were not late."""
    updated = 0
    path = f"/evaluation/{evaluation}/submission/bundle/all?status=RECEIVED&limit=100"
    while page := client.call("list", "GET", path).json()["results"]:
        for bundle in page:
            body = {**bundle["submissionStatus"], "status": "EVALUATION_IN_PROGRESS"}
            response = client.call(
                "update", "PUT", f"/evaluation/submission/{body['id']}/status", body
            )
            updated += response.ok
    return updated


def run(
    work: Callable[[Client], int],
    facts: tuple[str, str],
    barrier: Any,
    results: Any,
) -> None:
    """Do work in this process, together with the other processes."""
    client = Client(*facts)
    barrier.wait()
    start = time.time()
    number = work(client)
    results.put((start, time.time(), number, client.times))


def run_at_once(work: Callable[[Client], int], facts: tuple[str, str], processes: int) -> int:
    """Do work in several processes at once, print the times, and return the sum of the results."""
    context = multiprocessing.get_context("spawn")
    results, barrier = context.Queue(), context.Barrier(processes)
    arguments = (work, facts, barrier, results)
    workers = [context.Process(target=run, args=arguments) for _ in range(processes)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    seconds = max(each[1] for each in found) - min(each[0] for each in found)
    for kind in found[0][3]:
        times = sorted(second for each in found for second in each[3].get(kind, []))
        middle, late = times[len(times) // 2], times[int(len(times) * 0.95)]
        sys.stdout.write(
            f"{kind:8} {len(times):6} in {seconds:6.2f} s   median {middle * 1000:6.1f} ms   "
            f"95% {late * 1000:6.1f} ms\n"
        )
    return sum(each[2] for each in found)


def get_cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process."""
    times = process.cpu_times()
    return times.user + times.system


def measure(folder: Path, process: psutil.Process, count: int, processes: int) -> None:
    """Run both steps against a service."""
    service = json.loads((folder / "service.json").read_text())
    facts = (service["repoEndpoint"], service["users"][1]["token"])
    client = Client(*facts)
    project = client.create(
        "/entity", name="bench", concreteType="org.sagebionetworks.repo.model.Project"
    )
    evaluation = client.create("/evaluation", name="bench", contentSource=project["id"])["id"]
    share = count // processes
    for work, expected in (
        (partial(submit, evaluation=evaluation, entity=project, count=share), share * processes),
        (partial(update, evaluation=evaluation), share * processes),
    ):
        cpu = get_cpu(process)
        done = run_at_once(work, facts, processes)
        cpu, load = get_cpu(process) - cpu, os.getloadavg()[0]
        sys.stdout.write(f"         CPU of the service {cpu:6.2f} s   load {load:4.1f}\n")
        if done != expected:
            raise RuntimeError(f"Expected {expected} successful requests, but {done} succeeded")


def main(count: int = 200, processes: int = 8) -> None:
    """Start a service and measure it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [
            sys.executable,
            "-m",
            "synapse_workflows",
            "serve",
            "--s3",
            "off",
            "--port",
            "0",
        ]
        command += ["--data", name]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, **silent) as server:
            try:
                while not (folder / "service.json").exists():
                    time.sleep(0.05)
                measure(folder, psutil.Process(server.pid), count, processes)
            finally:
                server.terminate()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
