"""Asynchronous jobs: started by one request, done in the background, asked for by others.

    PROCESSING -> COMPLETE (with a response body) | FAILED (with status and reason of its cause)

A job that the service could not finish because it ended is FAILED when it starts again, unless
its work was committed already: then it is COMPLETE.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id, parse_id
from synapse_workflows.local.domain.job_queues import Queues
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound, ServiceError
from synapse_workflows.local.storage.job_models import Job

if TYPE_CHECKING:
    from synapse_workflows.local.domain.service import Service

log = logging.getLogger("synapse_workflows.local")

PROCESSING: Final = "PROCESSING"
COMPLETE: Final = "COMPLETE"
FAILED: Final = "FAILED"

#: What a caller reads of a job that the end of the service cut off.
CUT_OFF: Final = (
    "The service ended while the job ran. Nothing of it was applied; start the job again."
)
_CUT_OFF_STATUS: Final = 409
_KEPT_MS: Final = 24 * 3600 * 1000


class CutOff(ServiceError):  # noqa: N818 - named after what happened
    """The service ends, and the job with it."""

    status = _CUT_OFF_STATUS

    def __init__(self) -> None:
        super().__init__(CUT_OFF)


class Progress:
    """How far a job has come; safe among threads."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self.current = 0
        self.total = 0
        self.message = ""

    def is_stopping(self) -> bool:
        """Tell whether the service ends."""
        return self._stopping.is_set()

    def report(self, current: int, total: int, message: str) -> None:
        """Tell how far the job is.

        Raises:
            CutOff: the service ends.
        """
        if self._stopping.is_set():
            raise CutOff
        self.current, self.total, self.message = current, total, message


@dataclass(frozen=True, kw_only=True)
class Run:
    """One job at work.

    Args:
        service: the service.
        caller: who started it; `now` is when the work began.
        job_id: its number.
        entity: what its path names, as `syn123` or `syn123.4`.
        request: the request body.
        progress: to be told how far it is.
    """

    service: "Service"
    caller: Caller
    job_id: int
    entity: str | None
    request: Mapping[str, Any] = field(repr=False)
    progress: Progress = field(repr=False)


