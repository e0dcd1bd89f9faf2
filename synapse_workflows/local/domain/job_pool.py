"""Thread pools of the asynchronous jobs, shared fairly by the users."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from synapse_workflows.local.errors import ServiceError

_INTERRUPTED_STATUS: Final = 409
#: Maximum number of threads of all users, as a multiple of the maximum of one user.
_SHARES: Final = 4


class JobInterrupted(ServiceError):  # noqa: N818 - named like the other errors of the service
    """Error of a job that was running when the service stopped."""

    status = _INTERRUPTED_STATUS

    def __init__(self) -> None:
        super().__init__(
            "The service stopped while the job ran. Nothing was applied; start the job again."
        )


class JobCancelled(ServiceError):  # noqa: N818 - named like the other errors of the service
    """Error of a job that its user cancelled."""

    status = 400

    def __init__(self) -> None:
        super().__init__("The job was cancelled. Nothing was applied.")


class JobProgress:
    """Progress of a running job. It can be written and read from different threads."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._cancelled = threading.Event()
        self.current = 0
        self.total = 0
        self.message = ""

    @property
    def is_cancelled(self) -> bool:
        """Whether the user cancelled the job."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Request that the job ends as soon as possible."""
        self._cancelled.set()

    def is_interrupted(self) -> bool:
        """Return whether the service is stopping or the job was cancelled."""
        return self._stopping.is_set() or self._cancelled.is_set()

    def raise_if_interrupted(self) -> None:
        """Check that the job may continue.

        Raises:
            JobInterrupted: The service is stopping.
            JobCancelled: The user cancelled the job.
        """
        if self._stopping.is_set():
            raise JobInterrupted
        if self._cancelled.is_set():
            raise JobCancelled

    def report(self, current: int, total: int, message: str) -> None:
        """Record the progress of the job.

        Args:
            current: Number of units that are done.
            total: Number of all units.
            message: What the job is doing.

        Raises:
            JobInterrupted: The service is stopping.
            JobCancelled: The user cancelled the job.
        """
        self.raise_if_interrupted()
        self.current, self.total, self.message = current, total, message


@dataclass(frozen=True)
class _Running:
    """A job that is queued or running."""

    progress: JobProgress
    finished: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class _Queued:
    run: Callable[[], None]
    key: str | None


class _FairPool:
    """Thread pool whose threads are shared fairly by users.

    Free threads are assigned to the users in turn. Each user has at most `per_user` threads. Jobs
    with the same key run one after another. Jobs of one user with the same key run in the order of
    their submission. A waiting job occupies no thread.
    """

    def __init__(self, per_user: int, name: str) -> None:
        self._per_user = per_user
        self._free = per_user * _SHARES
        self._threads = ThreadPoolExecutor(self._free, thread_name_prefix=name)
        self._lock = threading.Lock()
        #: Waiting jobs by user, in the order of the users' turns.
        self._waiting: OrderedDict[int, list[_Queued]] = OrderedDict()
        self._running: Counter[int] = Counter()
        self._keys: set[str] = set()

    def submit(self, job: _Queued, user: int) -> None:
        """Queue a job of a user."""
        with self._lock:
            self._waiting.setdefault(user, []).append(job)
            self._start_jobs()

    def close(self, *, wait: bool) -> None:
        """Drop the waiting jobs and, if requested, wait for the threads."""
        with self._lock:
            self._waiting.clear()
        self._threads.shutdown(wait=wait, cancel_futures=True)

    def _start_jobs(self) -> None:
        """Start as many waiting jobs as possible. The caller must hold the lock."""
        while self._free and (found := self._take_next()) is not None:
            user, job = found
            self._free -= 1
            self._running[user] += 1
            if job.key is not None:
                self._keys.add(job.key)
            with suppress(RuntimeError):  # the pool is shut down
                self._threads.submit(self._run, job, user)

    def _take_next(self) -> tuple[int, _Queued] | None:
        """Remove and return the next job that can start. Its user becomes the last in turn."""
        for user, jobs in self._waiting.items():
            if self._running[user] >= self._per_user:
                continue
            job = next((each for each in jobs if each.key not in self._keys), None)
            if job is None:
                continue
            jobs.remove(job)
            self._waiting.move_to_end(user)
            if not jobs:
                del self._waiting[user]
            return user, job
        return None

    def _run(self, job: _Queued, user: int) -> None:
        try:
            job.run()
        finally:
            with self._lock:
                self._free += 1
                self._running[user] -= 1
                if job.key is not None:
                    self._keys.discard(job.key)
                self._start_jobs()


class JobPool:
    """Threads for asynchronous jobs. Jobs that change tables have threads of their own.

    Args:
        workers: Maximum number of threads of one user. The maximum applies to jobs with a key and
            to jobs without a key separately. All users together have at most four times as many
            threads.
    """

    def __init__(self, workers: int) -> None:
        self._unkeyed = _FairPool(workers, "local-synapse-job")
        self._keyed = _FairPool(workers, "local-synapse-change")
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._running: dict[int, _Running] = {}
        self._poll_counts: dict[int, int] = {}
        self._errors: dict[int, ServiceError] = {}

    def submit(
        self,
        job_id: int,
        user: int,
        run: Callable[[JobProgress], None],
        key: str | None = None,
    ) -> None:
        """Queue a job.

        Args:
            job_id: ID of the job.
            user: Principal ID of the user who started the job.
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

        pool = self._unkeyed if key is None else self._keyed
        pool.submit(_Queued(task, key), user)

    def get_progress(self, job_id: int) -> JobProgress:
        """Return the progress of a job; an empty progress if the job is not running."""
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
        """Count a status request for a job, and return the number of its status requests."""
        with self._lock:
            self._poll_counts[job_id] = self._poll_counts.get(job_id, 0) + 1
            return self._poll_counts[job_id]

    def record_error(self, job_id: int, error: ServiceError) -> None:
        """Record the error of a job in memory, for a database that cannot be written."""
        with self._lock:
            self._errors[job_id] = error

    def get_error(self, job_id: int) -> ServiceError | None:
        """Return the error of a job that is kept in memory."""
        with self._lock:
            return self._errors.get(job_id)

    def close(self) -> None:
        """Interrupt the running jobs, drop the queued jobs and wait for the threads."""
        self._stopping.set()
        for wait in (False, True):
            for pool in (self._unkeyed, self._keyed):
                pool.close(wait=wait)
