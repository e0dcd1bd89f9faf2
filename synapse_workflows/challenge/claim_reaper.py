"""End the claims of a queue whose lease has run out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypedDict

from synapse_workflows.challenge.claim_annotations import (
    CLAIM_ERROR,
    ClaimRecord,
    replace_annotations,
    set_claim,
)
from synapse_workflows.challenge.claim_attempt import CancelledStatus, LostRaceError
from synapse_workflows.challenge.claim_ids import (
    create_claim_id,
    load_identity,
    shorten_claimant,
)
from synapse_workflows.challenge.claim_limit import reset_count
from synapse_workflows.challenge.evaluation_queue import (
    QueuedSubmission,
    get_modification_time,
    iter_submissions,
    require_rights,
)
from synapse_workflows.challenge.server_clock import format_time, get_server_clock
from synapse_workflows.challenge.submission_status import read_status, update_status
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseNotFoundError
from synapse_workflows.client.model.argument_types import SubmissionStatusName
from synapse_workflows.idempotency.task_state import TaskState

_IDENTITY_KEY: Final = "reap_submissions_identity"
_STATE_KEY: Final = "reap_submissions"

#: What to do with a submission whose claim has expired.
OnExpired = Literal["release", "mark"]
#: What was done with a submission.
ReapAction = Literal["released", "marked", "cancelled"]


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
    action: ReapAction
    status: str
    claimed_by: str | None
    expired_on: str


def reap_submissions(
    client: Session, evaluation_id: str, reaper: str, options: ReapOptions, task: TaskState
) -> list[ReapedSubmission]:
    """End the claims of a queue whose lease has run out. Other claims are not changed.

    Each claim is ended by compare-and-set on the etag of the status. If several reapers run at
    the same time, or a task takes the claim over, only one of them acts.

    Args:
        client: The client.
        evaluation_id: ID of the evaluation queue.
        reaper: The task, `dag/run/task[map_index]`; it becomes the annotation `claimed_by`.
        options: What to do with which claims.
        task: State of the task.

    Returns:
        The submissions whose claims the task has ended, in any of its tries, oldest first.

    Raises:
        SynapseNotFoundError: No such evaluation.
        SynapseForbiddenError: READ_PRIVATE_SUBMISSION or UPDATE_SUBMISSION is missing.
        SynapseBadRequestError: Synapse refused every change.

    Source:
        GET /evaluation/{id}/submission/status/all, PUT /evaluation/submission/{id}/status
    """
    require_rights(client, evaluation_id)
    run = _ReaperRun(client, evaluation_id, reaper, options, task)
    found = list(iter_submissions(client, evaluation_id, options.new_status))
    run.add_earlier()  # afterwards: also what the next try has done if this one was frozen
    run.reap([one for one in found if run.find_end(one.status) is not None])
    return run.get_reaped()


class _ReaperRun:
    """The work of one task."""

    def __init__(
        self,
        client: Session,
        evaluation_id: str,
        reaper: str,
        options: ReapOptions,
        task: TaskState,
    ) -> None:
        self._client = client
        self._name = shorten_claimant(reaper)
        self._options = options
        self._store = task.store
        #: Text that the IDs written by all tries of the task start with.
        self._identity = load_identity(task, _IDENTITY_KEY, evaluation_id)
        #: What was done, by ID of the submission.
        self._reaped: dict[str, ReapedSubmission] = {}
        self._refusals: list[SynapseBadRequestError] = []

    def add_earlier(self) -> None:
        """Add the submissions that another try has changed."""
        saved = self._store.get(_STATE_KEY) or {}
        if saved.get("identity") != self._identity:
            return
        for submission_id, planned in saved["planned"].items():
            try:
                status = read_status(self._client, submission_id)
            except SynapseNotFoundError:
                continue
            if self._is_ended_by_task(status):
                self._reaped[submission_id] = planned

    def reap(self, submissions: Sequence[QueuedSubmission]) -> None:
        """End the claims of submissions, unless another client is faster."""
        planned = {one.id: self._describe(one.status) for one in submissions}
        if planned:
            saved = {"identity": self._identity, "planned": self._reaped | planned}
            self._store.set(_STATE_KEY, saved)
        for submission in submissions:
            try:
                self._end_claim(submission)
            except (LostRaceError, SynapseNotFoundError):
                self._client.logger.info("The submission %s was changed meanwhile", submission.id)
            except SynapseBadRequestError as error:
                self._client.logger.warning("Cannot reap %s: %s", submission.id, error)
                self._refusals.append(error)

    def get_reaped(self) -> list[ReapedSubmission]:
        """Return the changed submissions, oldest first.

        Raises:
            SynapseBadRequestError: Synapse refused every change.
        """
        if self._refusals and not self._reaped:
            raise self._refusals[0]
        return sorted(self._reaped.values(), key=lambda one: int(one["submission_id"]))

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

    def _is_ended_by_task(self, status: Mapping[str, Any]) -> bool:
        """Return whether a try of this task has ended the claim.

        A try that was frozen or cut off must not omit what the next try has done meanwhile: its
        result may replace that of the next try.
        """
        record = ClaimRecord.of(status)
        return (
            record is not None
            and record.expires_on is None
            and status["status"] != self._options.new_status
            and record.claimed_by == self._name
            and record.claim_id.startswith(self._identity)
        )

    def _end_claim(self, submission: QueuedSubmission) -> None:
        written = ClaimRecord(create_claim_id(self._identity), self._name, None)
        done = self._describe(submission.status)

        def change(status: dict[str, Any]) -> Mapping[str, Any] | None:
            nonlocal done
            if self._is_ended_by_task(status):
                return None  # by this update, whose response was lost, or by another try
            if self.find_end(status) is None:
                raise LostRaceError(submission.id)
            done = self._describe(status)
            return _apply(set_claim(status, written), done)

        update_status(self._client, submission.id, change, submission.status)
        self._reaped[submission.id] = done
        self._client.logger.info(
            "Submission %s was %s and has the status %s now. The claim of %s ended on %s",
            submission.id,
            done["action"],
            done["status"],
            done["claimed_by"],
            done["expired_on"],
        )

    def _describe(self, status: Mapping[str, Any]) -> ReapedSubmission:
        record, options = ClaimRecord.of(status), self._options
        end = self.find_end(status)
        action: ReapAction = "released" if options.on_expired == "release" else "marked"
        new_status: str = options.status if action == "released" else options.error_status
        if status.get("cancelRequested"):
            action, new_status = "cancelled", options.cancelled_status
        return ReapedSubmission(
            submission_id=str(status["id"]),
            action=action,
            status=new_status,
            claimed_by=record.claimed_by if record and record.expires_on else None,
            expired_on=format_time(end or get_modification_time(status)),
        )


def _apply(status: dict[str, Any], done: ReapedSubmission) -> dict[str, Any]:
    """Return a status with what was done."""
    changed = status | {"status": done["status"]}
    if done["action"] == "cancelled":
        return reset_count(changed) | {"canCancel": False}
    if done["action"] == "marked":
        return replace_annotations(reset_count(changed), {CLAIM_ERROR: _explain(done)})
    return changed


def _explain(reaped: ReapedSubmission) -> str:
    if reaped["claimed_by"] is None:
        return f"Not evaluated: no task has a claim, and no change since {reaped['expired_on']}"
    # the name of a task may have the maximum length of an annotation
    name = reaped["claimed_by"][:400]
    return f"Not evaluated: the claim of {name} expired on {reaped['expired_on']}"
