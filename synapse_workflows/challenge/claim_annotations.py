"""The claim on a submission, as annotations of the submission's status.

The annotations are in `submissionAnnotations`, which only the organizers of a challenge can read:

- `claim_id` (STRING): identifies the claim.
- `claimed_by` (STRING): the task that holds the claim, `dag/run/task[map_index]`.
- `claim_expires_on` (TIMESTAMP_MS): end of the lease. A claim that has ended has no such
  annotation; `claimed_by` is then the task that has ended it.
- `claim_attempts` (LONG): number of claims since the submission had its last result. A submission
  with a result, or one that was marked for the organizers, has no such annotation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from synapse_workflows.client.model.annotations import to_synapse_annotations
from synapse_workflows.client.model.cell_values import from_epoch_millis

CLAIM_ID: Final = "claim_id"
CLAIMED_BY: Final = "claimed_by"
EXPIRES_ON: Final = "claim_expires_on"
ATTEMPTS: Final = "claim_attempts"
#: Annotation that tells the organizers why a submission was marked.
CLAIM_ERROR: Final = "claim_error"
_CLAIM_KEYS: Final = (CLAIM_ID, CLAIMED_BY, EXPIRES_ON)
#: Names that the annotations of a result cannot have.
RESERVED_NAMES: Final = (*_CLAIM_KEYS, ATTEMPTS)


@dataclass(frozen=True)
class ClaimRecord:
    """The claim that a status names.

    Args:
        claim_id: ID of the claim.
        claimed_by: The task that holds the claim, or that has ended it.
        expires_on: End of the lease; None if the claim has ended.
    """

    claim_id: str
    claimed_by: str
    expires_on: datetime | None

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> "ClaimRecord | None":
        """Return the claim of a SubmissionStatus; None if the submission was never claimed."""
        annotations = get_annotations(status)
        claim_id = _first_value(annotations, CLAIM_ID)
        if not claim_id:
            return None
        claimed_by = _first_value(annotations, CLAIMED_BY) or ""
        return cls(claim_id, claimed_by, _parse_expiry(_first_value(annotations, EXPIRES_ON)))

    def is_live(self, now: datetime) -> bool:
        """Return whether the lease has not run out."""
        return self.expires_on is not None and self.expires_on > now

    def is_expired(self, now: datetime) -> bool:
        """Return whether the lease has run out before the claim ended."""
        return self.expires_on is not None and self.expires_on <= now


def get_annotations(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the annotations of a status: `{"type", "value": [text, ...]}` by key."""
    return (status.get("submissionAnnotations") or {}).get("annotations") or {}


def replace_annotations(status: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status with changed annotations; other annotations are kept as they are.

    Args:
        status: A SubmissionStatus.
        values: One value or a list of values by key; None removes the annotation.

    Raises:
        ValueError: A key or a value is invalid.
    """
    kept = {key: entry for key, entry in get_annotations(status).items() if key not in values}
    body = dict(status.get("submissionAnnotations") or {})
    body["annotations"] = kept | to_synapse_annotations(values)
    return {**status, "submissionAnnotations": body}


def set_claim(status: Mapping[str, Any], record: ClaimRecord) -> dict[str, Any]:
    """Return a status with a claim, or with the end of a claim."""
    values = {
        CLAIM_ID: record.claim_id,
        CLAIMED_BY: record.claimed_by,
        EXPIRES_ON: record.expires_on,
    }
    return replace_annotations(status, values)


def get_attempts(status: Mapping[str, Any]) -> int:
    """Return the number of claims since the submission had its last result."""
    try:
        return max(0, int(_first_value(get_annotations(status), ATTEMPTS) or 0))
    except ValueError:
        return 0


def remove_claim(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status without a claim."""
    return replace_annotations(status, dict.fromkeys(_CLAIM_KEYS))


def check_result_names(annotations: Mapping[str, Any]) -> None:
    """Check that annotations of a result do not replace the claim.

    Raises:
        ValueError: A key is the name of an annotation of the claim.
    """
    for key in RESERVED_NAMES:
        if key in annotations:
            raise ValueError(
                f"Invalid annotation name {key!r}: {', '.join(RESERVED_NAMES)} describe the claim "
                "on the submission. Choose another name."
            )


def _first_value(annotations: Mapping[str, Any], key: str) -> str | None:
    values = (annotations.get(key) or {}).get("value")
    return str(values[0]) if values else None


def _parse_expiry(text: str | None) -> datetime | None:
    """Return the end of a lease; one that is not valid has been reached."""
    if text is None:
        return None
    try:
        moment = from_epoch_millis(int(text))
    except (ValueError, OverflowError):
        moment = 0
    return moment if isinstance(moment, datetime) else datetime.fromtimestamp(0, UTC)
