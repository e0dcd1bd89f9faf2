"""Notes of a task about its store operations, kept between its tries."""

from hashlib import md5
from typing import Any

from synapse_workflows.lineage.task_state_store import TaskStateStore


class StoreNotes:
    """Version numbers of entities before the task stored them first.

    The notes are needed if the Activity does not show which versions the task created: without
    lineage, or with an Activity that several tasks share.

    Args:
        state_store: Task state store of the task instance.
        conn_id: Connection of the client.
        max_tries: `max_tries` of the task instance. Clearing the task increases `max_tries`.
    """

    def __init__(self, state_store: TaskStateStore, conn_id: str, max_tries: int) -> None:
        self._state_store = state_store
        self._conn_id = conn_id
        self._max_tries = max_tries
        self._begun: set[str] = set()
        self._states: dict[str, dict[str, Any]] = {}

    def begin(self, parent_id: str, name: str, version: int) -> None:
        """Note that an entity is about to be stored, unless a try of the task noted it before.

        Args:
            parent_id: ID of the entity's container.
            name: Name of the entity.
            version: Number of the entity's current version; 0 for a new entity.
        """
        key = self._key(parent_id, name)
        if key not in self._begun and self.find(parent_id, name) is None:
            self._save(key, {"version": version})
        self._begun.add(key)

    def find(self, parent_id: str, name: str) -> int | None:
        """Return the version before an earlier try stored the entity; None if no try stored it.

        Return None as well after this try has stored the entity.
        """
        key = self._key(parent_id, name)
        state = None if key in self._begun else self._state_store.get(key)
        if state is None or state.get("done") not in (None, self._max_tries):
            return None
        self._states[key] = state
        return int(state["version"])

    def mark_done(self) -> None:
        """Record that the task has finished. After the task is cleared, the notes are ignored."""
        for key, state in self._states.items():
            self._save(key, {**state, "done": self._max_tries})

    def _save(self, key: str, state: dict[str, Any]) -> None:
        self._states[key] = state
        self._state_store.set(key, state)

    def _key(self, parent_id: str, name: str) -> str:
        digest = md5(f"{parent_id}/{name}".encode(), usedforsecurity=False).hexdigest()
        return f"synapse_store:{self._conn_id}:{digest}"
