"""How submissions stand: reading, scoring, cancelling."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType, SubmissionStatusEnum
from synapse_workflows.local.domain import annotations, entities, ids, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.evaluations import access, status_annotations, submissions
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, Forbidden, ServiceError
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionStatus,
)

#: Statuses in one batch.
MAX_BATCH_SIZE: Final = 500


def create(session: Session, submission: Submission) -> None:
    """Give a new submission its status."""
    session.add(
        SubmissionStatus(
            submission_id=submission.id,
            etag=entities.generate_etag(),
            modified_on=submission.created_on,
            status=SubmissionStatusEnum.RECEIVED.value,
            submission_annotations={},
            status_version=0,
            can_cancel=False,
            cancel_requested=False,
        )
    )
    session.flush()


def serialize(
    submission: Submission, status: SubmissionStatus, *, with_private: bool
) -> dict[str, Any]:
    """Write a SubmissionStatus.

    Args:
        submission: what it is the status of.
        status: the status.
        with_private: show what only holders of READ_PRIVATE_SUBMISSION see.
    """
    shown = {
        "id": str(submission.id),
        "etag": status.etag,
        "annotations": status.submission_annotations,
    }
    return {
        "id": str(submission.id),
        "etag": status.etag,
        "modifiedOn": to_iso(status.modified_on),
        "status": status.status,
        "score": status.score,
        "report": status.report,
        "annotations": status_annotations.serialize(
            status.annotations, submission.id, submission.evaluation_id, with_private=with_private
        ),
        "submissionAnnotations": shown if with_private else None,
        "entityId": format_entity_id(submission.entity_id),
        "versionNumber": submission.version_number,
        "statusVersion": status.status_version,
        "canCancel": status.can_cancel,
        "cancelRequested": status.cancel_requested,
    }


def get_status(session: Session, submission_id: int) -> SubmissionStatus:
    """Give the status of a submission that exists."""
    return session.get_one(SubmissionStatus, submission_id)


def can_see_private(session: Session, caller: Caller, evaluation: Evaluation) -> bool:
    """Tell whether the caller sees the private parts of statuses."""
    right = AccessType.READ_PRIVATE_SUBMISSION
    return access.get_denial(session, caller, evaluation, right) is None


def get(session: Session, caller: Caller, submission_id: int) -> dict[str, Any]:
    """Give the status of a submission, without its private parts if need be.

    Raises:
        Forbidden: the caller may not READ the evaluation.
        NotFound: no such submission.
    """
    submission = submissions.get_submission(session, submission_id)
    right = AccessType.READ
    evaluation = access.require(session, caller, submission.evaluation_id, right)
    private = can_see_private(session, caller, evaluation)
    return serialize(submission, get_status(session, submission_id), with_private=private)


def update(
    session: Session, caller: Caller, submission_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace the status of a submission, both kinds of annotations included.

    Raises:
        BadRequest: a field is missing or ill-typed, or the score is not within 0 and 1.
        Forbidden: the caller lacks READ_PRIVATE_SUBMISSION or UPDATE_SUBMISSION.
        NotFound: no such submission.
        Stale: the etag is not the status's.
    """
    submission = submissions.get_submission(session, submission_id)
    require_scorer(session, caller, submission.evaluation_id)
    status = get_status(session, submission_id)
    _apply(caller, status, body)
    return serialize(submission, status, with_private=True)


def require_scorer(session: Session, caller: Caller, evaluation_id: int) -> Evaluation:
    """Give the evaluation to a caller who may change the statuses of what was submitted to it.

    Raises:
        Forbidden: the caller lacks READ_PRIVATE_SUBMISSION or UPDATE_SUBMISSION.
        NotFound: no such evaluation.
    """
    access.require(session, caller, evaluation_id, AccessType.READ_PRIVATE_SUBMISSION)
    return access.require(session, caller, evaluation_id, AccessType.UPDATE_SUBMISSION)


