"""Statuses of submissions: read, update, and request a cancellation."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, defer

from synapse_workflows.constants import AccessType, SubmissionStatusEnum
from synapse_workflows.local.domain import annotations, entities, ids, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.evaluations import access, status_annotations, submissions
from synapse_workflows.local.domain.ids import format_entity_id, generate_etag
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, Forbidden, PreconditionFailed
from synapse_workflows.local.storage.database import insert_row, update_row
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionStatus,
)

#: Maximum number of statuses in a batch.
MAX_BATCH_SIZE: Final = 500
_WITH_STATUS = (
    select(Submission, SubmissionStatus)
    .join(SubmissionStatus, SubmissionStatus.submission_id == Submission.id)
    .where(Submission.id == bindparam("submission_id"))
    .options(defer(Submission.entity_bundle))
)


def create(session: Session, submission: Submission) -> None:
    """Create the status of a new submission."""
    insert_row(
        session,
        SubmissionStatus(
            submission_id=submission.id,
            etag=generate_etag(),
            modified_on=submission.created_on,
            status=SubmissionStatusEnum.RECEIVED.value,
            submission_annotations={},
            status_version=0,
            can_cancel=False,
            cancel_requested=False,
        ),
    )


def serialize(
    submission: Submission, status: SubmissionStatus, *, with_private: bool
) -> dict[str, Any]:
    """Return a status in the format of the REST API.

    Args:
        submission: The submission.
        status: Status of the submission.
        with_private: Include the annotations that require READ_PRIVATE_SUBMISSION.
    """
    annotations_body = {
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
        "submissionAnnotations": annotations_body if with_private else None,
        "entityId": format_entity_id(submission.entity_id),
        "versionNumber": submission.version_number,
        "statusVersion": status.status_version,
        "canCancel": status.can_cancel,
        "cancelRequested": status.cancel_requested,
    }


def get_status(session: Session, submission_id: int) -> SubmissionStatus:
    """Return the status of an existing submission."""
    return session.get_one(SubmissionStatus, submission_id)


def _get_with_status(session: Session, submission_id: int) -> tuple[Submission, SubmissionStatus]:
    """Return a submission, without its entity bundle, and its status.

    Raises:
        NotFound: No such submission.
    """
    row = session.execute(_WITH_STATUS, {"submission_id": submission_id}).one_or_none()
    if row is None:
        raise submissions.build_not_found(submission_id)
    return row[0], row[1]


def can_see_private(session: Session, caller: Caller, evaluation_id: int) -> bool:
    """Return whether the caller may read private annotations."""
    right = AccessType.READ_PRIVATE_SUBMISSION
    return access.get_denial(session, caller, evaluation_id, right) is None


def get(session: Session, caller: Caller, submission_id: int) -> dict[str, Any]:
    """Return the status of a submission.

    Private annotations are included only if the caller has READ_PRIVATE_SUBMISSION.

    Raises:
        Forbidden: The caller lacks READ on the evaluation.
        NotFound: No such submission.
    """
    submission, status = _get_with_status(session, submission_id)
    evaluation_id = submission.evaluation_id
    access.check(session, caller, evaluation_id, AccessType.READ)
    with_private = can_see_private(session, caller, evaluation_id)
    return serialize(submission, status, with_private=with_private)


def update(
    session: Session, caller: Caller, submission_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace the status of a submission, including legacy and current annotations.

    Raises:
        BadRequest: A property is missing or invalid.
        Forbidden: The caller lacks READ_PRIVATE_SUBMISSION or UPDATE_SUBMISSION.
        NotFound: No such submission.
        StaleEtag: The etag is not the current one.
    """
    submission, status = _get_with_status(session, submission_id)
    access.check(session, caller, submission.evaluation_id, *access.SCORER_RIGHTS)
    _apply(session, caller, status, body)
    return serialize(submission, status, with_private=True)


