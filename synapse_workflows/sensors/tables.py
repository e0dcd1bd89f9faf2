"""Sensors that wait for rows in a table or for changes of a table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk import PokeReturnValue

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.api.queries import parse_table_id
from synapse_workflows.client.core.table_state import (
    TableState,
    always_returns_a_row,
    count_rows,
    fetch_state,
)
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.query_reads import check_query
from synapse_workflows.operator_arguments import invalid_type, parse_reference_text
from synapse_workflows.sensors.base import SynapseSensor
from synapse_workflows.triggers.tables import SynapseTableChangeTrigger, SynapseTableRowsTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

_KEY: Final = "synapse_table_state"
_ROWS_QUERY: Final = "select * from {} where ..."


class SynapseTableRowsSensor(SynapseSensor):
    """Wait until a query finds rows. Returns `{"id": "syn123", "rows": 3}`.

    Args:
        sql: The query: `select * from syn123 where status = 'new'`; or the path of a `.sql` file.
            `select count(*)` is rejected, because its result has one row even if the count is 0
            (templated).
        min_rows: Minimum number of rows.
        kwargs: `synapse_conn_id`, `deferrable` and the arguments of `BaseSensorOperator`.
    """

    template_fields: Sequence[str] = ("sql", *SynapseSensor.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ("sql",)
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012 - as Airflow declares it

    def __init__(self, *, sql: str, min_rows: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.min_rows = min_rows

    @property
    def query(self) -> str:
        """The query without comments and final semicolon."""
        return check_query(self.sql)

    @property
    def polled_id(self) -> str:
        """ID of the table in the query."""
        return parse_table_id(self.query).id

    def poll(self, context: "Context") -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Count the rows of the query."""
        client, table_id = self.client, self.polled_id
        if always_returns_a_row(self.query):
            raise SynapseMalformedEntityError(
                f"Invalid sql {self.sql[:200]!r}: without GROUP BY, functions such as COUNT and "
                f"MAX always have one row. Query the rows, `{_ROWS_QUERY.format(table_id)}`, and "
                "set min_rows to the number of rows to wait for"
            )
        polling = async_jobs.polling_settings(client)
        rows = client.run(count_rows(table_id, self.query, polling))
        return PokeReturnValue(rows >= self.min_rows, {"id": table_id, "rows": rows})

    def create_trigger(
        self,
        context: "Context",  # noqa: ARG002 - Airflow's signature
    ) -> SynapseTableRowsTrigger:
        """Create the trigger for deferral."""
        return SynapseTableRowsTrigger(
            synapse_conn_id=self.synapse_conn_id,
            table_id=self.polled_id,
            sql=self.query,
            min_rows=self.min_rows,
            poll_interval=self.poke_interval,
        )


class SynapseTableChangeSensor(SynapseSensor):
    """Wait until the rows or columns of a table change, or a snapshot of the table is created.

    For a view, any change of its content counts. Returns the new state:
    `{"id": "syn123", "version": 4, "etag": "..."}`, and its `digest` for a view that is not
    materialized.

    Args:
        table_id: The table or view of any type, without a version (templated).
        since: The state to compare with: a result of this sensor, or the result of a query of the
            whole table. The default is the state at the first poll (templated).
        kwargs: `synapse_conn_id`, `deferrable` and the arguments of `BaseSensorOperator`.
    """

    template_fields: Sequence[str] = ("table_id", "since", *SynapseSensor.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ("table_id", "since")

    def __init__(
        self, *, table_id: Any, since: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.table_id = table_id
        self.since = since

    @property
    def polled_id(self) -> str:
        """ID of the table."""
        return parse_unversioned_id(self.table_id, "table_id")

    def poll(self, context: "Context") -> PokeReturnValue:
        """Compare the current state of the table with the known state."""
        client, table_id = self.client, self.polled_id
        current = client.run(fetch_state(table_id, async_jobs.polling_settings(client)))
        known = self._load_state(context)
        if known is None:
            self._save_state(context, current.to_json())
        is_changed = known is not None and current.differs(known)
        if is_changed:
            context["task_state_store"].delete(_KEY)
        return PokeReturnValue(is_changed, {"id": table_id} | current.to_json())

    def create_trigger(self, context: "Context") -> SynapseTableChangeTrigger:
        """Create the trigger for deferral."""
        known = self._load_state(context)
        return SynapseTableChangeTrigger(
            synapse_conn_id=self.synapse_conn_id,
            table_id=self.polled_id,
            known=None if known is None else known.to_json(),
            poll_interval=self.poke_interval,
        )

    def complete(
        self,
        context: "Context",
        event: Mapping[str, Any],
        deadline: float,
        execution_deadline: float | None,
    ) -> Any:
        """Return the event of the trigger; if no state was known, save the state instead."""
        if "error" not in event and self._load_state(context) is None:
            self._save_state(context, event)
            return self.defer_until(context, deadline, execution_deadline)
        result = super().complete(context, event, deadline, execution_deadline)
        context["task_state_store"].delete(_KEY)
        return result

    def _load_state(self, context: "Context") -> TableState | None:
        if self.since:
            return self._parse_since()
        values: Any = context["task_state_store"].get(_KEY)
        if not values or values["table"] != self.polled_id:
            return None
        return TableState.from_json(values)

    def _parse_since(self) -> TableState:
        try:
            return TableState.from_json(parse_reference_text(self.since))
        except (KeyError, TypeError, ValueError, AttributeError):
            expected = "the result of this sensor or of a query, with version and etag"
            raise invalid_type(self.since, "since", expected) from None

    def _save_state(self, context: "Context", state: Mapping[str, Any]) -> None:
        """Store the state to compare with, because each poll may run in another process."""
        values = {"table": self.polled_id} | dict(state)
        context["task_state_store"].set(_KEY, values)
