"""Base class of the triggers that poll Synapse."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseConnectionError,
    SynapseHTTPError,
    SynapseTimeoutError,
)
from synapse_workflows.triggers.shared_polls import PollRequest, PollResult, subscribe

T = TypeVar("T")


def is_temporary(error: Exception) -> bool:
    """Return whether the next poll may succeed.

    After a connection error the network may recover. A conflict means that the job of a query was
    interrupted; the next poll starts another job.
    """
    if isinstance(error, SynapseConnectionError):
        return True
    if not isinstance(error, SynapseHTTPError | SynapseTimeoutError):
        return False
    return error.retry_category is not RetryCategory.PERMANENT


class SynapsePollTrigger(BaseTrigger, Generic[T]):
    """Base class of triggers that poll Synapse and fire with a result or an error.

    The worker polls before it defers, so the first poll of the trigger is after at most one
    interval. Triggers of a triggerer whose poll requests are equal share the poll.

    Args:
        synapse_conn_id: The Airflow connection.
        poll_interval: Seconds between two polls.
    """

    def __init__(self, *, synapse_conn_id: str, poll_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has no types for it
        self.synapse_conn_id = synapse_conn_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments of the trigger."""
        arguments = {
            "synapse_conn_id": self.synapse_conn_id,
            "poll_interval": self.poll_interval,
        }
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, arguments | self.extra_arguments()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until there is a result, then yield one event."""
        async with subscribe(self.poll_request()) as poll:
            event = None
            while event is None:
                event = self._create_event(await poll.next_result())
        yield TriggerEvent(event)

    def _create_event(self, result: PollResult[T]) -> dict[str, Any] | None:
        error = result.error
        if error is None:
            value: Any = result.value
            return self.check(value)
        if not is_temporary(error):
            return {"error": f"{type(error).__name__}: {error}"}
        self.log.warning("Polling again in %s s after: %s", result.delay, error)
        return None

    @abstractmethod
    def extra_arguments(self) -> dict[str, Any]:
        """Return the constructor arguments that the base class does not have."""

    @abstractmethod
    def poll_request(self) -> PollRequest[T]:
        """Return the requests of the poll."""

    @abstractmethod
    def check(self, value: T) -> dict[str, Any] | None:
        """Return the event for the value of a poll, or None to continue."""
