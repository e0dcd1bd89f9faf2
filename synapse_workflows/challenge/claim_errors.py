"""Errors of claims on submissions.

SynapseError
└─ ClaimError                  .submission_id
    ├─ ClaimExpiredError       the lease ran out, because the claim could not be renewed
    ├─ ClaimHeldError          another task has the claim, and its lease has not run out
    ├─ ClaimLimitError         the submission was claimed too often without a result
    ├─ ClaimLostError          the claim has ended, or another task has taken it over
    └─ ClaimFinishedError      the claim was finished: .status
"""

from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.errors import RetryCategory, SynapseError


class ClaimError(SynapseError):
    """A claim on a submission cannot be used.

    Args:
        message: The error message.
        submission_id: ID of the submission.
    """

    _retry_category = RetryCategory.PERMANENT

    def __init__(self, message: str, submission_id: str) -> None:
        super().__init__(message)
        self.submission_id = submission_id


class ClaimExpiredError(ClaimError):
    """The lease ran out, because the claim could not be renewed. A later try may succeed."""

    _retry_category = RetryCategory.CONFLICT


class ClaimHeldError(ClaimError):
    """Another task has the claim, and its lease has not run out. A later try may succeed."""

    _retry_category = RetryCategory.CONFLICT


class ClaimLimitError(ClaimError):
    """The submission was claimed too often without a result; it is marked for the organizers."""


class ClaimLostError(ClaimError):
    """The claim has ended, or another task has taken it over."""


class ClaimFinishedError(ClaimError):
    """The claim was finished: the submission has its result.

    Args:
        message: The error message.
        submission_id: ID of the submission.
        status: The SubmissionStatus.
    """

    def __init__(self, message: str, submission_id: str, status: Mapping[str, Any]) -> None:
        super().__init__(message, submission_id)
        self.status = dict(status)