def _apply(caller: Caller, status: SubmissionStatus, body: Mapping[str, Any]) -> None:
    word = request_fields.parse_enum(SubmissionStatusEnum, body.get("status"), "status")
    score = request_fields.get_number(body, "score")
    if score is not None and not 0 <= score <= 1:
        raise BadRequest(f"Score must be between 0 and 1; it is {score}.")
    legacy = status_annotations.parse(body)
    given = request_fields.get_object(body, "submissionAnnotations") or {}
    noted = annotations.parse(given, frozenset())
    can_cancel = request_fields.get_boolean(body, "canCancel", default=status.can_cancel)
    requested = request_fields.get_boolean(
        body, "cancelRequested", default=status.cancel_requested
    )
    entities.check_etag(str(status.submission_id), status.etag, body)
    status.status, status.score, status.report = (
        word.value,
        score,
        request_fields.get_text(body, "report"),
    )
    status.annotations, status.submission_annotations = legacy, noted
    status.can_cancel, status.cancel_requested = can_cancel, requested
    mark_changed(status, caller)


def mark_changed(status: SubmissionStatus, caller: Caller) -> None:
    """Mark a status as changed: a new etag and version, and when."""
    status.etag = entities.generate_etag()
    status.status_version += 1
    status.modified_on = caller.now


def request_cancellation(session: Session, caller: Caller, submission_id: int) -> None:
    """Note that the submitter wants a submission to be cancelled.

    Raises:
        Forbidden: somebody else submitted it, or it cannot be cancelled.
        NotFound: no such submission.
    """
    submission = submissions.get_submission(session, submission_id)
    if submission.user_id != caller.id:
        raise Forbidden(
            f"Only the submitter may request to cancel the submission {submission_id}."
        )
    status = get_status(session, submission_id)
    if not status.can_cancel:
        raise Forbidden(f"The submission {submission_id} cannot be cancelled.")
    status.cancel_requested = True
    mark_changed(status, caller)


def update_batch(
    session: Session, caller: Caller, evaluation_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace up to 500 statuses of an evaluation (SubmissionStatusBatch), all or none.

    Several batches make an upload: each but the first brings the token that the one before it
    was answered with. A new first batch ends whatever upload was under way.

    Returns:
        A BatchUploadResponse: the token for the next batch, none after the last.

    Raises:
        BadRequest: no status or too many, or one breaks a rule.
        Forbidden: the caller lacks READ_PRIVATE_SUBMISSION or UPDATE_SUBMISSION.
        NotFound: no such evaluation or submission.
        ServiceError: 412 when another upload has begun meanwhile.
        Stale: an etag is not the current one.
    """
    evaluation = require_scorer(session, caller, evaluation_id)
    given = request_fields.get_list(body, "statuses") or []
    if not 1 <= len(given) <= MAX_BATCH_SIZE:
        raise BadRequest(
            f"statuses must hold 1 to {MAX_BATCH_SIZE} statuses; it holds {len(given)}."
        )
    is_first, is_last = _parse_flag(body, "isFirstBatch"), _parse_flag(body, "isLastBatch")
    token = evaluation.batch_token
    if not is_first and (token is None or request_fields.get_text(body, "batchToken") != token):
        told = "Your batch token is out of date. You must restart the upload from the first batch."
        raise ServiceError(told, status=412)
    for each in given:
        if not isinstance(each, dict):
            raise BadRequest("statuses must hold objects.")
        _apply(caller, _get_status_of_evaluation(session, evaluation, each), each)
    evaluation.batch_token = None if is_last else entities.generate_etag()
    return {"nextUploadToken": evaluation.batch_token}


def _parse_flag(body: Mapping[str, Any], key: str) -> bool:
    if body.get(key) is None:
        raise BadRequest(f"{key} is required.")
    return request_fields.get_boolean(body, key)


def _get_status_of_evaluation(
    session: Session, evaluation: Evaluation, body: Mapping[str, Any]
) -> SubmissionStatus:
    number = ids.parse_id(request_fields.get_required_text(body, "id"), "id")
    if submissions.get_submission(session, number).evaluation_id != evaluation.id:
        raise BadRequest(f"The submission {number} is not of the evaluation {evaluation.id}.")
    return get_status(session, number)
