"""Waits for a state of another thread or process."""

import asyncio
import time
from collections.abc import Callable

import psutil

#: Maximum time in seconds; it only guards against a test that hangs.
LIMIT = 60.0


def wait_until(is_true: Callable[[], object], limit: float = LIMIT) -> None:
    """Wait until a function returns a true value.

    Args:
        is_true: the function.
        limit: maximum time in seconds.

    Raises:
        AssertionError: The time is over.
    """
    deadline = time.monotonic() + limit
    while not is_true():
        assert time.monotonic() < deadline, f"no true value after {limit} seconds"
        time.sleep(0.02)


async def wait_until_async(is_true: Callable[[], object], limit: float = LIMIT) -> None:
    """Wait as `wait_until` does, without blocking the event loop."""
    deadline = time.monotonic() + limit
    while not is_true():
        assert time.monotonic() < deadline, f"no true value after {limit} seconds"
        await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    """Return whether a process runs, and is not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
