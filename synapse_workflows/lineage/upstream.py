"""The walk upstream: what a task takes from the tasks before it.

    contributed(U) = wrote(U)                                            if U stored anything
                   = read(U) + inlets(U) + contributed(upstream of U)    otherwise

so that an Activity names the nearest things that exist outside the run.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from synapse_workflows.lineage.data_dependencies import TaskInstances, find_upstream
from synapse_workflows.lineage.inlets import read_inlets, read_triggering_events
from synapse_workflows.lineage.task_code import identify_code
from synapse_workflows.provenance.record import Record

#: Under which a task leaves its record for the tasks after it.
XCOM_KEY: Final = "synapse_lineage"
_SUCCESS = "success"


def collect_static_lineage(task: Any, context: Mapping[str, Any], bundle: Any) -> Record:
    """Tell what is known of a task without running it: code, inlets, what woke it as a root.

    Args:
        task: an operator of the DAG.
        context: of the task that asks, in the same run.
        bundle: the bundle of the DAG's code, if any.
    """
    record = identify_code(task, bundle) | read_inlets(task.inlets)
    if not task.upstream_task_ids:
        record |= read_triggering_events(context)
    return record


def collect_upstream(context: Mapping[str, Any]) -> Record:
    """Walk the DAG against its edges and gather what the running task takes over."""
    ti = context["ti"]
    dag = ti.task.dag
    index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
    waiting = deque(find_upstream(dag, TaskInstances(ti.task_id, index)))
    if not waiting:
        return Record()
    walk = _UpstreamWalk(context)
    seen: set[TaskInstances] = set()
    record = Record()
    while waiting:
        for instances in walk.settled(waiting.popleft()):
            if instances in seen:
                continue
            seen.add(instances)
            contributed, goes_on = walk.contribution(instances)
            record |= contributed
            if goes_on:
                waiting.extend(find_upstream(dag, instances))
    return record


class _UpstreamWalk:
    """What one walk asks Airflow for: which tasks succeeded, and the records they left."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        ti = context["ti"]
        self.context = context
        self.ti = ti
        self.dag = ti.task.dag
        self.bundle = getattr(ti, "bundle_instance", None)
        by_run = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
        self.states: dict[str, Any] = by_run.get(ti.run_id, {})

    def settled(self, instances: TaskInstances) -> Iterator[TaskInstances]:
        """Leave out what did not succeed; nothing that did not run contributes."""
        task_id = instances.task_id
        succeeded = self.succeeded(task_id)
        if instances.nth is not None:
            if instances.nth < len(succeeded):
                yield TaskInstances(task_id, index=succeeded[instances.nth])
        elif instances.index is not None:
            if instances.index in succeeded:
                yield instances
        elif self.states.get(task_id) == _SUCCESS or self.all_succeeded(task_id):
            yield instances
        else:
            yield from (TaskInstances(task_id, index=index) for index in succeeded)

    def succeeded(self, task_id: str) -> list[int]:
        """List the map indexes that succeeded, in order."""
        states = self.mapped_states(task_id)
        return sorted(index for index, state in states.items() if state == _SUCCESS)

    def all_succeeded(self, task_id: str) -> bool:
        """Tell whether a mapped task has instances and all of them succeeded."""
        states = self.mapped_states(task_id)
        return bool(states) and all(state == _SUCCESS for state in states.values())

    def mapped_states(self, task_id: str) -> dict[int, Any]:
        """Read the states of a mapped task, which Airflow names `task_3`."""
        prefix = f"{task_id}_"
        return {
            int(name.removeprefix(prefix)): state
            for name, state in self.states.items()
            if name.startswith(prefix)
            and name.removeprefix(prefix).isdecimal()
            and not self.dag.has_task(name)
        }

    def contribution(self, instances: TaskInstances) -> tuple[Record, bool]:
        """Tell what instances contribute, and whether to go on to the tasks before them."""
        records = self.records(instances)
        contributed = Record.merge(record.contribution() for record in records)
        expected = max(len(self.mapped_states(instances.task_id)), 1)
        count = 1 if instances.index is not None else expected
        if not records or len(records) < count:
            task = self.dag.get_task(instances.task_id)
            contributed |= collect_static_lineage(task, self.context, self.bundle)
        stored = [record for record in records if record.wrote]
        return contributed, len(stored) < count

    def records(self, instances: TaskInstances) -> list[Record]:
        """Fetch the records that instances left; those that gathered nothing left none."""
        which = {} if instances.index is None else {"map_indexes": instances.index}
        found = self.ti.xcom_pull(task_ids=instances.task_id, key=XCOM_KEY, **which)
        several = found if isinstance(found, list) else [found]
        return [Record.from_json(item) for item in several if item is not None]
