"""In-memory Execution API, and DAG runs that use Airflow's task runner with it.

No database and no scheduler are used. The test specifies which tasks run, in which order, and
with how many instances.
"""

import asyncio
import json
from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from airflow.sdk.api import client as api_client
from airflow.sdk.api.datamodels._generated import TaskInstance
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.supervisor import run_task_in_process
from airflow.sdk.module_loading import import_string
from airflow.sdk.serde import deserialize

httpx = api_client.httpx
# Airflow builds an equal adapter for each template field, a tenth of the time of a small task
task_runner.TypeAdapter = cache(task_runner.TypeAdapter)  # type: ignore[attr-defined]
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Instance:
    """Server-side state of a task instance over all its tries."""

    task_id: str
    map_index: int
    state: str | None = None
    tries: int = 0
    store: dict[str, Any] = field(default_factory=dict)
    outlet_events: list[dict] = field(default_factory=list)
    deferral: Any = None
    rescheduled: list[datetime] = field(default_factory=list)


class ExecutionApi:
    """In-memory Execution API of Airflow that records every request.

    Args:
        connections: connections as JSON text, by id.
    """

    def __init__(self, connections: dict[str, str]) -> None:
        self.connections = dict(connections)
        self.requests: list[tuple[str, str, str]] = []
        self.instances: dict[tuple[str, str, str, int], Instance] = {}
        self.by_try: dict[str, tuple[tuple[str, str, str, int], Instance]] = {}
        self.xcoms: defaultdict[tuple[str, str, str, str], dict[int, Any]] = defaultdict(dict)
        self.events: list[dict[str, Any]] = []
        self.rendered: dict[str, Any] = {}
        self.runs: dict[str, dict[str, Any]] = {}

    def emit(self, uri: str, *, aliases: tuple[str, ...] = (), **extra: Any) -> dict[str, Any]:
        """Register an asset event of an earlier run."""
        event = {
            "id": len(self.events) + 1,
            "timestamp": NOW.replace(minute=len(self.events)).isoformat(),
            "extra": extra,
            "asset": {"name": uri, "uri": uri, "group": "asset", "extra": {}},
            "created_dagruns": [],
        }
        self.events.append(event | {"aliases": list(aliases)})
        return event

    def handle(self, request: Any) -> Any:
        body = request.read().decode()
        self.requests.append((request.method, str(request.url), body))
        parts = [unquote(part) for part in request.url.raw_path.decode().split("?")[0].split("/")]
        parts = [part for part in parts if part]
        handler = getattr(self, "_" + parts[0].replace("-", "_"))
        result = handler(request, parts[1:], body)
        if request.method == "HEAD":
            return httpx.Response(200, headers={"Content-Range": f"map_indexes {result}"})
        if result is NotImplemented:
            return httpx.Response(404, json={"detail": {"reason": "not_found", "message": "no"}})
        return httpx.Response(204) if result is None else httpx.Response(200, json=result)

    def _connections(self, _request: Any, parts: list[str], _body: str) -> Any:
        if parts[0] not in self.connections:
            return NotImplemented
        connection = dict.fromkeys(
            ("description", "host", "login", "password", "port", "schema", "extra")
        ) | json.loads(self.connections[parts[0]])
        extra = connection["extra"]
        connection["extra"] = extra if isinstance(extra, str | None) else json.dumps(extra)
        return connection | {"conn_id": parts[0]}

    def _variables(self, *_: Any) -> Any:
        return NotImplemented

    def _task_instances(self, request: Any, parts: list[str], body: str) -> Any:
        if parts == ["states"]:
            return self._states(request)
        if parts == ["count"]:
            task_ids = request.url.params.get_list("task_ids")
            return sum(1 for one in self.instances.values() if one.task_id in task_ids)
        key, instance = self.by_try[parts[0]]
        if parts[1] == "run":
            return self.runs[parts[0]]
        if parts[1] == "validate-inlets-and-outlets":
            return {"inactive_assets": []}
        if parts[1] == "rtif":
            self.rendered[key[2]] = json.loads(body)
        elif parts[1] == "state":
            self._set_state(instance, json.loads(body))
        elif parts[1] == "skip-downstream":
            for task_id in json.loads(body)["tasks"]:
                name = task_id if isinstance(task_id, str) else task_id[0]
                self.instances[(*key[:2], name, -1)] = Instance(name, -1, "skipped")
        return {"ok": True}

    def _hitlDetails(self, _request: Any, _parts: list[str], body: str) -> Any:  # noqa: N802
        """Accept the request of a task that waits for a person."""
        return json.loads(body)

    def _task_reschedules(self, _request: Any, parts: list[str], _body: str) -> Any:
        return self.by_try[parts[0]][1].rescheduled[0].isoformat()

    def _set_state(self, instance: Instance, update: dict[str, Any]) -> None:
        instance.state = update["state"]
        instance.outlet_events = update.get("outlet_events") or []
        if instance.state == "success":
            self._emit_outlets(update.get("task_outlets") or [], instance.outlet_events)

    def _states(self, request: Any) -> dict[str, Any]:
        states: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for (dag_id, run_id, task_id, index), instance in self.instances.items():
            if dag_id == request.url.params["dag_id"]:
                name = task_id if index < 0 else f"{task_id}_{index}"
                states[run_id][name] = instance.state
        return {"task_states": states}

    def _emit_outlets(self, outlets: list[dict], events: list[dict]) -> None:
        """Emit asset events for the outlets of a task, as the Airflow server does."""
        names = {outlet.get("name") for outlet in outlets if outlet["type"] == "AssetAlias"}
        for outlet in outlets:
            if outlet["type"] == "Asset":
                extras = [
                    event["extra"]
                    for event in events
                    if "source_alias_name" not in event
                    and event["dest_asset_key"]["uri"] == outlet["uri"]
                ]
                self.emit(outlet["uri"], **(extras[0] if extras else {}))
        for event in events:
            if event.get("source_alias_name") in names:
                uri = event["dest_asset_key"]["uri"]
                self.emit(uri, aliases=(event["source_alias_name"],), **event["extra"])

    def _xcoms(self, request: Any, parts: list[str], body: str) -> Any:
        index = int(request.url.params.get("map_index", -1))
        values = self.xcoms[tuple(parts[:4])]
        if request.method == "POST":
            values[index] = json.loads(body or "null")
            return {"ok": True}
        if request.method == "DELETE":
            values.pop(index, None)
            return {"ok": True}
        ordered = [values[i] for i in sorted(values)]
        if request.method == "HEAD":
            return len(ordered)
        if parts[4:] == ["slice"]:
            return ordered
        if parts[4:5] == ["item"]:
            offset = int(parts[5])
            return ordered[offset] if offset < len(ordered) else NotImplemented
        return {"key": parts[3], "value": values[index]} if index in values else NotImplemented

    def _store(self, request: Any, parts: list[str], body: str) -> Any:
        _, instance = self.by_try[parts[1]]
        if request.method == "PUT":
            instance.store[parts[2]] = json.loads(body)["value"]
            return None
        if request.method == "DELETE":
            instance.store.pop(parts[2], None)
            return None
        if parts[2] not in instance.store:
            return NotImplemented
        return {"value": instance.store[parts[2]]}

    def _asset_events(self, request: Any, parts: list[str], _body: str) -> Any:
        query = request.url.params
        if parts == ["by-asset-alias"]:
            matches = [e for e in self.events if query["name"] in e["aliases"]]
        else:
            keys = {query.get("name"), query.get("uri")} - {None, ""}
            matches = [e for e in self.events if keys & {e["asset"]["name"], e["asset"]["uri"]}]
        events = [{k: v for k, v in event.items() if k != "aliases"} for event in matches]
        is_descending = query.get("ascending") == "false"
        events.sort(key=lambda event: event["timestamp"], reverse=is_descending)
        return {"asset_events": events[: int(query.get("limit", 100))]}

    def _assets(self, request: Any, parts: list[str], _body: str) -> Any:
        if parts == ["by-alias"]:
            return []
        name = request.url.params.get("name") or request.url.params.get("uri")
        return {"name": name, "uri": name, "group": "asset", "extra": {}}


