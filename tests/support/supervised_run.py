"""Runs whose tasks are child processes of Airflow's supervisor, with log files as on a worker."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.sdk.configuration import conf
from airflow.sdk.execution_time import supervisor

from support.execution_api import ExecutionApi, Run


class SupervisedRun(Run):
    """Run of a DAG file.

    Args:
        api: the Execution API of the tasks.
        code: code of the DAG file, which defines `dag`.
        folder: directory for the log files.
        name: name of the DAG file.
    """

    def __init__(self, api: ExecutionApi, code: str, folder: Path, name: str) -> None:
        dags = Path(conf.get("core", "dags_folder"))
        dags.mkdir(exist_ok=True)
        self.file = dags / f"{name}.py"
        self.file.write_text(code)
        self.logs = folder
        values: dict[str, Any] = {}
        exec(compile(code, str(self.file), "exec"), values)  # noqa: S102 - a DAG of the test
        super().__init__(api, values["dag"], f"run_{name}")

    def read_log(self, task_id: str) -> str:
        """Return the log of a task."""
        return (self.logs / f"{task_id}.log").read_text()

    def _execute(self, ti: Any) -> Any:
        whole = TaskInstanceDTO(**ti.model_dump(), pool_slots=1, priority_weight=1)
        # A process forked from this one, which has threads of servers, could wait for their locks
        with mock.patch.object(supervisor, "_FORK_EXEC_PLATFORMS", {sys.platform}):
            supervisor.supervise_task(
                ti=whole,
                bundle_info=BundleInfo(name="dags-folder", version=None),
                dag_rel_path=self.file.name,
                token="",
                client=self.api.client(),
                log_path=str(self.logs / f"{ti.task_id}.log"),
            )
        _, instance = self.api.by_try[str(ti.id)]
        return SimpleNamespace(state=instance.state, msg=None, error=None)
