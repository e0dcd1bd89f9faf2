"""Submissions and their files: read and delete."""

from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import file_handles
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.evaluations import access
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.evaluation_models import (
    Submission,
    SubmissionFileHandle,
)
from synapse_workflows.local.storage.file_models import FileHandle


def serialize(submission: Submission) -> dict[str, Any]:
    """Return a submission in the format of the REST API."""
    return {
        "id": str(submission.id),
        "userId": str(submission.user_id),
        "submitterAlias": submission.submitter_alias,
        "evaluationId": str(submission.evaluation_id),
        "evaluationRoundId": None if submission.round_id is None else str(submission.round_id),
        "entityId": format_entity_id(submission.entity_id),
        "entityBundleJSON": submission.entity_bundle,
        "versionNumber": submission.version_number,
        "dockerRepositoryName": submission.docker_repository_name,
        "dockerDigest": submission.docker_digest,
        "name": submission.name,
        "createdOn": to_iso(submission.created_on),
        "teamId": None if submission.team_id is None else str(submission.team_id),
        "contributors": submission.contributors,
    }


def build_not_found(submission_id: int) -> NotFound:
    """Return the error for a submission that does not exist."""
    return NotFound(f"Submission with id {submission_id} does not exist")


def get_submission(session: Session, submission_id: int) -> Submission:
    """Return a submission.

    Raises:
        NotFound: No such submission.
    """
    submission = session.get(Submission, submission_id)
    if submission is None:
        raise build_not_found(submission_id)
    return submission


def require(session: Session, caller: Caller, submission_id: int, right: AccessType) -> Submission:
    """Return a submission to an evaluation on which the caller has a right.

    Raises:
        Forbidden: The caller lacks the right.
        NotFound: No such submission.
    """
    submission = get_submission(session, submission_id)
    access.check(session, caller, submission.evaluation_id, right)
    return submission


def get(session: Session, caller: Caller, submission_id: int) -> dict[str, Any]:
    """Return a submission.

    Raises:
        Forbidden: The caller lacks READ_PRIVATE_SUBMISSION. Submitters need this right, too.
        NotFound: No such submission.
    """
    right = AccessType.READ_PRIVATE_SUBMISSION
    return serialize(require(session, caller, submission_id, right))


def delete(session: Session, caller: Caller, submission_id: int) -> None:
    """Delete a submission with its status.

    Raises:
        Forbidden: The caller lacks DELETE_SUBMISSION.
        NotFound: No such submission.
    """
    session.delete(require(session, caller, submission_id, AccessType.DELETE_SUBMISSION))


def has_file_handle(session: Session, submission_id: int, handle_id: int) -> bool:
    """Return whether a submission includes a file handle."""
    condition = exists().where(
        SubmissionFileHandle.submission_id == submission_id,
        SubmissionFileHandle.handle_id == handle_id,
    )
    return bool(session.scalar(select(condition)))


def can_read_files(session: Session, caller: Caller, submission_id: int) -> bool:
    """Return whether the submission exists and the caller may read its files."""
    submission = session.get(Submission, submission_id)
    right = AccessType.READ_PRIVATE_SUBMISSION
    return submission is not None and (
        access.get_denial(session, caller, submission.evaluation_id, right) is None
    )


def get_file_handle(
    session: Session, caller: Caller, submission_id: int, handle_id: int
) -> FileHandle:
    """Return a file handle of a submission.

    Raises:
        Forbidden: The caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: No such submission, or the submission does not include the file handle.
    """
    require(session, caller, submission_id, AccessType.READ_PRIVATE_SUBMISSION)
    if not has_file_handle(session, submission_id, handle_id):
        raise NotFound(
            f"Submission {submission_id} does not contain the requested FileHandle {handle_id}"
        )
    return file_handles.get_handle(session, handle_id)
