"""From which tasks, and which of their instances, a task takes its data.

Data edges come before order edges: a task that takes values from others takes its data from
those; a task that takes none, from all tasks directly before it. Both are read from the
operators of the DAG as they were written: in a running task the references are replaced by values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow.sdk import XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.xcom_arg import ConcatXComArg


@dataclass(frozen=True)
class TaskInstances:
    """Some or all instances of a task.

    Args:
        task_id: the task.
        index: the map index; None for all of them, and for a task that is not mapped.
        nth: the position among the instances that gave a value, where one is mapped over:
            instances that gave none are passed over.
    """

    task_id: str
    index: int | None = None
    nth: int | None = None


@dataclass(frozen=True)
class _Reference:
    """A value taken from another operator.

    Args:
        operator: the other one.
        aligned: each instance takes one item of it.
        only: only this instance takes it; None when all do.
    """

    operator: Any
    aligned: bool = False
    only: int | None = None


def find_upstream(dag: Any, instances: TaskInstances) -> list[TaskInstances]:
    """List where some instances of a task take their data from.

    Args:
        dag: the DAG, with operators as they were written.
        instances: of a task in it; `nth` is not looked at.
    """
    task = dag.get_task(instances.task_id)
    references = list(dict.fromkeys(_find_references(task)))
    if not references:
        before = (dag.get_task(task_id) for task_id in sorted(task.upstream_task_ids))
        references = [_Reference(operator) for operator in before]
    index = instances.index
    return [
        _select_instances(task, index, reference)
        for reference in references
        if index is None or reference.only in (None, index)
    ]


def is_mapped(operator: Any) -> bool:
    """Tell whether a task has instances with map indexes."""
    return bool(operator.is_mapped) or operator.get_closest_mapped_task_group() is not None


def _select_instances(task: Any, index: int | None, reference: _Reference) -> TaskInstances:
    other = reference.operator
    if index is None or not is_mapped(other):
        return TaskInstances(other.task_id)
    if _share_mapped_group(task, other):
        return TaskInstances(other.task_id, index=index)
    return TaskInstances(other.task_id, nth=index if reference.aligned else None)


def _share_mapped_group(task: Any, other: Any) -> bool:
    mine = {group.group_id for group in task.iter_mapped_task_groups()}
    return any(group.group_id in mine for group in other.iter_mapped_task_groups())


def _find_references(task: Any) -> Iterator[_Reference]:
    if isinstance(task, MappedOperator):
        yield from _find_nested_references(task.partial_kwargs)
        yield from _find_mapped_references(task._get_specified_expand_input())  # noqa: SLF001 - no other way
    else:
        for field in task.template_fields:
            yield from _find_nested_references(getattr(task, field, None))


def _find_nested_references(value: Any) -> Iterator[_Reference]:
    """Find references in a value, however deep."""
    if isinstance(value, XComArg):
        yield from (_Reference(operator) for operator, _ in value.iter_references())
    elif _is_group_argument(value):
        yield from _find_mapped_references(value._input, value._key)  # noqa: SLF001
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _find_nested_references(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _find_nested_references(item)


def _is_group_argument(value: Any) -> bool:
    """Tell the argument of a mapped task group, which stands for one item of the mapping."""
    return hasattr(value, "_input") and hasattr(value, "_key") and hasattr(value, "resolve")


def _find_mapped_references(expand_input: Any, key: str | None = None) -> Iterator[_Reference]:
    """Find references in what is mapped over.

    With several arguments, or lists joined to one, instance i does not take item i: then it is
    said to take all.
    """
    value = expand_input.value
    if not isinstance(value, dict):
        yield from _find_item_references(value, single=True)
        return
    for name, part in value.items():
        if key in (None, name):
            yield from _find_item_references(part, single=len(value) == 1)


def _find_item_references(part: Any, *, single: bool) -> Iterator[_Reference]:
    if isinstance(part, XComArg):
        aligned = single and not _is_concatenated(part)
        yield from (_Reference(operator, aligned) for operator, _ in part.iter_references())
    elif isinstance(part, list | tuple):
        for place, item in enumerate(part):
            for reference in _find_nested_references(item):
                yield _Reference(reference.operator, only=place if single else None)
    else:
        yield from _find_nested_references(part)


def _is_concatenated(arg: Any) -> bool:
    while not isinstance(arg, ConcatXComArg):
        arg = getattr(arg, "arg", None)
        if arg is None:
            return False
    return True
