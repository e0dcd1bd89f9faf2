"""The decorator `@task.synapse_score`."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from synapse_workflows.challenge.scorer_program import (
    INPUT_NAMES,
    ScorerFunction,
    check_function,
)
from synapse_workflows.challenge.submission_scoring import SubmissionScore
from synapse_workflows.operators.scores import SynapseScoreSubmissionOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Arguments of the decorated function that the operator takes.
_OPERATOR_ARGUMENTS: Final = ("submission", "predictions")


class _ScoreDecoratedOperator(DecoratedOperator, SynapseScoreSubmissionOperator):
    """Operator of a function that is decorated with `@task.synapse_score`."""

    custom_operator_name = "@task.synapse_score"
    template_fields: Sequence[str] = (
        "op_args",
        "op_kwargs",
        *SynapseScoreSubmissionOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = (
        "op_args",
        "op_kwargs",
        "goldstandard_id",
        "executed",
    )

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            kwargs_to_upstream={
                "submission": None,
                "scorer": ScorerFunction(python_callable.__wrapped__),  # type: ignore[attr-defined]
            },
            **kwargs,
        )

    def execute(self, context: "Context") -> SubmissionScore:
        """Score the submission with the function."""
        signature = inspect.signature(self.python_callable)
        given = signature.bind(*self.op_args, **self.op_kwargs).arguments
        self.submission = given.pop("submission")
        self.predictions = given.pop("predictions", None)
        return self.score(context, given)


def synapse_score_task(
    python_callable: Callable[..., Any] | None = None, **kwargs: Any
) -> TaskDecorator:
    """Make a task that scores a submission from a function, as `@task.synapse_score`.

    The function has parameters of a scorer of `SynapseScoreSubmissionOperator`. It is called with
    `submission`, a claim or the ID of a submission; with `predictions`, if these are not the
    submitted file; and with its other parameters:

        @task.synapse_score(goldstandard_id="syn123", results_parent_id="syn456")
        def score(predictions: Path, goldstandard: Path) -> dict: ...

        score.expand(submission=claim.output)

    Args:
        python_callable: The function.
        kwargs: Arguments of `SynapseScoreSubmissionOperator`, except `submission`, `scorer` and
            `predictions`.

    Raises:
        ValueError: An argument is invalid, or a parameter of the function gets no value.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        return task_decorator_factory(
            python_callable=_expose_arguments(function),
            decorated_operator_class=_ScoreDecoratedOperator,
            **({"multiple_outputs": True} | kwargs),
        )

    return decorate if python_callable is None else decorate(python_callable)  # type: ignore[return-value]


def _expose_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with the signature of the task: without inputs, with `submission`."""
    parameters = inspect.signature(function).parameters
    others = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, one in parameters.items()
        if name not in INPUT_NAMES and one.kind is not one.VAR_KEYWORD
    ]
    check_function(function, "function", [one.name for one in others])
    own = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for name, default in zip(_OPERATOR_ARGUMENTS, (inspect.Parameter.empty, None), strict=True)
    ]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    call.__signature__ = inspect.Signature([*own, *others])  # type: ignore[attr-defined]
    return call
