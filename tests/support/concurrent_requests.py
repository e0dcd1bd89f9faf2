"""Functions that start at the same time, in threads, to provoke races."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def run_at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run functions in threads that start together; return their results in the same order."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
