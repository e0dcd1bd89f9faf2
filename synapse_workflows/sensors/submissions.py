"""Sensor that waits for submissions to an evaluation queue."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import PokeReturnValue

from synapse_workflows.client.api.evaluations import parse_evaluation_id
from synapse_workflows.client.core.submission_lists import (
    describe_submissions,
    fetch_submission_ids,
)
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.argument_types import SubmissionStatusName
from synapse_workflows.operator_arguments import check_choice
from synapse_workflows.sensors.base import SynapseSensor
from synapse_workflows.triggers.submissions import SynapseSubmissionCountTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseSubmissionSensor(SynapseSensor):
    """Wait until an evaluation queue has submissions with a status.

    The account of the connection needs READ_PRIVATE_SUBMISSION on the evaluation. The queue is not
    recorded as an input of downstream tasks. Deferred sensors of a triggerer that wait for the
    same queue, status and interval share their requests.

    Returns `{"evaluation_id": "9600001", "submissions": 2, "submission_ids": ["9700001",
    "9700002"]}`: the number of submissions, and the IDs of the oldest 500. The sensor claims
    nothing: other runs may find the same submissions. `SynapseClaimSubmissionsOperator` claims
    each for one run.

    Args:
        evaluation_id: ID of the evaluation queue, or the Evaluation (templated).
        status: Status of the submissions to wait for.
        min_submissions: Minimum number of submissions.
        kwargs: `synapse_conn_id`, `deferrable` and the arguments of `BaseSensorOperator`.

    Raises:
        ValueError: Invalid `status` or `min_submissions`.
    """

    template_fields: Sequence[str] = ("evaluation_id", *SynapseSensor.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ()
    id_key = "evaluation_id"

    def __init__(
        self,
        *,
        evaluation_id: Any,
        status: SubmissionStatusName = "RECEIVED",
        min_submissions: int = 1,
        **kwargs: Any,
    ) -> None:
        check_choice(status, "status", SubmissionStatusName)
        _check_min_submissions(min_submissions)
        super().__init__(**kwargs)
        self.evaluation_id = evaluation_id
        self.status: SubmissionStatusName = status
        self.min_submissions = min_submissions

    @property
    def polled_id(self) -> str:
        """ID of the evaluation queue."""
        try:
            return parse_evaluation_id(self.evaluation_id)
        except ValueError as error:
            raise SynapseMalformedEntityError(f"Invalid evaluation_id: {error}") from error

    def get_polled_url(self) -> str | None:
        """Return the URL of the evaluation queue on the Synapse portal."""
        return self.hook.get_evaluation_url(self.polled_id)

    def poll(self, context: "Context") -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """List the submissions with the status."""
        ids = self.client.run(fetch_submission_ids(self.polled_id, self.status))
        result = {self.id_key: self.polled_id} | describe_submissions(ids)
        return PokeReturnValue(len(ids) >= self.min_submissions, result)

    def create_trigger(
        self,
        context: "Context",  # noqa: ARG002 - Airflow's signature
    ) -> SynapseSubmissionCountTrigger:
        """Create the trigger for deferral."""
        return SynapseSubmissionCountTrigger(
            synapse_conn_id=self.synapse_conn_id,
            evaluation_id=self.polled_id,
            status=self.status,
            min_submissions=self.min_submissions,
            poll_interval=self.poke_interval,
        )


def _check_min_submissions(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"Invalid min_submissions={value!r}: expected a positive integer")
