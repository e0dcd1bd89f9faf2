"""Jobs: what Synapse does in the background, waited for as patiently as the client says."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from typing import Any, Final, TextIO

from synapse_workflows.client.core import async_job_flow
from synapse_workflows.client.core.async_job_flow import Job, JobProgress, Polling, Told
from synapse_workflows.client.core.session import Session

#: Seconds between two lines about one job.
LOG_INTERVAL: Final = 10.0


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
    with show_progress(syn, path) as tell:
        return syn.run(async_job_flow.run(job, polling_settings(syn), tell))


def start(syn: Session, path: str, body: Any, *, endpoint: str = "repo") -> str:
    """Have Synapse begin a job, and return its token; arguments as for `run`.

    Source:
        POST <path>/start
        https://rest-docs.synapse.org/rest/org/sagebionetworks/repo/model/asynch/AsyncJobId.html
    """
    return syn.run(async_job_flow.start(Job(path, body, endpoint)))


def wait(syn: Session, path: str, token: str, *, endpoint: str = "repo") -> Any:
    """Wait for a job that was started, by this process or another one; see `run`.

    Source:
        GET <path>/get/{asyncToken}
        https://rest-docs.synapse.org/rest/org/sagebionetworks/repo/model/asynch/AsynchronousJobStatus.html
    """
    job = Job(path, None, endpoint)
    with show_progress(syn, path) as tell:
        return syn.run(async_job_flow.wait(job, token, polling_settings(syn), tell))


def polling_settings(syn: Session) -> Polling:
    """Read off a session how patiently jobs are waited for."""
    return Polling(
        sleep=syn.table_query_sleep,
        back_off=syn.table_query_backoff,
        max_sleep=syn.table_query_max_sleep,
        timeout=syn.table_query_timeout,
    )


@contextmanager
def show_progress(
    syn: Session,
    path: str,
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Told]:
    """Show how far a job is that takes its time, while the block runs.

    In a terminal that is a line that changes, else one in the log every ten seconds at most.

    Args:
        syn: Whose job it is: says whether to be silent, and has the logger.
        path: Of the job.
        stream: Where to draw, if it is a terminal; standard error when not given.
        clock: Seconds.
    """
    name = " ".join(part for part in path.split("/") if part not in {"", "entity", "async"})
    stream = stream or sys.stderr
    if syn.silent:
        yield async_job_flow.ignore
    elif stream is not None and stream.isatty():
        with closing(_ProgressLine(name, stream)) as line:
            yield line.tell
    else:
        yield _progress_logger(syn, name, clock)


def _progress_logger(syn: Session, name: str, clock: Callable[[], float]) -> Told:
    told_at = clock()

    def tell(progress: JobProgress) -> None:
        nonlocal told_at
        if clock() - told_at >= LOG_INTERVAL:
            told_at = clock()
            syn.logger.info("%s: %s", name, progress)

    return tell


class _ProgressLine:
    """A line of tqdm, drawn when there is something to tell: most jobs are done at once."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name, self._stream = name, stream
        self._bar: Any = None

    def tell(self, progress: JobProgress) -> None:
        """Draw how far the job is."""
        if self._bar is None:
            from tqdm import tqdm

            shape = "{desc}: {elapsed}{postfix}"
            self._bar = tqdm(desc=self._name, file=self._stream, bar_format=shape, leave=False)
        self._bar.set_postfix_str(str(progress))

    def close(self) -> None:
        """Take the line away."""
        if self._bar is not None:
            self._bar.close()
