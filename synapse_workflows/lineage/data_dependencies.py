"""Data dependencies between task instances.

A task depends on the tasks whose XComs its data-bearing fields reference, as an `XComArg` or in a
Jinja template. Without such a reference it depends on all its direct upstream tasks. The
references are read from the operators of the parsed DAG, because the running task has only the
rendered values.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from airflow.sdk import ObjectStoragePath, XComArg
from airflow.sdk.bases.decorator import DecoratedMappedOperator
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.xcom_arg import (
    ConcatXComArg,
    MapXComArg,
    ZipXComArg,
)

from synapse_workflows.lineage.template_references import XComPull, find_xcom_pulls

#: Key of the XCom with the return value of a task.
XCOM_RETURN_KEY: Final = BaseXCom.XCOM_RETURN_KEY
#: Returns the number of items of a mapped argument; None if the number is unknown.
ItemCounter = Callable[[Any], int | None]


@dataclass(frozen=True)
class TaskInstances:
    """Some or all instances of a task.

    Args:
        task_id: Id of the task.
        index: Map index; None for all instances, and for a task that is not mapped.
        position: Position among the instances that pushed an XCom, counted from 0. The position
            selects one instance of a mapped task whose output is mapped over. Instances that
            return None push no XCom.
        key: Key of that XCom.
    """

    task_id: str
    index: int | None = None
    position: int | None = None
    key: str = XCOM_RETURN_KEY


@dataclass(frozen=True)
class Dependencies:
    """Task instances from which a task takes its data.

    Args:
        instances: The task instances.
        gaps: Descriptions of references whose task could not be determined.
    """

    instances: tuple[TaskInstances, ...] = ()
    gaps: tuple[str, ...] = ()


def find_upstream(dag: Any, instances: TaskInstances, count_items: ItemCounter) -> Dependencies:
    """Return the task instances from which the given instances of a task take their data.

    Args:
        dag: The parsed DAG, with references in place of values.
        instances: Instances of a task of the DAG; `position` is ignored.
        count_items: Returns the number of items of a mapped argument. The number determines which
            items the map index of an instance selects in a task with several mapped arguments.
    """
    task = dag.get_task(instances.task_id)
    found = list(dict.fromkeys(_ReferenceFinder(task, instances.index, count_items).find()))
    gaps = tuple(f"inputs of task {task.task_id}: {one}" for one in found if isinstance(one, str))
    upstream = tuple(one for one in found if isinstance(one, TaskInstances))
    if not upstream:
        direct = (dag.get_task(task_id) for task_id in sorted(task.upstream_task_ids))
        upstream = tuple(_select_instances(task, instances.index, one) for one in direct)
    return Dependencies(upstream, gaps)


def is_mapped(operator: Any) -> bool:
    """Return whether the instances of a task have map indexes."""
    return bool(operator.is_mapped) or operator.get_closest_mapped_task_group() is not None


def _select_instances(
    task: Any,
    index: int | None,
    upstream: Any,
    item: int | None = None,
    key: str = XCOM_RETURN_KEY,
) -> TaskInstances:
    """Return the instances of an upstream task that an instance of a task depends on.

    Args:
        task: The task.
        index: Map index of the task's instance; None for all instances.
        upstream: The operator of the upstream task.
        item: Index of the output item that the instance takes; None for the whole output.
        key: Key of the XCom with the output.
    """
    if index is None or not is_mapped(upstream):
        return TaskInstances(upstream.task_id)
    if _share_mapped_group(task, upstream):
        return TaskInstances(upstream.task_id, index=index)
    return TaskInstances(upstream.task_id, position=item, key=key)


def _share_mapped_group(task: Any, other: Any) -> bool:
    group_ids = {group.group_id for group in task.iter_mapped_task_groups()}
    return any(group.group_id in group_ids for group in other.iter_mapped_task_groups())


#: A reference, or the description of a reference whose task could not be determined.
_Found = Iterator[TaskInstances | str]


class _ReferenceFinder:
    """Finder of the references in the data-bearing fields of one task.

    The class attribute `data_fields` of an operator lists its data-bearing fields. Without
    `data_fields`, all template fields are data-bearing.

    Args:
        task: An operator of the parsed DAG.
        index: Map index of the instance; None for all instances.
        count_items: Returns the number of items of a mapped argument.
    """

    def __init__(self, task: Any, index: int | None, count_items: ItemCounter) -> None:
        self.task = task
        self.index = index
        self.count_items = count_items
        operator_class = task.operator_class if isinstance(task, MappedOperator) else type(task)
        self.data_fields: Sequence[str] | None = getattr(operator_class, "data_fields", None)

    @cached_property
    def environment(self) -> Any:
        return self.task.dag.get_template_env()

    def find(self) -> _Found:
        fields = self.task.template_fields if self.data_fields is None else self.data_fields
        if not isinstance(self.task, MappedOperator):
            for field in fields:
                yield from self._find_in_field(getattr(self.task, field, None))
            return
        for field in fields:
            yield from self._find_in_field(self.task.partial_kwargs.get(field))
        # in a TaskFlow task, the names are argument names of the function, not field names
        is_taskflow = isinstance(self.task, DecoratedMappedOperator)
        names = None if is_taskflow else self.data_fields
        expand_input = self.task._get_specified_expand_input()  # noqa: SLF001 - no public API
        yield from self._find_in_expand_input(expand_input, names)

    def _find_in_field(self, value: Any) -> _Found:
        """Yield the references in the value of a field, which may name a template file."""
        values = value if isinstance(value, list) else [value]
        for one in values:
            is_file = isinstance(one, str) and one.endswith(tuple(self.task.template_ext or ()))
            yield from self._find_in_value(f"{{% include {one!r} %}}" if is_file else one)

    def _find_in_value(self, value: Any) -> _Found:
        """Yield the references in a value, including nested ones."""
        if isinstance(value, XComArg):
            for operator, _ in value.iter_references():
                yield _select_instances(self.task, self.index, operator)
        elif isinstance(value, str):
            yield from self._find_in_text(value)
        elif isinstance(value, ObjectStoragePath):
            yield from self._find_in_text(str(value))
        elif _is_group_argument(value):
            yield from self._find_in_expand_input(value._input, (value._key,))  # noqa: SLF001
        else:
            for item in _iter_nested(value):
                yield from self._find_in_value(item)

    def _find_in_text(self, text: str) -> _Found:
        if "{{" not in text and "{%" not in text:
            return
        dag = self.task.dag
        for pull in find_xcom_pulls(text, self.environment, dag.dag_id):
            if not isinstance(pull, XComPull):
                yield pull
            elif not dag.has_task(pull.task_id):
                yield f"a template pulls from {pull.task_id!r}, which is not a task of the DAG"
            else:
                index = self.index if pull.is_own_index else pull.map_index
                mapped = is_mapped(dag.get_task(pull.task_id))
                yield TaskInstances(pull.task_id, index if mapped else None)

    def _find_in_expand_input(self, expand_input: Any, names: Sequence[str] | None) -> _Found:
        """Yield the references in the mapped arguments with given names; None for all names."""
        value = expand_input.value
        if isinstance(value, dict):
            for name, part in value.items():
                if names is None or name in names:
                    yield from self._find_in_part(part, self._select_item(value, name))
        elif isinstance(value, XComArg):
            yield from self._find_in_part(value, self.index)
        else:
            for item in _select(value, self.index):
                is_mapping = isinstance(item, dict) and names is not None
                chosen = [item[key] for key in names or () if key in item] if is_mapping else item
                yield from self._find_in_value(chosen)

    def _select_item(self, parts: dict[str, Any], name: str) -> int | None:
        """Return the index of the item that the instance takes from a mapped argument.

        Airflow expands several arguments to all combinations; the last argument varies fastest.
        Return None if the index is unknown.
        """
        index = self.index
        if index is None or len(parts) == 1:
            return index
        for key in reversed(parts):
            length = self.count_items(parts[key])
            if not length:
                return None
            if key == name:
                return index % length
            index //= length
        return None

    def _find_in_part(self, part: Any, item: int | None) -> _Found:
        """Yield the references in one item of a mapped argument, or in all items."""
        if isinstance(part, XComArg):
            for operator, key, selected in self._select_outputs(part, item):
                yield _select_instances(self.task, self.index, operator, selected, key)
        elif isinstance(part, dict):
            yield from self._find_in_value(_select(list(part.items()), item))
        elif isinstance(part, list | tuple):
            yield from self._find_in_value(_select(part, item))
        else:
            yield from self._find_in_value(part)

    def _select_outputs(self, arg: Any, item: int | None) -> Iterator[tuple[Any, str, int | None]]:
        """Yield each operator that produced an output item, its XCom key, and the item's index."""
        if isinstance(arg, MapXComArg):
            yield from self._select_outputs(arg.arg, item)
        elif isinstance(arg, ZipXComArg):
            for one in arg.args:
                yield from self._select_outputs(one, item)
        elif isinstance(arg, ConcatXComArg):
            for one, selected in self._select_concatenated(arg.args, item):
                yield from self._select_outputs(one, selected)
        else:
            for operator, key in arg.iter_references():
                yield operator, key, item

    def _select_concatenated(
        self, args: Sequence[Any], item: int | None
    ) -> Iterable[tuple[Any, int | None]]:
        """Return the part of a concatenation that contains an item; all parts if unknown."""
        position = item
        for arg in args:
            length = None if position is None else self.count_items(arg)
            if position is None or length is None:
                return [(one, None) for one in args]
            if position < length:
                return [(arg, position)]
            position -= length
        return ()


def _is_group_argument(value: Any) -> bool:
    """Return whether a value is a mapped task group's argument, which is one mapped item."""
    return hasattr(value, "_input") and hasattr(value, "_key") and hasattr(value, "resolve")


def _iter_nested(value: Any) -> Iterator[Any]:
    """Yield the values in collections and objects in which Airflow renders templates."""
    if isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()
    elif not hasattr(value, "task_id"):
        for field in getattr(value, "template_fields", ()):
            yield getattr(value, field, None)


def _select(items: Sequence[Any], index: int | None) -> Sequence[Any]:
    """Return a sequence with the item at an index, or all items if the index is None."""
    return items if index is None else items[index : index + 1]
