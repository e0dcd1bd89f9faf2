"""An attempt to claim one submission, by compare-and-set on the etag of its status."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from synapse_workflows.challenge.claim_annotations import ClaimRecord, set_claim
from synapse_workflows.challenge.claim_ids import have_same_identity
from synapse_workflows.challenge.claim_limit import ClaimLimit, count_claim, reset_count
from synapse_workflows.challenge.claims import Claim, build_claim
from synapse_workflows.challenge.evaluation_queue import QueuedSubmission
from synapse_workflows.challenge.server_clock import compute_expiry, get_server_clock
from synapse_workflows.challenge.submission_status import update_status
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.argument_types import SubmissionStatusName

#: Statuses of submissions that were cancelled.
CancelledStatus = Literal["REJECTED", "INVALID", "CLOSED"]
#: Time until a claim expires, in seconds.
DEFAULT_LEASE: Final = 3600.0


class LostRaceError(Exception):
    """Another client has changed the status of the submission, which cannot be claimed."""


@dataclass(frozen=True)
class ClaimOptions:
    """What to claim.

    Args:
        status: Status of the submissions to claim.
        new_status: Status of claimed submissions.
        cancelled_status: Status of submissions whose cancellation was requested.
        max_claims: Maximum number of claims; None for no limit.
        lease: Time until the claims expire, in seconds.
        max_per_submitter: Maximum number of submissions of one team or user with `new_status`;
            None for no limit.
        limit: Maximum number of claims on a submission that end without a result.
    """

    status: SubmissionStatusName = "RECEIVED"
    new_status: SubmissionStatusName = "EVALUATION_IN_PROGRESS"
    cancelled_status: CancelledStatus = "REJECTED"
    max_claims: int | None = None
    lease: float = DEFAULT_LEASE
    max_per_submitter: int | None = None
    limit: ClaimLimit = field(default_factory=ClaimLimit)


class ClaimAttempt:
    """One attempt to claim a submission.

    Args:
        client: The client.
        submission: The submission.
        claim_id: ID of the claim: a new one, or the one that the task holds.
        claimant: The task, `dag/run/task[map_index]`.
        options: What to claim.
    """

    def __init__(
        self,
        client: Session,
        submission: QueuedSubmission,
        claim_id: str,
        claimant: str,
        options: ClaimOptions,
    ) -> None:
        self._client = client
        self._submission = submission
        self._options = options
        expiry = compute_expiry(client, options.lease)
        self._record = ClaimRecord(claim_id, claimant, expiry)
        #: The claim, or its end, that the last update has written.
        self._written: ClaimRecord | None = None

    def run(self, evaluation_id: str) -> Claim | None:
        """Claim the submission.

        If its cancellation was requested, or it was claimed too often, it gets another status.

        Args:
            evaluation_id: ID of the evaluation.

        Returns:
            The claim, or that of another try of the task; None if the submission was not claimed.

        Raises:
            LostRaceError: The submission has another status, or another task has claimed it.
            SynapseNotFoundError: The submission was withdrawn.
            SynapseBadRequestError: Synapse refuses the claim, for example because the status has
                the maximum number of annotations.

        Source:
            PUT /evaluation/submission/{id}/status
        """
        submission = self._submission
        status = update_status(self._client, submission.id, self._change, submission.status)
        if self._written is None or self._written.expires_on is None:
            self._log_end(status)
            return None
        return build_claim(status, evaluation_id)

    def _log_end(self, status: Mapping[str, Any]) -> None:
        if status.get("cancelRequested"):
            message = "The submitter has cancelled the submission %s; its status is now %s"
            self._client.logger.info(message, self._submission.id, status["status"])
        else:
            self._client.logger.warning(
                "The submission %s was claimed %s times without a result, which is the limit "
                "max_attempts; its status is now %s",
                self._submission.id,
                self._options.limit.max_attempts,
                status["status"],
            )

    def _change(self, status: dict[str, Any]) -> Mapping[str, Any] | None:
        if self._written is not None and ClaimRecord.of(status) == self._written:
            return None  # the response to this update was lost
        if self._is_of_other_try(status):
            self._written = ClaimRecord.of(status)
            return None
        is_own = self._is_own(status)
        self._written = replace(self._record, expires_on=None)
        if status.get("cancelRequested"):
            cancelled = {"status": self._options.cancelled_status, "canCancel": False}
            return reset_count(set_claim(status, self._written)) | cancelled
        if not is_own and self._options.limit.is_reached(status):
            return self._options.limit.mark(status, self._written)
        self._written = self._record
        claimed = {"status": self._options.new_status, "canCancel": True}
        return set_claim(status if is_own else count_claim(status), self._record) | claimed

    def _is_of_other_try(self, status: Mapping[str, Any]) -> bool:
        """Return whether another try of the task has claimed the submission meanwhile.

        One of these tries is frozen or cut off. Its later requests must not change the claim, nor
        claim another submission instead of this one.
        """
        record = ClaimRecord.of(status)
        return (
            status["status"] == self._options.new_status
            and record is not None
            and record.claimed_by == self._record.claimed_by
            and record.claim_id != self._record.claim_id
            and have_same_identity(record.claim_id, self._record.claim_id)
            and record.is_live(get_server_clock(self._client).now())
        )

    def _is_own(self, status: Mapping[str, Any]) -> bool:
        """Return whether the task has the claim already; False if it may claim the submission.

        Raises:
            LostRaceError: The submission cannot be claimed.
        """
        record = ClaimRecord.of(status)
        if status["status"] == self._options.new_status and record is not None:
            holder = (self._record.claim_id, self._record.claimed_by)
            if (record.claim_id, record.claimed_by) == holder and record.expires_on is not None:
                return True
            if record.is_expired(get_server_clock(self._client).now()):
                return False
        if status["status"] != self._options.status:
            raise LostRaceError(self._submission.id)
        return False
