"""Supervisor of a scorer: limits its memory, and ends all of its processes.

`scorer_process` runs this file as a script, with the standard library alone:

    python -I -S scorer_launcher.py MEMORY_LIMIT REPORT_FD command...

The worker writes a byte to the standard input to stop the scorer. If the standard input ends
without this byte, the worker was killed: the scorer is stopped, and the working directory is
removed. Processes that the scorer leaves behind are killed.
"""

import ctypes
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

_PROC: Final = Path("/proc")
_PR_SET_CHILD_SUBREAPER: Final = 36
#: Time between two checks of the memory, in seconds.
_MEMORY_INTERVAL: Final = 0.25
#: Maximum time for ending all processes, in seconds.
_END_TIMEOUT: Final = 10.0
_KIBIBYTE: Final = 1024


def supervise(command: Sequence[str], memory_limit: int | None) -> dict[str, Any]:
    """Run a command until it ends, or until the standard input has a byte or is closed.

    Args:
        command: The command and its arguments.
        memory_limit: Maximum memory of all its processes together, in bytes; None for no limit.

    Returns:
        `exit_code` (negative for a signal; None if the command was stopped or was not started),
        `is_out_of_memory`, `error` if the command could not be started, and `is_abandoned` if the
        standard input is closed.
    """
    _adopt_orphans()
    wake_up, notify = os.pipe()
    os.set_blocking(notify, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(notify)
    try:
        child = subprocess.Popen(  # noqa: S603 - the command of the DAG's author
            command,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=lambda: _limit_process(memory_limit),  # noqa: PLW1509 - no threads here
        )
    except OSError as error:
        return {"exit_code": None, "is_out_of_memory": False, "error": str(error)}
    try:
        return _wait(child, wake_up, memory_limit)
    finally:
        _end_all(child.pid)


def _wait(
    child: "subprocess.Popen[bytes]", wake_up: int, memory_limit: int | None
) -> dict[str, Any]:
    interval = None if memory_limit is None else _MEMORY_INTERVAL
    while child.poll() is None:
        ready, _, _ = select.select([0, wake_up], [], [], interval)
        if wake_up in ready:
            os.read(wake_up, 1024)
        if 0 in ready:
            is_abandoned = not os.read(0, 1)
            return {"exit_code": None, "is_out_of_memory": False, "is_abandoned": is_abandoned}
        if memory_limit is not None and _measure_memory() > memory_limit:
            return {"exit_code": None, "is_out_of_memory": True}
    return {"exit_code": child.returncode, "is_out_of_memory": False}


def _limit_process(memory_limit: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump contains the gold standard
    if memory_limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_limit, memory_limit))


def _adopt_orphans() -> None:
    """Become the parent of processes whose parent ends, so that no process escapes (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _list_descendants() -> list[int]:
    """Return the IDs of all descendants of this process (Linux; elsewhere an empty list)."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if entry.name.isdecimal():
            with suppress(OSError, IndexError, ValueError):
                # the name of the program may contain spaces and parentheses
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    pending = [os.getpid()]
    while pending:
        direct = children.get(pending.pop(), [])
        found += direct
        pending += direct
    return found


def _measure_memory() -> int:
    """Return the memory of all descendants in bytes; shared pages are counted once."""
    return sum(map(_read_memory, _list_descendants()))


def _read_memory(process: int) -> int:
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        with suppress(OSError, ValueError):
            for line in (_PROC / str(process) / name).read_text().splitlines():
                if line.startswith(field):
                    return int(line.split()[1]) * _KIBIBYTE
    return 0


def _end_all(group: int) -> None:
    """Kill the process group of the scorer and all descendants, and wait for their end."""
    deadline = time.monotonic() + _END_TIMEOUT
    while time.monotonic() < deadline:
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
        descendants = _list_descendants()
        for process in descendants:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        if not _reap():
            return
        time.sleep(0.01)


def _reap() -> bool:
    """Collect ended children; return whether some are left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def main() -> None:
    """Run the command in the arguments, and write the report to the given file descriptor."""
    limit, report, *command = sys.argv[1:]
    worker = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # unlike SIG_IGN, not inherited by the command
    with os.fdopen(int(report), "w") as file:
        os.set_inheritable(file.fileno(), False)
        result = supervise(command, int(limit) or None)
        if result.get("is_abandoned") or os.getppid() != worker:
            shutil.rmtree(Path.cwd(), ignore_errors=True)
        with suppress(BrokenPipeError):
            json.dump(result, file)
            file.flush()


if __name__ == "__main__":
    main()
