"""A claim on a submission: the right of one task to evaluate it until a lease runs out.

A task takes a claim, renews its lease while it works, and finishes or releases it. Each change is
a compare-and-set on the etag of the submission's status, so two tasks never hold a claim on the
same submission. The clock of the server decides whether a lease has run out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Self

from synapse_workflows.challenge.claim_annotations import (
    ATTEMPTS,
    CLAIM_ERROR,
    EXPIRES_ON,
    ClaimRecord,
    check_result_names,
    remove_claim,
    replace_annotations,
    set_claim,
)
from synapse_workflows.challenge.claim_errors import (
    ClaimFinishedError,
    ClaimLimitError,
    ClaimLostError,
)
from synapse_workflows.challenge.claim_ids import shorten_claimant
from synapse_workflows.challenge.claim_limit import ClaimLimit, count_claim
from synapse_workflows.challenge.claim_takeover import ClaimTaker
from synapse_workflows.challenge.server_clock import compute_expiry, format_time
from synapse_workflows.challenge.submission_status import update_status
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.argument_types import SubmissionStatusName

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Claim:
    """A claim on a submission.

    Args:
        submission_id: ID of the submission.
        evaluation_id: ID of the evaluation queue.
        entity_id: The submitted entity, `syn123`.
        entity_version: Its submitted version.
        claim_id: Identifies the claim.
        claimed_by: The task that holds the claim, `dag/run/task[map_index]`.
        expires_on: End of the lease, by the clock of the server: ISO 8601, UTC.
        submission_status: Status of the submission when it was claimed. If it has another status,
            an organizer has changed it, and the claim is lost. It is not part of the JSON.
    """

    submission_id: str
    evaluation_id: str
    entity_id: str
    entity_version: int
    claim_id: str
    claimed_by: str
    expires_on: str
    submission_status: str = field(default="EVALUATION_IN_PROGRESS", compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return the claim as JSON."""
        return {name: getattr(self, name) for name in _JSON_KEYS}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return a claim from its JSON; other keys are ignored.

        Raises:
            ValueError: A key is missing, or the ID of the submission is invalid.
        """
        missing = [name for name in _JSON_KEYS if value.get(name) is None]
        if missing:
            raise ValueError(
                f"Invalid claim {dict(value)!r:.200}: {', '.join(missing)} missing. Expected an "
                "item of the result of SynapseClaimSubmissionsOperator."
            )
        values = {name: value[name] for name in _JSON_KEYS}
        return cls(**values | {"submission_id": parse_submission_id(value["submission_id"])})


_JSON_KEYS: Final = tuple(one.name for one in fields(Claim) if one.name != "submission_status")


@dataclass(frozen=True)
class Renewal:
    """A renewed claim.

    Args:
        claim: The claim with its new end.
        is_cancel_requested: Whether the submitter has asked to cancel the submission.
    """

    claim: Claim
    is_cancel_requested: bool


#: Any number of claims is permitted.
NO_LIMIT: Final = ClaimLimit(max_attempts=None)


def take_claim(
    client: Session,
    submission: Mapping[str, Any] | str | int,
    claimant: str,
    lease: float,
    *,
    status: SubmissionStatusName = "RECEIVED",
    new_status: SubmissionStatusName = "EVALUATION_IN_PROGRESS",
    retake_finished: bool = False,
    limit: ClaimLimit = NO_LIMIT,
) -> Claim:
    """Start or continue the work of a task on a submission.

    A claim is passed from one task to another by its JSON: the first task that takes it holds it
    from then on. A retry of the holder continues with the same claim. A claim whose lease has run
    out is taken over, and so is a submission without a claim that has the status `status`.

    Args:
        client: The client.
        submission: JSON of a claim, or the ID of a submission.
        claimant: The task, `dag/run/task[map_index]`.
        lease: Time until the claim expires, in seconds.
        status: Status of submissions that anyone may claim.
        new_status: Status of claimed submissions.
        retake_finished: Take the claim again if it was finished, to evaluate the submission again.
        limit: Maximum number of claims. A submission that was claimed as often as this without a
            result is marked for the organizers.

    Raises:
        ClaimLimitError: The submission was claimed too often, and is marked.
        ClaimHeldError: Another task holds a claim whose lease has not run out; or the submission
            is being evaluated without a claim.
        ClaimFinishedError: The given claim, or the last claim of the task, was finished.
        ClaimLostError: The submission has another status, for example because another task has
            finished it.
        SynapseNotFoundError: No such submission.
        ValueError: `submission` is neither a claim nor an ID.

    Source:
        GET and PUT /evaluation/submission/{id}/status
    """
    given = Claim.from_json(submission) if isinstance(submission, Mapping) else None
    submission_id = given.submission_id if given else parse_submission_id(submission)
    claimant = shorten_claimant(claimant)
    handed_over = (given.claim_id, given.claimed_by) if given else None
    taker = ClaimTaker(
        client, handed_over, claimant, lease, status, new_status, retake_finished, limit
    )
    taken = update_status(client, submission_id, taker.change)
    if taker.marked is not None:
        raise ClaimLimitError(
            f"The submission {submission_id} was claimed {limit.max_attempts} times without a "
            f"result, which is the limit max_attempts. It has the status {limit.error_status} "
            f"now. Find out why it was not evaluated, then set its status to {status}",
            submission_id,
        )
    evaluation_id = given.evaluation_id if given else _read_evaluation_id(client, submission_id)
    return build_claim(taken, evaluation_id)


def renew_claim(client: Session, claim: Claim, lease: float) -> Renewal:
    """Extend the lease of a claim.

    Args:
        client: The client.
        claim: The claim.
        lease: New time until the claim expires, in seconds.

    Raises:
        ClaimLostError: The claim has ended, or another task has taken it over.
        ClaimFinishedError: The claim was finished.

    Source:
        GET and PUT /evaluation/submission/{id}/status
    """
    wanted: list[datetime] = []

    def change(status: dict[str, Any]) -> dict[str, Any] | None:
        record = _require_own(status, claim)
        if record.expires_on in wanted:
            return None  # the response to this update was lost
        wanted.append(compute_expiry(client, lease))
        return set_claim(status, replace(record, expires_on=wanted[-1]))

    status = update_status(client, claim.submission_id, change)
    return Renewal(build_claim(status, claim.evaluation_id), bool(status.get("cancelRequested")))


def finish_claim(
    client: Session,
    claim: Claim,
    *,
    status: SubmissionStatusName,
    annotations: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the result of a submission and end the claim, if the claim is not lost.

    The annotations `claim_id` and `claimed_by` stay, and name the task that finished the
    submission. The submission can no longer be cancelled. Finishing a claim again with the same
    status changes nothing.

    Args:
        client: The client.
        claim: The claim.
        status: New status of the submission.
        annotations: Annotations to set, one value or a list of values by key; None removes a key.
            Other annotations are kept.

    Returns:
        The SubmissionStatus.

    Raises:
        ClaimLostError: The claim has ended, or another task has taken it over.
        ClaimFinishedError: The claim was finished with another status.
        ValueError: An annotation is invalid, or has a name of an annotation of the claim.

    Source:
        GET and PUT /evaluation/submission/{id}/status
    """
    check_result_names(annotations or {})

    def change(current: dict[str, Any]) -> dict[str, Any] | None:
        try:
            _require_own(current, claim)
        except ClaimFinishedError:
            if current["status"] == status:
                return None
            raise
        values = dict.fromkeys((EXPIRES_ON, ATTEMPTS, CLAIM_ERROR)) | dict(annotations or {})
        changed = replace_annotations(current, values)
        return changed | {"status": status, "canCancel": False}

    return update_status(client, claim.submission_id, change)


