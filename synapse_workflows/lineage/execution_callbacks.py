"""Callbacks around the code of a running task, before Airflow learns how it ended."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from airflow.sdk import BaseOperator


def call_after_execute(task: Any, callback: Callable[[], object]) -> None:
    """Call a function after `execute` and before the task reports success.

    Airflow's success listener runs later: a downstream task may have started by then.
    """
    before = task.post_execute
    is_overridden = getattr(before, "__func__", None) is not BaseOperator.post_execute

    def post_execute(context: Any, result: Any = None) -> None:  # noqa: ARG001
        if is_overridden:
            before(context)
        callback()

    def generate(context: Any, result: Any = None) -> Iterator[Any]:  # noqa: ARG001
        yield from before(context)
        callback()

    if inspect.isgeneratorfunction(before):
        task.post_execute = generate
    else:
        task.post_execute = _Replacement(task, "post_execute", post_execute)


def call_with_outcome(
    task: Any,
    on_result: Callable[[Any], object],
    on_exception: Callable[[BaseException], object],
) -> None:
    """Call a function with the result of the task's code, or with the exception that ends it.

    Some of these exceptions are no errors: deferred tasks and branches end with one.
    """

    def guard(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                result = method(*args, **kwargs)
            except BaseException as error:
                on_exception(error)
                raise
            on_result(result)
            return result

        return call

    for name in ("execute", "resume_execution"):
        task.__dict__[name] = _Replacement(task, name, guard(getattr(task, name)))


def call_before_resume(task: Any, callback: Callable[[], object]) -> None:
    """Call a function before the code of a deferred task is resumed."""
    resume = task.resume_execution

    def resume_execution(*args: Any, **kwargs: Any) -> Any:
        callback()
        return resume(*args, **kwargs)

    task.__dict__["resume_execution"] = _Replacement(task, "resume_execution", resume_execution)


class _Replacement:
    """Replacement of a method of one task. A copied or pickled task has the original method.

    Args:
        task: The task.
        name: Name of the method.
        function: The replacement.
    """

    def __init__(self, task: Any, name: str, function: Callable[..., Any]) -> None:
        self._task = task
        self._name = name
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._task, self._name)
