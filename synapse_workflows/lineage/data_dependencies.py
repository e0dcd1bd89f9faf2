"""Data dependencies between task instances.

A task depends on the tasks whose XComs its fields reference. Without such a reference it depends
on all its direct upstream tasks. The references are read from the operators of the parsed DAG,
because rendering replaces them by values in the running task.
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
        task_id: id of the task.
        index: map index; None for all instances, and for a task that is not mapped.
        position: position among the instances that returned a value, counted from 0. It selects
            one instance of a mapped task whose output is mapped over.
    """

    task_id: str
    index: int | None = None
    position: int | None = None


@dataclass(frozen=True)
class _Reference:
    """Reference to the output of another operator.

    Args:
        operator: the other operator.
        is_aligned: whether instance i takes item i of the output.
        only_index: map index of the only instance that takes it; None for all instances.
    """

    operator: Any
    is_aligned: bool = False
    only_index: int | None = None


def find_upstream(dag: Any, instances: TaskInstances) -> list[TaskInstances]:
    """Return the task instances that some instances of a task take their data from.

    Args:
        dag: the parsed DAG, with references in place of values.
        instances: instances of a task of the DAG; `position` is ignored.
    """
    task = dag.get_task(instances.task_id)
    references = list(dict.fromkeys(_find_references(task)))
    if not references:
        upstream = (dag.get_task(task_id) for task_id in sorted(task.upstream_task_ids))
        references = [_Reference(operator) for operator in upstream]
    index = instances.index
    return [
        _select_instances(task, index, reference)
        for reference in references
        if index is None or reference.only_index in (None, index)
    ]


def is_mapped(operator: Any) -> bool:
    """Return whether the instances of a task have map indexes."""
    return bool(operator.is_mapped) or operator.get_closest_mapped_task_group() is not None


def _select_instances(task: Any, index: int | None, reference: _Reference) -> TaskInstances:
    upstream = reference.operator
    if index is None or not is_mapped(upstream):
        return TaskInstances(upstream.task_id)
    if _share_mapped_group(task, upstream):
        return TaskInstances(upstream.task_id, index=index)
    return TaskInstances(upstream.task_id, position=index if reference.is_aligned else None)


def _share_mapped_group(task: Any, other: Any) -> bool:
    group_ids = {group.group_id for group in task.iter_mapped_task_groups()}
    return any(group.group_id in group_ids for group in other.iter_mapped_task_groups())


def _find_references(task: Any) -> Iterator[_Reference]:
    if isinstance(task, MappedOperator):
        yield from _find_nested_references(task.partial_kwargs)
        yield from _find_mapped_references(task._get_specified_expand_input())  # noqa: SLF001 - no public API
    else:
        for field in task.template_fields:
            yield from _find_nested_references(getattr(task, field, None))


def _find_nested_references(value: Any) -> Iterator[_Reference]:
    """Yield the references in a value, including nested lists and dicts."""
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
    """Return whether a value is an argument of a mapped task group: one item of the mapping."""
    return hasattr(value, "_input") and hasattr(value, "_key") and hasattr(value, "resolve")


def _find_mapped_references(expand_input: Any, key: str | None = None) -> Iterator[_Reference]:
    """Yield the references in the mapped arguments of a task.

    With several mapped arguments, or a concatenated list, instance i does not take item i; then
    each instance depends on all items.
    """
    value = expand_input.value
    if not isinstance(value, dict):
        yield from _find_item_references(value, is_single=True)
        return
    for name, part in value.items():
        if key in (None, name):
            yield from _find_item_references(part, is_single=len(value) == 1)


def _find_item_references(part: Any, *, is_single: bool) -> Iterator[_Reference]:
    if isinstance(part, XComArg):
        is_aligned = is_single and not _is_concatenated(part)
        yield from (_Reference(operator, is_aligned) for operator, _ in part.iter_references())
    elif isinstance(part, list | tuple):
        for index, item in enumerate(part):
            for reference in _find_nested_references(item):
                yield _Reference(reference.operator, only_index=index if is_single else None)
    else:
        yield from _find_nested_references(part)


def _is_concatenated(arg: Any) -> bool:
    while not isinstance(arg, ConcatXComArg):
        arg = getattr(arg, "arg", None)
        if arg is None:
            return False
    return True
