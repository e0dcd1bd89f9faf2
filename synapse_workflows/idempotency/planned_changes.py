"""The changes that a task plans, saved before they are made.

A retry finds the objects that an earlier try has changed already, and includes them in its result.
"""

from collections.abc import Iterable

from synapse_workflows.idempotency.task_state import SavedState, get_call_state
from synapse_workflows.lineage.lineage_client import LineageClient


class PlannedChanges:
    """IDs of the objects that one call of a task changes, over all tries of the task.

    Args:
        state: The saved state of the call.
    """

    def __init__(self, state: SavedState) -> None:
        self._state = state
        self.ids: set[str] = set((state.load() or {}).get("ids", ()))

    @classmethod
    def of(cls, client: LineageClient, signature: str) -> "PlannedChanges":
        """Return the planned changes of the next call of the running task.

        A retry continues the call with the same number, if its signature is the same.

        Args:
            client: A client of the connection.
            signature: Text that is equal for calls with equal arguments.
        """
        return cls(get_call_state(client.synapse_conn_id, signature))

    def add(self, ids: Iterable[str]) -> None:
        """Save the IDs of objects before they are changed."""
        added = set(ids) - self.ids
        if added:
            self.ids |= added
            self._state.save({"ids": sorted(self.ids)})
