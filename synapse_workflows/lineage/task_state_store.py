"""Interface of Airflow's task state store."""

from typing import Any, Protocol


class TaskStateStore(Protocol):
    """Key-value store of a task instance that survives a retry: `context["task_state_store"]`."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or `default` if the key is missing."""

    def set(self, key: str, value: Any) -> None:
        """Store a value."""

    def delete(self, key: str) -> None:
        """Delete a value."""
