"""Celery worker that runs tasks in its own process, one after another.

    python tests/distributed/in_process_worker.py NAME QUEUE

A worker of Airflow starts two processes per task, which takes most of the time of a task that
sends few requests. For tests of other components, this worker only uses Airflow's task runner,
with its API server. It reads each DAG file once, and sends no heartbeats.
"""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

os.environ["AIRFLOW__CELERY__POOL"] = "solo"

from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.workloads import ExecuteTask
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.supervisor import run_task_in_process
from pydantic import TypeAdapter

# Airflow builds an equal adapter for each template field
task_runner.TypeAdapter = cache(TypeAdapter)  # type: ignore[attr-defined]


@cache
def load_dags(path: Path) -> BundleDagBag:
    """Return the DAGs of a file of the DAG folder."""
    return BundleDagBag(path, safe_mode=False, bundle_path=path.parent, bundle_name="dags-folder")


def run_workload(workload: ExecuteTask, **_: Any) -> int:
    """Run a task in this process."""
    path = Path(conf.get_mandatory_value("core", "dags_folder"), workload.dag_rel_path)
    task = load_dags(path).dags[workload.ti.dag_id].get_task(workload.ti.task_id)
    server = conf.get_mandatory_value("core", "execution_api_server_url")
    with Client(base_url=server, token=workload.token) as client:
        run_task_in_process(workload.ti, task, client)  # type: ignore[arg-type]
    return 0


def main(name: str, queue: str) -> None:
    """Run the worker."""
    BaseExecutor.run_workload = staticmethod(run_workload)  # type: ignore[method-assign]
    options = ("--skip-serve-logs", "--without-mingle", "--without-gossip", "--concurrency", "1")
    arguments = ["celery", "worker", *options, "--celery-hostname", name, "--queues", queue]
    parsed = get_parser().parse_args(arguments)
    parsed.func(parsed)


if __name__ == "__main__":
    main(*sys.argv[1:])
