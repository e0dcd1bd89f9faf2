"""Limiter of the requests of one account, shared by the processes of a machine.

Processes that use the same cache directory share its limiters. An account that Synapse does not
limit has no file there, which costs one system call per request. After a response with status 429,
the files of the account are

    <name>.json      the `AdaptiveLimit` of the account, and those of single routes
    <name>.lock      lock of the changes of this file
    <name>.<n>.lock  lock that is held by one running request

`<name>` is a digest of the account, the endpoint and the start of this machine. The operating
system releases the locks of a process that ends, even after a crash.
"""

import contextlib
import functools
import hashlib
import json
import logging
import os
import platform
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from filelock import FileLock, Timeout

from synapse_workflows.client.core.adaptive_limit import AdaptiveLimit, Refusal
from synapse_workflows.client.core.cache_lock import PRIVATE_NAME
from synapse_workflows.client.core.flows import Call, Reply
from synapse_workflows.client.core.retry import LONG_DELAY, Outcome, RetryState

if TYPE_CHECKING:
    from synapse_workflows.client.core.credentials import Credentials

T = TypeVar("T")
#: Steps of a request: seconds to wait, or None to send it and to receive its outcome.
Steps = Generator[float | None, Outcome | None, T]
_Limits = dict[str, AdaptiveLimit]

#: Name of the limit for all requests of an account.
_ALL: Final = "all"
#: Seconds between two checks whether the planned time of a request has changed.
_CHECK_SECONDS: Final = 1.0
#: Longest time in seconds to wait for the lock of a file. A process may be stopped while it holds
#: the lock.
_LOCK_SECONDS: Final = 2.0
#: Seconds without the end of a request after which the slots of this machine are free again. A
#: process may be stopped while it holds one.
_SLOT_SECONDS: Final = 60.0
#: Seconds between two attempts to acquire a slot: at first, at most, and as a share of the time
#: that the request has waited. Many requests that wait together thus cost little.
_SLOT_POLL_SECONDS: Final = (0.02, 0.5)
_SLOT_POLL_SHARE: Final = 0.05
#: Age in seconds from which unused files are deleted.
_UNUSED_SECONDS: Final = 7 * 86_400
_ID = re.compile(r"(?:syn)?\d+", re.IGNORECASE)
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
#: Requests that are being sent, by process (which may be forked) and path of their limits.
_running: Final[defaultdict[tuple[int, str], set[int]]] = defaultdict(set)
_log = logging.getLogger(__name__)


@dataclass
class _Admission:
    """Permission to send one request.

    Args:
        names: Names of the limits that apply to the request.
        slot: Lock that is held while the request runs.
        waited: Whether the request waited for other requests to end.
        is_counted: Whether a success changes the limits.
        sent_at: Time at which the request was sent.
    """

    names: tuple[str, ...] = (_ALL,)
    slot: FileLock | None = None
    waited: bool = False
    is_counted: bool = False
    sent_at: float = field(default_factory=time.monotonic)

    def release(self) -> None:
        if self.slot is not None:
            self.slot.release()


@dataclass
class _Plan:
    """Planned time of a request.

    Args:
        start: Time of the request.
        limits: The limits that apply to the request, by name.
        is_final: Whether the request may be sent at this time; else it has to be planned again.
    """

    start: float
    limits: _Limits = field(default_factory=dict)
    is_final: bool = True

    def __str__(self) -> str:
        return " and ".join(dict.fromkeys(limit.description for limit in self.limits.values()))


