"""Name and description of a task instance's Activity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import conf

from synapse_workflows.links import get_task_path
from synapse_workflows.provenance.activity import GAP_PREFIX


@dataclass(frozen=True)
class ActivityDescription:
    """Name and description of a task instance's Activity, identical in every try of the task.

    Args:
        name: `dag.task` or `dag.task[3]`.
        signature: Line of the description that is unique to the task instance.
        date: Line of the description with the logical date; None for a run without a logical
            date.
        link: URL of the task instance in the Airflow UI; None when `[api] base_url` is not set.
        parameters: Lines with the parameters and the `conf` of the run.
    """

    name: str
    signature: str
    date: str | None = None
    link: str | None = None
    parameters: tuple[str, ...] = ()

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "ActivityDescription":
        """Describe the running task instance."""
        ti = context["ti"]
        index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
        name = f"{ti.dag_id}.{ti.task_id}" + ("" if index is None else f"[{index}]")
        logical_date = context.get("logical_date")
        date = None if logical_date is None else f"Logical date {logical_date.isoformat()}"
        return cls(name, f"Airflow run {ti.run_id} of {name}", date, _create_link(ti))

    def to_text(self, text: str | None = None, gaps: tuple[str, ...] = ()) -> str:
        """Return the description of the Activity.

        Args:
            text: Description that the caller declared. It is placed first.
            gaps: Sources that could not be pinned to a version.
        """
        lines = [
            text,
            self.signature,
            self.date,
            self.link,
            *self.parameters,
            *(f"{GAP_PREFIX}{gap}" for gap in gaps),
        ]
        return "\n".join(line for line in lines if line)

    def matches(self, activity: Mapping[str, Any]) -> bool:
        """Return whether a try of this task instance wrote the Activity."""
        return self.signature in (activity.get("description") or "").splitlines()


def _create_link(ti: Any) -> str | None:
    base = conf.get("api", "base_url", fallback=None)
    if not base:
        return None
    path = get_task_path(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
    return f"{base.rstrip('/')}/{path}"
