"""Sensors that wait for news of tables."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import jobs
from synapse_workflows.client.api.queries import table_of
from synapse_workflows.client.core.watching import TableState, count_rows, state_of
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.operators._base import checked_id
from synapse_workflows.operators.retries import SynapseRetryPolicy
from synapse_workflows.triggers.tables import SynapseTableChangeTrigger, SynapseTableRowsTrigger

_KEY: Final = "synapse_table_state"


class _TableSensor(BaseSensorOperator):  # type: ignore[misc]  # Airflow is untyped here
    """Waits for something to be seen at a table; in a worker, or in the triggerer.

    Args:
        synapse_conn_id: the connection (templated).
        deferrable: leave the waiting to the triggerer.
        kwargs: `poke_interval`, `timeout`, `mode`, and what every sensor takes.
    """

    template_fields: Sequence[str] = ("synapse_conn_id",)
    ui_color = "#d8ecf3"
    retry_policy: Any

    def __init__(
        self,
        *,
        synapse_conn_id: str = SynapseHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.synapse_conn_id = synapse_conn_id
        self.deferrable = deferrable
        if self.retry_policy is None:
            self.retry_policy = SynapseRetryPolicy()

    @cached_property
    def hook(self) -> SynapseHook:
        """The hook of the task's connection."""
        return SynapseHook(self.synapse_conn_id)

    def execute(self, context: Any) -> Any:
        """Wait; return what was seen."""
        if not self.deferrable:
            return super().execute(context)
        seen = self.poke(context)
        if seen.is_done:
            return seen.xcom_value
        return self.defer(
            trigger=self.trigger(context),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:
        """Return what the triggerer saw.

        Raises:
            SynapseError: It could not look; as Synapse says it, where it says it again.
        """
        if "error" not in event:
            return {"id": self.table} | dict(event)
        seen = self.poke(context)
        if not seen.is_done:
            raise SynapseError(f"The triggerer could not look at {self.table}: {event['error']}")
        return seen.xcom_value

    @property
    @abstractmethod
    def table(self) -> str:
        """The table that is looked at, as `syn123`."""

    @abstractmethod
    def poke(self, context: Any) -> PokeReturnValue:
        """Look once."""

    @abstractmethod
    def trigger(self, context: Any) -> Any:
        """Make what looks in the triggerer."""


class SynapseTableRowsSensor(_TableSensor):
    """Waits until a query finds rows. Returns `{"id": "syn123", "rows": 3}`.

    Args:
        query: SQL: `select * from syn123 where status = 'new'` (templated).
        min_rows: how many rows are enough.
        kwargs: `synapse_conn_id`, `deferrable`, and what every sensor takes.
    """

    template_fields: Sequence[str] = ("query", *_TableSensor.template_fields)
    template_fields_renderers = {"query": "sql"}  # noqa: RUF012 - as Airflow declares it

    def __init__(self, *, query: str, min_rows: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.query = query
        self.min_rows = min_rows

    @property
    def table(self) -> str:
        """The table that is looked at."""
        try:
            return table_of(self.query).id
        except ValueError as wrong:
            raise AirflowFailException(str(wrong)) from wrong

    def poke(self, context: Any) -> PokeReturnValue:  # noqa: ARG002 - Airflow's words
        """Count the rows."""
        client = self.hook.client
        rows = client.run(count_rows(self.table, self.query, jobs.polling(client)))
        return PokeReturnValue(rows >= self.min_rows, {"id": self.table, "rows": rows})

    def trigger(self, context: Any) -> SynapseTableRowsTrigger:  # noqa: ARG002
        """Make what looks in the triggerer."""
        return SynapseTableRowsTrigger(
            synapse_conn_id=self.synapse_conn_id,
            table=self.table,
            query=self.query,
            min_rows=self.min_rows,
            poll_interval=self.poke_interval,
        )


class SynapseTableChangeSensor(_TableSensor):
    """Waits until the rows or columns of a table change, or a snapshot is made of it.

    Returns the state it is in then: `{"id": "syn123", "version": 4, "etag": "..."}`.

    Args:
        table_id: the table (templated).
        since: a state that this sensor returned, or what a query of the whole table returned:
            what has changed since then counts. The default is the state in which the sensor
            finds the table when it looks first (templated).
        kwargs: `synapse_conn_id`, `deferrable`, and what every sensor takes.
    """

    template_fields: Sequence[str] = ("table_id", "since", *_TableSensor.template_fields)

    def __init__(
        self, *, table_id: Any, since: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.table_id = table_id
        self.since = since

    @property
    def table(self) -> str:
        """The table that is looked at."""
        return checked_id(self.table_id, "table_id").id

    def poke(self, context: Any) -> PokeReturnValue:
        """Compare the state of the table."""
        client = self.hook.client
        now = client.run(state_of(self.table, jobs.polling(client)))
        known = self._known(context)
        if known is None:
            # each look may be that of another process
            kept = {"table": self.table, "version": now.version, "etag": now.etag}
            context["task_state_store"].set(_KEY, kept)
        found = {"id": self.table, "version": now.version, "etag": now.etag}
        done = known not in (None, now)
        if done:
            context["task_state_store"].delete(_KEY)
        return PokeReturnValue(done, found)

    def trigger(self, context: Any) -> SynapseTableChangeTrigger:
        """Make what looks in the triggerer."""
        known = self._known(context)
        if known is None:
            raise AirflowFailException("The sensor has lost the state it began with; clear it")
        return SynapseTableChangeTrigger(
            synapse_conn_id=self.synapse_conn_id,
            table=self.table,
            version=known.version,
            etag=known.etag,
            poll_interval=self.poke_interval,
        )

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:
        """Return what the triggerer saw."""
        found = super().execute_complete(context, event)
        context["task_state_store"].delete(_KEY)
        return found

    def _known(self, context: Any) -> TableState | None:
        kept = self.since or context["task_state_store"].get(_KEY)
        if not kept or (not self.since and kept["table"] != self.table):
            return None
        return TableState(int(kept["version"]), kept.get("etag"))
