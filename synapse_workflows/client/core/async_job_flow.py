"""Flows of asynchronous jobs: start a job, poll its status, return its result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call, Flow, Pause, Reply
from synapse_workflows.client.errors import SynapseError, SynapseJobError, SynapseTimeoutError

_PROCESSING: Final = "PROCESSING"
_FAILED: Final = "FAILED"
#: Maximum time of a whole job, as a multiple of the maximum time without progress.
_MAX_TIMEOUTS: Final = 24
#: Factor by which the delays of a new job grow.
_FIRST_GROWTH: Final = 1.5
#: Minimum number of seconds that each status request adds to the time without progress.
_MIN_STEP: Final = 0.01
#: State of a TableStatus: Synapse failed to build the index of the table.
_INDEX_FAILED: Final = "PROCESSING_FAILED"


@dataclass(frozen=True)
class Job:
    """An asynchronous job.

    Args:
        path: Path of the job type, for example ``/entity/syn1/table/query/async``.
        body: The request body.
        endpoint: ``repo`` or ``file``.
        repeatable: Whether the job only reads, so that starting the job twice is harmless.
    """

    path: str
    body: Any
    endpoint: str = "repo"
    repeatable: bool = False


@dataclass(frozen=True)
class Polling:
    """Polling settings. All times are in seconds.

    Args:
        sleep: Delay between two status requests, after the short delays of a new job.
        back_off: Factor by which each delay grows from `sleep` on.
        max_sleep: Maximum delay.
        timeout: Maximum time without progress.
        first_sleep: Delay between the first and the second status request. The delays grow by
            half until they reach `sleep`, so that a short job is not waited for much longer than
            it takes.
        limit: Maximum time of the whole job; None for 24 times `timeout`.
    """

    sleep: float = 2.0
    back_off: float = 1.1
    max_sleep: float = 20.0
    timeout: float = 600.0
    first_sleep: float = 0.05
    limit: float | None = None

    @property
    def total(self) -> float:
        """Maximum time of the whole job."""
        return _MAX_TIMEOUTS * self.timeout if self.limit is None else self.limit

    def iter_delays(self) -> Iterator[float]:
        """Yield the delays between the status requests of a job, without end."""
        sleep = min(self.sleep, self.max_sleep)
        delay = self.first_sleep
        while 0 < delay < sleep:
            yield delay
            delay *= _FIRST_GROWTH
        while True:
            yield sleep
            sleep = min(sleep * self.back_off, self.max_sleep)


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job as reported by Synapse.

    Args:
        message: Progress message.
        current: Number of completed steps.
        total: Number of all steps.
    """

    message: str = ""
    current: int | None = None
    total: int | None = None

    @classmethod
    def from_status(cls, status: dict[str, Any]) -> "JobProgress":
        """Read the progress from an AsynchronousJobStatus."""
        current, total = status.get("progressCurrent"), status.get("progressTotal")
        return cls(
            str(status.get("progressMessage") or ""),
            current if isinstance(current, int) else None,
            total if isinstance(total, int) else None,
        )

    def __str__(self) -> str:
        steps = f"{self.current} of {self.total}" if self.current and self.total else ""
        return ", ".join(filter(None, (self.message, steps))) or "no progress reported yet"


ProgressCallback = Callable[[JobProgress], object]


def ignore_progress(_: JobProgress) -> None:
    """Do nothing."""


def run(
    job: Job, polling: Polling = Polling(), on_progress: ProgressCallback = ignore_progress
) -> Flow[Any]:
    """Start a job and return its result; see `start` and `wait`."""
    token = yield from start(job)
    return (yield from wait(job, token, polling, on_progress))


def start(job: Job) -> Flow[str]:
    """Start a job and return its token. Any process can use the token to wait for the result.

    Raises:
        SynapseHTTPError: Synapse rejected the request.
    """
    call = Call(
        "POST",
        f"{job.path}/start",
        job.endpoint,
        body=job.body,
        repeatable=job.repeatable or None,
    )
    reply = yield from flows.send(call)
    return str(reply.object["token"])


def wait(
    job: Job,
    token: str,
    polling: Polling = Polling(),
    on_progress: ProgressCallback = ignore_progress,
) -> Flow[Any]:
    """Poll a job until it is done, and return its result, parsed from JSON.

    The time without progress is the sum of the delays since Synapse last reported new progress.
    Progress that was already reported earlier does not count as new.

    Args:
        job: The started job.
        token: The token returned by `start`.
        polling: Polling settings.
        on_progress: Called with the progress after each status request.

    Raises:
        SynapseJobError: The job failed.
        SynapseHTTPError: The job failed with an HTTP status, or the status request failed.
        SynapseTimeoutError: No progress within the timeout, or no result within the limit. The
            job itself continues.
    """
    reported: set[JobProgress] = set()
    idle = total = 0.0
    delays = polling.iter_delays()
    while True:
        reply = yield from flows.send(Call("GET", f"{job.path}/get/{token}", job.endpoint))
        state = _state(reply)
        if state != _PROCESSING:
            return _result(reply.json, state, token)
        progress = JobProgress.from_status(reply.object if reply.content else {})
        on_progress(progress)
        if progress not in reported:
            reported.add(progress)
            idle = 0.0
        if idle >= polling.timeout or total >= polling.total:
            problem, setting = f"made no progress for {idle:.0f} s", "table_query_timeout"
            if idle < polling.timeout:
                problem = f"is not complete after {total:.0f} s"
                setting = setting if polling.limit is None else "timeout"
            raise SynapseTimeoutError(
                f"Timeout waiting for query results: {progress}. Job {token} {problem}. It may "
                f"still complete. Increase {setting} to wait longer."
            )
        step = min(next(delays), polling.timeout - idle, polling.total - total)
        yield Pause(step)
        idle += max(step, _MIN_STEP)
        total += max(step, _MIN_STEP)


def _state(reply: Reply) -> str | None:
    """Return the state of a job; None if the reply is the result of the job.

    While Synapse builds the index of a table, the reply can be the status of the index instead of
    the status of the job.
    """
    body = reply.json if isinstance(reply.json, dict) else {}
    state = body.get("jobState")
    if state is None and reply.status == HTTPStatus.ACCEPTED:
        return _FAILED if body.get("state") == _INDEX_FAILED else _PROCESSING
    return None if state is None else str(state)


def _result(body: Any, state: str | None, token: str) -> Any:
    """Return the result of a job: the last reply, or the result inside of it if it is a status."""
    if state is None:
        return body
    if state == _FAILED:
        raise SynapseJobError(
            body.get("errorMessage") or "The job failed; Synapse reported no reason.",
            job=token,
            details=body.get("errorDetails"),
        )
    if "responseBody" not in body:
        raise SynapseError(f"Job {token} has the state {state}, but no result.")
    return body["responseBody"]
