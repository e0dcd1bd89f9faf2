"""Lineage that a task inherits from its upstream tasks.

A task U contributes to the tasks downstream of it:

    contribution(U) = wrote(U)                                             if U stored anything
                    = read(U) + inlets(U) + contribution(upstream of U)    otherwise
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from airflow.sdk import XComArg
from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence

from synapse_workflows.lineage.data_dependencies import (
    TaskInstances,
    find_upstream,
    is_mapped,
)
from synapse_workflows.lineage.inlets import read_inlets, read_triggering_events
from synapse_workflows.lineage.published_record import INDEX_KEY, XCOM_KEY, DataFlow
from synapse_workflows.lineage.task_code import identify_code
from synapse_workflows.provenance.record import Origin, Record

_SUCCESS: Final = "success"


@dataclass(frozen=True)
class UpstreamLineage:
    """Lineage that a task inherits from its upstream tasks.

    Args:
        record: The inherited lineage.
        flows: Flows of data over which it was inherited.
    """

    record: Record
    flows: tuple[DataFlow, ...] = ()


def collect_static_lineage(
    task: Any, context: Mapping[str, Any], bundle: Any, rendered: Any = None
) -> Record:
    """Return the lineage of a task that is known without running it.

    It consists of the code of the task, its inlets and, for a task without upstream tasks, the
    asset events that triggered the run.

    Args:
        task: An operator of the DAG.
        context: Context of a task in the same run.
        bundle: The DAG bundle, if any.
        rendered: The operator with rendered fields; None in the process of another task.
    """
    record = identify_code(task, bundle, context, rendered) | read_inlets(task.inlets)
    if not task.upstream_task_ids:
        record |= read_triggering_events(context)
    return record


def collect_upstream(
    context: Mapping[str, Any], file_sources: Iterable[TaskInstances] = ()
) -> UpstreamLineage:
    """Return the lineage that the running task inherits from its upstream tasks.

    Args:
        context: Context of the task.
        file_sources: Task instances of the same run whose files the task has read, in addition to
            those that the arguments of the task name.
    """
    ti = context["ti"]
    index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
    task = ti.task.dag.get_task(ti.task_id)
    running = TaskInstances(ti.task_id, index if is_mapped(task) else None)
    return _UpstreamWalk(context).collect(running, file_sources)


class _UpstreamWalk:
    """Walk from the running task to the nearest tasks that stored something.

    Args:
        context: Context of the running task.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self.dag = context["ti"].task.dag
        self.run_state = _RunState(context)
        self.visited: set[TaskInstances] = set()
        #: Task instances to visit, and the task instances that take data from them.
        self.queue: deque[tuple[TaskInstances, TaskInstances]] = deque()
        self.flows: dict[DataFlow, None] = {}
        self.gaps: list[str] = []

    def collect(
        self, running: TaskInstances, file_sources: Iterable[TaskInstances]
    ) -> UpstreamLineage:
        """Return the lineage that a task inherits."""
        self._add_upstream(running)
        self.queue.extend((one, running) for one in file_sources if self.dag.has_task(one.task_id))
        records: list[Record] = []
        while self.queue:
            upstream, target = self.queue.popleft()
            for instances in self._select_succeeded(upstream):
                self._add_flow(instances, target)
                if instances not in self.visited:
                    self.visited.add(instances)
                    records.append(self._visit(instances, target))
        records.append(Record.from_refs(Origin.READ, gaps=self.gaps))
        return UpstreamLineage(Record.merge(records), tuple(self.flows))

    def _add_flow(self, source: TaskInstances, target: TaskInstances) -> None:
        flow = DataFlow(source.task_id, source.index, target.task_id, target.index)
        self.flows[flow] = None

    def _select_succeeded(self, instances: TaskInstances) -> Iterable[TaskInstances]:
        if instances.position is None:
            return self.run_state.select_succeeded(instances)
        indexes = self.run_state.list_at_position(instances)
        if len(indexes) > 1:
            self.gaps.append(
                f"some instances of task {instances.task_id} returned no value, so an input comes "
                f"from one of its instances {indexes[0]} to {indexes[-1]}"
            )
        return [TaskInstances(instances.task_id, index=index) for index in indexes]

    def _visit(self, instances: TaskInstances, target: TaskInstances) -> Record:
        records = self.run_state.pull_records(instances)
        stored = sum(1 for record in records if record.stored_entities)
        if instances.index is None and 0 < stored < self.run_state.count(instances):
            # only the upstream tasks of the instances that stored nothing contribute
            self.queue.extend((one, target) for one in self.run_state.split(instances))
            return Record()
        if not stored:
            self._add_upstream(instances)
        return self.run_state.get_contribution(instances, records)

    def _add_upstream(self, instances: TaskInstances) -> None:
        dependencies = find_upstream(self.dag, instances, self.run_state.count_items)
        self.queue.extend((one, instances) for one in dependencies.instances)
        self.gaps.extend(dependencies.gaps)


