"""IDs of claims and names of their holders."""

import hashlib
import uuid
from typing import Any, Final

from synapse_workflows.client.model.annotations import MAX_CHARACTERS

_ID_LENGTH: Final = 16


def describe_claimant(ti: Any) -> str:
    """Return the name of a task instance, `dag/run/task[map_index]`.

    Args:
        ti: The task instance, as in the context of the task.
    """
    index = "" if ti.map_index is None or ti.map_index < 0 else f"[{ti.map_index}]"
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}{index}"


def create_claim_id(identity: str = "") -> str:
    """Return a unique ID for a new claim.

    Args:
        identity: Text that the IDs of all claims of one task start with; see `create_identity`.
    """
    return f"{identity}{uuid.uuid4().hex[:_ID_LENGTH]}"


def have_same_identity(claim_id: str, other_id: str) -> bool:
    """Return whether two claims were made by the same task, in any of its tries."""
    identity = claim_id[:-_ID_LENGTH]
    return bool(identity) and identity == other_id[:-_ID_LENGTH]


def create_identity() -> str:
    """Return a unique text that identifies the claims of one task."""
    return f"{uuid.uuid4().hex[:_ID_LENGTH]}-"


def shorten_claimant(claimant: str) -> str:
    """Return the name of a task, with at most the characters that an annotation can have."""
    if len(claimant) <= MAX_CHARACTERS:
        return claimant
    digest = hashlib.sha256(claimant.encode()).hexdigest()[:_ID_LENGTH]
    return f"{claimant[: MAX_CHARACTERS - _ID_LENGTH - 1]}~{digest}"
