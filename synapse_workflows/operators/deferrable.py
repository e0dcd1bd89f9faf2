"""Base class of operators that wait for jobs of Synapse, in a worker or in the triggerer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.sdk import conf
from airflow.sdk.exceptions import TaskDeferralTimeout

from synapse_workflows.client.errors import SynapseTimeoutError
from synapse_workflows.operator_arguments import parse_seconds
from synapse_workflows.operators.base import SynapseOperator
from synapse_workflows.triggers.execution_deadline import (
    enforce_deadline,
    execution_timeout_error,
    get_remaining_time,
)
from synapse_workflows.triggers.jobs import SynapseJobTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from synapse_workflows.lineage.lineage_client import LineageClient


_DEFAULT_TIMEOUT: Final = conf.getfloat("sensors", "default_timeout", fallback=604_800.0)


class DeferrableSynapseOperator(SynapseOperator):
    """Base class of operators that wait for jobs of Synapse.

    `timeout` has the same meaning for operators, sensors and triggers: the maximum time, in
    seconds, to wait for one job or condition, in a worker or in the triggerer. An operator that
    is retried continues to wait for the same job. `execution_timeout` limits the whole try,
    including the time in the triggerer.

    Args:
        deferrable: Whether to wait in the triggerer; the default is `[operators]
            default_deferrable` of the Airflow configuration.
        poll_interval: Time between two requests for the state of a job, when deferred; a number of
            seconds or a timedelta.
        timeout: Maximum time to wait for one job, a number of seconds or a timedelta; the default
            is `[sensors] default_timeout` of the Airflow configuration, a week.
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: `poll_interval` or `timeout` is not a positive number of seconds.
    """

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 5.0,
        timeout: float | timedelta = _DEFAULT_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.poll_interval = parse_seconds(poll_interval, "poll_interval")
        self.timeout = parse_seconds(timeout, "timeout")

    @property
    def client(self) -> "LineageClient":
        """Client of the connection, which waits at most `timeout` seconds for a job."""
        self.limit_job_time()
        return self.hook.client

    def limit_job_time(self) -> None:
        """Set the maximum time that the client of the hook waits for a job, in seconds."""
        self.hook.client.job_timeout = self.timeout

    def defer_until_done(
        self, path: str, job: str, deadline: float | None, **kwargs: Any
    ) -> NoReturn:
        """Defer to the triggerer until a job has ended; then `execute_complete` is called.

        Args:
            path: Path of the type of the job.
            job: Token of the job.
            deadline: End of the execution_timeout, in seconds since the epoch.
            kwargs: Further arguments of `execute_complete`.
        """
        limit = timedelta(seconds=self.timeout)
        self.defer(
            trigger=SynapseJobTrigger(
                synapse_conn_id=self.synapse_conn_id,
                path=path,
                job=job,
                poll_interval=self.poll_interval,
                timeout=self.timeout,
            ),
            method_name="execute_complete",
            kwargs={"execution_deadline": deadline, **kwargs},
            timeout=min(limit, get_remaining_time(self, deadline) or limit),
        )

    @contextmanager
    def resumed(
        self, event: Mapping[str, Any], execution_deadline: float | None
    ) -> Iterator[None]:
        """Enforce the execution_timeout inside the block, which continues after the trigger.

        Args:
            event: Event of the trigger.
            execution_deadline: End of the execution_timeout, in seconds since the epoch.

        Raises:
            SynapseTimeoutError: The triggerer stopped waiting; a retry continues to wait.
            AirflowTaskTimeout: The execution_timeout has passed; a retry continues to wait.
        """
        if event.get("error"):
            raise SynapseTimeoutError(f"Stopped waiting for a job of Synapse: {event['error']}")
        with enforce_deadline(self, execution_deadline):
            yield

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: "Context"
    ) -> Any:
        """Resume after a deferral, and distinguish execution_timeout from timeout.

        Raises:
            AirflowTaskTimeout: The execution_timeout has passed.
            SynapseTimeoutError: The timeout has passed.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout as error:
            limit = self.execution_timeout
            if limit is not None and limit.total_seconds() <= self.timeout:
                raise execution_timeout_error(self) from error
            raise SynapseTimeoutError(
                f"The job of Synapse was not complete within timeout={self.timeout:g} s. A retry "
                "continues to wait for it"
            ) from error
