"""A process that claims submissions. Each process imports this module, which imports little."""

from collections.abc import Callable, Mapping
from typing import Any

from synapse_workflows import Synapse
from synapse_workflows.challenge.claim_attempt import ClaimOptions
from synapse_workflows.challenge.submission_claimer import claim_submissions
from synapse_workflows.idempotency.task_state import MemoryStore, TaskState


def claim_in_process(
    settings: Mapping[str, Any],
    token: str,
    evaluation_id: str,
    claimant: str,
    wait: Callable[[], int],
    results: Any,
) -> None:
    """Claim submissions after the other processes are ready; put their IDs into a queue.

    Args:
        settings: arguments of the client.
        token: token of the client.
        evaluation_id: ID of the evaluation.
        claimant: name of the claimant.
        wait: function that waits for the other processes.
        results: queue for the IDs.
    """
    with Synapse(**settings) as syn:
        syn.login(authToken=token, silent=True)
        wait()
        task = TaskState(MemoryStore(), 0)
        claims = claim_submissions(syn, evaluation_id, claimant, ClaimOptions(), task)
        results.put([one.submission_id for one in claims])
