"""Triggers that wait for submissions to an evaluation queue."""

from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from synapse_workflows.client.api.evaluations import parse_evaluation_id
from synapse_workflows.client.core.submission_lists import (
    describe_submissions,
    fetch_submission_ids,
)
from synapse_workflows.client.model.argument_types import SubmissionStatusName
from synapse_workflows.operator_arguments import check_choice, check_text, parse_seconds
from synapse_workflows.triggers.base import SynapsePollTrigger
from synapse_workflows.triggers.shared_polls import PollRequest
from synapse_workflows.triggers.submission_stream import SubmissionStream


class SynapseSubmissionCountTrigger(SynapsePollTrigger[list[str]]):
    """Trigger of `SynapseSubmissionSensor`: fires when a queue has enough submissions.

    The event is `{"submissions": 2, "submission_ids": ["9700001", "9700002"]}`.

    Args:
        evaluation_id: ID of the evaluation queue.
        status: Status of the submissions.
        min_submissions: Minimum number of submissions.
        kwargs: `synapse_conn_id`, `poll_interval`.
    """

    def __init__(
        self,
        *,
        evaluation_id: str,
        status: SubmissionStatusName,
        min_submissions: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.evaluation_id = evaluation_id
        self.status = status
        self.min_submissions = min_submissions

    def extra_arguments(self) -> dict[str, Any]:
        """Return the queue, the status and the number of submissions."""
        return {
            "evaluation_id": self.evaluation_id,
            "status": str(self.status),  # Airflow does not serialize enums
            "min_submissions": self.min_submissions,
        }

    def poll_request(self) -> PollRequest[list[str]]:
        """Return the requests that list the submissions."""
        arguments = (self.evaluation_id, self.status)
        return PollRequest(
            self.synapse_conn_id, self.poll_interval, fetch_submission_ids, arguments
        )

    def check(self, value: list[str]) -> dict[str, Any] | None:
        """Return the submissions if there are enough."""
        return describe_submissions(value) if len(value) >= self.min_submissions else None


class SynapseSubmissionTrigger(BaseEventTrigger):
    """Trigger for an `AssetWatcher`: announces the submissions to an evaluation queue.

    `synapse_submissions_asset` creates an asset with this trigger. An event has a batch of
    submissions that have the status, and triggers one DAG run:
    `{"evaluation_id": "9600001", "status": "RECEIVED", "submissions": 2, "submission_ids":
    ["9700001", "9700002"]}`, where `submissions` is the number of all submissions with the status,
    and `submission_ids` are at most 500. More IDs follow with the next poll.

    Every submission is announced at least once while it has the status, also if the triggerer is
    killed. An event only says that there is work: the DAG run reads the queue, for example with
    `SynapseClaimSubmissionsOperator`, because Airflow may combine events and an earlier run may
    have taken the submissions. A submission that still has the status after `repeat_interval` is
    announced again, for example because the run failed or took a part of the queue. Without
    submissions there is no event.

    All watchers and deferred sensors of a triggerer share the requests for a queue. Errors are
    logged and polled again, with an increasing delay of up to 5 minutes.

    Args:
        evaluation_id: ID of the evaluation queue, or the Evaluation. The account of the connection
            needs READ_PRIVATE_SUBMISSION on it.
        status: Status of the submissions.
        synapse_conn_id: The Airflow connection.
        poll_interval: Seconds between two polls.
        repeat_interval: Seconds after which submissions that still have the status are announced
            again; None for never while the triggerer runs.
        asset_name: Name of the watched asset. Airflow stores there what was announced, so that a
            restart of the triggerer repeats no announcement before `repeat_interval`. Without it,
            a restart announces all submissions again.

    Raises:
        ValueError: An argument is invalid.
    """

    def __init__(
        self,
        *,
        evaluation_id: Any,
        status: SubmissionStatusName = "RECEIVED",
        synapse_conn_id: str = "synapse_default",
        poll_interval: float = 60.0,
        repeat_interval: float | None = 900.0,
        asset_name: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has no types for it
        check_choice(status, "status", SubmissionStatusName)
        check_text(synapse_conn_id, "synapse_conn_id")
        if asset_name is not None:
            check_text(asset_name, "asset_name")
        self.evaluation_id = parse_evaluation_id(evaluation_id)
        self.status = status
        self.synapse_conn_id = synapse_conn_id
        self.poll_interval = parse_seconds(poll_interval, "poll_interval")
        self.repeat_interval = (
            None if repeat_interval is None else parse_seconds(repeat_interval, "repeat_interval")
        )
        self.asset_name = asset_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments of the trigger."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "evaluation_id": self.evaluation_id,
                "status": str(self.status),  # Airflow does not serialize enums
                "synapse_conn_id": self.synapse_conn_id,
                "poll_interval": self.poll_interval,
                "repeat_interval": self.repeat_interval,
                "asset_name": self.asset_name,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Return a key for this trigger alone: each asset has announcements of its own.

        A shared stream, even of one trigger, lets the stream know which events were stored.
        """
        path, arguments = self.serialize()
        return path, *arguments.values()

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SubmissionStream:
        """Create the stream of announcements."""
        return SubmissionStream(**kwargs)

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Any]
    ) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each announcement of the stream."""
        async for announcement in shared_stream:
            yield TriggerEvent(announcement)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the announcements without a shared stream.

        Nothing confirms that an event was stored. A restart announces all submissions again.
        """
        async with aclosing(SubmissionStream(**self.serialize()[1])) as stream:
            async for announcement, _ in stream.open_stream():
                yield TriggerEvent(announcement)
