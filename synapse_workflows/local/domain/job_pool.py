"""Thread pool of the asynchronous jobs."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from synapse_workflows.local.errors import ServiceError

_INTERRUPTED_STATUS: Final = 409


class JobInterrupted(ServiceError):  # noqa: N818 - named like the other errors of the service
    """Error of a job that was running when the service stopped."""

    status = _INTERRUPTED_STATUS

    def __init__(self) -> None:
        super().__init__(
            "The service stopped while the job ran. Nothing was applied; start the job again."
        )


class JobProgress:
    """Progress of a running job. It can be written and read from different threads."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self.current = 0
        self.total = 0
        self.message = ""

    def is_stopping(self) -> bool:
        """Whether the service is stopping."""
        return self._stopping.is_set()

    def report(self, current: int, total: int, message: str) -> None:
        """Record the progress of the job.

        Args:
            current: Number of units that are done.
            total: Number of all units.
            message: What the job is doing.

        Raises:
            JobInterrupted: The service is stopping.
        """
        if self._stopping.is_set():
            raise JobInterrupted
        self.current, self.total, self.message = current, total, message


@dataclass(frozen=True)
class _Running:
    """A job that is queued or running."""

    progress: JobProgress
    finished: threading.Event = field(default_factory=threading.Event)


class JobPool:
    """Bounded pool of threads. Jobs with the same key run one after another, in their order.

    A waiting job occupies no thread.

    Args:
        workers: Number of threads for jobs with a key, and of threads for jobs without one.
    """

    def __init__(self, workers: int) -> None:
        self._unkeyed = ThreadPoolExecutor(workers, thread_name_prefix="local-synapse-job")
        self._keyed = ThreadPoolExecutor(workers, thread_name_prefix="local-synapse-change")
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._running: dict[int, _Running] = {}
        self._poll_counts: dict[int, int] = {}

    def submit(
        self, job_id: int, run: Callable[[JobProgress], None], key: str | None = None
    ) -> None:
        """Queue a job.

        Args:
            job_id: ID of the job.
            run: Function that runs the job. It must not raise.
            key: Jobs with the same key run one after another.
        """
        running = _Running(JobProgress(self._stopping))
        with self._lock:
            self._running[job_id] = running

        def task() -> None:
            try:
                run(running.progress)
            finally:
                running.finished.set()
                with self._lock:
                    self._running.pop(job_id, None)

        if key is None:
            self._unkeyed.submit(task)
        else:
            self._submit_keyed(task, key)

    def get_progress(self, job_id: int) -> JobProgress:
        """Return the progress of a job; an empty one if the job is not running."""
        with self._lock:
            running = self._running.get(job_id)
        return JobProgress(self._stopping) if running is None else running.progress

    def wait(self, job_id: int, seconds: float) -> None:
        """Wait until a job finishes, but not longer than `seconds`."""
        with self._lock:
            running = self._running.get(job_id)
        if running is not None:
            running.finished.wait(seconds)

    def count_poll(self, job_id: int) -> int:
        """Count a request for the status of a job, and return the number of them."""
        with self._lock:
            self._poll_counts[job_id] = self._poll_counts.get(job_id, 0) + 1
            return self._poll_counts[job_id]

    def close(self) -> None:
        """Interrupt the running jobs, drop the queued ones and wait for the threads."""
        self._stopping.set()
        for pool in (self._unkeyed, self._keyed):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self._unkeyed, self._keyed):
            pool.shutdown(wait=True)

    def _submit_keyed(self, task: Callable[[], None], key: str) -> None:
        with self._lock:
            if key in self._waiting:
                self._waiting[key].append(task)
                return
            self._waiting[key] = deque()
        self._keyed.submit(self._run_keyed, task, key)

    def _run_keyed(self, task: Callable[[], None], key: str) -> None:
        try:
            task()
        finally:
            with self._lock:
                following = self._waiting[key].popleft() if self._waiting[key] else None
                if following is None:
                    del self._waiting[key]
            if following is not None:
                with suppress(RuntimeError):  # the pool is shut down
                    self._keyed.submit(self._run_keyed, following, key)
