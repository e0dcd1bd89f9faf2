"""What earlier tries of a task have stored in one call that stores many files."""

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from synapse_workflows.idempotency.folder_tree import FileState
from synapse_workflows.idempotency.task_state import SavedState, get_call_state
from synapse_workflows.lineage.batch_activity import BatchActivity
from synapse_workflows.lineage.lineage_client import LineageClient


class EarlierTries:
    """Versions that earlier tries of the task created in the same call.

    The Activity of the task shows its versions. Without this Activity, these are the versions of
    the file handles that the user has created since the first handle of the first try.

    Args:
        client: Sends the requests.
        state: The saved state of the call.
    """

    def __init__(self, client: LineageClient, state: SavedState) -> None:
        self._client = client
        self._state = state
        self._values: dict[str, Any] = state.load() or {}
        self._first_handle: int | None = self._values.get("first_handle")
        self._lock = threading.Lock()

    @classmethod
    def of_call(cls, client: LineageClient, signature: str) -> Self:
        """Return the earlier tries of the next call of the running task.

        Args:
            client: Sends the requests.
            signature: Text that is equal for calls with equal arguments.
        """
        return cls(client, get_call_state(client.synapse_conn_id, signature))

    @property
    def activity_id(self) -> str | None:
        """ID of the separate Activity that an earlier try saved."""
        return self._values.get("activity_id")

    def note_handle(self, handle: Mapping[str, Any]) -> None:
        """Save the ID of the first file handle, before a file has the handle."""
        number = int(handle["id"])
        with self._lock:
            if number < self._values.get("first_handle", number + 1):
                self._save({"first_handle": number})

    def save_activity(self, activity_id: str) -> None:
        """Save the ID of a separate Activity."""
        with self._lock:
            self._save({"activity_id": activity_id})

    def has_stored(self, file: FileState, activity: BatchActivity) -> bool:
        """Return whether an earlier try created the current version of a file."""
        if file.version in activity.earlier_versions.get(file.id, ()):
            return True
        handle = file.handle or {}
        return (
            self._first_handle is not None
            and int(handle.get("id") or 0) >= self._first_handle
            and str(handle.get("createdBy")) == self._user_id
        )

    def _save(self, values: Mapping[str, Any]) -> None:
        self._values |= values
        self._state.save(self._values)

    @cached_property
    def _user_id(self) -> str:
        return str(self._client.call("GET", "/userProfile").json["ownerId"])
