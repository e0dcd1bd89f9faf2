"""The pending snapshot of a task, kept between its tries."""

from dataclasses import asdict, dataclass
from typing import Final

from synapse_workflows.idempotency.task_state import SavedState, TaskState

_KEY: Final = "synapse_snapshot"


@dataclass(frozen=True)
class SnapshotPlan:
    """A snapshot that a task has requested or is about to request.

    Args:
        version: Number of the table's current version. The snapshot will have this number.
        label: Label of the snapshot.
        comment: Comment of the snapshot.
        activity_id: The Activity that the snapshot will have; no other snapshot has it.
        job: Token of the job that creates the snapshot; None without a job.
        numbered: Whether the label is the number of the version.
    """

    version: int
    label: str
    comment: str | None = None
    activity_id: str | None = None
    job: str | None = None
    numbered: bool = False


class SnapshotState:
    """Storage for the snapshot plan of a task instance for one table.

    Args:
        task: The state of the task.
        table_id: `syn123`.
    """

    def __init__(self, task: TaskState, table_id: str) -> None:
        self._state = SavedState(task, _KEY, table_id)

    def load(self) -> SnapshotPlan | None:
        """Return the plan of this try or of an earlier try; None without a plan."""
        values = self._state.load()
        return None if values is None else SnapshotPlan(**values)

    def save(self, plan: SnapshotPlan) -> None:
        """Store a plan."""
        self._state.save(asdict(plan))

    def mark_done(self) -> None:
        """Record that the task has finished its work; see `SavedState.mark_done`."""
        self._state.mark_done()

    def clear(self) -> None:
        """Delete a plan whose request can no longer have an effect."""
        self._state.clear()
