"""Asynchronous jobs of Synapse: start, wait and show progress."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from typing import Any, Final, TextIO

from synapse_workflows.client.core import async_job_flow
from synapse_workflows.client.core.async_job_flow import (
    Job,
    JobProgress,
    Polling,
    ProgressCallback,
)
from synapse_workflows.client.core.session import Session

#: Minimum time between two log lines about one job, in seconds.
LOG_INTERVAL: Final = 10.0


def run(
    syn: Session, path: str, body: Any, *, endpoint: str = "repo", repeatable: bool = False
) -> Any:
    """Start a job and wait for its result.

    Args:
        syn: The session that sends the requests. Its ``table_query_sleep``,
            ``table_query_backoff``, ``table_query_max_sleep`` and ``table_query_timeout`` set the
            polling interval and the timeout.
        path: Path of the job type, for example ``/entity/syn1/table/query/async``.
        body: The request body.
        endpoint: ``repo`` or ``file``.
        repeatable: Whether the request is safe to repeat.

    Returns:
        The response body of the job, parsed from JSON.

    Raises:
        SynapseJobError: The job failed.
        SynapseHTTPError: The job failed with an HTTP status, or Synapse rejected the request.
        SynapseTimeoutError: The job made no progress for ``syn.table_query_timeout`` seconds.

    Source:
        POST <path>/start, GET <path>/get/{asyncToken}
        https://rest-docs.synapse.org/rest/org/sagebionetworks/repo/model/asynch/AsynchronousJobStatus.html
    """
    job = Job(path, body, endpoint, repeatable)
    with show_progress(syn, path) as report_progress:
        return syn.run(async_job_flow.run(job, polling_settings(syn), report_progress))


def start(
    syn: Session, path: str, body: Any, *, endpoint: str = "repo", repeatable: bool = False
) -> str:
    """Start a job and return its token; arguments as for `run`.

    Raises:
        SynapseHTTPError: Synapse rejected the request.

    Source:
        POST <path>/start
        https://rest-docs.synapse.org/rest/org/sagebionetworks/repo/model/asynch/AsyncJobId.html
    """
    return syn.run(async_job_flow.start(Job(path, body, endpoint, repeatable)))


def wait(syn: Session, path: str, token: str, *, endpoint: str = "repo") -> Any:
    """Wait for the result of a job that this process or another process has started.

    Args:
        syn: The session that sends the requests.
        path: Path of the job type, as for `run`.
        token: The result of `start`.
        endpoint: ``repo`` or ``file``.

    Returns:
        The response body of the job, parsed from JSON.

    Raises:
        SynapseJobError: The job failed.
        SynapseHTTPError: The job failed with an HTTP status.
        SynapseTimeoutError: The job made no progress for ``syn.table_query_timeout`` seconds.

    Source:
        GET <path>/get/{asyncToken}
        https://rest-docs.synapse.org/rest/org/sagebionetworks/repo/model/asynch/AsynchronousJobStatus.html
    """
    job = Job(path, None, endpoint)
    with show_progress(syn, path) as report_progress:
        return syn.run(async_job_flow.wait(job, token, polling_settings(syn), report_progress))


def polling_settings(syn: Session) -> Polling:
    """Return the polling settings of a session."""
    return Polling(
        sleep=syn.table_query_sleep,
        back_off=syn.table_query_backoff,
        max_sleep=syn.table_query_max_sleep,
        timeout=syn.table_query_timeout,
        limit=syn.job_timeout,
    )


@contextmanager
def show_progress(
    syn: Session,
    path: str,
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[ProgressCallback]:
    """Show the progress of a job while the block runs.

    In a terminal, the progress is one updated line. Otherwise, it is logged at most every
    `LOG_INTERVAL` seconds. A silent session shows nothing.

    Args:
        syn: The session; its ``silent`` and ``logger`` are used.
        path: Path of the job type, from which the displayed name is made.
        stream: The stream to draw on, if it is a terminal; None for standard error.
        clock: Monotonic clock, in seconds.

    Yields:
        A callback that takes a `JobProgress`.
    """
    name = " ".join(part for part in path.split("/") if part not in {"", "entity", "async"})
    stream = stream or sys.stderr
    if syn.silent:
        yield async_job_flow.ignore_progress
    elif stream is not None and stream.isatty():
        with closing(_ProgressLine(name, stream)) as line:
            yield line.update
    else:
        yield _progress_logger(syn, name, clock)


def _progress_logger(syn: Session, name: str, clock: Callable[[], float]) -> ProgressCallback:
    logged_at = clock()

    def log_progress(progress: JobProgress) -> None:
        nonlocal logged_at
        if clock() - logged_at >= LOG_INTERVAL:
            logged_at = clock()
            syn.logger.info("%s: %s", name, progress)

    return log_progress


class _ProgressLine:
    """A tqdm progress line, created at the first update. Most jobs end without an update."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name, self._stream = name, stream
        self._bar: Any = None

    def update(self, progress: JobProgress) -> None:
        """Draw the progress."""
        if self._bar is None:
            from tqdm import tqdm

            shape = "{desc}: {elapsed}{postfix}"
            self._bar = tqdm(desc=self._name, file=self._stream, bar_format=shape, leave=False)
        self._bar.set_postfix_str(str(progress))

    def close(self) -> None:
        """Remove the line."""
        if self._bar is not None:
            self._bar.close()
