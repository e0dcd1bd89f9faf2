"""Asynchronous jobs of Synapse as flows: start one, ask until it is done, take its result."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call, Flow, Pause, Reply
from synapse_workflows.client.errors import SynapseError, SynapseJobError, SynapseTimeoutError

_PROCESSING: Final = "PROCESSING"
_FAILED: Final = "FAILED"
#: A TableStatus.
_INDEX_FAILED: Final = "PROCESSING_FAILED"


@dataclass(frozen=True)
class Job:
    """What Synapse is to do.

    Args:
        path: Where such jobs are started and asked for, ``/entity/syn1/table/query/async``.
        body: The request.
        endpoint: ``repo`` or ``file``.
        repeatable: Whether a second job of the same request does no harm: it only reads.
    """

    path: str
    body: Any
    endpoint: str = "repo"
    repeatable: bool = False


@dataclass(frozen=True)
class Polling:
    """How patiently a job is waited for. All in seconds, but for `back_off`.

    Args:
        sleep: Before asking the second time.
        back_off: Factor by which each wait grows.
        max_sleep: Longest wait.
        timeout: Waiting time without any progress after which to give up.
    """

    sleep: float = 2.0
    back_off: float = 1.1
    max_sleep: float = 20.0
    timeout: float = 600.0


@dataclass(frozen=True)
class JobProgress:
    """How far Synapse says that a job has come.

    Args:
        message: In its words.
        current: Steps done.
        total: Steps to do.
    """

    message: str = ""
    current: int | None = None
    total: int | None = None

    @classmethod
    def of(cls, status: dict[str, Any]) -> "JobProgress":
        """Read it out of an AsynchronousJobStatus."""
        return cls(
            status.get("progressMessage") or "",
            status.get("progressCurrent"),
            status.get("progressTotal"),
        )

    def __str__(self) -> str:
        steps = f"{self.current} of {self.total}" if self.current and self.total else ""
        return ", ".join(filter(None, (self.message, steps))) or "no progress reported yet"


ProgressCallback = Callable[[JobProgress], object]


def ignore_progress(_: JobProgress) -> None:
    """Take no notice of progress."""


def run(
    job: Job, polling: Polling = Polling(), told: ProgressCallback = ignore_progress
) -> Flow[Any]:
    """Start a job and wait for its result; see `start` and `wait`."""
    token = yield from start(job)
    return (yield from wait(job, token, polling, told))


def start(job: Job) -> Flow[str]:
    """Start a job and return its token, by which any process can wait for it.

    Raises:
        SynapseHTTPError: Synapse refuses the request.
    """
    call = Call(
        "POST",
        f"{job.path}/start",
        job.endpoint,
        body=job.body,
        repeatable=job.repeatable or None,
    )
    reply = yield from flows.send(call)
    return str(reply.json["token"])


def wait(
    job: Job,
    token: str,
    polling: Polling = Polling(),
    told: ProgressCallback = ignore_progress,
) -> Flow[Any]:
    """Ask for a job until it is done, and return its result, parsed from JSON.

    The time without progress is that of our own pauses; whatever changes in what Synapse says of
    the job lets it begin anew.

    Args:
        job: What was started.
        token: What `start` returned.
        polling: How patiently.
        told: Hears how far the job is, after each time it was asked for.

    Raises:
        SynapseJobError: The job failed.
        SynapseHTTPError: It failed with a status of its own, or cannot be asked for.
        SynapseTimeoutError: No progress for too long. The job itself goes on.
    """
    seen: JobProgress | None = None
    idle, pause = 0.0, min(polling.sleep, polling.max_sleep)
    while True:
        reply = yield from flows.send(Call("GET", f"{job.path}/get/{token}", job.endpoint))
        state = _state(reply)
        if state != _PROCESSING:
            return _result(reply.json, state, token)
        progress = JobProgress.of(reply.json or {})
        told(progress)
        if progress != seen:
            seen, idle = progress, 0.0
        if idle >= polling.timeout:
            raise SynapseTimeoutError(
                f"Timeout waiting for query results: {progress}. Job {token} made no progress "
                f"for {idle:.0f} s, but may still be done (see table_query_timeout)."
            )
        step = min(pause, polling.timeout - idle)
        yield Pause(step)
        idle += step
        pause = min(pause * polling.back_off, polling.max_sleep)


def _state(reply: Reply) -> str | None:
    """Read how a job stands; None where the answer is its result.

    While Synapse builds the index of a table, it can answer with the status of that instead.
    """
    body = reply.json if isinstance(reply.json, dict) else {}
    state = body.get("jobState")
    if state is None and reply.status == HTTPStatus.ACCEPTED:
        return _FAILED if body.get("state") == _INDEX_FAILED else _PROCESSING
    return None if state is None else str(state)


def _result(body: Any, state: str | None, token: str) -> Any:
    """Take the result out of the last answer, which may be a status that holds it."""
    if state is None:
        return body
    if state == _FAILED:
        raise SynapseJobError(
            body.get("errorMessage") or "The job failed, and Synapse does not say why.",
            job=token,
            details=body.get("errorDetails"),
        )
    if "responseBody" not in body:
        raise SynapseError(f"Job {token} is {state}, and there is no result.")
    return body["responseBody"]
