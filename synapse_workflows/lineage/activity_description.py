"""What an Activity is called, so that a retry of the task knows its own again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow.sdk import conf


@dataclass(frozen=True)
class ActivityDescription:
    """A task instance in text; the same for each of its tries.

    Args:
        name: as `dag.task` or `dag.task[3]`.
        signature: the line of the description that no other task instance writes.
        date: the logical date of the run, if it has one.
        link: address of the task instance in Airflow's pages; None when nobody configured it.
    """

    name: str
    signature: str
    date: str | None = None
    link: str | None = None

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "ActivityDescription":
        """Name the running task instance."""
        ti = context["ti"]
        index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
        name = f"{ti.dag_id}.{ti.task_id}" + ("" if index is None else f"[{index}]")
        logical_date = context.get("logical_date")
        date = None if logical_date is None else f"Logical date {logical_date.isoformat()}"
        return cls(name, f"Airflow run {ti.run_id} of {name}", date, _link(ti, index))

    def to_text(self, text: str | None = None, gaps: tuple[str, ...] = ()) -> str:
        """Write the description of the Activity.

        Args:
            text: what somebody wants to say of it.
            gaps: what could not be pinned.
        """
        lines = [
            text,
            self.signature,
            self.date,
            self.link,
            *(f"Not pinned: {gap}" for gap in gaps),
        ]
        return "\n".join(line for line in lines if line)

    def matches(self, activity: Mapping[str, Any]) -> bool:
        """Tell whether an Activity was written by a try of this task instance."""
        return self.signature in (activity.get("description") or "").splitlines()


def _link(ti: Any, index: int | None) -> str | None:
    base = conf.get("api", "base_url", fallback=None)
    if not base:
        return None
    mapped = "" if index is None else f"/mapped/{index}"
    run, task = quote(ti.run_id, safe=""), quote(ti.task_id, safe="")
    return f"{base.rstrip('/')}/dags/{ti.dag_id}/runs/{run}/tasks/{task}{mapped}"
