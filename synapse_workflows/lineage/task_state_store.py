"""Interface of Airflow's task state store, and its use by several threads."""

import threading
from copy import deepcopy
from typing import Any, Final, Protocol

#: Lock of the requests of a task to Airflow. In `dag.test()`, concurrent requests of several
#: threads get the responses of each other.
AIRFLOW_LOCK: Final = threading.RLock()


class TaskStateStore(Protocol):
    """Key-value store of a task instance that survives a retry: `context["task_state_store"]`."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or `default` if the key is missing."""

    def set(self, key: str, value: Any) -> None:
        """Store a value."""

    def delete(self, key: str) -> None:
        """Delete a value."""


class LockedStateStore:
    """Task state store that only one thread uses at a time, in one try of the task instance.

    Nothing else changes the values during the try, so each is requested once after each change.

    Args:
        store: The task state store.
    """

    def __init__(self, store: TaskStateStore) -> None:
        self._store = store
        self._values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or `default` if the key is missing."""
        with AIRFLOW_LOCK:
            if key not in self._values:
                self._values[key] = self._store.get(key)
            value = deepcopy(self._values[key])
            return default if value is None else value

    def set(self, key: str, value: Any) -> None:
        """Store a value."""
        with AIRFLOW_LOCK:
            self._values.pop(key, None)
            self._store.set(key, value)

    def delete(self, key: str) -> None:
        """Delete a value."""
        with AIRFLOW_LOCK:
            self._values.pop(key, None)
            self._store.delete(key)
