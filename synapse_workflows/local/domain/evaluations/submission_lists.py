"""Lists of what was submitted to an evaluation: submissions, statuses, both, and how many."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType, SubmissionStatusEnum
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.evaluations import access, submission_status, submissions
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionStatus,
)

Lines = Select[Submission, SubmissionStatus]


def _matching(evaluation: Evaluation, status: str | None) -> Lines:
    """Make the query of an evaluation's submissions, perhaps only of those that stand so.

    Raises:
        BadRequest: there is no such status.
    """
    found = (
        select(Submission, SubmissionStatus)
        .join(SubmissionStatus, SubmissionStatus.submission_id == Submission.id)
        .where(Submission.evaluation_id == evaluation.id)
    )
    if not status:
        return found
    word = request_fields.parse_enum(SubmissionStatusEnum, status, "status")
    return found.where(SubmissionStatus.status == word.value)


def _page(
    session: Session, found: Lines, asked: Page
) -> Iterator[tuple[Submission, SubmissionStatus]]:
    page = found.order_by(Submission.id).limit(asked.limit).offset(asked.offset)
    for row in session.execute(page):
        yield row[0], row[1]


def _of_all(session: Session, caller: Caller, evaluation_id: int, status: str | None) -> Lines:
    right = AccessType.READ_PRIVATE_SUBMISSION
    return _matching(access.require(session, caller, evaluation_id, right), status)


def _of_caller(caller: Caller, evaluation: Evaluation) -> Lines:
    return _matching(evaluation, None).where(Submission.user_id == caller.id)


def all_submissions(
    session: Session, caller: Caller, evaluation_id: int, asked: Page, status: str | None
) -> list[dict[str, Any]]:
    """List submissions, oldest first.

    Raises:
        BadRequest: there is no such status.
        Forbidden: the caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: no such evaluation.
    """
    found = _of_all(session, caller, evaluation_id, status)
    return [submissions.serialize(each) for each, _ in _page(session, found, asked)]


def own_submissions(
    session: Session, caller: Caller, evaluation_id: int, asked: Page
) -> list[dict[str, Any]]:
    """List what the caller submitted, oldest first; no right is needed.

    Raises:
        NotFound: no such evaluation.
    """
    found = _of_caller(caller, access.find(session, evaluation_id))
    return [submissions.serialize(each) for each, _ in _page(session, found, asked)]


def _bundle(
    submission: Submission, status: SubmissionStatus, *, with_private: bool
) -> dict[str, Any]:
    return {
        "submission": submissions.serialize(submission),
        "submissionStatus": submission_status.serialize(
            submission, status, with_private=with_private
        ),
    }


def all_bundles(
    session: Session, caller: Caller, evaluation_id: int, asked: Page, status: str | None
) -> list[dict[str, Any]]:
    """List submissions with their statuses (SubmissionBundle), oldest first.

    Raises:
        BadRequest: there is no such status.
        Forbidden: the caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: no such evaluation.
    """
    found = _of_all(session, caller, evaluation_id, status)
    return [_bundle(*each, with_private=True) for each in _page(session, found, asked)]


def own_bundles(
    session: Session, caller: Caller, evaluation_id: int, asked: Page
) -> list[dict[str, Any]]:
    """List what the caller submitted with its statuses, without their private parts if need be.

    Raises:
        NotFound: no such evaluation.
    """
    evaluation = access.find(session, evaluation_id)
    private = submission_status.sees_private(session, caller, evaluation)
    found = _of_caller(caller, evaluation)
    return [_bundle(*each, with_private=private) for each in _page(session, found, asked)]


def all_statuses(
    session: Session, caller: Caller, evaluation_id: int, asked: Page, status: str | None
) -> list[dict[str, Any]]:
    """List statuses of submissions, oldest submission first.

    Raises:
        BadRequest: there is no such status.
        Forbidden: the caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: no such evaluation.
    """
    found = _of_all(session, caller, evaluation_id, status)
    return [
        submission_status.serialize(*each, with_private=True)
        for each in _page(session, found, asked)
    ]


def count(session: Session, caller: Caller, evaluation_id: int, status: str | None) -> int:
    """Count submissions.

    Raises:
        BadRequest: there is no such status.
        Forbidden: the caller may not READ the evaluation.
        NotFound: no such evaluation.
    """
    evaluation = access.require(session, caller, evaluation_id, AccessType.READ)
    found = _matching(evaluation, status).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0
