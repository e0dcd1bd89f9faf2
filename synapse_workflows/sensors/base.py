"""Base class of the sensors: polling in workers or in the triggerer."""

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferralTimeout,
)

from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import (
    SynapseError,
    SynapseMalformedEntityError,
    SynapseNotFoundError,
)
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.links import OPERATOR_LINKS
from synapse_workflows.openlineage_methods import OpenLineageMethods
from synapse_workflows.operator_arguments import TemplateValues
from synapse_workflows.triggers.base import is_temporary
from synapse_workflows.triggers.execution_deadline import (
    enforce_deadline,
    execution_timeout_error,
    get_execution_deadline,
    get_remaining_time,
)

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseSensor(OpenLineageMethods, TemplateValues, BaseSensorOperator):
    """Base class of sensors that poll Synapse, in a worker or in the triggerer.

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
    operator_extra_links = OPERATOR_LINKS
    ui_color = "#d8ecf3"
    #: Key of `polled_id` in the result.
    id_key: ClassVar[str] = "id"

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
        #: URL of the polled object on the Synapse portal, for `SynapseEntityLink`.
        self.entity_url: str | None = None
        if self.retry_policy is None:
            self.retry_policy = SynapseRetryPolicy()

    @cached_property
    def hook(self) -> SynapseHook:
        """The hook of the connection. Retries of a request end before the next poll."""
        retry = RetryPolicy()
        total = min(retry.total, self.poke_interval)
        return SynapseHook(self.synapse_conn_id, retry=replace(retry, total=total))

    @property
    def client(self) -> LineageClient:
        """Client of the connection."""
        return self.hook.client

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
        entity_url: str | None = None,
    ) -> Any:
        """Return the event of the trigger; on an error of the trigger, poll in the worker.

        Args:
            context: Context of the task.
            event: Event of the trigger.
            deadline: End of the timeout, in seconds since the epoch.
            execution_deadline: End of the execution_timeout, in seconds since the epoch.
            entity_url: URL of the polled object, which was known before the deferral.

        Raises:
            SynapseError: Polling in the worker fails too.
            AirflowTaskTimeout: The execution_timeout has passed.
        """
        deadline = deadline or time.time() + self.timeout
        self.entity_url = entity_url
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
            return {self.id_key: self.polled_id} | dict(event)
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
        """Poll once. Treat a temporary error of Synapse as an unmet condition.

        Raises:
            SynapseMalformedEntityError: An argument is invalid. For an AirflowFailException,
                Airflow would skip the task with `soft_fail`.
        """
        try:
            self.entity_url = self.entity_url or self.get_polled_url()
            return self.poll(context)
        except AirflowFailException as error:
            raise SynapseMalformedEntityError(str(error)) from error
        except SynapseError as error:
            if isinstance(error, SynapseNotFoundError):
                self.entity_url = None
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
                f"The condition for {self.polled_id} was not met within {self.timeout} s"
            )
        return self.defer(
            trigger=self.create_trigger(context),
            method_name="execute_complete",
            kwargs={
                "deadline": deadline,
                "execution_deadline": execution_deadline,
                "entity_url": self.entity_url,
            },
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

    def get_polled_url(self) -> str | None:
        """Return the URL of the polled object on the Synapse portal."""
        return self.hook.get_entity_url(self.polled_id)

    @property
    @abstractmethod
    def polled_id(self) -> str:
        """ID of the object that is polled."""

    @abstractmethod
    def poll(self, context: "Context") -> PokeReturnValue:
        """Check the condition once."""

    @abstractmethod
    def create_trigger(self, context: "Context") -> Any:
        """Create the trigger for deferral."""
