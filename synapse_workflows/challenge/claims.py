"""A claim on a submission: the right of one task to evaluate it until a lease runs out.

A task takes a claim, renews its lease while it works, and finishes or releases it. Each change is
a compare-and-set on the etag of the submission's status, so two tasks never hold a claim on the
same submission. The clock of the server decides whether a lease has run out.
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from synapse_workflows.challenge.claim_annotations import (
    CLAIM_ID,
    CLAIMED_BY,
    EXPIRES_ON,
    ClaimRecord,
    replace_annotations,
    set_claim,
)
from synapse_workflows.challenge.claim_errors import (
    ClaimFinishedError,
    ClaimHeldError,
    ClaimLostError,
)
from synapse_workflows.challenge.server_clock import get_server_clock
from synapse_workflows.challenge.submission_status import SubmissionStatusName, update_status
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.annotations import MAX_CHARACTERS

_HASH_LENGTH: Final = 16
#: Length of the part of a claim ID that identifies the task that made the claim.
_PREFIX_LENGTH: Final = 12


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
    """

    submission_id: str
    evaluation_id: str
    entity_id: str
    entity_version: int
    claim_id: str
    claimed_by: str
    expires_on: str

    def to_json(self) -> dict[str, Any]:
        """Return the claim as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return a claim from its JSON; other keys are ignored.

        Raises:
            ValueError: A key is missing.
        """
        names = cls.__dataclass_fields__
        missing = [name for name in names if value.get(name) is None]
        if missing:
            raise ValueError(
                f"Invalid claim {dict(value)!r:.200}: {', '.join(missing)} missing. Expected an "
                "item of the result of SynapseClaimSubmissionsOperator."
            )
        return cls(**{name: value[name] for name in names})


@dataclass(frozen=True)
class Renewal:
    """A renewed claim.

    Args:
        claim: The claim with its new end.
        is_cancel_requested: Whether the submitter has asked to cancel the submission.
    """

    claim: Claim
    is_cancel_requested: bool


def take_claim(
    client: Session,
    submission: Mapping[str, Any] | str | int,
    claimant: str,
    lease: float,
    *,
    status: SubmissionStatusName = "RECEIVED",
    new_status: SubmissionStatusName = "EVALUATION_IN_PROGRESS",
    retake_finished: bool = False,
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

    Raises:
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
    taker = _Taker(client, given, claimant, lease, status, new_status, retake_finished)
    taken = update_status(client, submission_id, taker.change)
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
        ValueError: An annotation is invalid.

    Source:
        GET and PUT /evaluation/submission/{id}/status
    """

    def change(current: dict[str, Any]) -> dict[str, Any] | None:
        try:
            _require_own(current, claim)
        except ClaimFinishedError:
            if current["status"] == status:
                return None
            raise
        values = {**(annotations or {}), EXPIRES_ON: None}
        changed = replace_annotations(current, values)
        return changed | {"status": status, "canCancel": False}

    return update_status(client, claim.submission_id, change)


def release_claim(
    client: Session,
    claim: Claim,
    *,
    status: SubmissionStatusName = "RECEIVED",
    annotations: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """End a claim without a result, so that another task can claim the submission.

    Args:
        client: The client.
        claim: The claim.
        status: New status of the submission.
        annotations: Annotations to set, as for `finish_claim`.

    Returns:
        The SubmissionStatus.

    Raises:
        ClaimLostError: The claim has ended, or another task has taken it over.
        ClaimFinishedError: The claim was finished.
        ValueError: An annotation is invalid.

    Source:
        GET and PUT /evaluation/submission/{id}/status
    """
    values = {**(annotations or {}), **dict.fromkeys((CLAIM_ID, CLAIMED_BY, EXPIRES_ON))}

    def change(current: dict[str, Any]) -> dict[str, Any] | None:
        if ClaimRecord.of(current) is None and current["status"] == status:
            return None  # released before
        _require_own(current, claim)
        return replace_annotations(current, values) | {"status": status}

    return update_status(client, claim.submission_id, change)


def create_claim_id(claimant: str, generation: int = 0) -> str:
    """Return an ID for a new claim. It starts with `claim_id_prefix` of the same task."""
    return claim_id_prefix(claimant, generation) + uuid.uuid4().hex[:_HASH_LENGTH]


def claim_id_prefix(claimant: str, generation: int = 0) -> str:
    """Return the start of the IDs of all claims that one task makes.

    Args:
        claimant: The task, `dag/run/task[map_index]`.
        generation: A number that changes when the task is cleared, but not between its tries.
    """
    identity = f"{claimant}#{generation}".encode()
    return f"{hashlib.sha256(identity).hexdigest()[:_PREFIX_LENGTH]}-"


def shorten_claimant(claimant: str) -> str:
    """Return the name of a task, with at most the characters that an annotation can have."""
    if len(claimant) <= MAX_CHARACTERS:
        return claimant
    digest = hashlib.sha256(claimant.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{claimant[: MAX_CHARACTERS - _HASH_LENGTH - 1]}~{digest}"


def compute_expiry(client: Session, lease: float) -> datetime:
    """Return the end of a lease that starts now, with a resolution of milliseconds."""
    end = get_server_clock(client).now() + timedelta(seconds=lease)
    return end.replace(microsecond=end.microsecond // 1000 * 1000)


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
    )


def format_time(moment: datetime) -> str:
    """Return a time as ISO 8601 text in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class _Taker:
    """The change of a status that `take_claim` makes; its fields are the arguments."""

    client: Session
    given: Claim | None
    claimant: str
    lease: float
    status: str
    new_status: str
    retake_finished: bool

    def change(self, status: dict[str, Any]) -> dict[str, Any]:
        """Return the status with the claim of the claimant."""
        claim_id = self._existing_claim_id(status) or create_claim_id(self.claimant)
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
        if record.claimed_by == self.claimant:
            return True
        handed_over = self.given and (self.given.claim_id, self.given.claimed_by)
        return handed_over == (record.claim_id, record.claimed_by)

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
            raise ClaimLostError(
                f"The submission {submission_id} has the status {status['status']} and cannot be "
                f"claimed{f'; {record.claimed_by} finished it' if record else ''}. Set its status "
                f"to {self.status} to evaluate it again",
                submission_id,
            )
        if not self.retake_finished:
            raise ClaimFinishedError(
                f"{record.claimed_by} has finished the submission {submission_id} with the status "
                f"{status['status']}",
                submission_id,
                status,
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
        raise ClaimLostError(
            f"{record.claimed_by} has taken over the submission {submission_id} from "
            f"{claim.claimed_by}, whose lease lasted until {claim.expires_on}",
            submission_id,
        )
    if record.expires_on is None:
        raise ClaimFinishedError(
            f"The claim of {claim.claimed_by} on the submission {submission_id} was finished with "
            f"the status {status['status']}",
            submission_id,
            status,
        )
    return record


def _read_evaluation_id(client: Session, submission_id: str) -> str:
    submission = client.call("GET", f"/evaluation/submission/{submission_id}").json
    return str(submission["evaluationId"])
