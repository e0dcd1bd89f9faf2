"""Calls of a function for many items at a time, in threads."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_parallel(
    function: Callable[[T], R], items: Sequence[T], max_threads: int
) -> Iterator[tuple[T, R]]:
    """Yield each item with the result of a function, in the order of the items.

    The calls have the context variables of the caller, for example those of `without_lineage`. If
    a call raises an exception, or the caller stops the iteration, no further call is started.

    Args:
        function: Called from several threads.
        items: The items.
        max_threads: Maximum number of calls at a time.
    """
    threads = min(max_threads, len(items))
    if threads <= 1:
        yield from ((item, function(item)) for item in items)
        return
    context = copy_context()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="synapse-requests")
    try:
        # a context runs one function at a time, so each call has a copy of its own
        results = executor.map(lambda item: context.copy().run(function, item), items)
        yield from zip(items, results, strict=True)
    finally:
        executor.shutdown(cancel_futures=True)
