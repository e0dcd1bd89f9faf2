"""Waiting for news of tables and views without a worker."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from synapse_workflows.client.core.async_job_flow import Polling
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.table_state import (
    Content,
    TableState,
    count_rows,
    state_of,
)
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseConnectionError,
    SynapseError,
    SynapseServerError,
    SynapseTimeoutError,
    SynapseTooManyRequestsError,
)
from synapse_workflows.hooks.synapse import SynapseHook

#: What passes by itself: the next look may succeed. A query conflicts with nothing: its job was
#: cut off.
PASSING: Final = (
    SynapseConflictError,
    SynapseConnectionError,
    SynapseServerError,
    SynapseTimeoutError,
    SynapseTooManyRequestsError,
)
#: How patiently one look waits for its answer.
_POLLING: Final = Polling()


class _TableTrigger(BaseTrigger):
    """Looks at a table again and again; fires when there is something to see, or an error.

    A worker has just looked, so that the first look comes after one interval.

    Args:
        synapse_conn_id: the connection.
        table: as `syn123`.
        poll_interval: seconds between two looks.
    """

    def __init__(self, *, synapse_conn_id: str, table: str, poll_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has no types for it
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
            # whoever looks again anyway does not insist on one answer
            patience = min(session.retry.total, self.poll_interval)
            session.retry = replace(session.retry, total=patience)
            found = None
            while found is None:
                await asyncio.sleep(self.poll_interval)
                found = await self._look(session)
        yield TriggerEvent(found)

    async def _look(self, session: AsyncSession) -> dict[str, Any] | None:
        try:
            return await self.look(session)
        except PASSING as passing:
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
        sql: SQL.
        min_rows: how many are enough.
        kwargs: `synapse_conn_id`, `table`, `poll_interval`.
    """

    def __init__(self, *, sql: str, min_rows: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.min_rows = min_rows

    def arguments(self) -> dict[str, Any]:
        """Give the arguments that only this kind of trigger has."""
        return {"sql": self.sql, "min_rows": self.min_rows}

    async def look(self, session: AsyncSession) -> dict[str, Any] | None:
        """Count the rows."""
        rows = await session.run(count_rows(self.table, self.sql, _POLLING))
        return {"rows": rows} if rows >= self.min_rows else None


class SynapseTableChangeTrigger(_TableTrigger):
    """Fires with the state of a table when that is not a known one any more.

    The state is as `state_values` writes it. Where no state is known, it fires with the one it
    finds.

    Args:
        known: the known state, likewise; None where there is none.
        kwargs: `synapse_conn_id`, `table`, `poll_interval`.
    """

    def __init__(self, *, known: dict[str, Any] | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = known

    def arguments(self) -> dict[str, Any]:
        """Give the arguments that only this kind of trigger has."""
        return {"known": self.known}

    async def look(self, session: AsyncSession) -> dict[str, Any] | None:
        """Compare the state of the table."""
        found = await session.run(state_of(self.table, _POLLING))
        if self.known is not None and not found.differs(state_from(self.known)):
            return None
        return state_values(found)


def state_values(state: TableState) -> dict[str, Any]:
    """Write a state as JSON: `version`, `etag`, and of views `digest`."""
    content = state.content
    values = {"version": state.version, "etag": content.etag, "digest": content.digest}
    return {name: value for name, value in values.items() if value is not None or name == "etag"}


def state_from(values: Any) -> TableState:
    """Read what `state_values` wrote, or the reference of a query's answer."""
    content = Content(values.get("etag"), values.get("digest"))
    return TableState(int(values["version"]), content)
