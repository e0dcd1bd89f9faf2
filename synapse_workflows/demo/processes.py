"""Child processes that are stopped together with all their descendants.

Airflow's components start children in new sessions, and some children outlive their parent. So
neither the process group nor the process tree contains all descendants. Each process started by
this module therefore has a marker variable in its environment, which its descendants inherit.
Some descendants overwrite their environment with a process title. These descendants are found
through the process tree, before any process is stopped.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import psutil

from synapse_workflows.free_ports import find_free_port

#: Maximum time for the service to start, in seconds.
START_TIMEOUT: Final = 60.0
#: Maximum time for processes to end after each signal, in seconds.
STOP_TIMEOUT: Final = 15.0
_MARKER: Final = "SYNAPSE_WORKFLOWS_FAMILY"
#: Signals that end the commands: Ctrl-C, a stopped container or job, and a closed terminal.
_END_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProcessError(RuntimeError):
    """A process failed; the message ends with its last output."""


@contextmanager
def run_process(
    arguments: list[str], environment: dict[str, str], output: Any = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `python -m ARGUMENTS` during the block, then stop it and all its descendants.

    Modules in the working directory are not imported (`-P`): a user may have a `click.py` there.

    During the block, SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does, unless they are
    ignored.

    Args:
        arguments: A module and its arguments.
        environment: Environment of the process and its descendants.
        output: File for stdout and stderr; None leaves them on the terminal.
    """
    marker = uuid4().hex
    with _handle_signals(signal.default_int_handler):
        process = subprocess.Popen(  # noqa: S603 - this interpreter with arguments of this package
            [sys.executable, "-P", "-m", *arguments],
            env=environment | {_MARKER: marker},
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,  # only the parent gets Ctrl-C, and stops its children in order
        )
        try:
            yield process
        finally:
            with _handle_signals(signal.SIG_IGN):  # so that no process is left behind
                _end_all(process, marker)


@contextmanager
def run_service(
    data: Path, *, seeds: Sequence[str] = (), port: int = 0, s3: str = "auto"
) -> Iterator[dict[str, Any]]:
    """Run the local Synapse in a child process during the block.

    Args:
        data: Data directory; the output of the service is written to `serve.log` in it.
        seeds: Names of the data sets to seed the service with.
        port: TCP port. 0 for the port of the last start with this data directory, so that URLs
            of entities from earlier runs stay valid; for a new data directory, a free port.
        s3: S3 server: `auto` to start one if it is installed, `off`, or the URL of a running one.

    Yields:
        The content of service.json.

    Raises:
        ProcessError: The service exited, or did not start within a minute.
    """
    data.mkdir(parents=True, exist_ok=True)
    log, service_file, port_file = data / "serve.log", data / "service.json", data / "port"
    if not port:
        port = int(port_file.read_text()) if port_file.exists() else find_free_port()
    arguments = [
        "synapse_workflows",
        "serve",
        "--data",
        str(data),
        "--port",
        str(port),
        "--s3",
        s3,
    ]
    arguments += [word for seed in seeds for word in ("--seed", seed)]
    with _open_private(log) as output, run_process(arguments, dict(os.environ), output) as process:
        deadline = time.monotonic() + START_TIMEOUT
        while not (service_info := _read_service_file(service_file, process.pid)):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-2000:]
                raise ProcessError(f"The local Synapse did not start:\n{tail}")
            time.sleep(0.05)
        port_file.write_text(str(urlsplit(service_info["repoEndpoint"]).port))
        yield service_info


def _open_private(log: Path) -> IO[bytes]:
    """Open a log file that only its owner can read, because the service prints its tokens."""
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _read_service_file(file: Path, pid: int) -> dict[str, Any]:
    """Return the content of service.json, or {} if it is missing or of an earlier process."""
    if not file.exists():
        return {}
    service_info: dict[str, Any] = json.loads(file.read_text())
    return service_info if service_info["pid"] == pid else {}


@contextmanager
def _handle_signals(handler: Any) -> Iterator[None]:
    """Set the handler of the signals that end the commands, except of ignored signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in _END_SIGNALS}
    changed = [one for one in _END_SIGNALS if before[one] != signal.SIG_IGN]
    for one in changed:
        signal.signal(one, handler)
    try:
        yield
    finally:
        for one in changed:
            signal.signal(one, before[one])


def _end_all(process: "subprocess.Popen[bytes]", marker: str) -> None:
    """Interrupt the process, then terminate and finally kill its remaining descendants."""
    descendants = _find_descendants(marker, process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
    for end in (psutil.Process.terminate, psutil.Process.kill):
        descendants |= _find_descendants(
            marker, *(member.pid for member in descendants if member.is_running())
        )
        for member in descendants:
            with suppress(psutil.NoSuchProcess):
                end(member)
        psutil.wait_procs(descendants, timeout=STOP_TIMEOUT)
    process.wait()


def _find_descendants(marker: str, *pids: int) -> set[psutil.Process]:
    """Find processes by ID and by marker, and all their descendants."""
    found = set()
    for candidate in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if candidate.pid in pids or candidate.environ().get(_MARKER) == marker:
                found |= {candidate, *candidate.children(recursive=True)}
    return found
