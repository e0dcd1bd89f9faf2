"""Which calls are made again, after how long, and when to give up."""

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

import tenacity

from synapse_workflows.client.core import wire
from synapse_workflows.client.core.flows import Call, Reply

#: Statuses by which a server says that it did nothing, and that one should come again.
REFUSED: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
#: Statuses after which nobody knows whether anything was done.
UNCERTAIN: Final = frozenset(
    {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
)
#: Statuses that mean what they say, whatever words their reason holds.
FINAL: Final = frozenset({401, 403, 404, 409, 410, 412})
REFUSED_WORDS: Final = ("slow down", "slowdown", "try again")
UNCERTAIN_WORDS: Final = (
    "proxy error", "timeout", "timed out", "connection reset by peer",
    "unknown ssl protocol error", "couldn't connect to host",
)  # fmt: skip
#: Said of a conflict that may be with oneself.
MAYBE_DONE: Final = "an earlier try of this call, whose answer got lost, may have gone through"
#: Seconds of waiting from which on a user is told.
LONG_WAIT: Final = 10.0
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Failure(Enum):
    """How a call can fail without an answer."""

    NOT_SENT = auto()
    """The connection never got through: nothing happened."""
    LOST = auto()
    """The answer got lost: it may have happened."""
    TIMED_OUT = auto()
    """No answer in time: it may have happened."""
    BROKEN = auto()
    """Nothing that another try could mend, as a certificate that is not trusted."""


@dataclass(frozen=True)
class Outcome:
    """What came of one try.

    Args:
        reply: The answer, whatever its status; None when there was none.
        failure: Why there was none.
        reason: What the server said of an answer that is no success; else what failed.
        retry_after: Seconds the server asked to wait, when it did.
    """

    reply: Reply | None = None
    failure: Failure | None = None
    reason: str = ""
    retry_after: float | None = None

    @property
    def status(self) -> int | None:
        """HTTP status of the answer; None without one."""
        return None if self.reply is None else self.reply.status

    @property
    def succeeded(self) -> bool:
        """Whether Synapse answered with success (2xx)."""
        return self.reply is not None and wire.is_success(self.reply.status)


@dataclass(frozen=True)
class RetryPolicy:
    """How patient a client is. All times in seconds.

    Args:
        attempts: Tries of one call at most, the first included; at least 1.
        total: Seconds from the first try after which no other begins.
        wait: Before the second try.
        back_off: Factor by which each wait grows.
        max_wait: Longest wait of our own making; a ``Retry-After`` may ask for more.
        jitter: Each wait is multiplied by a random number of ``1 - jitter`` to ``1 + jitter``.
    """

    attempts: int = 60
    total: float = 300.0
    wait: float = 1.0
    back_off: float = 2.0
    max_wait: float = 30.0
    jitter: float = 0.5

    def with_overrides(self, overrides: Mapping[str, Any]) -> "RetryPolicy":
        """Change single settings by the keys of synapseclient's ``retryPolicy``.

        Args:
            overrides: Of ``retries`` (tries after the first), ``wait``, ``back_off``,
                ``max_wait``, and our own ``total`` and ``jitter``.

        Raises:
            ValueError: Another key.
        """
        changes = dict(overrides)
        if "retries" in changes:
            changes["attempts"] = int(changes.pop("retries")) + 1
        try:
            return replace(self, **changes)
        except TypeError:
            known = ["back_off", "jitter", "max_wait", "retries", "total", "wait"]
            raise ValueError(
                f"retryPolicy knows {', '.join(known)}; not {', '.join(sorted(overrides))}"
            ) from None

    def pause(self, attempt: int, outcome: Outcome) -> float:
        """Seconds to wait after try number `attempt`, counted from 1."""
        grown = self.wait * self.back_off ** min(attempt - 1, 64)
        spread = random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - no secret
        return max(min(grown, self.max_wait) * spread, outcome.retry_after or 0.0)


def retryable(call: Call, outcome: Outcome) -> bool:
    """Whether to make this call again, decided by category.

    - Success, or an answer that another try would not change: no.
    - The connection never got through, or the server refused (429, 503, "slow down"): yes.
    - It may have happened (connection lost, no answer in time, 500, 502, 504): only when a second
      execution does no harm, see `Call.repeatable`.
    """
    if outcome.succeeded or outcome.failure is Failure.BROKEN:
        return False
    if outcome.failure is Failure.NOT_SENT or outcome.status in REFUSED:
        return True
    said = outcome.reason.lower() if outcome.status not in FINAL else ""
    if outcome.reply is not None and any(word in said for word in REFUSED_WORDS):
        return True
    uncertain = (
        outcome.failure is not None
        or outcome.status in UNCERTAIN
        or any(word in said for word in UNCERTAIN_WORDS)
    )
    return uncertain and repeatable(call)


def repeatable(call: Call) -> bool:
    """Whether a second execution of this call does no harm."""
    return call.method in _SAFE_METHODS if call.repeatable is None else call.repeatable


@dataclass
class RetryState:
    """One call and its tries: the settings that both drivers hand to tenacity.

    Args:
        call: What is asked.
        policy: How patiently.
        log: Told of each wait: a level of `logging`, and words.
    """

    call: Call
    policy: RetryPolicy
    log: Callable[[int, str], object]
    maybe_done: bool = field(default=False, init=False)

    def settings(self) -> dict[str, Any]:
        """Arguments for `tenacity.Retrying` and `tenacity.AsyncRetrying` alike."""
        return {
            "retry": tenacity.retry_if_result(self._again),
            "wait": lambda state: self.policy.pause(state.attempt_number, state.outcome.result()),
            "stop": tenacity.stop_any(
                tenacity.stop_after_attempt(self.policy.attempts),
                tenacity.stop_before_delay(self.policy.total),
            ),
            "before_sleep": self._tell,
            "retry_error_callback": lambda state: state.outcome.result(),
        }

    def settle(self, outcome: Outcome) -> Outcome:
        """Read the last answer in the light of an earlier try that may have gone through.

        Then a DELETE that finds nothing has succeeded, and a conflict may be with itself.
        """
        if not self.maybe_done:
            return outcome
        if self.call.method == "DELETE" and outcome.status == HTTPStatus.NOT_FOUND:
            return Outcome(Reply(200))
        if outcome.status in {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}:
            return replace(outcome, reason=f"{outcome.reason} ({MAYBE_DONE})")
        return outcome

    def _again(self, outcome: Outcome) -> bool:
        again = retryable(self.call, outcome)
        if again and outcome.failure is not Failure.NOT_SENT and outcome.status not in REFUSED:
            self.maybe_done = True
        return again

    def _tell(self, state: tenacity.RetryCallState) -> None:
        if state.outcome is None:
            return
        outcome: Outcome = state.outcome.result()
        level = logging.WARNING if state.upcoming_sleep > LONG_WAIT else logging.DEBUG
        said = outcome.reason or outcome.status
        self.log(level, f"{self.call}: {said}; again in {state.upcoming_sleep:.1f} s")
