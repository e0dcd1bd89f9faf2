"""Task attempts in processes that can be killed; the task state is kept in a file."""

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from support.execution_api import ExecutionApi, Instance, Run
from synapse_workflows import SynapseTableStoreOperator

#: Workers are forked from a process that has imported these modules and runs no threads.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["synapse_workflows.operators.tables", "airflow.sdk.execution_time.supervisor"]
)


class PersistentApi(ExecutionApi):
    """An Execution API that keeps its task state store in a file.

    Args:
        connection: the connection, as JSON text.
        folder: folder of the file.
    """

    def __init__(self, connection: str, folder: Path) -> None:
        super().__init__({"synapse_default": connection})
        self.file = folder / "state.json"

    def load_state(self) -> dict[str, Any]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def _store(self, request: Any, parts: list[str], body: str) -> Any:
        result = super()._store(request, parts, body)
        _, instance = self.by_try[parts[1]]
        temporary = self.file.with_suffix(".new")
        temporary.write_text(json.dumps(instance.store))
        temporary.replace(self.file)
        return result


class Worker:
    """Runner of attempts of one task that stores rows; each attempt has its own process.

    Args:
        connection: the connection, as JSON text.
        folder: folder for the task state and results.
        arguments: arguments of the operator.
    """

    def __init__(self, connection: str, folder: Path, **arguments: Any) -> None:
        self.connection, self.folder, self.arguments = connection, folder, arguments
        self.attempts = 0
        self.process: Any = None

    def begin(self) -> None:
        """Start the next attempt."""
        self.attempts += 1
        (self.folder / "result.json").unlink(missing_ok=True)
        arguments = (
            self.connection,
            str(self.folder),
            self.attempts,
            self.arguments,
            sys.path,
        )
        self.process = _PROCESSES.Process(target=run_attempt, args=arguments, daemon=True)
        self.process.start()

    def kill(self) -> None:
        """Kill the process of the attempt."""
        os.kill(self.process.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """Terminate the process of the attempt, as a shutdown of the worker does."""
        os.kill(self.process.pid, signal.SIGTERM)

    def end(self) -> dict[str, Any] | None:
        """Wait for the process; return the result of the attempt, or None if it was killed."""
        self.process.join(60)
        assert self.process.exitcode is not None
        self.process.close()
        result = self.folder / "result.json"
        return json.loads(result.read_text()) if result.exists() else None


def run_attempt(
    connection: str, folder: str, attempt: int, arguments: dict[str, Any], path: list[str]
) -> None:
    """Run one attempt in the worker's process and write its result."""
    sys.path[:] = path
    api = PersistentApi(connection, Path(folder))
    with DAG("killable", schedule=None) as dag:
        SynapseTableStoreOperator(task_id="store", retries=5, **arguments)
    instance = Instance("store", -1, tries=attempt - 1, store=api.load_state())
    api.instances["killable", "run", "store", -1] = instance
    run = Run(api, dag, "run")
    result = run.task("store", max_tries=5)
    values = {
        "state": result.state.value,
        "error": str(result.error),
        "value": run.value("store"),
    }
    Path(folder, "result.json").write_text(json.dumps(values))
