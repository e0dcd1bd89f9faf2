"""Routes of submissions and their statuses (repo/v1)."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from synapse_workflows.local.domain import paging
from synapse_workflows.local.domain.evaluations import (
    submission_create,
    submission_eligibility,
    submission_lists,
    submission_status,
    submissions,
)
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.storage import download_urls
from synapse_workflows.local.routers.dependencies import JsonRequest, RedirectRequest
from synapse_workflows.local.routers.evaluations import EvaluationId
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import TeamId
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    no_content_response,
    redirect_to,
)

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)

_MAX_LIMIT: Final = 100


async def parse_submission_id(submission_id: str) -> int:
    """Parse the submission ID of a path.

    Raises:
        BadRequest: The ID is invalid.
    """
    return parse_id(submission_id, "submissionId")


async def parse_page(limit: int = 10, offset: int = 0) -> Page:
    """Parse the query parameters of a page of at most 100 items.

    Raises:
        BadRequest: The limit or the offset is out of range.
    """
    return paging.parse_page(limit, offset, maximum=_MAX_LIMIT)


SubmissionId = Annotated[int, Depends(parse_submission_id)]
PageParameters = Annotated[Page, Depends(parse_page)]


@router.post("/evaluation/submission")
def create_submission(
    request: JsonRequest,
    etag: str,
    eligibility_hash: Annotated[str | None, Query(alias="submissionEligibilityHash")] = None,
) -> Response:
    """Submit a version of an entity to an evaluation.

    Source: POST /evaluation/submission
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        submission = submission_create.create(tx.session, tx.caller, body, etag, eligibility_hash)
        return created_response(submission)


@router.get("/evaluation/{evaluation_id}/team/{team_id}/submissionEligibility")
def get_team_eligibility(
    request: JsonRequest, evaluation_id: EvaluationId, team_id: TeamId
) -> Response:
    """Return the eligibility of a team and its members to submit.

    Source: GET /evaluation/{id}/team/{teamId}/submissionEligibility
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(
            submission_eligibility.get_team_eligibility(
                tx.session, tx.caller, evaluation_id, team_id
            )
        )


@router.get("/evaluation/submission/{submission_id}")
def get_submission(request: JsonRequest, submission_id: SubmissionId) -> Response:
    """Return a submission.

    Source: GET /evaluation/submission/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(submissions.get(tx.session, tx.caller, submission_id))


@router.delete("/evaluation/submission/{submission_id}")
def delete_submission(request: JsonRequest, submission_id: SubmissionId) -> Response:
    """Delete a submission.

    Source: DELETE /evaluation/submission/{id}
    """
    with request.write_transaction("modify") as tx:
        submissions.delete(tx.session, tx.caller, submission_id)
    return no_content_response()


@router.get("/evaluation/submission/{submission_id}/status")
def get_status(request: JsonRequest, submission_id: SubmissionId) -> Response:
    """Return the status of a submission.

    Source: GET /evaluation/submission/{id}/status
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(submission_status.get(tx.session, tx.caller, submission_id))


@router.put("/evaluation/submission/{submission_id}/status")
def update_status(request: JsonRequest, submission_id: SubmissionId) -> Response:
    """Update the status of a submission.

    Source: PUT /evaluation/submission/{id}/status
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object(allow_nan=True)
        return ApiResponse(submission_status.update(tx.session, tx.caller, submission_id, body))


@router.put("/evaluation/submission/{submission_id}/cancellation")
def cancel_submission(request: JsonRequest, submission_id: SubmissionId) -> Response:
    """Request the cancellation of a submission.

    Source: PUT /evaluation/submission/{id}/cancellation
    """
    with request.write_transaction("modify") as tx:
        submission_status.request_cancellation(tx.session, tx.caller, submission_id)
    return no_content_response()


