"""Trigger that waits for an asynchronous job of Synapse."""

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from synapse_workflows.client.core import async_job_flow
from synapse_workflows.client.core.async_job_flow import Job, Polling
from synapse_workflows.client.errors import SynapseError, SynapseHTTPError, SynapseJobError
from synapse_workflows.hooks.async_sessions import open_session


class SynapseJobTrigger(BaseTrigger):
    """Trigger that fires when an asynchronous job has succeeded or failed.

    Deferrable operators such as `SynapseTableQueryOperator` create it. The payload of the event
    has `job`, and `error` if the state of the job could not be determined. The task fetches the
    result of the job itself, so that a failed job raises the same error as without deferral.

    Args:
        synapse_conn_id: Id of the connection. Its token is read in the triggerer only.
        path: Path of the job type, for example `/entity/syn1/table/transaction/async`.
        job: Token of the job.
        poll_interval: Seconds between two requests.
        timeout: Maximum time to wait for the job, in seconds.
    """

    def __init__(
        self,
        *,
        synapse_conn_id: str,
        path: str,
        job: str,
        poll_interval: float = 5.0,
        timeout: float = 604_800.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has no types for it
        self.synapse_conn_id = synapse_conn_id
        self.path = path
        self.job = job
        self.poll_interval = poll_interval
        self.timeout = timeout

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments of this trigger."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "synapse_conn_id": self.synapse_conn_id,
                "path": self.path,
                "job": self.job,
                "poll_interval": self.poll_interval,
                "timeout": self.timeout,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the job and yield one event."""
        yield TriggerEvent({"job": self.job} | await self._wait())

    async def _wait(self) -> dict[str, str]:
        interval = self.poll_interval
        polling = Polling(interval, 1.0, interval, first_sleep=interval, limit=self.timeout)
        try:
            async with await open_session(self.synapse_conn_id) as session:
                await session.run(async_job_flow.wait(Job(self.path, None), self.job, polling))
        except (SynapseJobError, SynapseHTTPError):
            return {}  # the task gets the same error when it fetches the result
        except SynapseError as error:
            return {"error": f"{type(error).__name__}: {error}"}
        return {}
