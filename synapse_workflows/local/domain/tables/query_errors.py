"""Conversion of errors that occur while SQLite executes a query."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from synapse_workflows.local.domain.job_pool import JobProgress
from synapse_workflows.local.domain.tables.sql.errors import ErrorRecorder
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.disk_space import is_disk_full
from synapse_workflows.local.storage.query_sandbox import QueryCancelledError, QueryTimeoutError

log = logging.getLogger("synapse_workflows.local")


@contextmanager
def translate_timeout(seconds: float) -> Iterator[None]:
    """Convert the error of a query that exceeded its time limit.

    Raises:
        BadRequest: The query exceeded the time limit.
    """
    try:
        yield
    except QueryTimeoutError:
        raise BadRequest(
            f"The query took longer than {seconds:g} seconds, the time limit of the service. "
            "Select fewer rows, or raise query_seconds in its settings (serve --query-seconds)."
        ) from None


@contextmanager
def translate_cancellation(progress: JobProgress) -> Iterator[None]:
    """Raise the error of a cancelled or interrupted job."""
    try:
        yield
    except QueryCancelledError:
        progress.raise_if_interrupted()
        raise


@contextmanager
def translate_errors(seconds: float, recorder: ErrorRecorder) -> Iterator[None]:
    """Convert errors of SQLite to errors of the service.

    Args:
        seconds: Time limit of the query.
        recorder: Recorder of errors in SQL functions.

    Raises:
        BadRequest: The query cannot be evaluated or exceeds the time limit.
    """
    try:
        with translate_timeout(seconds):
            yield
    except sqlite3.Error as error:
        if is_disk_full(error):
            raise
        if "stack overflow" in str(error) or "maximum depth" in str(error):
            raise BadRequest("The SQL is nested too deeply.") from None
        if recorder.last is not None:
            raise BadRequest(recorder.last) from None
        if "too big" in str(error):
            raise BadRequest("A value computed by the query is too large.") from None
        log.warning("SQLite rejected a query: %r", str(error))
        raise BadRequest(f"The query cannot be evaluated: {error}") from None
