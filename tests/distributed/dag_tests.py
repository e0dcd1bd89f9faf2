"""Runs of DAGs with `dag.test`, in one process on one machine: the standard of comparison."""

import gc
import json
import os
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import requests
from distributed.metadata import Metadata
from support.airflow_database import create_database

from synapse_workflows.demo.runner import airflow_environment

TIMEOUT = 900
#: Environment variables with the file of the current run, and with the ID of its DAG.
FILE, DAG_ID = "TESTED_FILE", "TESTED_DAG"


@dataclass(frozen=True)
class DagTest:
    """A run of a DAG.

    Args:
        dag_id: ID of the DAG.
        file: path of its file, relative to the directory of the DAG files.
        conf: parameters of the run.
        announce: URL that is requested before the run; none if empty.
        logical_date: logical date of the run, in ISO 8601; now by default.
    """

    dag_id: str
    file: str
    conf: Mapping[str, Any] = field(default_factory=dict)
    announce: str = ""
    logical_date: str | None = None


class DagTests(Metadata):
    """A process that runs DAGs one after the other, with a metadata database of its own.

    As a context manager, it ends the process after the block.

    Args:
        folder: new working directory.
        dags: directory of the DAG files.
        connection: the connection `synapse_default`, as JSON text.
        environment: environment variables.
    """

    def __init__(
        self, folder: Path, dags: Path, connection: str, environment: Mapping[str, str]
    ) -> None:
        self.folder = folder
        create_database(folder)
        service = {"airflow_connection": connection}
        self._dags = dags
        self._environment = airflow_environment(folder, service, dags) | dict(environment)
        self._environment["AIRFLOW__CORE__MIGHT_CONTAIN_DAG_CALLABLE"] = f"{__name__}.is_wanted"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, runs: Iterable[DagTest]) -> None:
        file = self.folder / "runs.json"
        paths = [asdict(run) | {"file": str(self._dags / run.file)} for run in runs]
        file.write_text(json.dumps(paths))
        with (self.folder / "dag_tests.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "distributed.dag_tests", str(file)],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> None:
        assert self._process
        status = self._process.wait(TIMEOUT)
        log = (self.folder / "dag_tests.log").read_text(errors="replace")
        assert status == 0, log[-5000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def run_id(self, dag_id: str) -> str:
        """Return the ID of the only run of a DAG."""
        ((run_id,),) = self.query("select run_id from dag_run where dag_id = %s", dag_id)
        return str(run_id)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "airflow" / "airflow.db", timeout=30)) as db:
            return db.execute(sql.replace("%s", "?"), values).fetchall()


def is_wanted(file_path: str, zip_file: Any = None) -> bool:
    """Return whether Airflow parses a file: `dag.test` stores all DAGs of the folder each time."""
    return file_path == os.environ[FILE]


def main(file: str) -> None:
    """Run DAGs; a run that fails does not end the others."""
    gc.set_threshold(50_000, 20, 100)
    from airflow.cli.cli_parser import get_parser

    for run in json.loads(Path(file).read_text()):
        if run["announce"]:
            requests.get(run["announce"], timeout=60).raise_for_status()
        date = [run["logical_date"]] if run["logical_date"] else []
        os.environ |= {FILE: run["file"], DAG_ID: run["dag_id"]}
        arguments = ["dags", "test", run["dag_id"], *date, "--conf", json.dumps(run["conf"])]
        command = get_parser().parse_args(arguments)
        try:
            command.func(command)
        except (Exception, SystemExit):  # noqa: BLE001 - to the log
            traceback.print_exc()


if __name__ == "__main__":
    main(sys.argv[1])