class RequestLimiter:
    """Limiter of the requests of one account to one endpoint.

    Args:
        cache_root: Directory of the cache.
        repo_endpoint: Repository endpoint.
        credentials: Credentials of the account.
    """

    def __init__(self, cache_root: str, repo_endpoint: str, credentials: "Credentials") -> None:
        text = f"{_machine_id()}\n{repo_endpoint}\n{credentials.account_digest}"
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._base = os.path.join(cache_root, PRIVATE_NAME, "limits", name)  # noqa: PTH118 - fast
        self._path = f"{self._base}.json"
        self._running = _running[os.getpid(), self._path]

    def attempt(self, state: RetryState) -> Steps[Outcome]:
        """Return the steps of one attempt of a call, and its outcome.

        If Synapse does not accept requests before the retries of the call end, the outcome is
        that of a refusal, and no request is sent.
        """
        admission = _Admission()
        if os.path.exists(self._path):  # noqa: PTH110 - fast
            admitted = yield from self._admit(state)
            if isinstance(admitted, Outcome):
                return admitted
            admission = admitted
        try:
            self._running.add(id(admission))
            admission.sent_at = time.monotonic()
            outcome = yield None
        finally:
            self._running.discard(id(admission))
            admission.release()
        if outcome is None:
            raise RuntimeError("The outcome of the request is missing.")
        if outcome.status == HTTPStatus.TOO_MANY_REQUESTS and not outcome.is_redirected:
            is_planned = yield from self._record_refusal(state, outcome, admission)
            return replace(outcome, is_planned=is_planned)
        if admission.is_counted or admission.waited or admission.slot is not None:
            yield from self._record_end(admission, is_success=outcome.reply is not None)
        return outcome

    def _admit(self, state: RetryState) -> Steps[_Admission | Outcome]:
        """Wait for the planned time of a request, then for a slot."""
        names = (_ALL, route_of(state.call))
        log_at = 0.0
        while True:
            plan = yield from self._plan(names, state.deadline)
            if plan.start > state.deadline:
                return _refuse(plan)
            if plan.start > (now := time.monotonic()) >= log_at:
                state.log_wait(plan.start - now, f"Synapse limits this account to {plan}")
                log_at = now + LONG_DELAY
            is_current = yield from self._wait(plan)
            if is_current and plan.is_final:
                admitted = yield from self._acquire_slot(plan, state)
                if admitted is not None:
                    return admitted

    def _plan(self, names: tuple[str, ...], deadline: float) -> Steps["_Plan"]:
        """Plan the time of a request. Reserve it unless it is after the deadline."""
        plan = _Plan(time.monotonic())

        def reserve(limits: _Limits) -> None:
            now = time.monotonic()
            plan.limits = {name: limits[name] for name in names if name in limits}
            plan.start = max([now, *(limit.next_start(now) for limit in plan.limits.values())])
            is_paused = any(limit.failures or limit.pause for limit in plan.limits.values())
            plan.is_final = plan.start == now or not is_paused
            if plan.is_final and plan.start <= deadline:
                for name, limit in plan.limits.items():
                    limits[name] = limit.reserve(now, plan.start)

        yield from self._update(reserve)
        return plan

    def _wait(self, plan: "_Plan") -> Steps[bool]:
        """Wait for the planned time. Return False as soon as a change of a limit outdates it."""
        while (left := plan.start - time.monotonic()) > 0:
            yield min(left, _CHECK_SECONDS)
            current = self._read()
            for name, limit in plan.limits.items():
                if name not in current or current[name].generation != limit.generation:
                    return False
        return True

    def _acquire_slot(self, plan: _Plan, state: RetryState) -> Steps[_Admission | Outcome | None]:
        """Acquire one of the slots of this machine, if the number of requests is limited.

        Returns:
            The admission; an outcome if the time for retries is over; None if the limits have
            changed, so that the request has to be planned again.
        """
        is_counted = any(limit.failures or limit.pause for limit in plan.limits.values())
        admission = _Admission(tuple(plan.limits), is_counted=is_counted)
        planned = plan.limits.get(_ALL)
        since = changed_at = log_at = time.monotonic()
        finished = planned.finished if planned else 0
        while planned is not None and planned.concurrency is not None:
            limit = self._read().get(_ALL)
            if limit is None or limit.concurrency is None:
                break
            if limit.generation != planned.generation:
                return None
            now = time.monotonic()
            if now > state.deadline:
                return _refuse(plan)
            if limit.finished != finished:
                finished, changed_at = limit.finished, now
            if now > changed_at + _SLOT_SECONDS:
                self._free_slots()
                changed_at = now
            admission.slot = self._try_slot(int(limit.concurrency))
            if admission.slot is not None:
                break
            admission.waited = True
            if now - log_at > LONG_DELAY:
                log_at = now
                state.log_wait(now - since, f"Synapse limits this account to {plan}", is_over=True)
            yield _slot_poll_delay(now - since)
        return admission

    def _try_slot(self, number: int) -> FileLock | None:
        """Try to acquire one of a number of slots."""
        lock = self._create_lock(str(random.randrange(number)))  # noqa: S311 - no secret
        return lock if _try_lock(lock) else None

    def _free_slots(self) -> None:
        """Delete the locks of all slots. Processes that hold one have no effect any more."""
        base = Path(self._base)
        for path in base.parent.glob(f"{base.name}.*.lock"):
            path.unlink(missing_ok=True)

    def _record_refusal(
        self, state: RetryState, outcome: Outcome, admission: _Admission
    ) -> Steps[bool]:
        """Decrease the limit. Return whether it delays the next attempt."""
        refusal = Refusal.parse(outcome.reason, outcome.retry_after)
        name = route_of(state.call) if refusal.is_route else _ALL

        delay, is_single = state.policy.delay, not self._running

        def refuse(limits: _Limits) -> None:
            limits[name] = limits.get(name, AdaptiveLimit()).after_refusal(
                refusal, admission.sent_at, time.monotonic(), delay, is_single=is_single
            )

        if not os.path.exists(self._path):  # noqa: PTH110 - fast
            self._create_directory()
        yield from self._update(refuse)
        now = time.monotonic()
        limit = self._read().get(name)
        return limit is not None and limit.next_start(now) > now

    def _record_end(self, admission: _Admission, *, is_success: bool) -> Steps[None]:
        """Count a request that has ended without a refusal."""

        def count(limits: _Limits) -> None:
            now = time.monotonic()
            for name in admission.names:
                if name in limits:
                    limit = replace(limits[name], finished=limits[name].finished + 1)
                    if is_success:
                        limit = limit.after_success(
                            admission.sent_at, now, waited=admission.waited
                        )
                    limits[name] = limit

        yield from self._update(count)

    def _update(self, change: Callable[[_Limits], None]) -> Steps[None]:
        """Apply a change to the limits in the file. Skip it if the file cannot be used."""
        lock = self._create_lock()
        give_up_at = time.monotonic() + _LOCK_SECONDS
        try:
            while not _try_lock(lock):
                if time.monotonic() > give_up_at:
                    Path(lock.lock_file).unlink(missing_ok=True)
                    give_up_at += _LOCK_SECONDS
                yield random.uniform(0.001, 0.004)  # noqa: S311 - no secret
            try:
                limits = self._read()
                before = dict(limits)
                change(limits)
                if limits != before or not limits:
                    self._write(limits)
            finally:
                lock.release()
        except (OSError, NotImplementedError) as error:  # filelock 3.16: no locks there
            _log.debug("The request limiter cannot be used: %s", error)

    def _read(self) -> _Limits:
        """Return the valid limits; none if the file is damaged."""
        now = time.monotonic()
        try:
            stored = json.loads(Path(self._path).read_bytes())
            limits = {name: AdaptiveLimit.parse(values) for name, values in stored.items()}
            return {name: limit for name, limit in limits.items() if limit.is_valid(now)}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}

    def _write(self, limits: _Limits) -> None:
        """Replace the file; delete it if there is no limit. Requires the lock."""
        if not limits:
            Path(self._path).unlink(missing_ok=True)
            return
        new = Path(f"{self._path}.new")
        new.write_text(json.dumps({name: asdict(limit) for name, limit in limits.items()}))
        new.replace(self._path)

    def _create_lock(self, name: str = "") -> FileLock:
        path = f"{self._base}.{name}.lock" if name else f"{self._base}.lock"
        return FileLock(path, thread_local=False)

    def _create_directory(self) -> None:
        """Create the directory of the files, and delete files that have not been used for long."""
        directory = Path(self._base).parent
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for path in directory.iterdir():
                if time.time() - path.stat().st_mtime > _UNUSED_SECONDS:
                    path.unlink(missing_ok=True)
        except OSError as error:
            _log.debug("The request limiter cannot be used: %s", error)


