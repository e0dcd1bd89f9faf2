"""Rules by which a task takes a claim on a submission."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synapse_workflows.challenge.claim_annotations import ClaimRecord, set_claim
from synapse_workflows.challenge.claim_errors import (
    ClaimFinishedError,
    ClaimHeldError,
    ClaimLostError,
)
from synapse_workflows.challenge.claim_ids import create_claim_id
from synapse_workflows.challenge.claim_limit import ClaimLimit, count_claim
from synapse_workflows.challenge.server_clock import compute_expiry, format_time, get_server_clock
from synapse_workflows.client.core.session import Session


@dataclass
class ClaimTaker:
    """Change of a status that makes a task the holder of the claim.

    Args:
        client: Its server clock is used.
        handed_over: ID and holder of the claim that is handed over to the task, if any.
        claimant: The task, `dag/run/task[map_index]`.
        lease: Time until the claim expires, in seconds.
        status: Status of submissions that anyone may claim.
        new_status: Status of claimed submissions.
        retake_finished: Make a new claim if the task has finished the submission before.
        limit: Maximum number of claims.
    """

    client: Session
    handed_over: tuple[str, str] | None
    claimant: str
    lease: float
    status: str
    new_status: str
    retake_finished: bool
    limit: ClaimLimit
    #: End of the claim that was written because the limit is reached; None if it is not.
    marked: ClaimRecord | None = field(default=None, init=False)

    def change(self, status: dict[str, Any]) -> dict[str, Any] | None:
        """Return the status with the claim of the task, or marked if the limit is reached.

        Raises:
            ClaimHeldError: Another task holds a claim whose lease has not run out; or the
                submission is being evaluated without a claim.
            ClaimFinishedError: The task has finished the submission.
            ClaimLostError: The submission has another status.
        """
        if self.marked is not None and ClaimRecord.of(status) == self.marked:
            return None  # the response to this update was lost
        claim_id = self._existing_claim_id(status)
        self.marked = None
        if claim_id is None:
            claim_id = create_claim_id()
            if self.limit.is_reached(status):
                self.marked = ClaimRecord(claim_id, self.claimant, None)
                return self.limit.mark(status, self.marked)
            status = count_claim(status)
        record = ClaimRecord(claim_id, self.claimant, compute_expiry(self.client, self.lease))
        return set_claim(status, record) | {"status": self.new_status, "canCancel": True}

    def _existing_claim_id(self, status: Mapping[str, Any]) -> str | None:
        """Return the ID of the claim to continue; None to make a new claim."""
        record = ClaimRecord.of(status)
        if status["status"] == self.status:
            return None
        if record is None or record.expires_on is None:
            self._check_ended(status, record)
            return None
        if status["status"] != self.new_status:
            raise ClaimLostError(
                f"The submission {status['id']} has the status {status['status']} instead of "
                f"{self.new_status}: it was changed after {record.claimed_by} had claimed it, or "
                f"the claim has another new_status. Set it to {self.status} to evaluate it",
                str(status["id"]),
            )
        if self._is_own(record):
            return record.claim_id
        if record.is_live(get_server_clock(self.client).now()):
            raise ClaimHeldError(
                f"The submission {status['id']} is claimed by {record.claimed_by} until "
                f"{format_time(record.expires_on)}",
                str(status["id"]),
            )
        return None

    def _is_own(self, record: ClaimRecord) -> bool:
        """Return whether the claim is held by the claimant, or is handed over to it."""
        is_handed_over = self.handed_over == (record.claim_id, record.claimed_by)
        return is_handed_over or record.claimed_by == self.claimant

    def _check_ended(self, status: Mapping[str, Any], record: ClaimRecord | None) -> None:
        """Raise the reason why a submission without a claim cannot be claimed, if any."""
        submission_id = str(status["id"])
        if status["status"] == self.new_status:
            raise ClaimHeldError(
                f"The submission {submission_id} has the status {self.new_status} without a "
                f"claim. Set its status to {self.status} to evaluate it; "
                "SynapseReapSubmissionsOperator(unclaimed_after=...) does this",
                submission_id,
            )
        if record is None or record.claimed_by != self.claimant:
            ended = f"; {record.claimed_by} has ended its claim" if record else ""
            raise ClaimLostError(
                f"The submission {submission_id} has the status {status['status']} and cannot be "
                f"claimed{ended}. Set its status to {self.status} to evaluate it again",
                submission_id,
            )
        if not self.retake_finished:
            raise ClaimFinishedError(
                f"{record.claimed_by} has finished the submission {submission_id} with the status "
                f"{status['status']}",
                submission_id,
                status,
            )
