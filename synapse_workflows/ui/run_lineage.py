"""Lineage of a DAG run, read from the metadata database of Airflow.

The API server reads the XComs that the tasks of the run have published, and the states of the task
instances. It sends no requests to Synapse.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import select

from synapse_workflows.lineage.published_record import XCOM_KEY, PublishedRecord

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


#: Columns of a task instance that are read.
_COLUMNS: Final[tuple[Any, ...]] = (
    TaskInstance.task_id,
    TaskInstance.map_index,
    TaskInstance.state,
    TaskInstance.operator,
    cast("Any", TaskInstance.rendered_map_index).label("name"),
)


@dataclass(frozen=True)
class TaskRun:
    """A task instance and its lineage.

    Args:
        task_id: ID of the task.
        map_index: Map index; -1 for a task that is not mapped.
        state: State of the task instance; None if it has none yet.
        operator: Name of the operator class.
        name: Name of a mapped instance in the UI; None if it has none.
        published: The published lineage; None if there is none.
        is_readable: Whether the published lineage could be read.
    """

    task_id: str
    map_index: int = -1
    state: str | None = None
    operator: str | None = None
    name: str | None = None
    published: PublishedRecord | None = None
    is_readable: bool = True

    @property
    def label(self) -> str:
        """Task ID with the map index or the name of the mapped instance."""
        return self.task_id if self.map_index < 0 else f"{self.task_id} [{self._instance}]"

    @property
    def _instance(self) -> str:
        return self.name or str(self.map_index)


@dataclass(frozen=True)
class RunLineage:
    """A DAG run and the lineage of its task instances.

    Args:
        dag_id: ID of the DAG.
        run_id: ID of the run.
        state: State of the run.
        tasks: The task instances, in the order in which they started.
    """

    dag_id: str
    run_id: str
    state: str | None
    tasks: tuple[TaskRun, ...]


def read_run_lineage(session: "Session", dag_id: str, run_id: str) -> RunLineage | None:
    """Read the lineage of a run. Return None if there is no such run."""
    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if run is None:
        return None
    published = _read_published(session, dag_id, run_id)
    tasks = tuple(
        _create_task(row, published.get((row.task_id, row.map_index)))
        for row in session.execute(
            select(*_COLUMNS)
            .where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
            .order_by(TaskInstance.start_date, TaskInstance.task_id, TaskInstance.map_index)
        )
    )
    return RunLineage(dag_id, run_id, _to_text(run.state), tasks)


def _read_published(session: "Session", dag_id: str, run_id: str) -> dict[tuple[str, int], Any]:
    """Return the values of the XComs by task ID and map index."""
    columns = (XComModel.task_id, XComModel.map_index, XComModel.value)
    rows = session.execute(
        select(*columns).where(
            XComModel.key == XCOM_KEY, XComModel.dag_id == dag_id, XComModel.run_id == run_id
        )
    )
    return {(task_id, map_index): value for task_id, map_index, value in rows}


def _create_task(row: Any, value: Any) -> TaskRun:
    """Create a task instance from its row and the value of its XCom, if any."""
    published = None if value is None else _parse_published(value)
    return TaskRun(
        row.task_id,
        row.map_index,
        _to_text(row.state),
        row.operator,
        row.name,
        published,
        is_readable=value is None or published is not None,
    )


def _parse_published(value: Any) -> PublishedRecord | None:
    """Parse the value of an XCom; return None if it is no record.

    An XCom backend may have replaced the value by a reference to another storage. Users may also
    overwrite XComs.
    """
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
        return PublishedRecord.from_json(parsed)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _to_text(state: Any) -> str | None:
    return None if state is None else str(getattr(state, "value", state))