def route_of(call: Call) -> str:
    """Return method and path of a call, with `#` for each ID: ``GET /entity/#/column``."""
    return f"{call.method} {_ID.sub('#', call.path.partition('?')[0])}"


def run_blocking(
    steps: Steps[Outcome], send: Callable[[], Outcome], sleep: Callable[[float], object]
) -> Outcome:
    """Execute the steps of an attempt in this thread."""
    outcome: Outcome | None = None
    with contextlib.closing(steps):
        while True:
            try:
                seconds = steps.send(outcome)
            except StopIteration as done:
                final: Outcome = done.value
                return final
            outcome = None
            if seconds is None:
                outcome = send()
            else:
                sleep(seconds)


def _try_lock(lock: FileLock) -> bool:
    """Acquire a lock if it is free."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _slot_poll_delay(waited: float) -> float:
    """Return the seconds until the next attempt to acquire a slot."""
    shortest, longest = _SLOT_POLL_SECONDS
    seconds = min(max(shortest, _SLOT_POLL_SHARE * waited), longest)
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


def _refuse(plan: _Plan) -> Outcome:
    """Return the outcome of a request that is not sent."""
    seconds = plan.start - time.monotonic()
    reason = (
        f"Synapse limits this account to {plan}. The request was not sent: the next request is "
        f"possible in {seconds:.0f} s, which exceeds the time for retries."
    )
    content = json.dumps({"reason": reason}).encode()
    reply = Reply(429, {"Content-Type": "application/json"}, content)
    return Outcome(reply, reason=reason, retry_after=seconds)


@functools.cache
def _machine_id() -> str:
    """Return an ID of this start of the machine: the monotonic clock restarts with it."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return platform.node()
