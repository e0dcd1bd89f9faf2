"""An Execution API in memory, and runs of DAGs through Airflow's real task runner against it.

No database and no scheduler: which task comes when, and in how many instances, is said by the
test. All that a task asks of Airflow, it asks here.
"""

import asyncio
import json
from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from airflow.sdk.api import client as api_client
from airflow.sdk.api.datamodels._generated import TaskInstance
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason
from airflow.sdk.execution_time.supervisor import run_task_in_process
from airflow.sdk.module_loading import import_string
from airflow.sdk.serde import deserialize

httpx = api_client.httpx
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Instance:
    """A task instance as the server knows it, over all its tries."""

    task_id: str
    map_index: int
    state: str | None = None
    tries: int = 0
    store: dict[str, Any] = field(default_factory=dict)
    outlet_events: list[dict] = field(default_factory=list)
    deferral: Any = None
    rescheduled: list[datetime] = field(default_factory=list)


class ExecutionApi:
    """Answers what a task may ask, and keeps every request.

    Args:
        connections: as JSON texts, by id.
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

    def client(self) -> Any:
        return api_client.Client(
            base_url=None,
            dry_run=True,
            token="",
            transport=httpx.MockTransport(self.answer),
        )

    def emit(self, uri: str, *, aliases: tuple[str, ...] = (), **extra: Any) -> dict[str, Any]:
        """Register an event of an asset, as an earlier run would have."""
        event = {
            "id": len(self.events) + 1,
            "timestamp": NOW.replace(minute=len(self.events)).isoformat(),
            "extra": extra,
            "asset": {"name": uri, "uri": uri, "group": "asset", "extra": {}},
            "created_dagruns": [],
        }
        self.events.append(event | {"aliases": list(aliases)})
        return event

    def answer(self, request: Any) -> Any:
        body = request.read().decode()
        self.requests.append((request.method, str(request.url), body))
        parts = [unquote(part) for part in request.url.raw_path.decode().split("?")[0].split("/")]
        parts = [part for part in parts if part]
        handler = getattr(self, "_" + parts[0].replace("-", "_"))
        found = handler(request, parts[1:], body)
        if request.method == "HEAD":
            return httpx.Response(200, headers={"Content-Range": f"map_indexes {found}"})
        if found is NotImplemented:
            return httpx.Response(404, json={"detail": {"reason": "not_found", "message": "no"}})
        return httpx.Response(204) if found is None else httpx.Response(200, json=found)

    def _connections(self, _request: Any, parts: list[str], _body: str) -> Any:
        if parts[0] not in self.connections:
            return NotImplemented
        known = dict.fromkeys(
            ("description", "host", "login", "password", "port", "schema", "extra")
        ) | json.loads(self.connections[parts[0]])
        extra = known["extra"]
        known["extra"] = extra if isinstance(extra, str | None) else json.dumps(extra)
        return known | {"conn_id": parts[0]}

    def _variables(self, *_: Any) -> Any:
        return NotImplemented

    def _task_instances(self, request: Any, parts: list[str], body: str) -> Any:
        if parts == ["states"]:
            return self._states(request)
        if parts == ["count"]:
            wanted = request.url.params.get_list("task_ids")
            return sum(1 for one in self.instances.values() if one.task_id in wanted)
        key, instance = self.by_try[parts[0]]
        if parts[1] == "run":
            return self.runs[parts[0]]
        if parts[1] == "validate-inlets-and-outlets":
            return {"inactive_assets": []}
        if parts[1] == "rtif":
            self.rendered[key[2]] = json.loads(body)
        elif parts[1] == "state":
            self._told(instance, json.loads(body))
        elif parts[1] == "skip-downstream":
            for task_id in json.loads(body)["tasks"]:
                name = task_id if isinstance(task_id, str) else task_id[0]
                self.instances[(*key[:2], name, -1)] = Instance(name, -1, "skipped")
        return {"ok": True}

    def _task_reschedules(self, _request: Any, parts: list[str], _body: str) -> Any:
        return self.by_try[parts[0]][1].rescheduled[0].isoformat()

    def _told(self, instance: Instance, told: dict[str, Any]) -> None:
        instance.state = told["state"]
        instance.outlet_events = told.get("outlet_events") or []
        if instance.state == "success":
            self._register(told.get("task_outlets") or [], instance.outlet_events)

    def _states(self, request: Any) -> dict[str, Any]:
        found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for (dag_id, run_id, task_id, index), instance in self.instances.items():
            if dag_id == request.url.params["dag_id"]:
                name = task_id if index < 0 else f"{task_id}_{index}"
                found[run_id][name] = instance.state
        return {"task_states": found}

    def _register(self, outlets: list[dict], events: list[dict]) -> None:
        """Make events of what a task said, as the real server does."""
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
            values[index] = json.loads(body)
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
            place = int(parts[5])
            return ordered[place] if place < len(ordered) else NotImplemented
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
        asked = request.url.params
        if parts == ["by-asset-alias"]:
            found = [e for e in self.events if asked["name"] in e["aliases"]]
        else:
            wanted = {asked.get("name"), asked.get("uri")} - {None, ""}
            found = [e for e in self.events if wanted & {e["asset"]["name"], e["asset"]["uri"]}]
        plain = [{k: v for k, v in event.items() if k != "aliases"} for event in found]
        plain.sort(key=lambda event: event["timestamp"], reverse=asked.get("ascending") == "false")
        return {"asset_events": plain[: int(asked.get("limit", 100))]}

    def _assets(self, request: Any, parts: list[str], _body: str) -> Any:
        asked = request.url.params
        if parts == ["by-alias"]:
            return []
        found = asked.get("name") or asked.get("uri")
        return {"name": found, "uri": found, "group": "asset", "extra": {}}


class Run:
    """One run of a DAG, driven task by task.

    Args:
        api: what the tasks ask.
        dag: the DAG.
        run_id: of the run.
        events: asset events that woke it, as `ExecutionApi.emit` returns them.
        conf: of the run.
        logical_date: None for a run that has none.
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
        """Run every task in order; say for mapped ones how many instances there are."""
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
        timed_out: bool = False,
    ) -> Any:
        """Run one try of one task instance; the next call is its next try.

        With the payload of a trigger's event, the try that was deferred goes on; it ends where
        the trigger took longer than it was given.
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
            kept = instance.deferral.next_kwargs if instance.deferral else {}
            going_on = {"next_method": "execute_complete", "next_kwargs": kept | {"event": event}}
            self.api.runs[str(ti.id)] |= going_on
        elif timed_out:
            failed = {"error": TriggerFailureReason.TRIGGER_TIMEOUT.value}
            going_on = {"next_method": TRIGGER_FAIL_REPR, "next_kwargs": failed}
            self.api.runs[str(ti.id)] |= going_on
        result = run_task_in_process(ti, self.dag.get_task(task_id), client=self.api.client())
        if instance.state == "running" and result.state is not None:
            instance.state = str(result.state)
        if result.state == "deferred":
            instance.deferral = result.msg
        elif result.state == "up_for_reschedule":
            instance.rescheduled.append(datetime.now(tz=UTC))
        return result

    def value(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Read an XCom as it was sent."""
        return self.api.xcoms[self.dag.dag_id, self.run_id, task_id, key].get(map_index)

    def record(self, task_id: str, map_index: int = -1) -> Any:
        return self.value(task_id, "synapse_lineage", map_index)

    def _context(self, instance: Instance, key: tuple, max_tries: int) -> dict[str, Any]:
        date = self.logical_date.isoformat() if self.logical_date else None
        left = [
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
                "consumed_asset_events": [_consumed(event) for event in self.events],
            },
            "max_tries": max_tries,
            "task_reschedule_count": len(instance.rescheduled),
            "should_retry": instance.tries <= max_tries,
            "xcom_keys_to_clear": left,
        }


def fired(deferred: Any) -> Any:
    """Run the trigger of a deferred task, as the triggerer does; the payload of its first event.

    Args:
        deferred: what `Run.task` returned. The trigger's connections are those of the environment.
    """
    path, kwargs = deferred.msg.classpath, deferred.msg.trigger_kwargs
    trigger = import_string(path)(**deserialize(kwargs))
    assert trigger.serialize() == (path, deserialize(kwargs))

    async def first() -> Any:
        async with aclosing(trigger.run()) as events:
            return (await anext(events)).payload

    return asyncio.run(first())


def _consumed(event: dict[str, Any]) -> dict[str, Any]:
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
