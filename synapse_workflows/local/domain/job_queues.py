"""Threads for jobs: those that wait for the same thing stand in one queue, on no thread."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

Task = Callable[[], None]


class Queues:
    """Runs tasks; those with the same key one after the other, others beside each other.

    Args:
        workers: threads for tasks with a key, and as many for those without.
    """

    def __init__(self, workers: int) -> None:
        self._free = ThreadPoolExecutor(workers, thread_name_prefix="local-synapse-job")
        self._keyed = ThreadPoolExecutor(workers, thread_name_prefix="local-synapse-change")
        self._guard = threading.Lock()
        self._waiting: dict[str, deque[Task]] = {}

    def put(self, task: Task, key: str | None = None) -> None:
        """Let a task begin as soon as a thread is free and it is its turn."""
        if key is None:
            self._free.submit(task)
            return
        with self._guard:
            if key in self._waiting:
                self._waiting[key].append(task)
                return
            self._waiting[key] = deque()
        self._keyed.submit(self._run, task, key)

    def _run(self, task: Task, key: str) -> None:
        try:
            task()
        finally:
            with self._guard:
                after = self._waiting[key].popleft() if self._waiting[key] else None
                if after is None:
                    del self._waiting[key]
            if after is not None:
                with suppress(RuntimeError):  # nothing begins any more
                    self._keyed.submit(self._run, after, key)

    def close(self) -> None:
        """Begin nothing more, and wait for what runs."""
        for pool in (self._free, self._keyed):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self._free, self._keyed):
            pool.shutdown(wait=True)