class _RunState:
    """Task states and records of the run, as seen by the running task."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        ti = context["ti"]
        self.context = context
        self.ti = ti
        self.dag = ti.task.dag
        self.bundle = getattr(ti, "bundle_instance", None)
        self._counts: dict[tuple[str, str], int] = {}
        self._records: dict[str, list[Mapping[str, Any]]] = {}

    @cached_property
    def states(self) -> dict[str, Any]:
        """States of all task instances of the run, by task instance name."""
        by_run = self.ti.get_task_states(dag_id=self.ti.dag_id, run_ids=[self.ti.run_id])
        states: dict[str, Any] = by_run.get(self.ti.run_id, {})
        return states

    def select_succeeded(self, instances: TaskInstances) -> Iterator[TaskInstances]:
        """Yield the instances that succeeded."""
        task_id = instances.task_id
        succeeded = self.list_succeeded(task_id)
        if instances.index is not None:
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

    def list_at_position(self, instances: TaskInstances) -> list[int]:
        """Return the map indexes of the instances that may have pushed the XCom at a position.

        Airflow does not tell which instances pushed no XCom, only how many XComs there are. If n
        instances pushed none, the position and the n instances after it are possible.
        """
        succeeded, start = self.list_succeeded(instances.task_id), instances.position or 0
        missing = len(succeeded) - self._count_xcoms(instances.task_id, instances.key)
        return succeeded[start : start + max(missing, 0) + 1]

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

    def count(self, instances: TaskInstances) -> int:
        """Return the number of instances."""
        if instances.index is not None:
            return 1
        return max(len(self.get_mapped_states(instances.task_id)), 1)

    def count_items(self, argument: Any) -> int | None:
        """Return the number of items of a mapped argument; None if the number is unknown."""
        try:
            resolved = argument.resolve(self.context) if _is_resolvable(argument) else argument
            return len(resolved)
        except Exception:  # noqa: BLE001 - then the task depends on all items
            return None

    def split(self, instances: TaskInstances) -> list[TaskInstances]:
        """Return the instances that succeeded, one by one."""
        task_id = instances.task_id
        return [TaskInstances(task_id, index=index) for index in self.list_succeeded(task_id)]

    def get_contribution(self, instances: TaskInstances, records: list[Record]) -> Record:
        """Return the lineage that task instances contribute to their downstream tasks.

        Args:
            instances: The instances.
            records: Their published records.
        """
        contribution = Record.merge(record.contribution() for record in records)
        if len(records) < self.count(instances):
            task = self.dag.get_task(instances.task_id)
            contribution |= collect_static_lineage(task, self.context, self.bundle)
        return contribution

    def pull_records(self, instances: TaskInstances) -> list[Record]:
        """Pull the published records of instances. Some instances have no published record.

        Airflow logs an error if the XCom of a single instance is missing. Therefore, unless all
        instances have a record, all records of the task are pulled.
        """
        task_id, index = instances.task_id, instances.index
        if index is None:
            return [Record.from_json(value) for value in self._pull_all(task_id)]
        count = self._count_xcoms(task_id, XCOM_KEY)
        if count == len(self.get_mapped_states(task_id)):
            value = self.ti.xcom_pull(task_ids=task_id, key=XCOM_KEY, map_indexes=index)
            return [] if value is None else [Record.from_json(value)]
        values = self._pull_all(task_id) if count else []
        return [Record.from_json(value) for value in values if value.get(INDEX_KEY) == index]

    def _pull_all(self, task_id: str) -> list[Mapping[str, Any]]:
        """Pull the published records of all instances of a task."""
        if task_id not in self._records:
            pulled = self.ti.xcom_pull(task_ids=task_id, key=XCOM_KEY)
            values = pulled if isinstance(pulled, list) else [pulled]
            self._records[task_id] = [value for value in values if value is not None]
        return self._records[task_id]

    def _count_xcoms(self, task_id: str, key: str) -> int:
        """Return the number of instances of a task that have pushed an XCom."""
        if (task_id, key) not in self._counts:
            xcoms: Any = XComArg(self.dag.get_task(task_id), key=key)
            self._counts[task_id, key] = len(LazyXComSequence(xcoms, self.ti))
        return self._counts[task_id, key]


def _is_resolvable(argument: Any) -> bool:
    return hasattr(argument, "resolve")
