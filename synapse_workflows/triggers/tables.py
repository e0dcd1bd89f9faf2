"""Waiting for news of tables without a worker."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from synapse_workflows.client.core.aio import AsyncSession
from synapse_workflows.client.core.jobs import Polling
from synapse_workflows.client.core.watching import TableState, count_rows, state_of
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseError,
    SynapseServerError,
    SynapseTimeoutError,
    SynapseTooManyRequestsError,
)
from synapse_workflows.hooks.synapse import SynapseHook

#: What passes by itself: the next look may succeed.
_PASSING: Final = (
    SynapseConnectionError,
    SynapseServerError,
    SynapseTimeoutError,
    SynapseTooManyRequestsError,
)
#: How patiently one look waits for its answer.
_POLLING: Final = Polling()


class _TableTrigger(BaseTrigger):  # type: ignore[misc]  # Airflow is untyped here
    """Looks at a table again and again; fires when there is something to see, or an error.

    Args:
        synapse_conn_id: the connection.
        table: as `syn123`.
        poll_interval: seconds between two looks.
    """

    def __init__(self, *, synapse_conn_id: str, table: str, poll_interval: float) -> None:
        super().__init__()
        self.synapse_conn_id = synapse_conn_id
        self.table = table
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make this trigger again in the triggerer."""
        own = {
            "synapse_conn_id": self.synapse_conn_id,
            "table": self.table,
            "poll_interval": self.poll_interval,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", own | self.arguments()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire once."""
        session = await SynapseHook(self.synapse_conn_id).async_session()
        async with session:
            while True:
                found = await self._look(session)
                if found is not None:
                    break
                await asyncio.sleep(self.poll_interval)
        yield TriggerEvent(found)

    async def _look(self, session: AsyncSession) -> dict[str, Any] | None:
        try:
            return await self.look(session)
        except _PASSING as passing:
            self.log.warning("Will look again in %s s: %s", self.poll_interval, passing)
            return None
        except SynapseError as failed:
            return {"error": f"{type(failed).__name__}: {failed}"}

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Give the arguments that only this kind of trigger has."""

    @abstractmethod
    async def look(self, session: AsyncSession) -> dict[str, Any] | None:
        """Look once; give what to fire with, or None."""


class SynapseTableRowsTrigger(_TableTrigger):
    """Fires with `{"rows": 3}` when a query finds enough rows.

    Args:
        query: SQL.
        min_rows: how many are enough.
        kwargs: `synapse_conn_id`, `table`, `poll_interval`.
    """

    def __init__(self, *, query: str, min_rows: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.query = query
        self.min_rows = min_rows

    def arguments(self) -> dict[str, Any]:
        """Give the arguments that only this kind of trigger has."""
        return {"query": self.query, "min_rows": self.min_rows}

    async def look(self, session: AsyncSession) -> dict[str, Any] | None:
        """Count the rows."""
        rows = await session.run(count_rows(self.table, self.query, _POLLING))
        return {"rows": rows} if rows >= self.min_rows else None


class SynapseTableChangeTrigger(_TableTrigger):
    """Fires with `{"version": 4, "etag": "..."}` when a table is not in a known state any more.

    Args:
        version: of the known state.
        etag: of the known state.
        kwargs: `synapse_conn_id`, `table`, `poll_interval`.
    """

    def __init__(self, *, version: int, etag: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.etag = etag

    def arguments(self) -> dict[str, Any]:
        """Give the arguments that only this kind of trigger has."""
        return {"version": self.version, "etag": self.etag}

    async def look(self, session: AsyncSession) -> dict[str, Any] | None:
        """Compare the state of the table."""
        found = await session.run(state_of(self.table, _POLLING))
        if found == TableState(self.version, self.etag):
            return None
        return {"version": found.version, "etag": found.etag}
