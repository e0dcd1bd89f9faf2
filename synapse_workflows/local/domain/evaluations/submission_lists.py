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

SubmissionQuery = Select[Submission, SubmissionStatus]


def _select_submissions(evaluation: Evaluation, status: str | None) -> SubmissionQuery:
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


def _iter_page(
    session: Session, found: SubmissionQuery, asked: Page
) -> Iterator[tuple[Submission, SubmissionStatus]]:
    page = found.order_by(Submission.id).limit(asked.limit).offset(asked.offset)
    for row in session.execute(page):
        yield row[0], row[1]


def _select_all(
    session: Session, caller: Caller, evaluation_id: int, status: str | None
) -> SubmissionQuery:
    right = AccessType.READ_PRIVATE_SUBMISSION
    return _select_submissions(access.require(session, caller, evaluation_id, right), status)


def _select_own(caller: Caller, evaluation: Evaluation) -> SubmissionQuery:
    return _select_submissions(evaluation, None).where(Submission.user_id == caller.id)


def list_submissions(
    session: Session, caller: Caller, evaluation_id: int, asked: Page, status: str | None
) -> list[dict[str, Any]]:
    """List submissions, oldest first.

    Raises:
        BadRequest: there is no such status.
        Forbidden: the caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: no such evaluation.
    """
    found = _select_all(session, caller, evaluation_id, status)
    return [submissions.serialize(each) for each, _ in _iter_page(session, found, asked)]


def list_own_submissions(
    session: Session, caller: Caller, evaluation_id: int, asked: Page
) -> list[dict[str, Any]]:
    """List what the caller submitted, oldest first; no right is needed.

    Raises:
        NotFound: no such evaluation.
    """
    found = _select_own(caller, access.get_evaluation(session, evaluation_id))
    return [submissions.serialize(each) for each, _ in _iter_page(session, found, asked)]


def _serialize_bundle(
    submission: Submission, status: SubmissionStatus, *, with_private: bool
) -> dict[str, Any]:
    return {
        "submission": submissions.serialize(submission),
        "submissionStatus": submission_status.serialize(
            submission, status, with_private=with_private
        ),
    }


def list_bundles(
    session: Session, caller: Caller, evaluation_id: int, asked: Page, status: str | None
) -> list[dict[str, Any]]:
    """List submissions with their statuses (SubmissionBundle), oldest first.

    Raises:
        BadRequest: there is no such status.
        Forbidden: the caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: no such evaluation.
    """
    found = _select_all(session, caller, evaluation_id, status)
    return [
        _serialize_bundle(*each, with_private=True) for each in _iter_page(session, found, asked)
    ]


def list_own_bundles(
    session: Session, caller: Caller, evaluation_id: int, asked: Page
) -> list[dict[str, Any]]:
    """List what the caller submitted with its statuses, without their private parts if need be.

    Raises:
        NotFound: no such evaluation.
    """
    evaluation = access.get_evaluation(session, evaluation_id)
    private = submission_status.can_see_private(session, caller, evaluation)
    found = _select_own(caller, evaluation)
    return [
        _serialize_bundle(*each, with_private=private)
        for each in _iter_page(session, found, asked)
    ]


def list_statuses(
    session: Session, caller: Caller, evaluation_id: int, asked: Page, status: str | None
) -> list[dict[str, Any]]:
    """List statuses of submissions, oldest submission first.

    Raises:
        BadRequest: there is no such status.
        Forbidden: the caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: no such evaluation.
    """
    found = _select_all(session, caller, evaluation_id, status)
    return [
        submission_status.serialize(*each, with_private=True)
        for each in _iter_page(session, found, asked)
    ]


def count_submissions(
    session: Session, caller: Caller, evaluation_id: int, status: str | None
) -> int:
    """Count submissions.

    Raises:
        BadRequest: there is no such status.
        Forbidden: the caller may not READ the evaluation.
        NotFound: no such evaluation.
    """
    evaluation = access.require(session, caller, evaluation_id, AccessType.READ)
    found = _select_submissions(evaluation, status).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0
