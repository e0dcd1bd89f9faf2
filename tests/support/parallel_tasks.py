"""Tasks that run at the same time, each in a separate process."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from support.execution_api import ExecutionApi, Run
from support.forked_processes import PROCESSES, prepare_forked_process
from synapse_workflows import (
    SynapseStoreOperator,
    SynapseTableSnapshotOperator,
    SynapseTableStoreOperator,
)

_OPERATORS = {
    "file": SynapseStoreOperator,
    "table": SynapseTableStoreOperator,
    "snapshot": SynapseTableSnapshotOperator,
}


def run_in_parallel(
    connection: str, folder: Path, kind: str, tasks: Iterable[dict[str, Any]]
) -> list[Any]:
    """Run one task per dictionary of arguments, all at the same time; return the results.

    Args:
        connection: the connection `synapse_default`, as JSON text.
        folder: folder for the results.
        kind: what the tasks store: `file`, `table` or `snapshot`.
        tasks: arguments of the operator of each task.
    """
    processes, files = [], []
    calls = list(tasks)
    barrier = PROCESSES.Barrier(len(calls))
    for number, arguments in enumerate(calls):
        files.append(folder / f"result_{number}.json")
        values = (connection, files[-1], kind, number, arguments, barrier.wait, sys.path)
        processes.append(PROCESSES.Process(target=_run_task, args=values, daemon=True))
        processes[-1].start()
    for process in processes:
        process.join(100)
        assert process.exitcode == 0
    return [json.loads(file.read_text()) for file in files]


def _run_task(
    connection: str,
    file: Path,
    kind: str,
    number: int,
    arguments: dict[str, Any],
    wait: Callable[[], int],
    path: list[str],
) -> None:
    prepare_forked_process(path)
    with DAG("parallel", schedule=None) as dag:
        _OPERATORS[kind](task_id="store", **arguments)
    run = Run(ExecutionApi({"synapse_default": connection}), dag, f"run_{number}")
    wait()
    result = run.task("store")
    assert result.state == "success", result.error
    file.write_text(json.dumps(run.value("store")))
