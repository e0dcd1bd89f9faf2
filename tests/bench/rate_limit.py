"""Benchmark of the request limiter: processes on several machines that share one account.

    python tests/bench/rate_limit.py [processes, 16] [machines, 2] [files per process, 2]

Each process stores small files and downloads them again. The processes of one machine share a
cache directory; those of different machines share nothing. The service limits the account like
Synapse: 3 concurrent requests, each of at least 0.2 seconds, and 100 requests within 10 seconds
(Synapse: 600 within 60). The same work runs without and with the limiter at the same time, each
with a service of its own, so that other load on the machine changes both; then again with
Retry-After headers. `ideal` is the time that the limits alone require.
"""

import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synapse_workflows import File, Project, Synapse
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.local.settings import Throttle
from synapse_workflows.testing import over_socket

CONCURRENT = 3
REQUESTS, SECONDS = 100, 10
LATENCY = 0.2
context = multiprocessing.get_context("fork")


class AccountLimit:
    """ASGI middleware that counts requests and limits the concurrent requests with credentials.

    Args:
        app: the service.
        sent: shared counter of requests.
        refused: shared counter of responses with status 429.
    """

    def __init__(self, app: Any, sent: Any, refused: Any) -> None:
        self.app, self.sent, self.refused = app, sent, refused
        self.running = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        names = [name.lower() for name, _ in scope.get("headers", ())]
        if scope["type"] != "http" or b"authorization" not in names:
            await self.app(scope, receive, send)
            return
        self.sent.value += 1

        async def send_and_count(message: Any) -> None:
            self.refused.value += message.get("status") == 429
            await send(message)

        if self.running >= CONCURRENT:
            await refuse(send_and_count)
            return
        self.running += 1
        try:
            await asyncio.sleep(LATENCY)
            await self.app(scope, receive, send_and_count)
        finally:
            self.running -= 1


async def refuse(send: Any) -> None:
    reason = f"Too many concurrent requests. The user may have {CONCURRENT} at a time."
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"reason": reason}).encode()})


def serve(folder: Path, retry_after: bool, counters: Any, pipe: Any) -> None:
    """Run a service until the pipe receives a message."""
    throttle = Throttle(
        concurrent=1000, requests=REQUESTS, seconds=SECONDS, columns=1000, retry_after=retry_after
    )
    with over_socket(
        folder, wrap=lambda app: AccountLimit(app, *counters), throttle=throttle
    ) as service:
        pipe.send((service.endpoints, service.token("alice")))
        pipe.recv()


@contextmanager
def running_service(folder: Path, retry_after: bool) -> Iterator[tuple[Any, Any]]:
    """Run a service in a process; yield its connection and the counters."""
    counters = context.Value("i", 0, lock=False), context.Value("i", 0, lock=False)
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(folder, retry_after, counters, there))
    process.start()
    try:
        yield here.recv(), counters
    finally:
        here.send("stop")
        process.join()


def connect(connection: Any, cache: Path, limited: bool) -> Synapse:
    endpoints, token = connection
    syn = Synapse(
        **endpoints,
        skip_checks=True,
        configPath="/dev/null",
        cache_root_dir=str(cache),
        silent=True,
        limit_requests=limited,
    )
    syn.login(authToken=token, silent=True)
    return syn


def work(connection: Any, machine: Path, number: int, options: Any, errors: Any) -> None:
    """Store files and download them again, as a task does."""
    project, files, limited = options
    try:
        with connect(connection, machine / "cache", limited) as syn:
            for n in range(files):
                path = machine / f"file-{number}-{n}.txt"
                path.write_text(f"{number} {n} {limited}")
                stored = syn.store(File(str(path), parent=project))
                target = machine / f"download-{number}"
                content = Path(syn.get(stored.id, downloadLocation=str(target)).path).read_text()
                assert content == path.read_text()
    except SynapseError as error:  # the others go on
        sys.stderr.write(f"process {number}: {error}\n")
        errors.value += 1


def run_workers(connection: Any, folder: Path, given: tuple[int, int, int], limited: bool) -> Any:
    """Run all processes; return their duration in seconds and the number of failures."""
    processes, machines, files = given
    with connect(connection, folder / "cache", False) as syn:
        project = syn.store(Project("bench")).id
    time.sleep(SECONDS)  # the requests of the preparation leave the time window
    errors = context.Value("i", 0)
    options = project, files, limited
    started = time.monotonic()
    workers = []
    for number in range(processes):
        machine = folder / f"machine-{number % machines}"
        machine.mkdir(exist_ok=True)
        worker = context.Process(target=work, args=(connection, machine, number, options, errors))
        worker.start()
        workers.append(worker)
    for worker in workers:
        worker.join()
    return time.monotonic() - started, errors.value


def measure(given: tuple[int, int, int], limited: bool, retry_after: bool, pipe: Any) -> None:
    """Send a line of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_service(folder / "service", retry_after) as (connection, counters):
            seconds, errors = run_workers(connection, folder, given, limited)
            sent, refused = (counter.value for counter in counters)
    accepted = sent - refused
    ideal = max((accepted / REQUESTS - 1) * SECONDS, accepted * LATENCY / CONCURRENT)
    label = f"{'with' if limited else 'without'} limiter{', Retry-After' if retry_after else ''}"
    share = f"{100 * refused / max(1, sent):5.1f}"
    pipe.send(
        f"{label:26} {sent:6} {refused:8} {share:>6} {seconds:9.1f} {ideal:8.1f} {errors:7}\n"
    )


def main() -> None:
    numbers = [int(each) for each in sys.argv[1:]]
    given = (*numbers, *(16, 2, 2)[len(numbers) :])
    headings = f"{'sent':>6} {'refused':>8} {'%':>6} {'seconds':>9} {'ideal':>8} {'failed':>7}"
    sys.stdout.write("{} processes on {} machines, {} files each\n".format(*given))
    sys.stdout.write(f"{'':26} {headings}\n")
    for retry_after in (False, True):
        pipes = []
        for limited in (False, True):
            here, there = context.Pipe()
            context.Process(target=measure, args=(given, limited, retry_after, there)).start()
            pipes.append(here)
        sys.stdout.writelines(pipe.recv() for pipe in pipes)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
