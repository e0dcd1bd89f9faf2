"""Routes of asynchronous jobs, and a function that adds the routes of a job type to a router."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import async_jobs, bulk_download
from synapse_workflows.local.domain.async_jobs import JobType
from synapse_workflows.local.domain.ids import canonical_id
from synapse_workflows.local.domain.tables import csv_preview
from synapse_workflows.local.routers.dependencies import ApiRequest, JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import ApiResponse, created_response, empty_response

router = APIRouter(route_class=LazyRoute)


def add_job_routes(router: APIRouter, path: str, job_type: JobType, *scopes: str) -> None:
    """Add the two routes of a type of asynchronous job: start a job, get its result.

    Args:
        router: The router.
        path: Path up to `/async`. If the path contains `{entity_id}`, each job belongs to an
            entity.
        job_type: Type of the jobs.
        scopes: OAuth scopes that both routes require.

    Source: POST {path}/async/start, GET {path}/async/get/{token}
    """

    def start(request: JsonRequest) -> Response:
        return _start(request, job_type, scopes)

    def get(request: JsonRequest, token: str) -> Response:
        return _get(request, job_type, scopes, token)

    def start_of_entity(request: JsonRequest, entity_id: str) -> Response:
        return _start(request, job_type, scopes, canonical_id(entity_id))

    def get_of_entity(request: JsonRequest, entity_id: str, token: str) -> Response:
        return _get(request, job_type, scopes, token, canonical_id(entity_id))

    has_entity = "{entity_id}" in path
    router.post(f"{path}/async/start")(start_of_entity if has_entity else start)
    router.get(f"{path}/async/get/{{token}}")(get_of_entity if has_entity else get)


def _start(
    request: ApiRequest, job_type: JobType, scopes: tuple[str, ...], entity: str | None = None
) -> Response:
    with request.write_transaction(*scopes) as tx:
        job_id = async_jobs.create_job(
            tx.session, tx.caller, job_type, request.json_object(), entity
        )
    async_jobs.submit_job(request.service, tx.caller, job_id, job_type, entity)
    return created_response({"token": str(job_id)})


def _get(
    request: ApiRequest,
    job_type: JobType,
    scopes: tuple[str, ...],
    token: str,
    entity: str | None = None,
) -> Response:
    """Return the result of a job with status 201, or its status with 202 while it is running.

    Wait at most `job_wait_seconds` (see `Settings`) for the end of the job.
    """
    with request.read_transaction(*scopes) as tx:
        job_id = async_jobs.get_job(tx.session, tx.caller, token, job_type, entity).id
    service = request.service
    minimum_polls = service.settings.processing_answers
    is_delayed = minimum_polls > 0 and service.jobs.count_poll(job_id) <= minimum_polls
    if not is_delayed:
        service.jobs.wait(job_id, service.settings.job_wait_seconds)
    with service.database.read_transaction() as session:
        job = async_jobs.get_job(session, tx.caller, token, job_type, entity)
        if is_delayed:
            return ApiResponse(
                async_jobs.get_status(service, job, as_processing=True), status_code=202
            )
        body = async_jobs.get_result(service, job)
        if body is None:
            return ApiResponse(async_jobs.get_status(service, job), status_code=202)
        return created_response(body)


@router.get("/repo/v1/asynchronous/job/{token}")
def get_job(request: JsonRequest, token: str) -> Response:
    """Return the status of a job of any type.

    Source: GET /asynchronous/job/{jobId}
    """
    with request.read_transaction("view") as tx:
        job = async_jobs.get_job(tx.session, tx.caller, token)
        return ApiResponse(async_jobs.get_status(tx.service, job))


@router.get("/repo/v1/asynchronous/job/{token}/cancel")
def cancel_job(request: JsonRequest, token: str) -> Response:
    """Cancel a job of the caller. A job that has finished is not changed.

    Source: GET /asynchronous/job/{jobId}/cancel
    """
    with request.read_transaction("view") as tx:
        job = async_jobs.get_job(tx.session, tx.caller, token)
    request.service.jobs.get_progress(job.id).cancel()
    return empty_response()


add_job_routes(router, "/file/v1/file/bulk", bulk_download.BULK_DOWNLOAD, "download")
add_job_routes(router, "/repo/v1/table/upload/csv/preview", csv_preview.PREVIEW, "view", "modify")
