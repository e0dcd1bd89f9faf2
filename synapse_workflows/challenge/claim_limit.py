"""Limit of the number of claims on a submission that end without a result.

A submission that stops its worker whenever it is evaluated would be claimed again and again. After
the maximum number of claims, it is marked for the organizers instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from synapse_workflows.challenge.claim_annotations import (
    ATTEMPTS,
    CLAIM_ERROR,
    ClaimRecord,
    get_attempts,
    replace_annotations,
    set_claim,
)
from synapse_workflows.client.model.argument_types import SubmissionStatusName

#: Maximum number of claims on a submission that end without a result.
DEFAULT_MAX_ATTEMPTS: Final = 5


@dataclass(frozen=True)
class ClaimLimit:
    """Maximum number of claims on a submission, and the status of submissions that exceed it.

    Args:
        max_attempts: Maximum number of claims that end without a result; None for no limit.
        error_status: Status of submissions that were claimed as often as this.
    """

    max_attempts: int | None = DEFAULT_MAX_ATTEMPTS
    error_status: SubmissionStatusName = "OPEN"

    def is_reached(self, status: Mapping[str, Any]) -> bool:
        """Return whether no further claim on a submission is permitted."""
        return self.max_attempts is not None and get_attempts(status) >= self.max_attempts

    def explain(self, status: Mapping[str, Any]) -> str:
        """Return why a submission is not claimed again."""
        return f"Not evaluated: {get_attempts(status)} claims have ended without a result"

    def mark(self, status: Mapping[str, Any], record: ClaimRecord) -> dict[str, Any]:
        """Return the status of a submission that is marked for the organizers.

        If an organizer puts the submission back into the queue, its claims are counted anew.

        Args:
            status: The SubmissionStatus.
            record: The end of a claim, with the task that marks the submission.
        """
        notes = {CLAIM_ERROR: self.explain(status), ATTEMPTS: None}
        marked = replace_annotations(set_claim(status, record), notes)
        return marked | {"status": self.error_status, "canCancel": False}


def count_claim(status: Mapping[str, Any], change: int = 1) -> dict[str, Any]:
    """Return a status with a changed number of claims.

    Args:
        status: The SubmissionStatus.
        change: 1 for a new claim, -1 for a claim that was released before any work on it.
    """
    return replace_annotations(status, {ATTEMPTS: max(0, get_attempts(status) + change) or None})


def reset_count(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status without a number of claims."""
    return replace_annotations(status, {ATTEMPTS: None})
