"""Workers in processes of their own, which can be killed; what they note outlives them."""

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

#: Children come of a process that has imported what they need once, and runs no threads.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["synapse_workflows.operators.tables", "airflow.sdk.execution_time.supervisor"]
)


class PersistentApi(ExecutionApi):
    """An Execution API whose task state store is a file.

    Args:
        connection: as JSON text.
        folder: where the file is.
    """

    def __init__(self, connection: str, folder: Path) -> None:
        super().__init__({"synapse_default": connection})
        self.file = folder / "state.json"

    def kept(self) -> dict[str, Any]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def _store(self, request: Any, parts: list[str], body: str) -> Any:
        found = super()._store(request, parts, body)
        _, instance = self.by_try[parts[1]]
        made = self.file.with_suffix(".new")
        made.write_text(json.dumps(instance.store))
        made.replace(self.file)
        return found


class Worker:
    """Runs tries of one task that stores rows, each in a process of its own.

    Args:
        connection: as JSON text.
        folder: for what outlives a try.
        arguments: of the operator.
    """

    def __init__(self, connection: str, folder: Path, **arguments: Any) -> None:
        self.connection, self.folder, self.arguments = connection, folder, arguments
        self.tries = 0
        self.process: Any = None

    def begin(self) -> None:
        """Begin the next try."""
        self.tries += 1
        (self.folder / "result.json").unlink(missing_ok=True)
        told = (self.connection, str(self.folder), self.tries, self.arguments, sys.path)
        self.process = _PROCESSES.Process(target=run_attempt, args=told, daemon=True)
        self.process.start()

    def kill(self) -> None:
        """Let it die at once, wherever it is."""
        os.kill(self.process.pid, signal.SIGKILL)

    def end(self) -> dict[str, Any] | None:
        """Wait for its end; its result, None where it died."""
        self.process.join(60)
        assert self.process.exitcode is not None
        self.process.close()
        result = self.folder / "result.json"
        return json.loads(result.read_text()) if result.exists() else None


def run_attempt(
    connection: str, folder: str, tries: int, arguments: dict[str, Any], path: list[str]
) -> None:
    """Do one try, and write what came of it; runs in the worker's process."""
    sys.path[:] = path
    api = PersistentApi(connection, Path(folder))
    with DAG("mortal", schedule=None) as dag:
        SynapseTableStoreOperator(task_id="store", retries=5, **arguments)
    known = Instance("store", -1, tries=tries - 1, store=api.kept())
    api.instances["mortal", "run", "store", -1] = known
    run = Run(api, dag, "run")
    result = run.task("store", max_tries=5)
    told = {"state": result.state.value, "error": str(result.error), "value": run.value("store")}
    Path(folder, "result.json").write_text(json.dumps(told))
