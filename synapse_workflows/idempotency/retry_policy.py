"""Airflow retry policy for errors of Synapse."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowNotFoundException

from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseError,
    SynapseTooManyRequestsError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Delay after a 429 without a Retry-After header.
_RATE_LIMIT_DELAY: Final = timedelta(seconds=60)


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
