"""End the claims of a queue whose lease has run out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypedDict

from synapse_workflows.challenge.claim_annotations import (
    ClaimRecord,
    remove_claim,
    replace_annotations,
)
from synapse_workflows.challenge.claim_attempt import CancelledStatus, LostRaceError
from synapse_workflows.challenge.evaluation_queue import (
    QueuedSubmission,
    get_modification_time,
    iter_submissions,
    require_rights,
)
from synapse_workflows.challenge.server_clock import format_time, get_server_clock
from synapse_workflows.challenge.submission_status import update_status
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseNotFoundError
from synapse_workflows.client.model.argument_types import SubmissionStatusName

#: Annotation that tells the organizers why a submission was marked.
CLAIM_ERROR: Final = "claim_error"

#: What happens to a submission whose claim has expired.
OnExpired = Literal["release", "mark"]


@dataclass(frozen=True)
class ReapOptions:
    """What to do with which claims.

    Args:
        status: Status of released submissions.
        new_status: Status of claimed submissions.
        on_expired: `release` or `mark`.
        error_status: Status of marked submissions.
        cancelled_status: Status of submissions whose cancellation was requested.
        unclaimed_after: Time without a change, in seconds, after which submissions with
            `new_status` and without a claim are released or marked as well; None to leave them.
    """

    status: SubmissionStatusName = "RECEIVED"
    new_status: SubmissionStatusName = "EVALUATION_IN_PROGRESS"
    on_expired: OnExpired = "release"
    error_status: SubmissionStatusName = "OPEN"
    cancelled_status: CancelledStatus = "REJECTED"
    unclaimed_after: float | None = None


class ReapedSubmission(TypedDict):
    """A submission whose claim was ended.

    Keys:
        submission_id: ID of the submission.
        action: `released`, `marked` or `cancelled`.
        status: New status of the submission.
        claimed_by: The task that held the claim; None for a submission without a claim.
        expired_on: End of the lease, or time of the last change: ISO 8601, UTC.
    """

    submission_id: str
    action: Literal["released", "marked", "cancelled"]
    status: str
    claimed_by: str | None
    expired_on: str


def reap_submissions(
    client: Session, evaluation_id: str, options: ReapOptions
) -> list[ReapedSubmission]:
    """End the claims of a queue whose lease has run out. Other claims are not changed.

    Each claim is ended by compare-and-set on the etag of the status. If several reapers run at
    the same time, or a task takes the claim over, only one of them acts.

    Args:
        client: The client.
        evaluation_id: ID of the evaluation queue.
        options: What to do with which claims.

    Returns:
        The submissions whose claims this call has ended, oldest first.

    Raises:
        SynapseNotFoundError: No such evaluation.
        SynapseForbiddenError: READ_PRIVATE_SUBMISSION or UPDATE_SUBMISSION is missing.
        SynapseBadRequestError: Synapse refused every change.

    Source:
        GET /evaluation/{id}/submission/status/all, PUT /evaluation/submission/{id}/status
    """
    require_rights(client, evaluation_id)
    reaped, refusals = [], []
    for submission in list(iter_submissions(client, evaluation_id, options.new_status)):
        reaper = _Reaper(client, options)
        if reaper.find_end(submission.status) is None:
            continue
        try:
            reaped.append(reaper.reap(submission))
        except (LostRaceError, SynapseNotFoundError):
            client.logger.info("The submission %s was changed meanwhile", submission.id)
        except SynapseBadRequestError as error:
            client.logger.warning("Cannot reap the submission %s: %s", submission.id, error)
            refusals.append(error)
    if refusals and not reaped:
        raise refusals[0]
    return reaped


class _Reaper:
    """The end of one claim."""

    def __init__(self, client: Session, options: ReapOptions) -> None:
        self._client = client
        self._options = options
        self._done: ReapedSubmission | None = None

    def find_end(self, status: Mapping[str, Any]) -> datetime | None:
        """Return when the claim of a status ended; None if it must not be changed."""
        if status["status"] != self._options.new_status:
            return None
        now, record = get_server_clock(self._client).now(), ClaimRecord.of(status)
        if record is not None and record.expires_on is not None:
            return record.expires_on if record.is_expired(now) else None
        if self._options.unclaimed_after is None:
            return None
        modified_on = get_modification_time(status)
        limit = timedelta(seconds=self._options.unclaimed_after)
        return modified_on if modified_on + limit <= now else None

    def reap(self, submission: QueuedSubmission) -> ReapedSubmission:
        """End the claim of a submission and return what was done.

        Raises:
            LostRaceError: Another client has changed the status of the submission.
            SynapseNotFoundError: The submission was withdrawn.
            SynapseBadRequestError: Synapse refuses the change.
        """
        update_status(self._client, submission.id, self._change, submission.status)
        if self._done is None:
            raise LostRaceError(submission.id)
        self._client.logger.info(
            "Submission %s: %s, now %s. The claim of %s ended on %s",
            submission.id,
            self._done["action"],
            self._done["status"],
            self._done["claimed_by"],
            self._done["expired_on"],
        )
        return self._done

    def _change(self, status: dict[str, Any]) -> Mapping[str, Any] | None:
        if self._done and status["status"] == self._done["status"]:
            return None  # the response to this update was lost
        end = self.find_end(status)
        if end is None:
            raise LostRaceError(status["id"])
        self._done = self._describe(status, end)
        changed = remove_claim(status) | {"status": self._done["status"]}
        if self._done["action"] == "cancelled":
            return changed | {"canCancel": False}
        if self._done["action"] == "marked":
            return replace_annotations(changed, {CLAIM_ERROR: _explain(self._done)})
        return changed

    def _describe(self, status: Mapping[str, Any], end: datetime) -> ReapedSubmission:
        record, options = ClaimRecord.of(status), self._options
        action: Literal["released", "marked", "cancelled"] = "released"
        new_status: str = options.status
        if status.get("cancelRequested"):
            action, new_status = "cancelled", options.cancelled_status
        elif options.on_expired == "mark":
            action, new_status = "marked", options.error_status
        return ReapedSubmission(
            submission_id=str(status["id"]),
            action=action,
            status=new_status,
            claimed_by=record.claimed_by if record and record.expires_on else None,
            expired_on=format_time(end),
        )


def _explain(reaped: ReapedSubmission) -> str:
    if reaped["claimed_by"] is None:
        return f"Not evaluated: no task has a claim, and no change since {reaped['expired_on']}"
    # the name of a task may have the maximum length of an annotation
    name = reaped["claimed_by"][:400]
    return f"Not evaluated: the claim of {name} expired on {reaped['expired_on']}"
