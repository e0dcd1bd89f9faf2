"""Lists and counts of the submissions to an evaluation and their statuses."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, defer

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
    """Return the query of the submissions to an evaluation, optionally with a given status.

    Raises:
        BadRequest: The status is invalid.
    """
    query = (
        select(Submission, SubmissionStatus)
        .join(SubmissionStatus, SubmissionStatus.submission_id == Submission.id)
        .where(Submission.evaluation_id == evaluation.id)
    )
    if not status:
        return query
    value = request_fields.parse_enum(SubmissionStatusEnum, status, "status")
    return query.where(SubmissionStatus.status == value.value)


def _iter_page(
    session: Session, query: SubmissionQuery, page: Page
) -> Iterator[tuple[Submission, SubmissionStatus]]:
    query = query.order_by(Submission.id).limit(page.limit).offset(page.offset)
    for row in session.execute(query):
        yield row[0], row[1]


def _select_all(
    session: Session, caller: Caller, evaluation_id: int, status: str | None
) -> SubmissionQuery:
    right = AccessType.READ_PRIVATE_SUBMISSION
    return _select_submissions(access.require(session, caller, evaluation_id, right), status)


def _select_own(caller: Caller, evaluation: Evaluation) -> SubmissionQuery:
    return _select_submissions(evaluation, None).where(Submission.user_id == caller.id)


def list_submissions(
    session: Session, caller: Caller, evaluation_id: int, page: Page, status: str | None
) -> list[dict[str, Any]]:
    """List the submissions to an evaluation, oldest first.

    Raises:
        BadRequest: The status is invalid.
        Forbidden: The caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: No such evaluation.
    """
    query = _select_all(session, caller, evaluation_id, status)
    return [submissions.serialize(each) for each, _ in _iter_page(session, query, page)]


def list_own_submissions(
    session: Session, caller: Caller, evaluation_id: int, page: Page
) -> list[dict[str, Any]]:
    """List the submissions of the caller, oldest first. The caller needs no right.

    Raises:
        NotFound: No such evaluation.
    """
    query = _select_own(caller, access.get_evaluation(session, evaluation_id))
    return [submissions.serialize(each) for each, _ in _iter_page(session, query, page)]


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
    session: Session, caller: Caller, evaluation_id: int, page: Page, status: str | None
) -> list[dict[str, Any]]:
    """List the submissions with their statuses (SubmissionBundle), oldest first.

    Raises:
        BadRequest: The status is invalid.
        Forbidden: The caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: No such evaluation.
    """
    query = _select_all(session, caller, evaluation_id, status)
    return [
        _serialize_bundle(*each, with_private=True) for each in _iter_page(session, query, page)
    ]


def list_own_bundles(
    session: Session, caller: Caller, evaluation_id: int, page: Page
) -> list[dict[str, Any]]:
    """List the submissions of the caller with their statuses, oldest first.

    Private annotations are included only if the caller has READ_PRIVATE_SUBMISSION.

    Raises:
        NotFound: No such evaluation.
    """
    evaluation = access.get_evaluation(session, evaluation_id)
    with_private = submission_status.can_see_private(session, caller, evaluation.id)
    query = _select_own(caller, evaluation)
    return [
        _serialize_bundle(*each, with_private=with_private)
        for each in _iter_page(session, query, page)
    ]


def list_statuses(
    session: Session, caller: Caller, evaluation_id: int, page: Page, status: str | None
) -> list[dict[str, Any]]:
    """List the statuses of the submissions, oldest submission first.

    Raises:
        BadRequest: The status is invalid.
        Forbidden: The caller lacks READ_PRIVATE_SUBMISSION.
        NotFound: No such evaluation.
    """
    query = _select_all(session, caller, evaluation_id, status)
    query = query.options(defer(Submission.entity_bundle))
    return [
        submission_status.serialize(*each, with_private=True)
        for each in _iter_page(session, query, page)
    ]


def count_submissions(
    session: Session, caller: Caller, evaluation_id: int, status: str | None
) -> int:
    """Return the number of submissions to an evaluation.

    Raises:
        BadRequest: The status is invalid.
        Forbidden: The caller lacks READ.
        NotFound: No such evaluation.
    """
    evaluation = access.require(session, caller, evaluation_id, AccessType.READ)
    query = _select_submissions(evaluation, status).with_only_columns(func.count(Submission.id))
    return session.scalar(query) or 0
