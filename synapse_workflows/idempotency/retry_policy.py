"""Which failures a retry can mend."""

from datetime import timedelta
from typing import Any, Final

from airflow.sdk import RetryDecision, RetryPolicy

from synapse_workflows.client.errors import (
    SynapseHTTPError,
    SynapseMalformedEntityError,
    SynapseNoCredentialsError,
    SynapseProvenanceError,
    SynapseTooManyRequestsError,
    SynapseUnmetAccessRestrictions,
)

#: Synapse says no to these today and tomorrow, however often it is asked.
FINAL_STATUSES: Final = frozenset({400, 401, 403, 404, 410})
_FINAL_ERRORS: Final = (
    SynapseMalformedEntityError,
    SynapseNoCredentialsError,
    SynapseProvenanceError,
    SynapseUnmetAccessRestrictions,
)
_RATE_LIMIT_PAUSE = timedelta(seconds=60)


class SynapseRetryPolicy(RetryPolicy):
    """Fails at once where a retry cannot help; waits as long as Synapse asks.

    All else is left to the task's own `retries` and `retry_delay`.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow's words
        max_tries: int,  # noqa: ARG002
        context: Any = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decide about one failure."""
        if isinstance(exception, SynapseTooManyRequestsError):
            asked = exception.retry_after
            pause = timedelta(seconds=asked) if asked else _RATE_LIMIT_PAUSE
            return RetryDecision.retry(pause, "Synapse asks to come back later (429)")
        if isinstance(exception, SynapseHTTPError) and exception.status in FINAL_STATUSES:
            return RetryDecision.fail(f"Synapse said {exception.status}; asking again is no use")
        if isinstance(exception, _FINAL_ERRORS):
            return RetryDecision.fail(f"{type(exception).__name__}: a retry cannot mend it")
        return RetryDecision.default()
