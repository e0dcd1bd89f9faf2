"""Triggers that wait for rows in a table or for changes of a table."""

from typing import Any, Final

from synapse_workflows.client.core.async_job_flow import Polling
from synapse_workflows.client.core.table_state import TableState, count_rows, fetch_state
from synapse_workflows.triggers.base import SynapsePollTrigger
from synapse_workflows.triggers.shared_polls import PollRequest

_POLLING: Final = Polling()


class SynapseTableRowsTrigger(SynapsePollTrigger[int]):
    """Trigger of `SynapseTableRowsSensor`: fires when a query finds enough rows.

    The event is `{"rows": 3}`.

    Args:
        table_id: ID of the table, as `syn123`.
        sql: The query.
        min_rows: Minimum number of rows.
        kwargs: `synapse_conn_id`, `poll_interval`.
    """

    def __init__(self, *, table_id: str, sql: str, min_rows: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table_id = table_id
        self.sql = sql
        self.min_rows = min_rows

    def extra_arguments(self) -> dict[str, Any]:
        """Return the table, the query and the number of rows."""
        return {"table_id": self.table_id, "sql": self.sql, "min_rows": self.min_rows}

    def poll_request(self) -> PollRequest[int]:
        """Return the requests that count the rows of the query."""
        arguments = (self.table_id, self.sql, _POLLING)
        return PollRequest(self.synapse_conn_id, self.poll_interval, count_rows, arguments)

    def check(self, value: int) -> dict[str, Any] | None:
        """Return the number of rows if there are enough."""
        return {"rows": value} if value >= self.min_rows else None


class SynapseTableChangeTrigger(SynapsePollTrigger[TableState]):
    """Trigger of `SynapseTableChangeSensor`: fires when a table differs from a known state.

    The event is the new state of the table.

    Without a known state, the trigger fires with the first state that it reads.

    Args:
        table_id: ID of the table, as `syn123`.
        known: The known state, as `TableState.to_json` returns it; None without a known
            state.
        kwargs: `synapse_conn_id`, `poll_interval`.
    """

    def __init__(self, *, table_id: str, known: dict[str, Any] | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table_id = table_id
        self.known = known

    def extra_arguments(self) -> dict[str, Any]:
        """Return the table and its known state."""
        return {"table_id": self.table_id, "known": self.known}

    def poll_request(self) -> PollRequest[TableState]:
        """Return the requests that fetch the state of the table."""
        arguments = (self.table_id, _POLLING)
        return PollRequest(self.synapse_conn_id, self.poll_interval, fetch_state, arguments)

    def check(self, value: TableState) -> dict[str, Any] | None:
        """Return the state of the table if it differs from the known state."""
        if self.known is not None and not value.differs(TableState.from_json(self.known)):
            return None
        return value.to_json()
