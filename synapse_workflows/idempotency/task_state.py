"""Progress of a task instance on one table, kept between its tries."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Self

from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.task_state_store import TaskStateStore


@dataclass(frozen=True)
class TaskState:
    """Airflow's task state store, and `max_tries` of the task instance.

    `max_tries` distinguishes a retry from a cleared task: clearing a task increases `max_tries`, a
    retry does not change it.

    Args:
        store: The task state store.
        max_tries: `max_tries` of the task instance.
    """

    store: TaskStateStore
    max_tries: int

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Self:
        """Read both values from the context of the running task."""
        return cls(context["task_state_store"], int(context["ti"].max_tries))

    @classmethod
    def current(cls) -> Self:
        """Return the state of the running task; outside a task, a state that is not kept."""
        collector = current_collector()
        if collector is None:
            return cls(MemoryStore(), 0)
        return cls(collector.state_store, int(collector.ti.max_tries))


class MemoryStore:
    """Task state store in memory, for code that runs outside a task."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or `default` if the key is missing."""
        return self._values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Store a value."""
        self._values[key] = value

    def delete(self, key: str) -> None:
        """Delete a value."""
        self._values.pop(key, None)


class SavedState:
    """JSON values of one task instance for one table, or for another target of its work.

    Values for another target are ignored, and so are values that were marked as done before the
    task was cleared.

    Args:
        task: The state of the task.
        key: Key in the task state store.
        table_id: `syn123`, or a text that identifies another target.
    """

    def __init__(self, task: TaskState, key: str, table_id: str) -> None:
        self._task = task
        self._key = key
        self._table_id = table_id

    def load(self) -> dict[str, Any] | None:
        """Return the values that this or an earlier try saved; None without saved values."""
        stored = self._stored()
        if stored is None:
            return None
        return {name: value for name, value in stored.items() if name not in ("table", "done")}

    def save(self, values: Mapping[str, Any]) -> None:
        """Replace the values; a mark that `mark_done` has set is kept."""
        stored = self._stored() or {}
        mark = {"done": stored["done"]} if "done" in stored else {}
        self._task.store.set(self._key, {**values, "table": self._table_id, **mark})

    def mark_done(self) -> None:
        """Record that the task has finished its work.

        A retry still loads the values: a worker may stop before it reports success. A task that
        is cleared afterwards starts without them.
        """
        stored = self._stored()
        if stored is not None:
            self._task.store.set(self._key, {**stored, "done": self._task.max_tries})

    def clear(self) -> None:
        """Delete the values."""
        self._task.store.delete(self._key)

    def _stored(self) -> dict[str, Any] | None:
        stored = self._task.store.get(self._key) or {}
        is_current = stored.get("table") == self._table_id
        if not is_current or stored.get("done") not in (None, self._task.max_tries):
            return None
        return dict(stored)


def get_call_state(conn_id: str, signature: str) -> SavedState:
    """Return the saved state of the next call of the running task under a connection.

    A retry continues the call with the same number, if its signature is the same.

    Args:
        conn_id: The Airflow connection.
        signature: Text that is equal for calls with equal arguments.
    """
    digest = hashlib.sha256(signature.encode()).hexdigest()
    key = f"synapse_changes:{conn_id}"
    collector = current_collector()
    if collector is None:
        return SavedState(TaskState.current(), key, digest)
    number = next(collector.get_or_create(key, lambda: count(1)))
    state = SavedState(TaskState.current(), f"{key}:{number}", digest)
    collector.add_finish_callback(state.mark_done)
    return state
