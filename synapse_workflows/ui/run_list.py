"""List of the DAG runs that have lineage."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from sqlalchemy import func, select

from synapse_workflows.lineage.published_record import XCOM_KEY

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Number of runs of a page.
PAGE_SIZE: Final = 25


@dataclass(frozen=True)
class ListedRun:
    """A run with lineage.

    Args:
        dag_id: ID of the DAG.
        run_id: ID of the run.
        state: State of the run.
        date: Date after which the run could start.
        tasks: Number of task instances with lineage.
    """

    dag_id: str
    run_id: str
    state: str
    date: datetime
    tasks: int


@dataclass(frozen=True)
class RunPage:
    """A page of the list.

    Args:
        runs: Runs, the latest first.
        number: Number of the page, from 1.
        has_next: Whether there are earlier runs.
    """

    runs: tuple[ListedRun, ...]
    number: int
    has_next: bool


def list_runs(
    session: "Session", dag_ids: Collection[str], number: int, dag_id: str | None = None
) -> RunPage:
    """List the runs that have lineage, the latest first.

    Args:
        session: Session of Airflow's metadata database.
        dag_ids: IDs of the DAGs that the user may read.
        number: Number of the page, from 1.
        dag_id: ID of the only DAG to list; None for all.
    """
    listed = [one for one in dag_ids if dag_id in (None, one)]
    counts = (
        select(XComModel.dag_run_id, func.count().label("tasks"))
        .where(XComModel.key == XCOM_KEY, XComModel.dag_id.in_(listed))
        .group_by(XComModel.dag_run_id)
        .subquery()
    )
    columns = (DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.run_after, counts.c.tasks)
    rows = session.execute(
        select(*columns)
        .join(counts, counts.c.dag_run_id == DagRun.id)
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .offset((number - 1) * PAGE_SIZE)
        .limit(PAGE_SIZE + 1)
    ).all()
    runs = tuple(ListedRun(dag, run, str(state), date, n) for dag, run, state, date, n in rows)
    return RunPage(runs[:PAGE_SIZE], number, len(runs) > PAGE_SIZE)
