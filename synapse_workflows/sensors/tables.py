"""Sensors that wait for rows in a table or for changes of a table."""

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import (
    AirflowSensorTimeout,
    TaskDeferralTimeout,
)

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.api.queries import parse_table_id
from synapse_workflows.client.core.table_state import (
    TableState,
    always_returns_a_row,
    count_rows,
    fetch_state,
)
from synapse_workflows.client.errors import SynapseError, SynapseMalformedEntityError
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.query_reads import check_query
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import (
    TemplateValues,
    invalid_type,
    parse_reference_text,
)
from synapse_workflows.triggers.execution_deadline import (
    enforce_deadline,
    execution_timeout_error,
    get_execution_deadline,
    get_remaining_time,
)
from synapse_workflows.triggers.tables import (
    SynapseTableChangeTrigger,
    SynapseTableRowsTrigger,
    is_temporary,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

_KEY: Final = "synapse_table_state"
_ROWS_QUERY: Final = "select * from {} where ..."


class _TableSensor(TemplateValues, BaseSensorOperator):
    """Base class of sensors that poll a table, in a worker or in the triggerer.

    While Synapse is unavailable, the sensor keeps polling until its timeout. Permanent errors fail
    the task without a retry, even with `soft_fail`. `timeout` is the maximum time to wait for the
    condition, in seconds, in a worker or in the triggerer. `execution_timeout` includes the time
    in the triggerer; it allows retries of the task, `timeout` of a sensor does not.

    Args:
        synapse_conn_id: The Airflow connection (templated).
        deferrable: Whether to wait in the triggerer.
        kwargs: `poke_interval`, `timeout`, `mode` and the other arguments of
            `BaseSensorOperator`.
    """

    template_fields: Sequence[str] = ("synapse_conn_id",)
    ui_color = "#d8ecf3"

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
        """The hook of the connection."""
        return SynapseHook(self.synapse_conn_id)

    @property
    def client(self) -> LineageClient:
        """Client of the connection. Retries of a request end before the next poll."""
        client = self.hook.client
        total = min(client.retry.total, self.poke_interval)
        client.retry = replace(client.retry, total=total)
        return client

    def execute(self, context: "Context") -> Any:
        """Wait, and return the result of the last poll."""
        if not self.deferrable:
            return super().execute(context)
        execution_deadline = get_execution_deadline(self)
        return self._poke_or_defer(context, time.time() + self.timeout, execution_deadline)

    def execute_complete(
        self,
        context: "Context",
        event: Mapping[str, Any],
        deadline: float | None = None,
        execution_deadline: float | None = None,
    ) -> Any:
        """Return the event of the trigger; on an error of the trigger, poll in the worker.

        Args:
            context: Context of the task.
            event: Event of the trigger.
            deadline: End of the timeout, in seconds since the epoch.
            execution_deadline: End of the execution_timeout, in seconds since the epoch.

        Raises:
            SynapseError: Polling in the worker fails too.
            AirflowTaskTimeout: The execution_timeout has passed.
        """
        deadline = deadline or time.time() + self.timeout
        with enforce_deadline(self, execution_deadline):
            return self.complete(context, event, deadline, execution_deadline)

    def complete(
        self,
        context: "Context",
        event: Mapping[str, Any],
        deadline: float,
        execution_deadline: float | None,
    ) -> Any:
        """Do the work of `execute_complete`, which enforces the execution_timeout."""
        if "error" not in event:
            return {"id": self.polled_table_id} | dict(event)
        self.log.warning("Polling in the triggerer failed: %s", event["error"])
        return self._poke_or_defer(context, deadline, execution_deadline)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: "Context"
    ) -> Any:
        """Resume after a deferral, and distinguish execution_timeout from timeout.

        Raises:
            AirflowTaskTimeout: The execution_timeout has passed.
            AirflowSensorTimeout: The timeout has passed.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            is_deferral_timeout = isinstance(error.__cause__, TaskDeferralTimeout)
            if not is_deferral_timeout or not self._has_shorter_execution_timeout:
                raise
            raise execution_timeout_error(self) from error

    def poke(self, context: "Context") -> PokeReturnValue:
        """Poll once. Treat a temporary error of Synapse as an unmet condition."""
        try:
            return self.poll(context)
        except SynapseError as error:
            if not is_temporary(error):
                raise
            self.log.warning("Polling again in %s s after: %s", self.poke_interval, error)
            return PokeReturnValue(is_done=False)

    def defer_until(
        self, context: "Context", deadline: float, execution_deadline: float | None
    ) -> Any:
        """Defer to the triggerer for the remaining time.

        Raises:
            AirflowSensorTimeout: The deadline has passed.
            AirflowTaskTimeout: The execution_timeout has passed.
        """
        remaining = timedelta(seconds=deadline - time.time())
        if remaining <= timedelta():
            raise AirflowSensorTimeout(
                f"The condition for {self.polled_table_id} was not met within {self.timeout} s"
            )
        return self.defer(
            trigger=self.create_trigger(context),
            method_name="execute_complete",
            kwargs={"deadline": deadline, "execution_deadline": execution_deadline},
            timeout=min(remaining, get_remaining_time(self, execution_deadline) or remaining),
        )

    def _poke_or_defer(
        self, context: "Context", deadline: float, execution_deadline: float | None
    ) -> Any:
        result = self.poke(context)
        if result.is_done:
            return result.xcom_value
        return self.defer_until(context, deadline, execution_deadline)

    @property
    def _has_shorter_execution_timeout(self) -> bool:
        limit = self.execution_timeout
        return limit is not None and limit.total_seconds() < self.timeout

    @property
    @abstractmethod
    def polled_table_id(self) -> str:
        """ID of the table, as `syn123`."""

    @abstractmethod
    def poll(self, context: "Context") -> PokeReturnValue:
        """Check the condition once."""

    @abstractmethod
    def create_trigger(self, context: "Context") -> Any:
        """Create the trigger for deferral."""


class SynapseTableRowsSensor(_TableSensor):
    """Wait until a query finds rows. Returns `{"id": "syn123", "rows": 3}`.

    Args:
        sql: The query: `select * from syn123 where status = 'new'`; or the path of a `.sql` file.
            `select count(*)` is rejected, because its result has one row even if the count is 0
            (templated).
        min_rows: Minimum number of rows.
        kwargs: `synapse_conn_id`, `deferrable` and the arguments of `BaseSensorOperator`.
    """

    template_fields: Sequence[str] = ("sql", *_TableSensor.template_fields)
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
    def polled_table_id(self) -> str:
        """ID of the table in the query."""
        try:
            return parse_table_id(self.query).id
        except ValueError as error:
            raise SynapseMalformedEntityError(f"Invalid sql: {error}") from error

    def poll(self, context: "Context") -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Count the rows of the query."""
        client, table_id = self.client, self.polled_table_id
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
            table_id=self.polled_table_id,
            sql=self.query,
            min_rows=self.min_rows,
            poll_interval=self.poke_interval,
        )


class SynapseTableChangeSensor(_TableSensor):
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

    template_fields: Sequence[str] = ("table_id", "since", *_TableSensor.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ("table_id", "since")

    def __init__(
        self, *, table_id: Any, since: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.table_id = table_id
        self.since = since

    @property
    def polled_table_id(self) -> str:
        """ID of the table."""
        return parse_unversioned_id(self.table_id, "table_id")

    def poll(self, context: "Context") -> PokeReturnValue:
        """Compare the current state of the table with the known state."""
        client, table_id = self.client, self.polled_table_id
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
            table_id=self.polled_table_id,
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
        if not values or values["table"] != self.polled_table_id:
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
        values = {"table": self.polled_table_id} | dict(state)
        context["task_state_store"].set(_KEY, values)
