"""Retry policy for HTTP requests: which requests are sent again, and after which delay.

Which failures may be retried is defined by `RetryCategory` in `client.errors`.
"""

import logging
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

import tenacity

from synapse_workflows.client.core.flows import Call, Reply
from synapse_workflows.client.errors import RetryCategory

#: Text to append to the reason of a conflict that an earlier attempt of the same call may have
#: caused.
MAY_HAVE_SUCCEEDED: Final = (
    "an earlier attempt of this call may have succeeded although its response was lost"
)
#: Delays above this number of seconds are logged as warnings.
LONG_DELAY: Final = 10.0
_REPEATABLE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Failure(Enum):
    """Reason why an attempt got no response."""

    NOT_CONNECTED = auto()
    """No connection was established; the request was not sent."""
    INTERRUPTED = auto()
    """The connection was interrupted; the server may have processed the request."""
    TIMED_OUT = auto()
    """No response arrived within the timeout; the server may have processed the request."""
    INVALID = auto()
    """The URL or a header is invalid, or the certificate of the server is not trusted."""
    TOO_LARGE = auto()
    """The response is too large; the server processed the request."""

    @property
    def retry_category(self) -> RetryCategory:
        """Whether the request may be sent again."""
        if self is Failure.NOT_CONNECTED:
            return RetryCategory.SAFE
        is_permanent = self in {Failure.INVALID, Failure.TOO_LARGE}
        return RetryCategory.PERMANENT if is_permanent else RetryCategory.UNCERTAIN


@dataclass(frozen=True)
class Outcome:
    """Result of one attempt.

    Args:
        reply: The response, with any status; None if there was none.
        failure: Why there was no response.
        reason: The server's reason for an error status, or a description of the failure.
        retry_after: Seconds to wait, as requested by the server; None if it sent no Retry-After.
        is_redirected: Whether the response is that of another server, after a redirect.
        is_planned: Whether a request limiter delays the next attempt.
    """

    reply: Reply | None = None
    failure: Failure | None = None
    reason: str = field(default="", repr=False)  # the server may quote a secret
    retry_after: float | None = None
    is_redirected: bool = False
    is_planned: bool = False

    @property
    def status(self) -> int | None:
        """HTTP status of the response; None without a response."""
        return None if self.reply is None else self.reply.status

    @property
    def succeeded(self) -> bool:
        """Whether the response has a 2xx status."""
        return self.reply is not None and self.reply.is_success

    @property
    def retry_category(self) -> RetryCategory | None:
        """Whether the request may be sent again; None after a success."""
        if self.failure is not None:
            return self.failure.retry_category
        if self.reply is None or self.succeeded:
            return None
        return RetryCategory.of_response(self.reply.status, self.reason)


