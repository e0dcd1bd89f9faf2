"""Task attempts in processes that can be killed; the task state is kept in a file."""

import json
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from airflow.sdk import DAG

from support.execution_api import ExecutionApi, Instance, Run, fire_trigger
from support.forked_processes import PROCESSES, prepare_forked_process
from synapse_workflows import SynapseTableStoreOperator

#: Ids in paths and in keys of the task state.
_ID = re.compile(r"(?<=/)\d+(?=/|$)|(?<=[/:])syn\d+(?=[/:]|$)|(?<=[/:])[0-9a-f-]{30,}(?=/|$)")


class KillPoint(NamedTuple):
    """Point at which a worker kills itself.

    Args:
        event: A request that the worker is about to send, as `PUT /repo/v1/entity/{id}`; or a
            request whose response has arrived, with the status: `PUT /repo/v1/entity/{id} 200`.
            Saves of the task state and the report of the task's end count as requests as well.
        number: Number of the event among equal events, from 1.
    """

    event: str
    number: int = 1


def normalize_path(url: str) -> str:
    """Return the path of a URL without IDs."""
    return _ID.sub("{id}", urlsplit(url).path)


class Trace:
    """Recorder of the events of an attempt, in order.

    Args:
        kill_point: Event at which the process kills itself; None to record only.
    """

    def __init__(self, kill_point: KillPoint | None = None) -> None:
        self.kill_point = kill_point
        self.events: list[str] = []
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, event: str) -> None:
        """Record an event; kill the process if this is the kill point."""
        with self._lock:
            self.events.append(event)
            self._counts[event] += 1
            if (event, self._counts[event]) == self.kill_point:
                os.kill(os.getpid(), signal.SIGKILL)

    def follow_requests(self) -> None:
        """Record all requests that this process sends with the library requests."""
        send = requests.adapters.HTTPAdapter.send

        def send_recorded(adapter: Any, request: Any, *args: Any, **options: Any) -> Any:
            path = normalize_path(request.url)
            self.add(f"{request.method} {path}")
            response = send(adapter, request, *args, **options)
            self.add(f"{request.method} {path} {response.status_code}")
            return response

        requests.adapters.HTTPAdapter.send = send_recorded  # type: ignore[method-assign]


class PersistentApi(ExecutionApi):
    """An Execution API that keeps its task state store in a file.

    Args:
        connection: the connection, as JSON text.
        folder: folder of the file.
        trace: recorder of the changes of the task state and of the report of the task's end.
    """

    def __init__(self, connection: str, folder: Path, trace: Trace | None = None) -> None:
        super().__init__({"synapse_default": connection})
        self.file = folder / "state.json"
        self.trace = Trace() if trace is None else trace

    def load_state(self) -> dict[str, Any]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def _store(self, request: Any, parts: list[str], body: str) -> Any:
        if request.method == "GET":
            return super()._store(request, parts, body)
        event = f"{request.method} task-state/{_ID.sub('{id}', parts[2])}"
        self.trace.add(event)
        result = super()._store(request, parts, body)
        _, instance = self.by_try[parts[1]]
        temporary = self.file.with_suffix(".new")
        temporary.write_text(json.dumps(instance.store))
        temporary.replace(self.file)
        self.trace.add(f"{event} 204")
        return result

    def _set_state(self, instance: Instance, update: dict[str, Any]) -> None:
        self.trace.add(f"report {update['state']}")
        super()._set_state(instance, update)


class Worker:
    """Runner of attempts of one task; each attempt has its own process.

    Args:
        connection: the connection, as JSON text.
        folder: folder for the task state and results.
        create: creates the operator from a task id and `arguments`; a function of a module that
            the process can import.
        arguments: arguments of the operator.
    """

    def __init__(
        self,
        connection: str,
        folder: Path,
        create: Callable[..., Any] = SynapseTableStoreOperator,
        /,
        **arguments: Any,
    ) -> None:
        self.connection, self.folder = connection, folder
        self.create, self.arguments = create, arguments
        self.attempts = 0
        self.process: Any = None

    def begin(self, kill_point: KillPoint | None = None) -> None:
        """Start the next attempt."""
        self.attempts += 1
        (self.folder / "result.json").unlink(missing_ok=True)
        arguments = (
            self.connection,
            str(self.folder),
            self.attempts,
            kill_point,
            self.create,
            self.arguments,
        )
        self.process = PROCESSES.Process(
            target=run_attempt, args=(sys.path, *arguments), daemon=True
        )
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
    path: list[str],
    connection: str,
    folder: str,
    attempt: int,
    kill_point: KillPoint | None,
    create: Callable[..., Any],
    arguments: dict[str, Any],
) -> None:
    """Run one attempt in the worker's process and write its result."""
    prepare_forked_process(path)
    trace = Trace(kill_point)
    trace.follow_requests()
    os.environ["AIRFLOW_CONN_SYNAPSE_DEFAULT"] = connection
    api = PersistentApi(connection, Path(folder), trace)
    with DAG("killable", schedule=None) as dag:
        create(task_id="store", retries=5, **arguments)
    instance = Instance("store", -1, tries=attempt - 1, store=api.load_state())
    api.instances["killable", "run", "store", -1] = instance
    run = Run(api, dag, "run")
    result = run.task("store", max_tries=5)
    if result.state == "deferred":
        result = run.task("store", max_tries=5, event=fire_trigger(result))
    values = {
        "state": result.state.value,
        "error": str(result.error),
        "value": run.value("store"),
        "record": run.record("store"),
        "asset_events": instance.outlet_events,
        "trace": trace.events,
    }
    Path(folder, "result.json").write_text(json.dumps(values))