def _apply(
    session: Session, caller: Caller, status: SubmissionStatus, body: Mapping[str, Any]
) -> None:
    value = request_fields.parse_enum(SubmissionStatusEnum, body.get("status"), "status")
    score = request_fields.get_number(body, "score")
    if score is not None and not 0 <= score <= 1:
        raise BadRequest(f"Score must be between 0 and 1; got {score}.")
    legacy = status_annotations.parse(body)
    annotations_body = request_fields.get_object(body, "submissionAnnotations") or {}
    parsed_annotations = annotations.parse(annotations_body, frozenset())
    can_cancel = request_fields.get_boolean(body, "canCancel", default=status.can_cancel)
    requested = request_fields.get_boolean(
        body, "cancelRequested", default=status.cancel_requested
    )
    entities.check_etag(str(status.submission_id), status.etag, body)
    record_change(
        session,
        caller,
        status,
        status=value.value,
        score=score,
        report=request_fields.get_text(body, "report"),
        annotations=legacy,
        submission_annotations=parsed_annotations,
        can_cancel=can_cancel,
        cancel_requested=requested,
    )


def record_change(
    session: Session, caller: Caller, status: SubmissionStatus, /, **values: Any
) -> None:
    """Set a new etag, version and modification time, and other columns of a status."""
    update_row(
        session,
        status,
        etag=generate_etag(),
        status_version=status.status_version + 1,
        modified_on=caller.now,
        **values,
    )


def request_cancellation(session: Session, caller: Caller, submission_id: int) -> None:
    """Request the cancellation of a submission.

    Raises:
        Forbidden: The caller is not the submitter, or the submission cannot be cancelled.
        NotFound: No such submission.
    """
    submission, status = _get_with_status(session, submission_id)
    if submission.user_id != caller.id:
        raise Forbidden(
            f"Only the submitter may request to cancel the submission {submission_id}."
        )
    if not status.can_cancel:
        raise Forbidden(f"The submission {submission_id} cannot be cancelled.")
    record_change(session, caller, status, cancel_requested=True)


def update_batch(
    session: Session, caller: Caller, evaluation_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace up to 500 statuses of an evaluation atomically (SubmissionStatusBatch).

    An upload consists of one or more batches. Each batch except the first must carry the token in
    the response to the previous batch. A new first batch ends an upload in progress.

    Returns:
        A BatchUploadResponse with the token for the next batch. The response to the last batch has
        no token.

    Raises:
        BadRequest: The batch has no statuses or too many statuses, or a status is invalid.
        Forbidden: The caller lacks READ_PRIVATE_SUBMISSION or UPDATE_SUBMISSION.
        NotFound: No such evaluation or submission.
        PreconditionFailed: Another upload has started.
        StaleEtag: An etag is not the current one.
    """
    evaluation = access.require(session, caller, evaluation_id, *access.SCORER_RIGHTS)
    statuses = request_fields.get_list(body, "statuses") or []
    if not 1 <= len(statuses) <= MAX_BATCH_SIZE:
        raise BadRequest(f"statuses must have 1 to {MAX_BATCH_SIZE} items; got {len(statuses)}.")
    is_first, is_last = _parse_flag(body, "isFirstBatch"), _parse_flag(body, "isLastBatch")
    token = evaluation.batch_token
    if not is_first and (token is None or request_fields.get_text(body, "batchToken") != token):
        message = (
            "Your batch token is out of date. You must restart the upload from the first batch."
        )
        raise PreconditionFailed(message)
    for each in statuses:
        if not isinstance(each, dict):
            raise BadRequest("statuses must be an array of objects.")
        _apply(session, caller, _get_status_of_evaluation(session, evaluation, each), each)
    evaluation.batch_token = None if is_last else generate_etag()
    return {"nextUploadToken": evaluation.batch_token}


def _parse_flag(body: Mapping[str, Any], key: str) -> bool:
    if body.get(key) is None:
        raise BadRequest(f"{key} is required.")
    return request_fields.get_boolean(body, key)


def _get_status_of_evaluation(
    session: Session, evaluation: Evaluation, body: Mapping[str, Any]
) -> SubmissionStatus:
    number = ids.parse_id(request_fields.get_required_text(body, "id"), "id")
    submission, status = _get_with_status(session, number)
    if submission.evaluation_id != evaluation.id:
        raise BadRequest(f"Submission {number} does not belong to evaluation {evaluation.id}.")
    return status
