"""Asynchronous jobs: one request starts a job, later requests poll for its result.

    PROCESSING -> COMPLETE (with a response body) | FAILED (with status and reason)

When the service starts, it marks each interrupted job as FAILED, or as COMPLETE if the changes of
the job were already committed.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id, parse_id
from synapse_workflows.local.domain.job_pool import JobProgress
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.errors import BadRequest, Forbidden, InsufficientStorage, ServiceError
from synapse_workflows.local.storage.database import execute, fetch_rows
from synapse_workflows.local.storage.disk_space import is_disk_full
from synapse_workflows.local.storage.job_models import Job

log = logging.getLogger("synapse_workflows.local")

PROCESSING: Final = "PROCESSING"
COMPLETE: Final = "COMPLETE"
FAILED: Final = "FAILED"

_RETENTION_MS: Final = 24 * 3600 * 1000
_DELETE_EXPIRED = delete(Job).where(Job.state != PROCESSING, Job.changed_on < bindparam("limit"))
_INSERT = insert(Job)
_REQUEST = select(Job.entity, Job.request).where(Job.id == bindparam("job_id"))
_FINISH = update(Job).where(Job.id == bindparam("job_id"), Job.state == PROCESSING)


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """A running job.

    Args:
        service: The service.
        caller: The user who started the job. `caller.now` is the time when the job began to
            run.
        job_id: ID of the job.
        entity: ID in the path of the request, as `syn123` or `syn123.4`; None if the path has no
            ID.
        request: The request body.
        progress: Receives the progress of the job.
    """

    service: Service
    caller: Caller
    job_id: int
    entity: str | None
    request: Mapping[str, Any] = field(repr=False)
    progress: JobProgress = field(repr=False)


@dataclass(frozen=True)
class JobType:
    """A type of asynchronous job.

    Args:
        concrete_type: Concrete type of the request bodies.
        run: Function that runs a job and returns the response body.
        is_sequential: Whether jobs of the same entity run one after another.
    """

    concrete_type: str
    run: Callable[[JobRun], dict[str, Any]] = field(repr=False)
    is_sequential: bool = False


def create_job(
    session: Session,
    caller: Caller,
    job_type: JobType,
    body: Mapping[str, Any],
    entity: str | None = None,
) -> int:
    """Create a job. Call `submit_job` or `run_job` after the commit.

    Args:
        session: Database session.
        caller: The user who starts the job.
        job_type: Type of the job.
        body: The request body. `concreteType` may be omitted.
        entity: ID in the path of the request.

    Returns:
        The ID of the job, which is also its token.

    Raises:
        BadRequest: The `concreteType` of the body belongs to another job type.
    """
    concrete_type = body.get("concreteType") or job_type.concrete_type
    if concrete_type != job_type.concrete_type:
        raise BadRequest(f"concreteType must be {job_type.concrete_type}, not {concrete_type}.")
    execute(session, _DELETE_EXPIRED, {"limit": caller.now - _RETENTION_MS})
    job_id = next_id(session, "job")
    job = {
        "id": job_id,
        "kind": job_type.concrete_type,
        "entity": entity,
        "started_by": caller.id,
        "started_on": caller.now,
        "changed_on": caller.now,
        "state": PROCESSING,
        "request": {**body, "concreteType": job_type.concrete_type},
    }
    execute(session, _INSERT, job)
    return job_id


def submit_job(
    service: Service, caller: Caller, job_id: int, job_type: JobType, entity: str | None = None
) -> None:
    """Queue a job in the thread pool."""
    key = (entity or "") if job_type.is_sequential else None
    service.jobs.submit(
        job_id,
        caller.id,
        lambda progress: run_job(service, caller, job_id, job_type, progress),
        key,
    )


def run_job(
    service: Service, caller: Caller, job_id: int, job_type: JobType, progress: JobProgress
) -> None:
    """Run a job in this thread and record its result or its error."""
    try:
        with service.database.read_transaction() as session:
            [job] = fetch_rows(session, _REQUEST, job_id=job_id)
        run = JobRun(
            service=service,
            caller=replace(caller, now=service.now()),
            job_id=job_id,
            entity=job.entity,
            request=job.request,
            progress=progress,
        )
        progress.report(0, 1, "Running")
        response = job_type.run(run)
        with service.database.write_transaction() as session:
            mark_complete(session, job_id, response, service.now())
    except ServiceError as error:
        _record_error(service, job_id, error)
    except Exception as error:
        if is_disk_full(error):
            log.error("job %d failed: the disk is full: %s", job_id, error)  # noqa: TRY400 - no traceback
            _record_error(service, job_id, InsufficientStorage())
            return
        log.exception("job %d, %s, failed", job_id, job_type.concrete_type)
        _record_error(service, job_id, ServiceError("Internal error; see the service log."))


def run_immediately(
    service: Service, caller: Caller, job_id: int, job_type: JobType
) -> dict[str, Any]:
    """Run a job in this thread and return its response body.

    Raises:
        ServiceError: The job failed.
    """
    run_job(service, caller, job_id, job_type, service.jobs.get_progress(job_id))
    with service.database.read_transaction() as session:
        return get_result(service, session.get_one(Job, job_id)) or {}


def mark_complete(session: Session, job_id: int, response: dict[str, Any], now: int) -> None:
    """Record the result of a job unless the job has already finished."""
    result = {"state": COMPLETE, "response": response, "changed_on": now}
    execute(session, _FINISH, {"job_id": job_id, **result})


def mark_failed(session: Session, job_id: int, error: ServiceError, now: int) -> None:
    """Record the error of a job unless the job has already finished."""
    job = session.get_one(Job, job_id)
    if job.state == PROCESSING:
        job.state, job.status, job.reason, job.changed_on = FAILED, error.status, error.reason, now
        job.response = error.serialize()


def _record_error(service: Service, job_id: int, error: ServiceError) -> None:
    try:
        with service.database.write_transaction() as session:
            mark_failed(session, job_id, error, service.now())
    except DBAPIError as failure:
        log.error("the error of job %d cannot be stored: %s", job_id, failure.orig)  # noqa: TRY400 - no traceback
        service.jobs.record_error(job_id, error)


def get_job(
    session: Session,
    caller: Caller,
    token: str,
    job_type: JobType | None = None,
    entity: str | None = None,
) -> Job:
    """Return a job that the caller started.

    Args:
        session: Database session.
        caller: The user who requests the job.
        token: The token of the job.
        job_type: Job type of the request path; None accepts any type.
        entity: ID in the path of the request.

    Raises:
        BadRequest: The request path names another entity, or belongs to another job type.
        Forbidden: Another user started the job.
        NotFound: The job does not exist.
    """
    message = f"The job: {token} does not exist"
    job = get_or_404(session, Job, parse_id(token, "token"), message)
    if job.started_by != caller.id:
        raise Forbidden("Only the user that started a job can get the job's results.")
    if job_type is not None and (job.kind, job.entity) != (job_type.concrete_type, entity):
        raise BadRequest(f"The job: {token} was not started at this path.")
    return job


def get_result(service: Service, job: Job) -> dict[str, Any] | None:
    """Return the response body of a job; None while the job is running.

    Raises:
        ServiceError: The job failed. The error has the recorded status, reason and error code of
            the failure.
    """
    if job.state == FAILED:
        raise ServiceError(
            job.reason or "The job failed.",
            status=job.status or 500,
            error_code=(job.response or {}).get("errorCode"),
        )
    if job.state == PROCESSING and (error := service.jobs.get_error(job.id)) is not None:
        raise error
    return job.response if job.state == COMPLETE else None


def get_status(service: Service, job: Job, *, as_processing: bool = False) -> dict[str, Any]:
    """Return the AsynchronousJobStatus of a job.

    Args:
        service: The service.
        job: The job.
        as_processing: Report the state PROCESSING even if the job has finished.
    """
    progress = service.jobs.get_progress(job.id)
    error = service.jobs.get_error(job.id) if job.state == PROCESSING else None
    state, reason = (job.state, job.reason) if error is None else (FAILED, error.reason)
    state = PROCESSING if as_processing else state
    return {
        "jobId": str(job.id),
        "jobState": state,
        "jobCanceling": progress.is_cancelled,
        "etag": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{job.id} {state} {progress.current}")),
        "startedOn": to_iso(job.started_on),
        "startedByUserId": job.started_by,
        "changedOn": to_iso(job.changed_on),
        "progressMessage": progress.message or None,
        "progressCurrent": progress.current,
        "progressTotal": progress.total,
        "responseBody": job.response if state == COMPLETE else None,
        "errorMessage": reason if state == FAILED else None,
        "errorDetails": reason if state == FAILED else None,
        "runtimeMS": max(0, job.changed_on - job.started_on),
    }


def list_unfinished(session: Session) -> list[Job]:
    """List the jobs that are running, or that were running when the service stopped."""
    return list(session.scalars(select(Job).where(Job.state == PROCESSING)))
