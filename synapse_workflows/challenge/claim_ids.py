"""IDs of claims and names of their holders."""

import hashlib
import uuid
from typing import Any, Final

from synapse_workflows.client.model.annotations import MAX_CHARACTERS

_HASH_LENGTH: Final = 16
#: Length of the part of a claim ID that identifies the task that made the claim.
_PREFIX_LENGTH: Final = 12


def describe_claimant(ti: Any) -> str:
    """Return the name of a task instance, `dag/run/task[map_index]`.

    Args:
        ti: The task instance, as in the context of the task.
    """
    index = "" if ti.map_index is None or ti.map_index < 0 else f"[{ti.map_index}]"
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}{index}"


def create_claim_id(claimant: str, generation: int = 0) -> str:
    """Return an ID for a new claim. It starts with `claim_id_prefix` of the same task."""
    return claim_id_prefix(claimant, generation) + uuid.uuid4().hex[:_HASH_LENGTH]


def claim_id_prefix(claimant: str, generation: int = 0) -> str:
    """Return the start of the IDs of all claims that one task makes.

    Args:
        claimant: The task, `dag/run/task[map_index]`.
        generation: A number that changes when the task is cleared, but not between its tries.
    """
    identity = f"{claimant}#{generation}".encode()
    return f"{hashlib.sha256(identity).hexdigest()[:_PREFIX_LENGTH]}-"


def shorten_claimant(claimant: str) -> str:
    """Return the name of a task, with at most the characters that an annotation can have."""
    if len(claimant) <= MAX_CHARACTERS:
        return claimant
    digest = hashlib.sha256(claimant.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{claimant[: MAX_CHARACTERS - _HASH_LENGTH - 1]}~{digest}"
