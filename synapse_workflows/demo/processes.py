"""Processes that a command starts and must not leave behind.

Airflow's components start children in sessions of their own, and some outlive their parent: a
process group misses the first, a walk down the tree the second. Every process started here
therefore carries a mark in its environment, which all its descendants inherit. Some descendants
overwrite their environment with a title; those are found down the tree, before anything ends.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final
from uuid import uuid4

import psutil

#: Seconds that a process may take to answer, and to end when asked.
STARTING: Final = 60.0
ENDING: Final = 15.0
_MARK: Final = "SYNAPSE_WORKFLOWS_FAMILY"


class ProcessError(RuntimeError):
    """A process did not do what it was started for; the message ends with what it said."""


@contextmanager
def running(
    words: list[str], environment: dict[str, str], output: Any = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `python -m WORDS` while the block lasts; then end it and all that it started.

    Args:
        words: a module and its arguments.
        environment: of the process and its descendants.
        output: where its words go; None leaves them on the terminal.
    """
    mark = uuid4().hex
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
        [sys.executable, "-m", *words],
        env=environment | {_MARK: mark},
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,  # Ctrl-C reaches us alone, and we end the others in order
    )
    try:
        yield process
    finally:
        with _undisturbed():
            _end(process, mark)


@contextmanager
def running_service(
    data: Path, *, seed: str | None = None, port: int = 0
) -> Iterator[dict[str, Any]]:
    """Run the local Synapse as a process of its own while the block lasts.

    Args:
        data: its directory; its words go to `serve.log` there.
        seed: the name of what to fill it with, if anything.
        port: 0 picks a free one.

    Yields:
        What it wrote into service.json once it answered.

    Raises:
        ProcessError: It ended, or did not answer within a minute.
    """
    data.mkdir(parents=True, exist_ok=True)
    log, announced = data / "serve.log", data / "service.json"
    words = ["synapse_workflows", "serve", "--data", str(data), "--port", str(port)]
    words += ["--seed", seed] if seed else []
    with _private(log) as output, running(words, dict(os.environ), output) as process:
        deadline = time.monotonic() + STARTING
        while not (facts := _announced(announced, process.pid)):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-2000:]
                raise ProcessError(f"the local Synapse did not start:\n{said}")
            time.sleep(0.05)
        yield facts


def _private(log: Path) -> IO[bytes]:
    """Open a log that only its owner reads: the service prints its tokens there."""
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _announced(file: Path, pid: int) -> dict[str, Any]:
    """Read service.json; nothing while it is missing or that of an earlier process."""
    if not file.exists():
        return {}
    facts: dict[str, Any] = json.loads(file.read_text())
    return facts if facts["pid"] == pid else {}


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let an impatient second Ctrl-C not leave processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(process: "subprocess.Popen[bytes]", mark: str) -> None:
    """Ask the first process to end, then the rest of its family; insist where one does not."""
    known = _family(mark, process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDING)
    for insist in (psutil.Process.terminate, psutil.Process.kill):
        known |= _family(mark, *(member.pid for member in known if member.is_running()))
        for member in known:
            with suppress(psutil.NoSuchProcess):
                insist(member)
        psutil.wait_procs(known, timeout=ENDING)
    process.wait()


def _family(mark: str, *heads: int) -> set[psutil.Process]:
    """Find every living process that carries the mark, and all that descend from some."""
    found = set()
    for candidate in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if candidate.pid in heads or candidate.environ().get(_MARK) == mark:
                found |= {candidate, *candidate.children(recursive=True)}
    return found
