"""Benchmark of processes that claim the submissions of one queue at the same time.

    python tests/bench/claims.py [submissions, 500] [processes, 8] [max_claims, none]

Each submission must be claimed exactly once, and without max_claims none may be left. Prints the
seconds of the slowest process, the claims of each process, and the requests per claim: one PUT is
the minimum; further PUTs are lost races.
"""

import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.service_process import start_service_process
from support.submission_queue import SubmissionQueue

from synapse_workflows.challenge.claim_attempt import ClaimOptions
from synapse_workflows.challenge.submission_claimer import claim_submissions
from synapse_workflows.idempotency.task_state import MemoryStore, TaskState
from synapse_workflows.testing import SynapseService


def claim(
    facts: dict[str, Any],
    folder: str,
    queue: str,
    number: int,
    options: ClaimOptions,
    barrier: Any,
    results: Any,
) -> None:
    """Claim in one process; put the claimed IDs, the seconds and the requests by method."""
    with SynapseService(facts, Path(folder)).client() as syn:
        requests: Counter[str] = Counter()
        call = syn.call

        def count_call(method: str, *args: Any, **more: Any) -> Any:
            requests[method] += 1
            return call(method, *args, **more)

        syn.call = count_call  # type: ignore[method-assign]
        barrier.wait()
        start = time.perf_counter()
        task = TaskState(MemoryStore(), 0)
        claims = claim_submissions(syn, queue, f"dag/run/claim[{number}]", options, task)
        seconds = time.perf_counter() - start
        results.put(([one.submission_id for one in claims], seconds, requests))


def main(submissions: int = 500, processes: int = 8, max_claims: int | None = None) -> None:
    """Run the benchmark and print the results."""
    options = ClaimOptions(max_claims=max_claims)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name, start_service_process(Path(name, "synapse")):
        folder = Path(name)
        facts = json.loads((folder / "synapse" / "service.json").read_text())
        with SynapseService(facts, folder).client() as syn:
            queue = SubmissionQueue(syn, folder)
            submitted = queue.submit(submissions)
            barrier, results = context.Barrier(processes), context.Queue()
            workers = [
                context.Process(
                    target=claim, args=(facts, name, queue.id, n, options, barrier, results)
                )
                for n in range(processes)
            ]
            for worker in workers:
                worker.start()
            outcomes = [results.get(timeout=600) for _ in workers]
            for worker in workers:
                worker.join()
            left = queue.with_status("RECEIVED")
    claimed = Counter(one for ids, _, _ in outcomes for one in ids)
    total = sum((requests for _, _, requests in outcomes), Counter())
    lines = [
        f"{len(claimed)} of {submissions} claimed, {len(left)} left",
        f"claims per process: {sorted(len(ids) for ids, _, _ in outcomes)}",
        f"seconds: {max(seconds for _, seconds, _ in outcomes):.1f}",
        *(f"{method} per claim: {total[method] / len(claimed):.2f}" for method in ("PUT", "GET")),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    assert max(claimed.values()) == 1, "claimed twice"
    assert set(claimed) | left == set(submitted), "lost"
    assert max_claims is not None or not left, "left"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
