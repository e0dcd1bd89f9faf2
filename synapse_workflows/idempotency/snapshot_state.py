"""What a task is about to freeze, kept from try to try."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from synapse_workflows.lineage.task_state_store import TaskStateStore

_KEY: Final = "synapse_snapshot"


@dataclass(frozen=True)
class SnapshotPlan:
    """What a task is about to freeze; kept from try to try.

    Args:
        table: as `syn123`.
        version: the number under which it still changes.
        label: of the snapshot.
        comment: of the snapshot.
        activity_id: what the snapshot will carry; no other snapshot does.
        job: token of the job that freezes it; None while there is none.
        numbered: whether the label is just the number of the version.
        done: at the end of the task's work, the number of its tries then: who clears a task
            gives it more of them, and wants another snapshot; a retry has the same number, and
            comes after a worker that died before it could report.
    """

    table: str
    version: int
    label: str
    comment: str | None = None
    activity_id: str | None = None
    job: str | None = None
    numbered: bool = False
    done: int | None = None


class SnapshotState:
    """Where a task instance keeps its plan.

    Args:
        context: of the running task.
        table: what is frozen, as `syn123`.
    """

    def __init__(self, context: Mapping[str, Any], table: str) -> None:
        self.memory: TaskStateStore = context["task_state_store"]
        self.tries = int(context["ti"].max_tries)
        self.table = table

    def current(self) -> SnapshotPlan | None:
        """Find the plan of this try, or of the tries before it; None where there is none."""
        kept = self.memory.get(_KEY)
        if not kept or kept["table"] != self.table:
            return None
        plan = SnapshotPlan(**kept)
        return plan if plan.done in (None, self.tries) else None

    def keep(self, plan: SnapshotPlan) -> None:
        """Keep a plan for the tries to come."""
        self.memory.set(_KEY, asdict(plan))

    def end(self) -> None:
        """Note that the task has done its work, of which Airflow is still to hear."""
        plan = self.current()
        if plan is not None:
            self.keep(replace(plan, done=self.tries))

    def forget(self) -> None:
        """Forget a plan of which nothing can come."""
        self.memory.delete(_KEY)
