"""Notes of a task about its store operations, kept between its tries."""

from hashlib import md5
from typing import Any

from synapse_workflows.lineage.task_state_store import TaskStateStore


class StoreNotes:
    """The version that an entity had before the task stored it.

    Needed where the Activity does not show which versions the task created: without lineage, or
    with an Activity that several tasks share.

    Args:
        state_store: Task state store of the task instance.
        conn_id: Connection of the client.
        max_tries: `max_tries` of the task instance; clearing the task raises it.
    """

    def __init__(self, state_store: TaskStateStore, conn_id: str, max_tries: int) -> None:
        self._state_store = state_store
        self._conn_id = conn_id
        self._max_tries = max_tries
        self._begun: set[str] = set()
        self._states: dict[str, dict[str, Any]] = {}

    def begin(self, parent_id: str, name: str, version: int) -> None:
        """Note that an entity is about to be stored.

        Args:
            parent_id: ID of its container.
            name: Name of the entity.
            version: Number of its current version; 0 for a new entity.
        """
        key = self._key(parent_id, name)
        self._begun.add(key)
        self._save(key, {"version": version})

    def find(self, parent_id: str, name: str) -> int | None:
        """Return the version before an earlier try stored an entity; None if none did."""
        key = self._key(parent_id, name)
        state = None if key in self._begun else self._state_store.get(key)
        if state is None or state.get("done") not in (None, self._max_tries):
            return None
        self._states[key] = state
        return int(state["version"])

    def mark_done(self) -> None:
        """Record that the task has finished, so that it starts again after it is cleared."""
        for key, state in self._states.items():
            self._save(key, {**state, "done": self._max_tries})

    def _save(self, key: str, state: dict[str, Any]) -> None:
        self._states[key] = state
        self._state_store.set(key, state)

    def _key(self, parent_id: str, name: str) -> str:
        digest = md5(f"{parent_id}/{name}".encode(), usedforsecurity=False).hexdigest()
        return f"synapse_store:{self._conn_id}:{digest}"
