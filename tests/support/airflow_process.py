"""A process that runs one DAG after another, so that Airflow starts only once for many tests."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

#: Run `airflow` with each line of arguments, a JSON list; answer with its exit status.
_PROGRAM = """
import gc, json, os, sys, traceback
gc.set_threshold(50_000, 20, 100)  # as `preloaded_airflow`
from airflow.cli.cli_parser import get_parser

answers = os.fdopen(int(sys.argv[1]), "w")
for line in sys.stdin:
    status = 0
    try:
        command = get_parser().parse_args(json.loads(line))
        command.func(command)
    except SystemExit as error:
        status = error.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    print(json.dumps(status), file=answers, flush=True)
"""


class AirflowProcess:
    """Airflow in a child process; `run` runs one command of `airflow` in it.

    Args:
        process: the child process.
        answers: file with the exit statuses.
        log: file with the output.
    """

    def __init__(self, process: subprocess.Popen, answers: int, log: Path) -> None:
        self._process, self._log = process, log
        self._answers = open(answers)  # noqa: SIM115 - closed with the process

    def run(self, *arguments: str) -> str:
        """Run a command; return its output.

        Raises:
            AssertionError: The command fails; the message ends with its output.
        """
        start = self._log.stat().st_size
        print(json.dumps(arguments), file=self._process.stdin, flush=True)
        status = self._answers.readline()
        output = self._log.read_bytes()[start:].decode(errors="replace")
        assert status == "0\n", f"airflow {' '.join(arguments)}: {status}\n{output[-8000:]}"
        return output

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._answers.close()


@contextmanager
def start_airflow(environment: Mapping[str, str], log: Path) -> Iterator[AirflowProcess]:
    """Start Airflow in a child process during the block.

    Args:
        environment: environment variables, such as those of `airflow_environment`.
        log: file for the output.
    """
    reader, writer = os.pipe()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(writer)],
            env=dict(environment), stdin=subprocess.PIPE, stdout=output, stderr=output,
            text=True, pass_fds=[writer],
        )  # fmt: skip
    os.close(writer)
    airflow = AirflowProcess(process, reader, log)
    try:
        yield airflow
    finally:
        airflow.close()
