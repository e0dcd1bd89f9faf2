"""Child process of a scorer, with limits of time, memory and output."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from synapse_workflows.constants import MiB

#: Environment variables of the worker that a scorer gets. Others may contain secrets.
_INHERITED: Final = frozenset(
    {
        *("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
        *("LANG", "LANGUAGE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "JAVA_HOME", "R_HOME", "R_LIBS", "R_LIBS_USER"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
    }
)
_LAUNCHER: Final = Path(__file__).with_name("scorer_launcher.py")
#: Time between two checks of the running process, in seconds.
_INTERVAL: Final = 0.1
#: Time for the launcher to end all processes, in seconds.
_STOP_TIMEOUT: Final = 15.0
_MEMORY_ERRORS: Final = (
    b"MemoryError",
    b"bad_alloc",
    b"OutOfMemoryError",
    b"Cannot allocate memory",
    b"cannot allocate",
)


class ScorerError(Exception):
    """A validator or a scorer failed. The submission is not at fault.

    Args:
        reason: What failed, and what to do.
        output: The last lines that the program printed.
        is_permanent: Whether a retry cannot succeed.
    """

    def __init__(self, reason: str, output: str = "", *, is_permanent: bool = False) -> None:
        super().__init__(f"{reason}. Last output: {output}" if output else reason)
        self.reason = reason
        self.is_permanent = is_permanent


@dataclass(frozen=True)
class ScorerLimits:
    """Limits of one scorer process and of the processes that it starts.

    Args:
        time_limit: Maximum time in seconds; None for no limit.
        memory_limit: Maximum memory in bytes, for all processes together; None for no limit.
        max_output: Number of bytes that are kept of each of standard output and standard error:
            the first half and the last half.
    """

    time_limit: float | None = None
    memory_limit: int | None = None
    max_output: int = MiB


@dataclass(frozen=True)
class ScorerOutput:
    """What a scorer that ended printed.

    Args:
        exit_code: Exit code; negative for a signal.
        stdout: Standard output.
        stderr: Standard error.
    """

    exit_code: int
    stdout: str
    stderr: str

    @property
    def last_lines(self) -> str:
        """The last lines of standard error, or else of standard output."""
        lines = [line for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        return " | ".join(line[-200:] for line in lines[-5:])


class ScorerProcess:
    """A command that runs in a scratch directory, with its own process group.

    Args:
        command: The command and its arguments.
        folder: Working directory, home directory and place of temporary files.
        environment: Environment variables, in addition to a few of the worker such as PATH.
        limits: Limits of the process.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        limits: ScorerLimits,
    ) -> None:
        self.command = command
        self.folder = folder
        self.environment = environment
        self.limits = limits

    def run(self, check: Callable[[], object] = lambda: None) -> ScorerOutput:
        """Run the command and wait for its end.

        All its processes are killed at the end, also if the worker is killed.

        Args:
            check: Called several times per second. If it raises an exception, the command is
                stopped and the exception is raised.

        Raises:
            ScorerError: The command could not be started, or exceeded a limit.
        """
        report, write_report = os.pipe()
        with os.fdopen(report) as report_file:
            try:
                process = self._start(write_report)
            finally:
                os.close(write_report)
            assert process.stdout is not None  # noqa: S101
            assert process.stderr is not None  # noqa: S101
            outputs = [
                _BoundedOutput(stream, self.limits.max_output)
                for stream in (process.stdout, process.stderr)
            ]
            try:
                is_late = self._wait(process, check)
            finally:
                _stop(process)
                stdout, stderr = (one.finish() for one in outputs)
            text = report_file.read()
        result = json.loads(text) if text else {"exit_code": None, "is_out_of_memory": False}
        return self._to_output(result, stdout, stderr, is_late=is_late)

    def _start(self, report: int) -> "subprocess.Popen[bytes]":
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in _INHERITED or name.startswith("LC_")
        }
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        own = {"HOME": str(self.folder), "TMPDIR": str(temporary), "PWD": str(self.folder)}
        memory = str(self.limits.memory_limit or 0)
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), memory, str(report)]
        return subprocess.Popen(  # noqa: S603 - the command of the DAG's author
            [*launcher, *self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env={**inherited, **own, **self.environment},
            pass_fds=(report,),
            start_new_session=True,
        )

    def _wait(self, process: "subprocess.Popen[bytes]", check: Callable[[], object]) -> bool:
        """Wait for the end of the process; return whether it exceeded the time limit."""
        limit = self.limits.time_limit
        deadline = None if limit is None else time.monotonic() + limit
        while process.poll() is None:
            check()
            if deadline is not None and time.monotonic() > deadline:
                return True
            time.sleep(_INTERVAL)
        return False

    def _to_output(
        self, result: Mapping[str, Any], stdout: bytes, stderr: bytes, *, is_late: bool
    ) -> ScorerOutput:
        exit_code, limits = result["exit_code"], self.limits
        output = ScorerOutput(exit_code or 0, _decode(stdout), _decode(stderr))
        if result.get("error"):
            reason = f"Cannot run {self.command[0]!r}: {result['error']}"
            raise ScorerError(reason, is_permanent=True)
        if is_late and exit_code is None:
            reason = f"The process exceeded time_limit={limits.time_limit} seconds and was stopped"
            raise ScorerError(reason, output.last_lines)
        if result["is_out_of_memory"] or (exit_code and self._has_memory_error(stderr)):
            reason = f"The process exceeded memory_limit={limits.memory_limit} bytes"
            raise ScorerError(reason, output.last_lines)
        if exit_code is None:
            raise ScorerError("The process was stopped by another process", output.last_lines)
        return output

    def _has_memory_error(self, stderr: bytes) -> bool:
        is_limited = self.limits.memory_limit is not None
        return is_limited and any(text in stderr[-10_000:] for text in _MEMORY_ERRORS)


def describe_exit(exit_code: int) -> str:
    """Return a description of an exit code other than 0."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = str(-exit_code)
    reason = ", possibly because the machine ran out of memory" if name == "SIGKILL" else ""
    return f"was ended by the signal {name}{reason}"


class _BoundedOutput:
    """Reader of a pipe that keeps the first and the last bytes.

    Args:
        stream: The pipe.
        limit: Number of bytes to keep.
    """

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._half = limit // 2
        self._head = b""
        self._tail: deque[bytes] = deque()
        self._total = 0
        self._thread = threading.Thread(target=self._read, name="scorer output", daemon=True)
        self._thread.start()

    def finish(self) -> bytes:
        """Wait for the end of the pipe; return its content, with a mark for what was omitted."""
        self._thread.join(_STOP_TIMEOUT)
        tail = b"".join(self._tail)[-self._half :]
        omitted = self._total - len(self._head) - len(tail)
        mark = f"\n... {omitted} bytes omitted ...\n".encode() if omitted > 0 else b""
        return self._head + mark + tail

    def _read(self) -> None:
        kept = 0
        with self._stream:
            while chunk := self._stream.read1(64 * 1024):  # type: ignore[attr-defined]
                self._total += len(chunk)
                missing = self._half - len(self._head)
                self._head += chunk[:missing]
                self._tail.append(chunk[missing:] if missing > 0 else chunk)
                kept += len(self._tail[-1])
                while kept - len(self._tail[0]) > self._half:
                    kept -= len(self._tail.popleft())


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the scorer and its launcher, unless they have ended."""
    assert process.stdin is not None  # noqa: S101
    with suppress(BrokenPipeError):
        os.write(process.stdin.fileno(), b"\n")
    process.stdin.close()
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _decode(output: bytes) -> str:
    return output.decode(errors="replace")
