"""The snapshot that a task requests, and its pending state, kept between the tries."""

from dataclasses import asdict, dataclass
from typing import Final, Literal

from synapse_workflows.idempotency.task_state import SavedState, TaskState

_KEY: Final = "synapse_snapshot"
#: What to do if the table has not changed since the requested snapshot: create another snapshot,
#: use the existing one, or skip the task.
UnchangedPolicy = Literal["snapshot", "reuse", "skip"]


@dataclass(frozen=True)
class SnapshotRequest:
    """The snapshot that a task requests.

    Args:
        label: Label of the snapshot, including the prefix; None for its version number.
        label_prefix: Prefix of the labels of a series, in which each snapshot replaces the
            requested one; None for a snapshot that is not part of a series.
        comment: Comment of the snapshot.
        if_unchanged: What to do if the table has not changed since the requested snapshot.
    """

    label: str | None = None
    label_prefix: str | None = None
    comment: str | None = None
    if_unchanged: UnchangedPolicy = "snapshot"


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
