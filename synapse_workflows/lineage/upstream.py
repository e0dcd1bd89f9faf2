"""Lineage that a task inherits from its upstream tasks.

A task U contributes to the tasks downstream of it:

    contribution(U) = wrote(U)                                             if U stored anything
                    = read(U) + inlets(U) + contribution(upstream of U)    otherwise
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from synapse_workflows.lineage.data_dependencies import TaskInstances, find_upstream
from synapse_workflows.lineage.inlets import read_inlets, read_triggering_events
from synapse_workflows.lineage.task_code import identify_code
from synapse_workflows.provenance.record import Record

#: Key of the XCom with the record of a task.
XCOM_KEY: Final = "synapse_lineage"
_SUCCESS = "success"


def collect_static_lineage(task: Any, context: Mapping[str, Any], bundle: Any) -> Record:
    """Return the lineage of a task that is known without running it.

    It consists of the code of the task, its inlets and, for a task without upstream tasks, the
    asset events that triggered the run.

    Args:
        task: an operator of the DAG.
        context: context of a task in the same run.
        bundle: the DAG bundle, if any.
    """
    record = identify_code(task, bundle) | read_inlets(task.inlets)
    if not task.upstream_task_ids:
        record |= read_triggering_events(context)
    return record


def collect_upstream(context: Mapping[str, Any]) -> Record:
    """Return the lineage that the running task inherits from its upstream tasks."""
    ti = context["ti"]
    dag = ti.task.dag
    index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
    queue = deque(find_upstream(dag, TaskInstances(ti.task_id, index)))
    if not queue:
        return Record()
    run_state = _RunState(context)
    visited: set[TaskInstances] = set()
    record = Record()
    while queue:
        for instances in run_state.select_succeeded(queue.popleft()):
            if instances in visited:
                continue
            visited.add(instances)
            contribution, is_complete = run_state.get_contribution(instances)
            record |= contribution
            if not is_complete:
                queue.extend(find_upstream(dag, instances))
    return record


class _RunState:
    """Task states and records of the run, as seen by the running task."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        ti = context["ti"]
        self.context = context
        self.ti = ti
        self.dag = ti.task.dag
        self.bundle = getattr(ti, "bundle_instance", None)
        by_run = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
        self.states: dict[str, Any] = by_run.get(ti.run_id, {})

    def select_succeeded(self, instances: TaskInstances) -> Iterator[TaskInstances]:
        """Yield the instances that succeeded."""
        task_id = instances.task_id
        succeeded = self.list_succeeded(task_id)
        if instances.position is not None:
            if instances.position < len(succeeded):
                yield TaskInstances(task_id, index=succeeded[instances.position])
        elif instances.index is not None:
            if instances.index in succeeded:
                yield instances
        elif self.states.get(task_id) == _SUCCESS or self.have_all_succeeded(task_id):
            yield instances
        else:
            yield from (TaskInstances(task_id, index=index) for index in succeeded)

    def list_succeeded(self, task_id: str) -> list[int]:
        """Return the map indexes of the instances that succeeded, sorted."""
        states = self.get_mapped_states(task_id)
        return sorted(index for index, state in states.items() if state == _SUCCESS)

    def have_all_succeeded(self, task_id: str) -> bool:
        """Return whether a mapped task has instances and all of them succeeded."""
        states = self.get_mapped_states(task_id)
        return bool(states) and all(state == _SUCCESS for state in states.values())

    def get_mapped_states(self, task_id: str) -> dict[int, Any]:
        """Return the states of a mapped task by map index. Airflow names them `task_3`."""
        prefix = f"{task_id}_"
        return {
            int(name.removeprefix(prefix)): state
            for name, state in self.states.items()
            if name.startswith(prefix)
            and name.removeprefix(prefix).isdecimal()
            and not self.dag.has_task(name)
        }

    def get_contribution(self, instances: TaskInstances) -> tuple[Record, bool]:
        """Return what instances contribute, and whether all of them stored something.

        Instances that stored nothing also contribute the lineage of their upstream tasks.
        """
        records = self.pull_records(instances)
        contribution = Record.merge(record.contribution() for record in records)
        expected = max(len(self.get_mapped_states(instances.task_id)), 1)
        count = 1 if instances.index is not None else expected
        if not records or len(records) < count:
            task = self.dag.get_task(instances.task_id)
            contribution |= collect_static_lineage(task, self.context, self.bundle)
        stored = [record for record in records if record.wrote]
        return contribution, len(stored) >= count

    def pull_records(self, instances: TaskInstances) -> list[Record]:
        """Pull the published records of instances; an instance may have published none."""
        options = {} if instances.index is None else {"map_indexes": instances.index}
        pulled = self.ti.xcom_pull(task_ids=instances.task_id, key=XCOM_KEY, **options)
        values = pulled if isinstance(pulled, list) else [pulled]
        return [Record.from_json(value) for value in values if value is not None]