@dataclass(frozen=True)
class RetryPolicy:
    """Retry and backoff settings. All times are in seconds.

    Args:
        attempts: Maximum number of attempts, including the first; at least 1.
        total: Maximum time from the start of the first attempt to the start of the last attempt.
        wait: Delay before the second attempt.
        back_off: Factor by which each delay grows.
        max_wait: Maximum backoff between attempts; a ``Retry-After`` header may exceed it.
        jitter: Each delay is multiplied by a random factor from ``1 - jitter`` to ``1 + jitter``.
    """

    attempts: int = 60
    total: float = 300.0
    wait: float = 1.0
    back_off: float = 2.0
    max_wait: float = 30.0
    jitter: float = 0.5

    def with_overrides(self, overrides: Mapping[str, Any]) -> "RetryPolicy":
        """Return a copy changed by the keys of synapseclient's ``retryPolicy``.

        Args:
            overrides: New values by key: ``retries`` (number of attempts after the first),
                ``wait``, ``back_off``, ``max_wait``, and the additional keys ``total`` and
                ``jitter``.

        Raises:
            ValueError: Unknown key.
        """
        changes = dict(overrides)
        if "retries" in changes:
            changes["attempts"] = int(changes.pop("retries")) + 1
        try:
            return replace(self, **changes)
        except TypeError:
            known = ["back_off", "jitter", "max_wait", "retries", "total", "wait"]
            raise ValueError(
                f"Invalid retryPolicy with the keys {', '.join(sorted(overrides))}: "
                f"the allowed keys are {', '.join(known)}."
            ) from None

    def delay(self, attempt: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait after an attempt.

        Args:
            attempt: Number of the attempt, counted from 1.
            retry_after: Minimum delay requested by the server, in seconds.
        """
        grown = self.wait * self.back_off ** min(attempt - 1, 64)
        factor = random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - no secret
        return max(min(grown, self.max_wait) * factor, retry_after or 0.0)


def is_retryable(call: Call, outcome: Outcome) -> bool:
    """Return whether to send a call again after this outcome."""
    category = outcome.retry_category
    if category is RetryCategory.UNCERTAIN:
        return is_repeatable(call)
    return category is RetryCategory.SAFE


def is_repeatable(call: Call) -> bool:
    """Return whether executing a call twice has the same effect as executing it once."""
    return call.method in _REPEATABLE_METHODS if call.repeatable is None else call.repeatable


@dataclass
class RetryState:
    """State of the attempts of one call, shared by the blocking and the asynchronous session.

    Args:
        call: The call.
        policy: Retry and backoff settings.
        log: Called before each delay with a `logging` level and a message.
    """

    call: Call
    policy: RetryPolicy
    log: Callable[[int, str], object]
    may_have_succeeded: bool = field(default=False, init=False)
    #: Time of the monotonic clock at which the last attempt has to start.
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.policy.total

    def tenacity_arguments(self) -> dict[str, Any]:
        """Return the arguments for `tenacity.Retrying` and `tenacity.AsyncRetrying`."""
        return {
            "retry": tenacity.retry_if_result(self._should_retry),
            "wait": self._delay,
            "stop": tenacity.stop_any(
                tenacity.stop_after_attempt(self.policy.attempts),
                tenacity.stop_before_delay(self.policy.total),
            ),
            "before_sleep": self._log_delay,
            "retry_error_callback": lambda state: state.outcome.result(),
        }

    def resolve(self, outcome: Outcome) -> Outcome:
        """Return the final outcome, considering that an earlier attempt may have succeeded.

        If an earlier attempt may have succeeded, a DELETE that returns 404 counts as a success,
        and a note in the reason of a 409 or 412 states that the call may conflict with its own
        earlier attempt.
        """
        if not self.may_have_succeeded:
            return outcome
        if self.call.method == "DELETE" and outcome.status == HTTPStatus.NOT_FOUND:
            return Outcome(Reply(200))
        if outcome.status in {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}:
            return replace(outcome, reason=f"{outcome.reason} ({MAY_HAVE_SUCCEEDED})")
        return outcome

    def log_wait(self, seconds: float, reason: str, *, is_over: bool = False) -> None:
        """Log that the next attempt waits for a rate limit.

        Args:
            seconds: Seconds that the attempt will wait, or has waited if `is_over`.
            reason: Why it waits.
            is_over: Whether it has waited this long.
        """
        level = logging.WARNING if seconds > LONG_DELAY else logging.DEBUG
        wait = f"waiting for {seconds:.1f} s already" if is_over else f"waiting {seconds:.1f} s"
        self.log(level, f"{self.call}: {reason}; {wait}")

    def _should_retry(self, outcome: Outcome) -> bool:
        if not is_retryable(self.call, outcome):
            return False
        if outcome.retry_category is RetryCategory.UNCERTAIN:
            self.may_have_succeeded = True
        return True

    def _delay(self, state: tenacity.RetryCallState) -> float:
        outcome: Outcome | None = state.outcome.result() if state.outcome else None
        if outcome is not None and outcome.is_planned:
            return 0.0
        return self.policy.delay(state.attempt_number, outcome.retry_after if outcome else None)

    def _log_delay(self, state: tenacity.RetryCallState) -> None:
        if state.outcome is None:
            return
        outcome: Outcome = state.outcome.result()
        level = logging.WARNING if state.upcoming_sleep > LONG_DELAY else logging.DEBUG
        reason = outcome.reason or outcome.status
        self.log(level, f"{self.call}: {reason}; retrying in {state.upcoming_sleep:.1f} s")


def failure_of_tls_error(error: BaseException) -> Failure | None:
    """Classify a failure that was caused by a TLS error; None if there is no TLS error.

    HTTP libraries wrap an `ssl.SSLError` in several exceptions. Each exception contains the next
    one as its cause, context or argument.
    """
    pending, seen = [error], set[int]()
    while pending:
        each = pending.pop()
        if isinstance(each, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
            return Failure.INTERRUPTED
        if isinstance(each, ssl.SSLError):
            return Failure.INVALID
        if id(each) in seen:
            continue
        seen.add(id(each))
        wrapped = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        pending += [one for one in wrapped if isinstance(one, BaseException)]
    return None
