"""Callbacks around the code of a task."""

import copy
import pickle

import pytest
from airflow.sdk import BaseOperator

from synapse_workflows.lineage.execution_callbacks import (
    call_after_execute,
    call_before_resume,
    call_with_outcome,
)


class Operator(BaseOperator):
    def execute(self, context):
        if context == "fail":
            raise ValueError(context)
        return context


class Overriding(Operator):
    """Operator whose `post_execute` is overridden, as a generator or not."""

    def post_execute(self, context, result=None):  # noqa: ARG002
        yield from ()


@pytest.fixture
def calls():
    return []


@pytest.mark.parametrize("operator_class", [Operator, Overriding])
def test_callbacks_are_called_in_order(calls, operator_class):
    first = operator_class(task_id="first")
    call_after_execute(first, lambda: calls.append("after"))
    call_after_execute(first, lambda: calls.append("later"))
    call_before_resume(first, lambda: calls.append("resumed"))
    call_with_outcome(first, calls.append, calls.append)
    assert first.resume_execution("execute", {}, "context") == "context"
    assert calls[0] == "resumed"
    assert set(calls[1:]) == {"context"}
    calls.clear()
    list(first.post_execute("context") or ())
    assert calls == ["after", "later"]


def test_an_exception_is_passed_on(calls):
    first = Operator(task_id="first")
    call_with_outcome(first, calls.append, calls.append)
    with pytest.raises(ValueError, match="fail"):
        first.execute("fail")
    assert [type(one) for one in calls] == [ValueError]


def test_a_task_that_is_copied_while_it_runs_has_its_own_methods():
    first = Operator(task_id="first")
    call_with_outcome(first, print, print)
    call_before_resume(first, print)
    call_after_execute(first, print)
    restored = pickle.loads(pickle.dumps(first))  # noqa: S301
    assert restored.execute.__func__ is Operator.execute
    assert restored.resume_execution.__func__ is BaseOperator.resume_execution
    assert copy.copy(first).task_id == "first"
