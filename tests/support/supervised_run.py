"""Runs whose tasks are child processes of Airflow's supervisor, with log files as on a worker."""

import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.sdk.configuration import clear_secrets_backends_cache, conf
from airflow.sdk.execution_time import supervisor

from support.execution_api import ExecutionApi, Run
from support.execution_api_server import serve_execution_api
from support.forked_processes import PROCESSES, prepare_forked_process

#: Maximum time of a task, in seconds.
TIMEOUT = 100


class SupervisedRun(Run):
    """Run of a DAG file.

    Args:
        api: the Execution API of the tasks.
        code: code of the DAG file, which defines `dag`.
        folder: directory for the log files and the output of the supervisor.
        name: name of the DAG file.
    """

    def __init__(self, api: ExecutionApi, code: str, folder: Path, name: str) -> None:
        dags = Path(conf.get("core", "dags_folder"))
        dags.mkdir(exist_ok=True)
        self.file = dags / f"{name}.py"
        self.file.write_text(code)
        self.folder = folder
        values: dict[str, Any] = {}
        exec(compile(code, str(self.file), "exec"), values)  # noqa: S102 - a DAG of the test
        super().__init__(api, values["dag"], f"run_{name}")

    def read_log(self, task_id: str) -> str:
        """Return the log of a task."""
        return (self.folder / f"{task_id}.log").read_text()

    def read_output(self, task_id: str) -> str:
        """Return what the supervisor of a task wrote to stdout and stderr."""
        return (self.folder / f"{task_id}.output").read_text()

    def _execute(self, ti: Any) -> Any:
        whole = TaskInstanceDTO(**ti.model_dump(), pool_slots=1, priority_weight=1)
        with serve_execution_api(self.api) as url:
            process = PROCESSES.Process(
                target=_supervise,
                args=(sys.path, dict(os.environ), whole, self.file.name, url, self.folder),
                daemon=True,
            )
            process.start()
            process.join(TIMEOUT)
        assert process.exitcode == 0, self.read_output(ti.task_id)
        _, instance = self.api.by_try[str(ti.id)]
        return SimpleNamespace(state=instance.state, msg=None, error=None)


def _supervise(
    path: list[str],
    environment: dict[str, str],
    ti: TaskInstanceDTO,
    file: str,
    url: str,
    folder: Path,
) -> None:
    """Run a task below a supervisor in this process."""
    prepare_forked_process(path)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # the environment has another one
    clear_secrets_backends_cache()
    with (folder / f"{ti.task_id}.output").open("ab") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    supervisor.supervise_task(
        ti=ti,
        bundle_info=BundleInfo(name="dags-folder", version=None),
        dag_rel_path=file,
        token="",
        server=url,
        log_path=str(folder / f"{ti.task_id}.log"),
    )