class _Client(api_client.Client):
    """Airflow's client without cookies, authorization and tracing, most of a request's time."""

    def __init__(self, api: ExecutionApi) -> None:
        super().__init__(base_url=None, dry_run=True, token="")
        self._api = api

    def request(self, method: str, url: str, **options: Any) -> Any:
        body = {name: options.get(name) for name in ("params", "content", "json")}
        request = httpx.Request(method, f"http://api/{url.lstrip('/')}", **body)
        response = self._api.handle(request)
        response.request = request
        api_client.raise_on_4xx_5xx(response)
        return response


class Run:
    """One run of a DAG, executed task by task.

    Args:
        api: the Execution API of the tasks.
        dag: the DAG.
        run_id: id of the run.
        events: triggering asset events, as returned by `ExecutionApi.emit`.
        conf: configuration of the run.
        logical_date: logical date; None for a run without one.
    """

    def __init__(
        self,
        api: ExecutionApi,
        dag: Any,
        run_id: str = "run_1",
        *,
        events: tuple[dict, ...] = (),
        conf: dict[str, Any] | None = None,
        logical_date: datetime | None = None,
    ) -> None:
        self.api = api
        self.dag = dag
        self.run_id = run_id
        self.events = events
        self.conf = conf
        self.logical_date = logical_date

    def all(self, **instances: int) -> "Run":
        """Run all tasks in topological order.

        Args:
            instances: number of instances of each mapped task, by task id.
        """
        for task in self.dag.topological_sort():
            state = self.api.instances.get((self.dag.dag_id, self.run_id, task.task_id, -1))
            if state is not None and state.state == "skipped":
                continue
            count = instances.get(task.task_id.replace(".", "_"))
            for index in [-1] if count is None else range(count):
                result = self.task(task.task_id, index)
                assert result.state == "success", (task.task_id, index, result.error)
        return self

    def task(
        self,
        task_id: str,
        map_index: int = -1,
        *,
        max_tries: int = 0,
        event: dict[str, Any] | None = None,
        method: str = "execute_complete",
        timed_out: bool = False,
    ) -> Any:
        """Run one try of a task instance; the next call runs the next try.

        Args:
            task_id: id of the task.
            map_index: map index; -1 for a task that is not mapped.
            max_tries: number of retries of the task.
            event: payload of the trigger event that resumes the deferred try.
            method: method that the event resumes.
            timed_out: True to resume the deferred try with a timeout of its trigger.
        """
        key = (self.dag.dag_id, self.run_id, task_id, map_index)
        instance = self.api.instances.setdefault(key, Instance(task_id, map_index))
        instance.tries += event is None and not timed_out
        instance.state = "running"
        ti = TaskInstance(
            id=uuid4(),
            task_id=task_id,
            dag_id=self.dag.dag_id,
            run_id=self.run_id,
            try_number=instance.tries,
            dag_version_id=uuid4(),
            map_index=map_index,
        )
        self.api.by_try[str(ti.id)] = (key, instance)
        self.api.runs[str(ti.id)] = self._context(instance, key, max_tries)
        if event is not None:
            kwargs = instance.deferral.next_kwargs if instance.deferral else {}
            self.api.runs[str(ti.id)] |= {
                "next_method": method,
                "next_kwargs": kwargs | {"event": event},
            }
        elif timed_out:
            self.api.runs[str(ti.id)] |= {
                "next_method": TRIGGER_FAIL_REPR,
                "next_kwargs": {"error": TriggerFailureReason.TRIGGER_TIMEOUT.value},
            }
        if event is not None or timed_out:
            self.api.runs[str(ti.id)]["xcom_keys_to_clear"] = []
        result = self._execute(ti)
        if instance.state == "running" and result.state is not None:
            instance.state = str(result.state)
        if result.state == "deferred":
            instance.deferral = result.msg
        elif result.state == "up_for_reschedule":
            instance.rescheduled.append(datetime.now(tz=UTC))
        return result

    def _execute(self, ti: TaskInstance) -> Any:
        """Run a try in this process, and return its result."""
        return run_task_in_process(ti, self.dag.get_task(ti.task_id), client=_Client(self.api))

    def value(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return an XCom as the task pushed it."""
        return self.api.xcoms[self.dag.dag_id, self.run_id, task_id, key].get(map_index)

    def record(self, task_id: str, map_index: int = -1) -> Any:
        return self.value(task_id, "synapse_lineage", map_index)

    def _context(self, instance: Instance, key: tuple, max_tries: int) -> dict[str, Any]:
        date = self.logical_date.isoformat() if self.logical_date else None
        xcom_keys = [
            name
            for (dag_id, run_id, task_id, name), values in self.api.xcoms.items()
            if (dag_id, run_id, task_id) == key[:3] and key[3] in values
        ]
        return {
            "dag_run": {
                "dag_id": self.dag.dag_id,
                "run_id": self.run_id,
                "logical_date": date,
                "data_interval_start": date,
                "data_interval_end": date,
                "run_after": NOW.isoformat(),
                "start_date": NOW.isoformat(),
                "end_date": None,
                "run_type": "asset_triggered" if self.events else "manual",
                "state": "running",
                "conf": self.conf,
                "partition_key": None,
                "consumed_asset_events": [_to_consumed_event(event) for event in self.events],
            },
            "max_tries": max_tries,
            "task_reschedule_count": len(instance.rescheduled),
            "should_retry": instance.tries <= max_tries,
            "xcom_keys_to_clear": xcom_keys,
        }


def fire_trigger(deferred: Any) -> Any:
    """Run the trigger of a deferred task and return the payload of its first event.

    The trigger reads its connections from the environment.

    Args:
        deferred: the result of `Run.task`.
    """
    path, kwargs = deferred.msg.classpath, deferred.msg.trigger_kwargs
    trigger = import_string(path)(**deserialize(kwargs))
    assert trigger.serialize() == (path, deserialize(kwargs))

    async def get_first_payload() -> Any:
        async with aclosing(trigger.run()) as events:
            return (await anext(events)).payload

    return asyncio.run(get_first_payload())


def _to_consumed_event(event: dict[str, Any]) -> dict[str, Any]:
    asset = event["asset"]
    return {
        "asset": {"name": asset["name"], "uri": asset["uri"], "extra": {}},
        "extra": event["extra"],
        "source_task_id": None,
        "source_dag_id": None,
        "source_run_id": None,
        "source_map_index": None,
        "source_aliases": [],
        "timestamp": event["timestamp"],
    }
