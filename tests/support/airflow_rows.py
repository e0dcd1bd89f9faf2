"""Rows of runs in Airflow's metadata database, and an authorization by DAG ID."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

from synapse_workflows.lineage.published_record import XCOM_KEY, PublishedRecord

START = datetime(2026, 1, 1, tzinfo=UTC)


class DagAuthManager(SimpleAuthManager):
    """Auth manager whose viewers may read only the DAGs whose IDs start with their names.

    The user dave may read no XComs.
    """

    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        is_allowed = super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )
        if user.username == "dave" and access_entity == DagAccessEntity.XCOM:
            return False
        of_any = details is None or details.id is None
        is_own = of_any or str(details.id).startswith(f"{user.username}_")
        return is_allowed and (user.role == "ADMIN" or is_own)


@dataclass(frozen=True)
class Instance:
    """A task instance.

    Args:
        task_id: ID of the task.
        published: its published lineage, the value of its XCom, or None.
        key: the key of this XCom.
        map_index: its map index.
        state: its state.
    """

    task_id: str
    published: PublishedRecord | str | Mapping[str, Any] | None = None
    map_index: int = -1
    state: str = "success"
    key: str = XCOM_KEY


def create_tables() -> None:
    """Create the tables of Airflow in an empty database."""
    from airflow import models, settings
    from airflow.models.base import Base

    models.import_all_models()
    settings.configure_orm()
    Base.metadata.create_all(settings.engine)


def add_run(dag_id: str, run_id: str, instances: Iterable[Instance], day: int = 0) -> None:
    """Add a run, its task instances and their XComs to the database.

    Args:
        dag_id: ID of the DAG.
        run_id: ID of the run.
        instances: the task instances.
        day: number of days from the first of the runs.
    """
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import insert

    with create_session() as session:
        session.merge(DagBundleModel(name="tests"))
        session.flush()
        session.merge(DagModel(dag_id=dag_id, bundle_name="tests"))
        session.flush()
        run = DagRun(dag_id=dag_id, run_id=run_id, run_type="manual", state="success")
        run.run_after = START + timedelta(days=day)
        session.add(run)
        session.flush()
        place = {"dag_id": dag_id, "run_id": run_id}
        rows = [
            {"task_id": one.task_id, "map_index": one.map_index, "state": one.state, **place}
            | {"pool": "default_pool", "start_date": START, "operator": "TestOperator"}
            for one in instances
        ]
        session.execute(insert(TaskInstance), rows)
        xcoms = [
            {"task_id": one.task_id, "map_index": one.map_index, "key": one.key, **place}
            | {"dag_run_id": run.id, "value": _serialize(one.published)}
            for one in instances
            if one.published is not None
        ]
        if xcoms:
            session.execute(insert(XComModel), xcoms)


def _serialize(published: Any) -> Any:
    is_record = isinstance(published, PublishedRecord)
    return json.dumps(published.to_json()) if is_record else published
