"""Simulation of many machines under the limits of one account.

    python tests/bench/rate_limit_simulation.py [machines, 16] [requests per machine, 19]

Each machine has one process, which sends its requests one after the other. The code of the
limiter and of the retries is the real one; the clock and the service are simulated: 3 requests at
a time, of 0.1 to 0.3 seconds each, and 600 within 60 seconds. Other load on the machine thus
changes nothing. `ideal` is the time that these limits require.
"""

import heapq
import itertools
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from unittest import mock

from synapse_workflows.client.core import request_limiter, retry
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.flows import Call, Reply
from synapse_workflows.client.core.request_limiter import RequestLimiter, Steps
from synapse_workflows.client.core.retry import Outcome, RetryPolicy, RetryState, is_retryable

CONCURRENT = 3
REQUESTS, SECONDS = 600, 60
LATENCY = 0.2
POLICY = RetryPolicy()
#: Seconds to wait.
Process = Generator[float, None, None]


@dataclass
class Simulation:
    """Simulated clock, service and machines.

    Args:
        limited: Whether the machines have a limiter.
        random: Generator of the times of machines and service.
        now: The time in seconds.
    """

    limited: bool
    random: random.Random
    now: float = 1000.0
    sent: int = 0
    refused: int = 0
    failed: int = 0
    running: int = 0
    times: deque[float] = field(default_factory=deque)
    longest: float = 0.0

    def run(self, machines: int, requests: int, folder: str) -> float:
        """Return the seconds until all machines have sent all of their requests."""
        started, order = self.now, itertools.count()
        queue = [
            (
                self.now + self.random.uniform(0, 2),
                next(order),
                self.work(f"{folder}/{n}", requests),
            )
            for n in range(machines)
        ]
        heapq.heapify(queue)
        while queue:
            self.now, _, process = heapq.heappop(queue)
            seconds = next(process, None)
            if seconds is not None:
                heapq.heappush(queue, (self.now + seconds, next(order), process))
        return self.now - started

    def work(self, cache: str, requests: int) -> Process:
        """Send requests, with some time of the processor in between."""
        for _ in range(requests):
            started = self.now
            self.failed += not (yield from self.call(cache))
            self.longest = max(self.longest, self.now - started)
            yield self.random.expovariate(50)

    def call(self, cache: str) -> Generator[float, None, bool]:
        state = RetryState(Call("GET", "/entity/syn1"), POLICY, lambda *_: None)
        for number in range(1, POLICY.attempts + 1):
            outcome = yield from self.attempt(cache, state)
            if not is_retryable(state.call, outcome):
                return True
            result = SimpleNamespace(result=lambda outcome=outcome: outcome)
            delay = state._delay(SimpleNamespace(outcome=result, attempt_number=number))
            if self.now + delay > state.deadline:
                return False
            yield delay
        return False

    def attempt(self, cache: str, state: RetryState) -> Generator[float, None, Outcome]:
        limiter = RequestLimiter(cache, "https://repo.example.org", Token("token", "alice"))
        steps = limiter.attempt(state) if self.limited else send_at_once()
        outcome = None
        while True:
            try:
                seconds = steps.send(outcome)
            except StopIteration as done:
                return done.value
            outcome = None
            if seconds is None:
                outcome = yield from self.respond()
            else:
                yield seconds

    def respond(self) -> Generator[float, None, Outcome]:
        """Execute a request in the service."""
        self.sent += 1
        while self.times and self.now - self.times[0] >= SECONDS:
            self.times.popleft()
        reason = ""
        if self.running >= CONCURRENT:
            reason = f"Too many concurrent requests. User 1 may have {CONCURRENT} at a time."
        elif len(self.times) >= REQUESTS:
            reason = (
                f"Requests are too frequent. User 1 may send {REQUESTS} every {SECONDS} seconds."
            )
        if reason:
            self.refused += 1
            yield LATENCY / 4
            return Outcome(Reply(429), reason=reason)
        self.times.append(self.now)
        self.running += 1
        yield self.random.uniform(0.5, 1.5) * LATENCY
        self.running -= 1
        return Outcome(Reply(200))


def send_at_once() -> Steps[Outcome]:
    """Return the steps of an attempt without a limiter."""
    outcome = yield None
    assert outcome is not None
    return outcome


def simulate(machines: int, requests: int, *, limited: bool, seed: int = 0) -> Simulation:
    """Run a simulation; `now` of the result is its duration in seconds."""
    random.seed(seed)  # the limiter and the retries
    simulation = Simulation(limited, random.Random(seed))  # noqa: S311 - no secret
    clock = SimpleNamespace(monotonic=lambda: simulation.now, time=time.time)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(request_limiter, "time", clock),
        mock.patch.object(retry, "time", clock),
    ):
        simulation.now = simulation.run(machines, requests, folder)
    return simulation


def main() -> None:
    numbers = [int(each) for each in sys.argv[1:]]
    machines, requests = (*numbers, *(16, 19)[len(numbers) :])
    accepted = machines * requests
    ideal = max((accepted / REQUESTS - 1) * SECONDS, accepted * LATENCY / CONCURRENT)
    sys.stdout.write(
        f"{machines} machines, {requests} requests each; mean of 5 runs; ideal {ideal:.0f} s\n"
        f"{'':16} {'refused %':>10} {'seconds':>9} {'longest wait':>13} {'failed':>7}\n"
    )
    for limited in (False, True):
        runs = [simulate(machines, requests, limited=limited, seed=seed) for seed in range(5)]
        refused = 100 * sum(run.refused for run in runs) / sum(run.sent for run in runs)
        seconds = sum(run.now for run in runs) / len(runs)
        longest = max(run.longest for run in runs)
        failed = sum(run.failed for run in runs)
        label = f"{'with' if limited else 'without'} limiter"
        sys.stdout.write(f"{label:16} {refused:10.1f} {seconds:9.1f} {longest:13.1f} {failed:7}\n")


if __name__ == "__main__":
    main()
