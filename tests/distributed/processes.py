"""The side of the tests of `launcher`."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

#: Maximum time for the processes of a cluster to end, in seconds.
STOP_TIMEOUT = 30
TAIL = 4000

Program = Literal["airflow", "synapse", "exec"]


class ProcessEndedError(AssertionError):
    """A process of the cluster has ended; the message has the end of its log."""


class Processes:
    """Processes of a cluster; each has a log file.

    Args:
        folder: working directory of the processes; log files in its subdirectory `logs`.
        launcher: the process of the launcher.
    """

    def __init__(self, folder: Path, launcher: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self._launcher = launcher
        self._lock = threading.Lock()
        self.pids: dict[str, int] = {}

    def start(
        self,
        name: str,
        program: Program,
        *arguments: str,
        disk: Path | None = None,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        """Start a process.

        Args:
            name: unique name of the process.
            program: `airflow` or `synapse` (with preloaded modules), or `exec` for another
                program, which is then the first of the arguments.
            arguments: arguments of the program.
            disk: files of the machine on which the process runs; None for the machine of the
                tests.
            environment: additional environment variables.
            user: name of the user; None for the user of the tests.
        """
        command = {
            "start": name,
            "program": program,
            "arguments": arguments,
            "log": str(self.log(name)),
            "disk": str(disk) if disk else None,
            "environment": dict(environment or {}),
            "user": user,
        }
        self.pids[name] = self._call(command)

    def kill(self, name: str) -> None:
        """Kill a process and all its descendants at once."""
        self.send_signal(self.pids.pop(name), signal.SIGKILL, tree=True)

    def send_signal(self, pid: int, number: int, *, tree: bool = False) -> list[int]:
        """Send a signal to a process, or to it and all its descendants.

        Args:
            pid: ID of the process in the PID namespace of the cluster, as in Airflow's database.
            number: the signal.
            tree: whether to send the signal to the descendants as well.

        Returns:
            The IDs of the processes that received it.
        """
        reached: list[int] = self._call({"signal": number, "pid": pid, "tree": tree})
        return reached

    def has_grandchildren(self, name: str) -> bool:
        """Return whether children of a process have children, such as the tasks of a worker."""
        parents: dict[str, int] = self._call({"parents": self.pids[name]})
        return any(parent != self.pids[name] for parent in parents.values())

    def wait(self, name: str, timeout: float) -> None:
        """Wait until a process ends without an error."""
        deadline = time.monotonic() + timeout
        while (status := self._status(name)) is None:
            assert time.monotonic() < deadline, f"{name} still runs:\n{self.tail(name)}"
            time.sleep(0.1)
        if status:
            raise ProcessEndedError(f"{name} ended with status {status}:\n{self.tail(name)}")
        del self.pids[name]

    def check(self) -> None:
        """Check that all processes run.

        Raises:
            ProcessEndedError: A process has ended.
        """
        statuses = self._call({"statuses": None})
        for name, pid in self.pids.items():
            if str(pid) in statuses:
                status = statuses[str(pid)]
                raise ProcessEndedError(f"{name} ended with status {status}:\n{self.tail(name)}")

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def tail(self, name: str) -> str:
        log = self.log(name)
        return log.read_text(errors="replace")[-TAIL:] if log.exists() else ""

    def _status(self, name: str) -> int | None:
        status: int | None = self._call({"statuses": None}).get(str(self.pids[name]))
        return status

    def _call(self, command: dict[str, Any]) -> Any:
        with self._lock:
            to_launcher, from_launcher = self._launcher.stdin, self._launcher.stdout
            assert to_launcher
            assert from_launcher
            to_launcher.write(json.dumps(command).encode() + b"\n")
            to_launcher.flush()
            line = from_launcher.readline()
        assert line, f"the launcher has ended:\n{self.tail('launcher')}"
        return json.loads(line)


@contextmanager
def run_processes(folder: Path, environment: dict[str, str]) -> Iterator[Processes]:
    """Run a launcher during the block, then kill all its processes.

    Args:
        folder: working directory of the processes.
        environment: environment of the processes.
    """
    (folder / "logs").mkdir()
    with (
        (folder / "logs" / "launcher.log").open("wb") as log,
        _start_launcher(folder, environment, log) as launcher,
    ):
        try:
            yield Processes(folder, launcher)
        finally:
            assert launcher.stdin
            launcher.stdin.close()
            try:
                launcher.wait(STOP_TIMEOUT)
            finally:
                launcher.kill()


def _start_launcher(
    folder: Path, environment: dict[str, str], log: IO[bytes]
) -> "subprocess.Popen[bytes]":
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    return subprocess.Popen(
        [*namespaces, sys.executable, "-m", "distributed.launcher"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,  # Ctrl-C interrupts the tests, which then stop the launcher
    )