@router.get("/evaluation/submission/{submission_id}/file/{handle_id}")
def get_file(
    request: RedirectRequest, submission_id: SubmissionId, handle_id: str, *, redirect: bool = True
) -> Response:
    """Redirect to the content of a file of a submission.

    Source: GET /evaluation/submission/{subId}/file/{fileHandleId}
    """
    with request.read_transaction("download") as tx:
        handle = parse_id(handle_id, "fileHandleId")
        found = submissions.get_file_handle(tx.session, tx.caller, submission_id, handle)
        url = download_urls.get_url(tx.service, tx.session, found)
    return redirect_to(url, redirect=redirect)


@router.put("/evaluation/{evaluation_id}/statusBatch")
def update_statuses(request: JsonRequest, evaluation_id: EvaluationId) -> Response:
    """Update the statuses of several submissions.

    Source: PUT /evaluation/{id}/statusBatch
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object(allow_nan=True)
        return ApiResponse(
            submission_status.update_batch(tx.session, tx.caller, evaluation_id, body)
        )


@router.get("/evaluation/{evaluation_id}/submission/all")
def list_submissions(
    request: JsonRequest,
    evaluation_id: EvaluationId,
    page: PageParameters,
    status: str | None = None,
) -> Response:
    """List the submissions to an evaluation.

    Source: GET /evaluation/{id}/submission/all
    """
    with request.read_transaction("view") as tx:
        found = submission_lists.list_submissions(
            tx.session, tx.caller, evaluation_id, page, status
        )
    return ApiResponse(paging.build_results(found, page))


@router.get("/evaluation/{evaluation_id}/submission")
def list_own_submissions(
    request: JsonRequest, evaluation_id: EvaluationId, page: PageParameters
) -> Response:
    """List the submissions of the caller to an evaluation.

    Source: GET /evaluation/{id}/submission
    """
    with request.read_transaction("view") as tx:
        found = submission_lists.list_own_submissions(tx.session, tx.caller, evaluation_id, page)
    return ApiResponse(paging.build_results(found, page))


@router.get("/evaluation/{evaluation_id}/submission/bundle/all")
def list_bundles(
    request: JsonRequest,
    evaluation_id: EvaluationId,
    page: PageParameters,
    status: str | None = None,
) -> Response:
    """List the submissions to an evaluation with their statuses.

    Source: GET /evaluation/{id}/submission/bundle/all
    """
    with request.read_transaction("view") as tx:
        found = submission_lists.list_bundles(tx.session, tx.caller, evaluation_id, page, status)
    return ApiResponse(paging.build_results(found, page))


@router.get("/evaluation/{evaluation_id}/submission/bundle")
def list_own_bundles(
    request: JsonRequest, evaluation_id: EvaluationId, page: PageParameters
) -> Response:
    """List the submissions of the caller to an evaluation with their statuses.

    Source: GET /evaluation/{id}/submission/bundle
    """
    with request.read_transaction("view") as tx:
        found = submission_lists.list_own_bundles(tx.session, tx.caller, evaluation_id, page)
    return ApiResponse(paging.build_results(found, page))


@router.get("/evaluation/{evaluation_id}/submission/status/all")
def list_statuses(
    request: JsonRequest,
    evaluation_id: EvaluationId,
    page: PageParameters,
    status: str | None = None,
) -> Response:
    """List the statuses of the submissions to an evaluation.

    Source: GET /evaluation/{id}/submission/status/all
    """
    with request.read_transaction("view") as tx:
        found = submission_lists.list_statuses(tx.session, tx.caller, evaluation_id, page, status)
    return ApiResponse(paging.build_results(found, page))


@router.get("/evaluation/{evaluation_id}/submission/count")
def count_submissions(
    request: JsonRequest, evaluation_id: EvaluationId, status: str | None = None
) -> Response:
    """Return the number of submissions to an evaluation.

    Source: GET /evaluation/{id}/submission/count
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(
            submission_lists.count_submissions(tx.session, tx.caller, evaluation_id, status)
        )
