"""Routes of submissions and their statuses (repo/v1)."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from synapse_workflows.local.domain import file_handles, paging
from synapse_workflows.local.domain.evaluations import (
    submission_create,
    submission_lists,
    submission_status,
    submissions,
)
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.routers.dependencies import Call, RedirectCall
from synapse_workflows.local.routers.evaluations import EvaluationId
from synapse_workflows.local.routers.files import lead_to
from synapse_workflows.local.routers.responses import Answer, created, done

router = APIRouter(prefix="/repo/v1")

_MOST: Final = 100


async def submission_id_of(submission_id: str) -> int:
    """Read the id of a submission from a path.

    Raises:
        BadRequest: it is none.
    """
    return parse_id(submission_id, "submissionId")


async def window_of(limit: int = 10, offset: int = 0) -> Page:
    """Read which part of a list is asked for, at most 100 of it."""
    return paging.parse_page(limit, offset, maximum=_MOST)


SubmissionId = Annotated[int, Depends(submission_id_of)]
Asked = Annotated[Page, Depends(window_of)]


@router.post("/evaluation/submission")
def create_submission(
    call: Call,
    etag: str,
    eligibility_hash: Annotated[str | None, Query(alias="submissionEligibilityHash")] = None,
) -> Response:
    """Submit a version of an entity.

    Source: POST /evaluation/submission
    """
    with call.writing("view", "modify") as work:
        body = call.json_object()
        made = submission_create.create(work.session, work.caller, body, etag, eligibility_hash)
        return created(made)


@router.get("/evaluation/submission/{submission_id}")
def get_submission(call: Call, submission_id: SubmissionId) -> Response:
    """Give a submission.

    Source: GET /evaluation/submission/{id}
    """
    with call.reading("view") as work:
        return Answer(submissions.get(work.session, work.caller, submission_id))


@router.delete("/evaluation/submission/{submission_id}")
def delete_submission(call: Call, submission_id: SubmissionId) -> Response:
    """Delete a submission.

    Source: DELETE /evaluation/submission/{id}
    """
    with call.writing("modify") as work:
        submissions.delete(work.session, work.caller, submission_id)
    return done()


@router.get("/evaluation/submission/{submission_id}/status")
def get_status(call: Call, submission_id: SubmissionId) -> Response:
    """Tell how a submission stands.

    Source: GET /evaluation/submission/{id}/status
    """
    with call.reading("view") as work:
        return Answer(submission_status.get(work.session, work.caller, submission_id))


@router.put("/evaluation/submission/{submission_id}/status")
def put_status(call: Call, submission_id: SubmissionId) -> Response:
    """Replace the status of a submission.

    Source: PUT /evaluation/submission/{id}/status
    """
    with call.writing("view", "modify") as work:
        body = call.json_object(not_finite=True)
        return Answer(submission_status.update(work.session, work.caller, submission_id, body))


@router.put("/evaluation/submission/{submission_id}/cancellation")
def cancel_submission(call: Call, submission_id: SubmissionId) -> Response:
    """Ask for a submission to be cancelled.

    Source: PUT /evaluation/submission/{id}/cancellation
    """
    with call.writing("modify") as work:
        submission_status.request_cancellation(work.session, work.caller, submission_id)
    return done()


@router.get("/evaluation/submission/{submission_id}/file/{handle_id}")
def get_file(
    call: RedirectCall, submission_id: SubmissionId, handle_id: str, *, redirect: bool = True
) -> Response:
    """Lead to the bytes of a file that was submitted.

    Source: GET /evaluation/submission/{subId}/file/{fileHandleId}
    """
    with call.reading("download") as work:
        handle = parse_id(handle_id, "fileHandleId")
        found = submissions.get_file_handle(work.session, work.caller, submission_id, handle)
        url = file_handles.get_url(work.service, found)
    return lead_to(url, redirect=redirect)


@router.put("/evaluation/{evaluation_id}/statusBatch")
def put_statuses(call: Call, evaluation_id: EvaluationId) -> Response:
    """Replace several statuses at once.

    Source: PUT /evaluation/{id}/statusBatch
    """
    with call.writing("view", "modify") as work:
        body = call.json_object(not_finite=True)
        return Answer(
            submission_status.update_batch(work.session, work.caller, evaluation_id, body)
        )


@router.get("/evaluation/{evaluation_id}/submission/all")
def list_submissions(
    call: Call, evaluation_id: EvaluationId, asked: Asked, status: str | None = None
) -> Response:
    """List what was submitted to an evaluation.

    Source: GET /evaluation/{id}/submission/all
    """
    with call.reading("view") as work:
        found = submission_lists.list_submissions(
            work.session, work.caller, evaluation_id, asked, status
        )
    return Answer(paging.build_results(found, asked))


@router.get("/evaluation/{evaluation_id}/submission")
def list_own_submissions(call: Call, evaluation_id: EvaluationId, asked: Asked) -> Response:
    """List what the caller submitted to an evaluation.

    Source: GET /evaluation/{id}/submission
    """
    with call.reading("view") as work:
        found = submission_lists.list_own_submissions(
            work.session, work.caller, evaluation_id, asked
        )
    return Answer(paging.build_results(found, asked))


@router.get("/evaluation/{evaluation_id}/submission/bundle/all")
def list_bundles(
    call: Call, evaluation_id: EvaluationId, asked: Asked, status: str | None = None
) -> Response:
    """List what was submitted to an evaluation, and how it stands.

    Source: GET /evaluation/{id}/submission/bundle/all
    """
    with call.reading("view") as work:
        found = submission_lists.list_bundles(
            work.session, work.caller, evaluation_id, asked, status
        )
    return Answer(paging.build_results(found, asked))


@router.get("/evaluation/{evaluation_id}/submission/bundle")
def list_own_bundles(call: Call, evaluation_id: EvaluationId, asked: Asked) -> Response:
    """List what the caller submitted to an evaluation, and how it stands.

    Source: GET /evaluation/{id}/submission/bundle
    """
    with call.reading("view") as work:
        found = submission_lists.list_own_bundles(work.session, work.caller, evaluation_id, asked)
    return Answer(paging.build_results(found, asked))


@router.get("/evaluation/{evaluation_id}/submission/status/all")
def list_statuses(
    call: Call, evaluation_id: EvaluationId, asked: Asked, status: str | None = None
) -> Response:
    """List how what was submitted to an evaluation stands.

    Source: GET /evaluation/{id}/submission/status/all
    """
    with call.reading("view") as work:
        found = submission_lists.list_statuses(
            work.session, work.caller, evaluation_id, asked, status
        )
    return Answer(paging.build_results(found, asked))


@router.get("/evaluation/{evaluation_id}/submission/count")
def count_submissions(
    call: Call, evaluation_id: EvaluationId, status: str | None = None
) -> Response:
    """Count what was submitted to an evaluation.

    Source: GET /evaluation/{id}/submission/count
    """
    with call.reading("view") as work:
        return Answer(
            submission_lists.count_submissions(work.session, work.caller, evaluation_id, status)
        )
