"""Waiting for a job of Synapse without a worker."""

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from synapse_workflows.client.core import async_job_flow
from synapse_workflows.client.core.async_job_flow import Job, Polling
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseError,
    SynapseHTTPError,
    SynapseJobError,
)
from synapse_workflows.hooks.synapse import SynapseHook


class SynapseJobTrigger(BaseTrigger):
    """Fires when a job of Synapse has ended, well or not.

    What came of it, the task asks Synapse itself: then an error is the same as without waiting.
    The event holds `job` and, where Synapse could not be asked any longer, `error`.

    Args:
        synapse_conn_id: the connection; its token is read here, and never written anywhere.
        path: where such jobs are asked for, `/entity/syn1/table/transaction/async`.
        job: the token of the job.
        poll_interval: seconds between two questions.
        timeout: seconds without progress after which to give up.
    """

    def __init__(
        self,
        *,
        synapse_conn_id: str,
        path: str,
        job: str,
        poll_interval: float = 5.0,
        timeout: float = 600.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has no types for it
        self.synapse_conn_id = synapse_conn_id
        self.path = path
        self.job = job
        self.poll_interval = poll_interval
        self.timeout = timeout

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make this trigger again in the triggerer."""
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
        """Wait, and fire once."""
        yield TriggerEvent({"job": self.job} | await self._wait())

    async def _wait(self) -> dict[str, str]:
        polling = Polling(self.poll_interval, 1.0, self.poll_interval, self.timeout)
        try:
            session = await SynapseHook(self.synapse_conn_id).async_session()
            async with session:
                await session.run(async_job_flow.wait(Job(self.path, None), self.job, polling))
        except SynapseConnectionError as lost:
            return {"error": f"{type(lost).__name__}: {lost}"}
        except (SynapseJobError, SynapseHTTPError):
            return {}  # it has ended, and not well
        except SynapseError as failed:
            return {"error": f"{type(failed).__name__}: {failed}"}
        return {}