def release_claim(
    client: Session,
    claim: Claim,
    *,
    status: SubmissionStatusName = "RECEIVED",
    annotations: Mapping[str, Any] | None = None,
    is_attempt: bool = True,
) -> dict[str, Any]:
    """End a claim without a result, so that another task can claim the submission.

    Args:
        client: The client.
        claim: The claim.
        status: New status of the submission.
        annotations: Annotations to set, as for `finish_claim`.
        is_attempt: Whether the claim counts as an attempt to evaluate the submission.

    Returns:
        The SubmissionStatus.

    Raises:
        ClaimLostError: The claim has ended, or another task has taken it over.
        ClaimFinishedError: The claim was finished.
        ValueError: An annotation is invalid, or has a name of an annotation of the claim.

    Source:
        GET and PUT /evaluation/submission/{id}/status
    """
    check_result_names(annotations or {})

    def change(current: dict[str, Any]) -> dict[str, Any] | None:
        if ClaimRecord.of(current) is None and current["status"] == status:
            return None  # released before
        _require_own(current, claim)
        changed = replace_annotations(remove_claim(current), annotations or {})
        if not is_attempt:
            changed = count_claim(changed, -1)
        return changed | {"status": status}

    return update_status(client, claim.submission_id, change)


def parse_submission_id(value: Any) -> str:
    """Return the ID of a submission as text.

    Raises:
        ValueError: The value is not an ID.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()):
        raise ValueError(
            f"Invalid submission {value!r:.100}: expected the ID of a submission, such as "
            "'9600001', or an item of the result of SynapseClaimSubmissionsOperator"
        )
    return text


def build_claim(status: Mapping[str, Any], evaluation_id: str) -> Claim:
    """Return the claim of a claimed submission.

    Args:
        status: A SubmissionStatus with a claim that has not ended.
        evaluation_id: ID of the evaluation.
    """
    record = ClaimRecord.of(status)
    if record is None or record.expires_on is None:
        raise ClaimLostError(
            f"The submission {status['id']} has no claim that has not ended", str(status["id"])
        )
    return Claim(
        submission_id=str(status["id"]),
        evaluation_id=evaluation_id,
        entity_id=status["entityId"],
        entity_version=int(status["versionNumber"]),
        claim_id=record.claim_id,
        claimed_by=record.claimed_by,
        expires_on=format_time(record.expires_on),
        submission_status=status["status"],
    )


def _require_own(status: Mapping[str, Any], claim: Claim) -> ClaimRecord:
    """Return the claim of a status, if it is the given one.

    Raises:
        ClaimLostError: The claim has ended, or another task has taken it over.
        ClaimFinishedError: The claim was finished.
    """
    submission_id, record = claim.submission_id, ClaimRecord.of(status)
    if record is None:
        raise ClaimLostError(
            f"The claim of {claim.claimed_by} on the submission {submission_id} has ended; the "
            f"status of the submission is {status['status']}",
            submission_id,
        )
    if (record.claim_id, record.claimed_by) != (claim.claim_id, claim.claimed_by):
        action = "has ended the claim on" if record.expires_on is None else "has taken over"
        raise ClaimLostError(
            f"{record.claimed_by} {action} the submission {submission_id}, which "
            f"{claim.claimed_by} held until {claim.expires_on}; its status is {status['status']}",
            submission_id,
        )
    if record.expires_on is None:
        raise ClaimFinishedError(
            f"The claim of {claim.claimed_by} on the submission {submission_id} was finished with "
            f"the status {status['status']}",
            submission_id,
            status,
        )
    if status["status"] != claim.submission_status:
        raise ClaimLostError(
            f"The status of the submission {submission_id} was changed from "
            f"{claim.submission_status} to {status['status']} while {claim.claimed_by} had a "
            "claim on it; it is left as it is",
            submission_id,
        )
    return record


def _read_evaluation_id(client: Session, submission_id: str) -> str:
    submission = client.call("GET", f"/evaluation/submission/{submission_id}").json
    return str(submission["evaluationId"])
