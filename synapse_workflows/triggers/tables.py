"""Triggers that wait for rows in a table or for changes of a table."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from synapse_workflows.client.core.async_job_flow import Polling
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.table_state import TableState, count_rows, fetch_state
from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseConnectionError,
    SynapseError,
    SynapseHTTPError,
    SynapseTimeoutError,
)
from synapse_workflows.hooks.synapse import SynapseHook

_POLLING: Final = Polling()


def is_temporary(error: SynapseError) -> bool:
    """Return whether the next poll may succeed.

    After a connection error the network may recover. A conflict means that the job of a query was
    interrupted; the next poll starts another job.
    """
    if isinstance(error, SynapseConnectionError):
        return True
    is_response = isinstance(error, SynapseHTTPError | SynapseTimeoutError)
    return is_response and error.retry_category is not RetryCategory.PERMANENT


class _TableTrigger(BaseTrigger):
    """Base class of triggers that poll a table and fire with a result or an error.

    The worker polls before it defers, so the first poll of the trigger is after one interval.

    Args:
        synapse_conn_id: The Airflow connection.
        table_id: ID of the table, as `syn123`.
        poll_interval: Seconds between two polls.
    """

    def __init__(self, *, synapse_conn_id: str, table_id: str, poll_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has no types for it
        self.synapse_conn_id = synapse_conn_id
        self.table_id = table_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments of the trigger."""
        arguments = {
            "synapse_conn_id": self.synapse_conn_id,
            "table_id": self.table_id,
            "poll_interval": self.poll_interval,
        }
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, arguments | self.extra_arguments()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until there is a result, then yield one event."""
        session = await SynapseHook(self.synapse_conn_id).async_session()
        async with session:
            # no retries after the time of the next poll
            total = min(session.retry.total, self.poll_interval)
            session.retry = replace(session.retry, total=total)
            event = None
            while event is None:
                await asyncio.sleep(self.poll_interval)
                event = await self._poll_safely(session)
        yield TriggerEvent(event)

    async def _poll_safely(self, session: AsyncSession) -> dict[str, Any] | None:
        try:
            return await self.poll(session)
        except SynapseError as error:
            if not is_temporary(error):
                return {"error": f"{type(error).__name__}: {error}"}
            self.log.warning("Polling again in %s s after: %s", self.poll_interval, error)
            return None

    @abstractmethod
    def extra_arguments(self) -> dict[str, Any]:
        """Return the constructor arguments that the base class does not have."""

    @abstractmethod
    async def poll(self, session: AsyncSession) -> dict[str, Any] | None:
        """Poll once; return the event, or None to continue."""


class SynapseTableRowsTrigger(_TableTrigger):
    """Trigger that fires with `{"rows": 3}` when a query finds enough rows.

    Args:
        sql: The query.
        min_rows: Minimum number of rows.
        kwargs: `synapse_conn_id`, `table_id`, `poll_interval`.
    """

    def __init__(self, *, sql: str, min_rows: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.min_rows = min_rows

    def extra_arguments(self) -> dict[str, Any]:
        """Return the query and the number of rows."""
        return {"sql": self.sql, "min_rows": self.min_rows}

    async def poll(self, session: AsyncSession) -> dict[str, Any] | None:
        """Count the rows of the query."""
        rows = await session.run(count_rows(self.table_id, self.sql, _POLLING))
        return {"rows": rows} if rows >= self.min_rows else None


class SynapseTableChangeTrigger(_TableTrigger):
    """Trigger that fires with the state of a table when the state differs from a known state.

    Without a known state, the trigger fires with the first state that it reads.

    Args:
        known: The known state, as `TableState.to_json` returns it; None without a known
            state.
        kwargs: `synapse_conn_id`, `table_id`, `poll_interval`.
    """

    def __init__(self, *, known: dict[str, Any] | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = known

    def extra_arguments(self) -> dict[str, Any]:
        """Return the known state."""
        return {"known": self.known}

    async def poll(self, session: AsyncSession) -> dict[str, Any] | None:
        """Compare the current state of the table with the known state."""
        current = await session.run(fetch_state(self.table_id, _POLLING))
        if self.known is not None and not current.differs(TableState.from_json(self.known)):
            return None
        return current.to_json()
