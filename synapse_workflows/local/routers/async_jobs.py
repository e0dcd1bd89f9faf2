"""How routes start asynchronous jobs and give their results; jobs that belong to no entity."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import async_jobs, bulk_download
from synapse_workflows.local.domain.tables import csv_preview
from synapse_workflows.local.routers.dependencies import Call, RequestCall
from synapse_workflows.local.routers.responses import Answer, created

router = APIRouter()


def start(
    call: RequestCall, kind: async_jobs.Kind, scopes: tuple[str, ...], entity: str | None = None
) -> Response:
    """Start a job and give its token.

    Args:
        call: the request.
        kind: of the job.
        scopes: OAuth scopes that the caller's token must hold.
        entity: what the path names, in canonical form.
    """
    with call.writing(*scopes) as work:
        token = async_jobs.begin(work.session, work.caller, kind, call.json_object(), entity)
    call.service.jobs.submit(call.service, work.caller, token, kind, entity)
    return created({"token": str(token)})


def result(
    call: RequestCall,
    kind: async_jobs.Kind,
    token: str,
    scopes: tuple[str, ...],
    entity: str | None = None,
) -> Response:
    """Give what came of a job: 201 with the result, 202 with the status while it is being done.

    A job that is nearly done is waited for, a moment.
    """
    with call.reading(*scopes) as work:
        number = async_jobs.find(work.session, work.caller, token, kind, entity).id
    service = call.service
    pretended = service.settings.processing_answers
    hold_back = pretended > 0 and service.jobs.polled(number) <= pretended
    if not hold_back:
        service.jobs.wait(number, service.settings.job_wait_seconds)
    with service.database.reading() as session:
        job = async_jobs.find(session, work.caller, token, kind, entity)
        if hold_back:
            return Answer(async_jobs.status(service, job, as_processing=True), status_code=202)
        body = async_jobs.outcome(job)
        if body is None:
            return Answer(async_jobs.status(service, job), status_code=202)
        return created(body)


@router.get("/repo/v1/asynchronous/job/{token}")
def get_job(call: Call, token: str) -> Response:
    """Tell of any job.

    Source: GET /asynchronous/job/{jobId}
    """
    with call.reading("view") as work:
        job = async_jobs.find(work.session, work.caller, token)
        return Answer(async_jobs.status(work.service, job))


@router.post("/file/v1/file/bulk/async/start")
def start_bulk_download(call: Call) -> Response:
    """Start to put files into an archive.

    Source: POST /file/v1/file/bulk/async/start
    """
    return start(call, bulk_download.BULK_DOWNLOAD, ("download",))


@router.get("/file/v1/file/bulk/async/get/{token}")
def get_bulk_download(call: Call, token: str) -> Response:
    """Give the archive of files.

    Source: GET /file/v1/file/bulk/async/get/{token}
    """
    return result(call, bulk_download.BULK_DOWNLOAD, token, ("download",))


@router.post("/repo/v1/table/upload/csv/preview/async/start")
def start_csv_preview(call: Call) -> Response:
    """Start to look at a CSV file before it becomes a table.

    Source: POST /table/upload/csv/preview/async/start
    """
    return start(call, csv_preview.PREVIEW, ("view", "modify"))


@router.get("/repo/v1/table/upload/csv/preview/async/get/{token}")
def get_csv_preview(call: Call, token: str) -> Response:
    """Give the first rows of a CSV file, and columns for all of it.

    Source: GET /table/upload/csv/preview/async/get/{token}
    """
    return result(call, csv_preview.PREVIEW, token, ("view", "modify"))
