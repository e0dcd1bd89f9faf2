"""The `execution_timeout` of tasks that wait in the triggerer.

Airflow applies `execution_timeout` separately to each period that a task spends in a worker, and
not to the time in the triggerer. Each deferral therefore passes on the end of the timeout.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout


def get_execution_deadline(task: Any) -> float | None:
    """Return the end of the `execution_timeout` of a task that starts now.

    Args:
        task: The operator.

    Returns:
        Seconds since the epoch; None without a timeout.
    """
    return None if task.execution_timeout is None else time.time() + _seconds(task)


def get_remaining_time(task: Any, deadline: float | None) -> timedelta | None:
    """Return the time until a deadline, for `defer(timeout=...)`; None without a deadline.

    Args:
        task: The operator.
        deadline: Result of `get_execution_deadline`.

    Raises:
        AirflowTaskTimeout: The deadline has passed.
    """
    if deadline is None:
        return None
    remaining = deadline - time.time()
    if remaining <= 0:
        raise execution_timeout_error(task)
    return timedelta(seconds=remaining)


@contextmanager
def enforce_deadline(task: Any, deadline: float | None) -> Iterator[None]:
    """Raise an error inside the block when a deadline passes.

    Airflow restarts its own timeout at each resumption, so this deadline is never later than
    Airflow's timeout.

    Args:
        task: The operator.
        deadline: Result of `get_execution_deadline`; None for no limit.

    Raises:
        AirflowTaskTimeout: The deadline has passed.
    """
    remaining = get_remaining_time(task, deadline)
    if remaining is None:
        yield
        return
    with timeout(remaining.total_seconds(), str(execution_timeout_error(task))):
        yield


def execution_timeout_error(task: Any) -> AirflowTaskTimeout:
    """Return the error of a task whose `execution_timeout` has passed."""
    return AirflowTaskTimeout(
        f"The execution_timeout of {_seconds(task):g} s has passed, including the time in the "
        "triggerer"
    )


def _seconds(task: Any) -> float:
    return float(task.execution_timeout.total_seconds())
