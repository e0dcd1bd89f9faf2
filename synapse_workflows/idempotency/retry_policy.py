"""Airflow retry policy for errors of Synapse."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseError,
    SynapseTooManyRequestsError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Delay after a 429 without a Retry-After header.
_RATE_LIMIT_DELAY: Final = timedelta(seconds=60)


#: Airflow's maximum delay with exponential backoff.
_MAX_BACKOFF: Final = timedelta(days=1)


class SynapseRetryPolicy(RetryPolicy):
    """Retry policy that fails at once on permanent errors and obeys Retry-After on a 429.

    An undefined connection and a file that does not exist on the worker are permanent errors.

    Other errors follow the task's own `retries` and `retry_delay`.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow's signature
        max_tries: int,  # noqa: ARG002
        context: "Context | None" = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decide whether to retry after an error."""
        if isinstance(exception, SynapseTooManyRequestsError):
            seconds = exception.retry_after
            delay = timedelta(seconds=seconds) if seconds else _RATE_LIMIT_DELAY
            return RetryDecision.retry(delay, "Synapse limits the request rate (429)")
        if isinstance(exception, AirflowNotFoundException):
            return RetryDecision.fail(f"Permanent error: {exception}")
        if not isinstance(exception, SynapseError):
            return RetryDecision.default()
        if exception.retry_category is RetryCategory.PERMANENT:
            return RetryDecision.fail(f"Permanent error: {type(exception).__name__}")
        return RetryDecision.default()


def find_retry_delay(context: Mapping[str, Any], error: BaseException) -> timedelta | None:
    """Return the longest time until Airflow runs a task again after an error.

    Args:
        context: Context of the running task.
        error: The error that the task is about to raise.

    Returns:
        The time; None if Airflow does not run the task again.
    """
    ti = context["ti"]
    if isinstance(error, AirflowFailException) or ti.try_number > ti.max_tries:
        return None
    if ti.task.retry_policy is not None:
        decision = ti.task.retry_policy.evaluate(error, ti.try_number, ti.max_tries, context)
        if decision.action is RetryAction.FAIL:
            return None
        if decision.retry_delay is not None:
            return timedelta(seconds=decision.retry_delay.total_seconds())
    delay: timedelta = ti.task.retry_delay
    factor = ti.task.retry_exponential_backoff or 1
    if factor != 1:
        # Airflow adds up to the same delay again, so that tasks are not retried all at once
        seconds = 2 * delay.total_seconds() * min(factor ** (ti.try_number - 1), 1e6)
        delay = min(ti.task.max_retry_delay or _MAX_BACKOFF, timedelta(seconds=seconds))
    return delay
