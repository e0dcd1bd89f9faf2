"""Sensors that wait for news of tables and views."""

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import AirflowSensorTimeout

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.api.queries import parse_table_id
from synapse_workflows.client.core.table_state import always_has_a_row, count_rows, state_of
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operators.base import parse_unversioned_id
from synapse_workflows.triggers.tables import (
    PASSING,
    SynapseTableChangeTrigger,
    SynapseTableRowsTrigger,
    state_from,
    state_values,
)

_KEY: Final = "synapse_table_state"
#: What to ask for, as advice.
_ROWS: Final = "`select * from {} where ...`"


class _TableSensor(BaseSensorOperator):
    """Waits for something to be seen at a table; in a worker, or in the triggerer.

    A Synapse that is away for a while is asked again until the timeout; what a retry cannot mend
    fails at once, even with `soft_fail`.

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

    @property
    def client(self) -> LineageClient:
        """The client of the task; it does not insist on an answer longer than until the next."""
        client = self.hook.client
        patience = min(client.retry.total, self.poke_interval)
        client.retry = replace(client.retry, total=patience)
        return client

    def execute(self, context: Any) -> Any:
        """Wait; return what was seen."""
        if not self.deferrable:
            return super().execute(context)
        return self._now_or_later(context, time.time() + self.timeout)

    def execute_complete(
        self, context: Any, event: Mapping[str, Any], deadline: float | None = None
    ) -> Any:
        """Return what the triggerer saw; look here, where it could not, and say why.

        Args:
            context: of the task.
            event: what the trigger fired with.
            deadline: when to give up, in seconds since 1970.

        Raises:
            SynapseError: It cannot be looked at here either.
        """
        if "error" not in event:
            return {"id": self.table} | dict(event)
        self.log.warning("The triggerer could not look: %s", event["error"])
        return self._now_or_later(context, deadline or time.time() + self.timeout)

    def poke(self, context: Any) -> PokeReturnValue:
        """Look once; a Synapse that is away is nothing seen."""
        try:
            return self.look(context)
        except PASSING as passing:
            self.log.warning("Will look again in %s s: %s", self.poke_interval, passing)
            return PokeReturnValue(is_done=False)

    def wait_elsewhere(self, context: Any, deadline: float) -> Any:
        """Leave the waiting to the triggerer, for the time that is left.

        Raises:
            AirflowSensorTimeout: There is none.
        """
        left = deadline - time.time()
        if left <= 0:
            raise AirflowSensorTimeout(f"Saw nothing at {self.table} within {self.timeout} s")
        return self.defer(
            trigger=self.trigger(context),
            method_name="execute_complete",
            kwargs={"deadline": deadline},
            timeout=timedelta(seconds=left),
        )

    def _now_or_later(self, context: Any, deadline: float) -> Any:
        seen = self.poke(context)
        return seen.xcom_value if seen.is_done else self.wait_elsewhere(context, deadline)

    @property
    @abstractmethod
    def table(self) -> str:
        """The table that is looked at, as `syn123`."""

    @abstractmethod
    def look(self, context: Any) -> PokeReturnValue:
        """Look once."""

    @abstractmethod
    def trigger(self, context: Any) -> Any:
        """Make what looks in the triggerer."""


class SynapseTableRowsSensor(_TableSensor):
    """Waits until a query finds rows. Returns `{"id": "syn123", "rows": 3}`.

    Args:
        sql: SQL: `select * from syn123 where status = 'new'`; no `select count(*)`, which
            finds one row also where the count is 0 (templated).
        min_rows: how many rows are enough.
        kwargs: `synapse_conn_id`, `deferrable`, and what every sensor takes.
    """

    template_fields: Sequence[str] = ("sql", *_TableSensor.template_fields)
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012 - as Airflow declares it

    def __init__(self, *, sql: str, min_rows: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.min_rows = min_rows

    @property
    def table(self) -> str:
        """The table that is looked at."""
        try:
            return parse_table_id(self.sql).id
        except ValueError as wrong:
            raise SynapseMalformedEntityError(f"sql: {wrong}") from wrong

    def look(self, context: Any) -> PokeReturnValue:  # noqa: ARG002 - Airflow's words
        """Count the rows."""
        client, table = self.client, self.table
        if always_has_a_row(self.sql):
            raise SynapseMalformedEntityError(
                "sql: without GROUP BY, functions such as COUNT and MAX give one row, whatever "
                f"there is to see. Ask for the rows, {_ROWS.format(table)}, and say in min_rows "
                f"how many are enough. The query: {self.sql[:200]!r}"
            )
        rows = client.run(count_rows(table, self.sql, async_jobs.polling_settings(client)))
        return PokeReturnValue(rows >= self.min_rows, {"id": table, "rows": rows})

    def trigger(self, context: Any) -> SynapseTableRowsTrigger:  # noqa: ARG002
        """Make what looks in the triggerer."""
        return SynapseTableRowsTrigger(
            synapse_conn_id=self.synapse_conn_id,
            table=self.table,
            sql=self.sql,
            min_rows=self.min_rows,
            poll_interval=self.poke_interval,
        )


class SynapseTableChangeSensor(_TableSensor):
    """Waits until the rows or columns of a table change, or a snapshot is made of it.

    Of a view, any change of what it shows counts. Returns the state it is in then:
    `{"id": "syn123", "version": 4, "etag": "..."}`, and of a view its `digest`.

    Args:
        table_id: the table, view, submission view or dataset, without a version (templated).
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
        return parse_unversioned_id(self.table_id, "table_id")

    def look(self, context: Any) -> PokeReturnValue:
        """Compare the state of the table."""
        client, table = self.client, self.table
        now = client.run(state_of(table, async_jobs.polling_settings(client)))
        known = self._known(context)
        if known is None:
            self._keep(context, state_values(now))
        done = known is not None and now.differs(state_from(known))
        if done:
            context["task_state_store"].delete(_KEY)
        return PokeReturnValue(done, {"id": table} | state_values(now))

    def trigger(self, context: Any) -> SynapseTableChangeTrigger:
        """Make what looks in the triggerer."""
        known = self._known(context)
        return SynapseTableChangeTrigger(
            synapse_conn_id=self.synapse_conn_id,
            table=self.table,
            known=None if known is None else state_values(state_from(known)),
            poll_interval=self.poke_interval,
        )

    def execute_complete(
        self, context: Any, event: Mapping[str, Any], deadline: float | None = None
    ) -> Any:
        """Return what the triggerer saw; the first state it saw is what to compare with."""
        if "error" not in event and self._known(context) is None:
            self._keep(context, event)
            return self.wait_elsewhere(context, deadline or time.time() + self.timeout)
        found = super().execute_complete(context, event, deadline)
        context["task_state_store"].delete(_KEY)
        return found

    def _known(self, context: Any) -> Mapping[str, Any] | None:
        kept: Mapping[str, Any] | None = self.since or context["task_state_store"].get(_KEY)
        if not kept or (not self.since and kept["table"] != self.table):
            return None
        return kept

    def _keep(self, context: Any, state: Mapping[str, Any]) -> None:
        """Keep the state to compare with: each look may be that of another process."""
        context["task_state_store"].set(_KEY, {"table": self.table} | dict(state))
