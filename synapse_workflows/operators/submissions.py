"""Operators that claim the submissions of an evaluation queue, and end expired claims."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from synapse_workflows.challenge.claim_attempt import (
    DEFAULT_LEASE,
    CancelledStatus,
    ClaimOptions,
)
from synapse_workflows.challenge.claim_ids import describe_claimant
from synapse_workflows.challenge.claim_limit import DEFAULT_MAX_ATTEMPTS, ClaimLimit
from synapse_workflows.challenge.claim_reaper import (
    OnExpired,
    ReapedSubmission,
    ReapOptions,
    reap_submissions,
)
from synapse_workflows.challenge.submission_claimer import claim_submissions
from synapse_workflows.client.model.argument_types import SubmissionStatusName
from synapse_workflows.idempotency.task_state import TaskState
from synapse_workflows.operator_arguments import check_choice, parse_seconds
from synapse_workflows.operators.base import SynapseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Default statuses of submissions that are marked for the organizers. The first one that differs
#: from `status` and `new_status` is used.
_ERROR_STATUSES: Final[Sequence[SubmissionStatusName]] = ("OPEN", "CLOSED", "ACCEPTED")


class SynapseClaimSubmissionsOperator(SynapseOperator):
    """Claim submissions of an evaluation queue, each for one task of one run.

    A claim sets the status of a submission to `new_status`, and names the task and the end of the
    lease in the submission's annotations `claim_id`, `claimed_by` and `claim_expires_on`; other
    annotations are kept. Any number of tasks and DAGs may claim from a queue at the same time:
    every submission is claimed once, oldest first. A claim whose lease has run out is taken over.
    The clock of Synapse decides about leases, not the clocks of the workers.

    A retry keeps the claims of the earlier tries and renews them; a cleared task claims other
    submissions. A submission whose submitter has requested the cancellation is not claimed; it
    gets the status `cancelled_status`. Claimed submissions can be cancelled (`canCancel`).

    The queue is not recorded as an input of downstream tasks.

    Returns a list of claims, oldest submission first, for
    `SynapseScoreSubmissionOperator.partial(...).expand(submission=claim.output)`. Each claim is a
    dictionary with the keys `submission_id`, `evaluation_id`, `entity_id`, `entity_version`,
    `claim_id`, `claimed_by` and `expires_on` (ISO 8601, UTC). Airflow skips a mapped task if the
    list is empty.

    Args:
        evaluation_id: ID of the evaluation queue, or the Evaluation (templated).
        status: Status of the submissions to claim.
        new_status: Status of claimed submissions.
        max_claims: Maximum number of claims of the task over all tries; None for as many as a
            mapped task can have (`[core] max_map_length`).
        lease: Time until the claims expire: seconds or a timedelta. It must cover the time until
            the scoring task starts, which renews the claim while it works.
        max_per_submitter: Maximum number of submissions of one team, or of one user without a
            team, that have `new_status` at the same time; None for no limit. More submissions
            stay in the queue for a later run.
        cancelled_status: Status of submissions whose cancellation was requested.
        max_attempts: Maximum number of claims on a submission that end without a result, for
            example because its evaluation stops the worker each time. The submission then gets
            `error_status`, and the annotation `claim_error` says why. None for no limit.
        error_status: Status of these submissions; None for OPEN, or CLOSED if OPEN is one of the
            other statuses.
        skip_if_empty: Skip the task, and the tasks downstream, if there is nothing to claim.
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: An argument is invalid.
    """

    template_fields: Sequence[str] = ("evaluation_id", *SynapseOperator.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ()

    def __init__(
        self,
        *,
        evaluation_id: Any,
        status: SubmissionStatusName = "RECEIVED",
        new_status: SubmissionStatusName = "EVALUATION_IN_PROGRESS",
        max_claims: int | None = None,
        lease: float | timedelta = DEFAULT_LEASE,
        max_per_submitter: int | None = None,
        cancelled_status: CancelledStatus = "REJECTED",
        max_attempts: int | None = DEFAULT_MAX_ATTEMPTS,
        error_status: SubmissionStatusName | None = None,
        skip_if_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        check_claim_statuses(status, new_status, cancelled_status)
        check_count(max_claims, "max_claims")
        check_count(max_per_submitter, "max_per_submitter")
        check_count(max_attempts, "max_attempts")
        choose_error_status(error_status, status, new_status)
        parse_seconds(lease, "lease")
        super().__init__(**({"multiple_outputs": False} | kwargs))
        self.evaluation_id = evaluation_id
        self.status: SubmissionStatusName = status
        self.new_status: SubmissionStatusName = new_status
        self.max_claims = max_claims
        self.lease = lease
        self.max_per_submitter = max_per_submitter
        self.cancelled_status: CancelledStatus = cancelled_status
        self.max_attempts = max_attempts
        self.error_status = error_status
        self.skip_if_empty = skip_if_empty

    def execute(self, context: "Context") -> list[dict[str, Any]]:
        """Claim submissions and return the claims."""
        evaluation_id = _parse_evaluation_id(self.evaluation_id)
        self.entity_url = self.hook.get_evaluation_url(evaluation_id)
        claimant, task = describe_claimant(context["ti"]), TaskState.from_context(context)
        claims = claim_submissions(self.hook.client, evaluation_id, claimant, self._options, task)
        self.log.info("Claimed %d submissions of the queue %s", len(claims), evaluation_id)
        if not claims and self.skip_if_empty:
            raise AirflowSkipException(f"Nothing to claim in the queue {evaluation_id}")
        if claims and claims[-1].entity_id:
            self.set_entity_url(claims[-1].entity_id, claims[-1].entity_version)
        return [claim.to_json() for claim in claims]

    @property
    def _options(self) -> ClaimOptions:
        limit = self.max_claims
        if limit is None:
            limit = conf.getint("core", "max_map_length", fallback=1024)
        return ClaimOptions(
            status=self.status,
            new_status=self.new_status,
            cancelled_status=self.cancelled_status,
            max_claims=limit,
            lease=parse_seconds(self.lease, "lease"),
            max_per_submitter=self.max_per_submitter,
            limit=ClaimLimit(
                self.max_attempts,
                choose_error_status(self.error_status, self.status, self.new_status),
            ),
        )


class SynapseReapSubmissionsOperator(SynapseOperator):
    """End the claims of an evaluation queue whose lease has run out.

    A task that was killed leaves its submissions claimed. When the lease has run out, this
    operator puts a submission back into the queue, or marks it for the organizers. Claims whose
    lease has not run out are never changed. Several reapers may run at the same time.

    Returns a list with a dictionary for each submission that was changed: `submission_id`,
    `action` (`released`, `marked` or `cancelled`), `status`, `claimed_by` and `expired_on`.

    Args:
        evaluation_id: ID of the evaluation queue, or the Evaluation (templated).
        status: Status of released submissions, which can be claimed again.
        new_status: Status of claimed submissions, as for `SynapseClaimSubmissionsOperator`.
        on_expired: `release` puts a submission back into the queue; `mark` sets `error_status`,
            and the annotation `claim_error` to the reason.
        error_status: Status of marked submissions; None for OPEN, or CLOSED if OPEN is one of the
            other statuses.
        cancelled_status: Status of submissions whose submitter has requested the cancellation.
        unclaimed_after: Also release or mark submissions with `new_status` and without a claim,
            whose status has not changed for this time: seconds or a timedelta. None leaves them;
            another program may evaluate them.
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: An argument is invalid.
    """

    template_fields: Sequence[str] = ("evaluation_id", *SynapseOperator.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ()

    def __init__(
        self,
        *,
        evaluation_id: Any,
        status: SubmissionStatusName = "RECEIVED",
        new_status: SubmissionStatusName = "EVALUATION_IN_PROGRESS",
        on_expired: OnExpired = "release",
        error_status: SubmissionStatusName | None = None,
        cancelled_status: CancelledStatus = "REJECTED",
        unclaimed_after: float | timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        check_claim_statuses(status, new_status, cancelled_status)
        check_choice(on_expired, "on_expired", OnExpired)
        choose_error_status(error_status, status, new_status)
        if unclaimed_after is not None:
            parse_seconds(unclaimed_after, "unclaimed_after")
        super().__init__(**({"multiple_outputs": False} | kwargs))
        self.evaluation_id = evaluation_id
        self.status: SubmissionStatusName = status
        self.new_status: SubmissionStatusName = new_status
        self.on_expired: OnExpired = on_expired
        self.error_status = error_status
        self.cancelled_status: CancelledStatus = cancelled_status
        self.unclaimed_after = unclaimed_after

    def execute(self, context: "Context") -> list[ReapedSubmission]:
        """End the expired claims and return the changed submissions."""
        evaluation_id = _parse_evaluation_id(self.evaluation_id)
        self.entity_url = self.hook.get_evaluation_url(evaluation_id)
        unclaimed_after = self.unclaimed_after
        if unclaimed_after is not None:
            unclaimed_after = parse_seconds(unclaimed_after, "unclaimed_after")
        options = ReapOptions(
            status=self.status,
            new_status=self.new_status,
            on_expired=self.on_expired,
            error_status=choose_error_status(self.error_status, self.status, self.new_status),
            cancelled_status=self.cancelled_status,
            unclaimed_after=unclaimed_after,
        )
        reaper, task = describe_claimant(context["ti"]), TaskState.from_context(context)
        reaped = reap_submissions(self.hook.client, evaluation_id, reaper, options, task)
        self.log.info("Ended %d claims of the queue %s", len(reaped), evaluation_id)
        return reaped


def check_claim_statuses(status: Any, new_status: Any, cancelled_status: Any) -> None:
    """Check the statuses of submissions that are waiting, claimed and cancelled.

    Raises:
        ValueError: A status is unknown, or two of them are equal.
    """
    check_choice(status, "status", SubmissionStatusName)
    check_choice(new_status, "new_status", SubmissionStatusName)
    check_choice(cancelled_status, "cancelled_status", CancelledStatus)
    if len({status, new_status, cancelled_status}) < 3:  # noqa: PLR2004 - number of arguments
        raise ValueError(
            f"Invalid status={status!r}, new_status={new_status!r}, "
            f"cancelled_status={cancelled_status!r}: they must differ, so that a submission that "
            "is claimed or cancelled is not claimed again"
        )


def choose_error_status(
    error_status: SubmissionStatusName | None, status: str, new_status: str
) -> SubmissionStatusName:
    """Return the status of submissions that are marked for the organizers.

    Args:
        error_status: The status; None for the first one of OPEN and CLOSED that is not taken.
        status: Status of submissions that can be claimed.
        new_status: Status of claimed submissions.

    Raises:
        ValueError: `error_status` is unknown, or is the status of another state.
    """
    if error_status is None:
        return next(one for one in _ERROR_STATUSES if one not in (status, new_status))
    check_choice(error_status, "error_status", SubmissionStatusName)
    if error_status in (status, new_status, "SCORED", "INVALID"):
        raise ValueError(
            f"Invalid error_status {error_status!r}: it must differ from status and new_status, "
            "so that a marked submission is not claimed again, and from SCORED and INVALID, "
            "because it was not evaluated"
        )
    return error_status


def check_count(value: Any, argument: str) -> None:
    """Check that a limit is a positive integer, or None.

    Raises:
        ValueError: It is not.
    """
    is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if value is not None and not is_count:
        raise ValueError(f"Invalid {argument}={value!r}: expected None or a positive integer")


def _parse_evaluation_id(value: Any) -> str:
    """Return the ID of an evaluation as text.

    Raises:
        AirflowFailException: The value is neither an ID nor an Evaluation.
    """
    evaluation_id = value.get("id") if isinstance(value, Mapping) else value
    text = str(evaluation_id).strip()
    if isinstance(evaluation_id, bool) or not (text.isascii() and text.isdecimal()):
        raise AirflowFailException(
            f"Invalid evaluation_id {value!r:.100}: expected the ID of an evaluation queue, such "
            "as '9614543'"
        )
    return text
