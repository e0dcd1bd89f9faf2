"""IDs of claims and names of their holders."""

import hashlib
import uuid
from typing import Any, Final

from synapse_workflows.client.model.annotations import MAX_CHARACTERS
from synapse_workflows.idempotency.task_state import TaskState

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
        identity: Text that the IDs of all claims of one task start with; see `load_identity`.
    """
    return f"{identity}{uuid.uuid4().hex[:_ID_LENGTH]}"


def have_same_identity(claim_id: str, other_id: str) -> bool:
    """Return whether two claims were made by the same task, in any of its tries."""
    identity = claim_id[:-_ID_LENGTH]
    return bool(identity) and identity == other_id[:-_ID_LENGTH]


def load_identity(task: TaskState, state_key: str, evaluation_id: str) -> str:
    """Return the text that the IDs of the claims of a task on a queue start with.

    The name of the task is not sufficient: another Airflow may run a DAG of the same name.

    Args:
        task: State of the task. All its tries have the same identity; a cleared task has another.
        state_key: Key of the identity in the task state store.
        evaluation_id: ID of the evaluation queue.
    """
    key = {"evaluation_id": evaluation_id, "max_tries": task.max_tries}
    saved = task.store.get(state_key) or {}
    if key.items() <= saved.items():
        return str(saved["identity"])
    identity = f"{uuid.uuid4().hex[:_ID_LENGTH]}-"
    task.store.set(state_key, {**key, "identity": identity})
    return identity


def shorten_claimant(claimant: str) -> str:
    """Return the name of a task, with at most the characters that an annotation can have."""
    if len(claimant) <= MAX_CHARACTERS:
        return claimant
    digest = hashlib.sha256(claimant.encode()).hexdigest()[:_ID_LENGTH]
    return f"{claimant[: MAX_CHARACTERS - _ID_LENGTH - 1]}~{digest}"