Work = Callable[[Run], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    Args:
        concrete_type: of its requests.
        work: does it, and gives the response body.
        takes_turns: whether those of one entity are done one after the other.
    """

    concrete_type: str
    work: Work = field(repr=False)
    takes_turns: bool = False


class Pool:
    """The threads in which jobs run.

    Args:
        workers: how many run at a time, and how many that take turns beside them; the others
            wait.
    """

    def __init__(self, workers: int) -> None:
        self._queues = Queues(workers)
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._running: dict[int, tuple[threading.Event, Progress]] = {}
        self._polls: dict[int, int] = {}

    def submit(
        self,
        service: "Service",
        caller: Caller,
        job_id: int,
        kind: Kind,
        entity: str | None = None,
    ) -> None:
        """Let a job begin as soon as a thread is free and it is its turn."""
        progress, over = Progress(self._stopping), threading.Event()
        with self._guard:
            self._running[job_id] = over, progress

        def task() -> None:
            try:
                _perform(service, caller, job_id, kind, progress)
            finally:
                over.set()
                self._forget(job_id)

        self._queues.put(task, (entity or "") if kind.takes_turns else None)

    def _forget(self, job_id: int) -> None:
        with self._guard:
            self._running.pop(job_id, None)

    def progress(self, job_id: int) -> Progress:
        """Tell how far a job is."""
        with self._guard:
            found = self._running.get(job_id)
        return Progress(self._stopping) if found is None else found[1]

    def wait(self, job_id: int, seconds: float) -> None:
        """Wait for the end of a job, but not long."""
        with self._guard:
            found = self._running.get(job_id)
        if found is not None:
            found[0].wait(seconds)

    def polled(self, job_id: int) -> int:
        """Count how often a job was asked for."""
        with self._guard:
            self._polls[job_id] = self._polls.get(job_id, 0) + 1
            return self._polls[job_id]

    def close(self) -> None:
        """Cut off what runs, begin nothing more, and wait for the threads."""
        self._stopping.set()
        self._queues.close()


def begin(
    session: Session,
    caller: Caller,
    kind: Kind,
    body: Mapping[str, Any],
    entity: str | None = None,
) -> int:
    """Note a job down, to be submitted once this is committed.

    Args:
        session: writes the tables.
        caller: who starts it.
        kind: which kind.
        body: the request; a concreteType that it names must be that of the kind.
        entity: what the path names.

    Returns:
        The token.

    Raises:
        BadRequest: the body is that of another kind of job.
    """
    named = body.get("concreteType") or kind.concrete_type
    if named != kind.concrete_type:
        raise BadRequest(f"concreteType must be {kind.concrete_type}, not {named}.")
    finished = Job.state != PROCESSING, Job.changed_on < caller.now - _KEPT_MS
    session.execute(delete(Job).where(*finished))
    job = Job(
        id=next_id(session, "job"),
        kind=kind.concrete_type,
        entity=entity,
        started_by=caller.id,
        started_on=caller.now,
        changed_on=caller.now,
        state=PROCESSING,
        request={**body, "concreteType": kind.concrete_type},
    )
    session.add(job)
    session.flush()
    return job.id


def perform(service: "Service", caller: Caller, job_id: int, kind: Kind) -> dict[str, Any]:
    """Do a job at once, in this thread.

    Raises:
        ServiceError: it failed.
    """
    _perform(service, caller, job_id, kind, Progress(threading.Event()))
    with service.database.reading() as session:
        return outcome(session.get_one(Job, job_id)) or {}


def _perform(
    service: "Service", caller: Caller, job_id: int, kind: Kind, progress: Progress
) -> None:
    try:
        with service.database.reading() as session:
            job = session.get_one(Job, job_id)
        run = Run(
            service=service,
            caller=replace(caller, now=service.now()),
            job_id=job_id,
            entity=job.entity,
            request=job.request,
            progress=progress,
        )
        progress.report(0, 1, "Running")
        response = kind.work(run)
        with service.database.transaction() as session:
            complete(session, job_id, response, service.now())
    except ServiceError as refused:
        _fail(service, job_id, refused)
    except Exception:
        log.exception("job %d, %s, failed", job_id, kind.concrete_type)
        _fail(service, job_id, ServiceError("The service made a mistake; its log tells more."))


def complete(session: Session, job_id: int, response: dict[str, Any], now: int) -> None:
    """Note what came of a job; the first word stands."""
    job = session.get_one(Job, job_id)
    if job.state == PROCESSING:
        job.state, job.response, job.changed_on = COMPLETE, response, now


def _fail(service: "Service", job_id: int, cause: ServiceError) -> None:
    with service.database.transaction() as session:
        fail(session, job_id, cause, service.now())


def fail(session: Session, job_id: int, cause: ServiceError, now: int) -> None:
    """Note why a job failed; the first word stands."""
    job = session.get_one(Job, job_id)
    if job.state == PROCESSING:
        job.state, job.status, job.reason, job.changed_on = FAILED, cause.status, cause.reason, now


def find(
    session: Session,
    caller: Caller,
    token: str,
    kind: Kind | None = None,
    entity: str | None = None,
) -> Job:
    """Give a job to the one who started it.

    Args:
        session: reads the tables.
        caller: who asks.
        token: what `begin` gave.
        kind: the kind of job that the path is for; None for any.
        entity: the entity that the path names.

    Raises:
        BadRequest: the path is of another entity or for another kind of job.
        Forbidden: somebody else started it.
        NotFound: there is no such job.
    """
    job = session.get(Job, parse_id(token, "token"))
    if job is None:
        raise NotFound(f"The job: {token} does not exist")
    if job.started_by != caller.id:
        raise Forbidden("Only the user that started a job can get the job's results.")
    if kind is not None and (job.kind, job.entity) != (kind.concrete_type, entity):
        raise BadRequest(f"The job: {token} was not started at this path.")
    return job


def outcome(job: Job) -> dict[str, Any] | None:
    """Give the response body of a job; None while it is being done.

    Raises:
        ServiceError: the job failed; with the status and reason of its cause.
    """
    if job.state == FAILED:
        raise ServiceError(job.reason or "The job failed.", status=job.status or 500)
    return job.response if job.state == COMPLETE else None


def status(service: "Service", job: Job, *, as_processing: bool = False) -> dict[str, Any]:
    """Write an AsynchronousJobStatus.

    Args:
        service: knows how far the job is.
        job: the job.
        as_processing: say that it is being done, whatever is true.
    """
    progress = service.jobs.progress(job.id)
    state = PROCESSING if as_processing else job.state
    return {
        "jobId": str(job.id),
        "jobState": state,
        "jobCanceling": False,
        "etag": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{job.id} {state} {progress.current}")),
        "startedOn": to_iso(job.started_on),
        "startedByUserId": job.started_by,
        "changedOn": to_iso(job.changed_on),
        "progressMessage": progress.message or None,
        "progressCurrent": progress.current,
        "progressTotal": progress.total,
        "responseBody": job.response if state == COMPLETE else None,
        "errorMessage": job.reason if state == FAILED else None,
        "errorDetails": job.reason if state == FAILED else None,
        "runtimeMS": max(0, job.changed_on - job.started_on),
    }


def unfinished(session: Session) -> list[Job]:
    """List the jobs that are being done, or were when the service ended."""
    return list(session.scalars(select(Job).where(Job.state == PROCESSING)))
