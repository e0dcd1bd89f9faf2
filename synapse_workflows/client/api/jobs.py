"""Jobs: what Synapse does in the background, waited for as patiently as the client says."""

import time
from collections.abc import Callable
from typing import Any, Final

from synapse_workflows.client.core import jobs
from synapse_workflows.client.core.jobs import Job, JobProgress, Polling
from synapse_workflows.client.core.session import Session

#: Seconds between two lines about one job.
SECONDS: Final = 10.0


def run(
    syn: Session, path: str, body: Any, *, endpoint: str = "repo", repeatable: bool = False
) -> Any:
    """Have Synapse do a job, and wait for its result.

    Args:
        syn: The session that makes the calls, with its ``table_query_sleep``,
            ``table_query_backoff``, ``table_query_max_sleep`` and ``table_query_timeout``.
        path: Where such jobs are started and asked for, ``/entity/syn1/table/query/async``.
        body: The request.
        endpoint: ``repo`` or ``file``.
        repeatable: Whether a second job of the same request does no harm.

    Raises:
        SynapseJobError: The job failed.
        SynapseHTTPError: It failed with a status of its own, or was refused.
        SynapseTimeoutError: It made no progress for too long.

    Source:
        POST <path>/start, GET <path>/get/{asyncToken}
        https://rest-docs.synapse.org/rest/org/sagebionetworks/repo/model/asynch/AsynchronousJobStatus.html
    """
    job = Job(path, body, endpoint, repeatable)
    return syn.run(jobs.run(job, polling(syn), reporter(syn, path)))


def start(syn: Session, path: str, body: Any, *, endpoint: str = "repo") -> str:
    """Have Synapse begin a job, and return its token; arguments as for `run`.

    Source:
        POST <path>/start
        https://rest-docs.synapse.org/rest/org/sagebionetworks/repo/model/asynch/AsyncJobId.html
    """
    return syn.run(jobs.start(Job(path, body, endpoint)))


def wait(syn: Session, path: str, token: str, *, endpoint: str = "repo") -> Any:
    """Wait for a job that was started, by this process or another one; see `run`.

    Source:
        GET <path>/get/{asyncToken}
        https://rest-docs.synapse.org/rest/org/sagebionetworks/repo/model/asynch/AsynchronousJobStatus.html
    """
    job = Job(path, None, endpoint)
    return syn.run(jobs.wait(job, token, polling(syn), reporter(syn, path)))


def polling(syn: Session) -> Polling:
    """Read off a session how patiently jobs are waited for."""
    return Polling(
        sleep=syn.table_query_sleep,
        back_off=syn.table_query_backoff,
        max_sleep=syn.table_query_max_sleep,
        timeout=syn.table_query_timeout,
    )


def reporter(
    syn: Session, path: str, clock: Callable[[], float] = time.monotonic
) -> Callable[[JobProgress], None]:
    """Make what tells the user of a job that takes its time: a line every ten seconds at most.

    Args:
        syn: Whose job it is: says whether to be silent, and has the logger.
        path: Of the job.
        clock: Seconds.
    """
    name = " ".join(part for part in path.split("/") if part not in {"", "entity", "async"})
    told_at = clock()

    def tell(progress: JobProgress) -> None:
        nonlocal told_at
        if not syn.silent and clock() - told_at >= SECONDS:
            told_at = clock()
            syn.logger.info("%s: %s", name, progress)

    return tell
