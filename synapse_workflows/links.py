"""Links of tasks in the Airflow UI: to an entity on the Synapse portal, and to their lineage."""

from typing import Any, Final
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink, conf

#: Routes of the pages of this package in the Airflow UI, see `ui.views`: the lineage of a task
#: instance and of a DAG run, and the list of runs.
TASK_ROUTE: Final = "synapse_task_lineage"
RUN_ROUTE: Final = "synapse_run_lineage"
LIST_ROUTE: Final = "synapse_lineage"


class SynapseEntityLink(BaseOperatorLink):
    """Link of a task to the entity that it read or stored.

    The worker calls `get_link` after the task, and Airflow stores the URL as an XCom. The web UI
    reads only the XCom.
    """

    name = "Synapse entity"

    @property
    def xcom_key(self) -> str:
        """Key of the XCom that stores the URL."""
        return "synapse_entity_link"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - defined by Airflow
        """Return the URL of the entity; empty if the task failed before the URL was known."""
        return getattr(operator, "entity_url", None) or ""


class SynapseLineageLink(BaseOperatorLink):
    """Link of a task to its lineage: the page in the Airflow UI with its inputs and outputs."""

    name = "Provenance"

    @property
    def xcom_key(self) -> str:
        """Key of the XCom that stores the URL."""
        return "synapse_lineage_link"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - defined by Airflow
        """Return the URL of the page; relative if `[api] base_url` is not set."""
        base = conf.get("api", "base_url", fallback=None) or ""
        path = get_task_path(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)
        prefix = f"{base.rstrip('/')}/" if base else ""
        return f"{prefix}{path}/plugin/{TASK_ROUTE}"


#: Links of the operators and sensors of this package.
OPERATOR_LINKS: Final[tuple[BaseOperatorLink, ...]] = (SynapseEntityLink(), SynapseLineageLink())


def get_run_path(dag_id: str, run_id: str) -> str:
    """Return the path of a DAG run in the Airflow UI, without a leading slash."""
    return f"dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def get_task_path(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> str:
    """Return the path of a task instance in the Airflow UI, without a leading slash.

    Args:
        dag_id: ID of the DAG.
        run_id: ID of the run.
        task_id: ID of the task.
        map_index: Map index; None or -1 for a task that is not mapped.
    """
    is_mapped = map_index is not None and map_index >= 0
    mapped = f"/mapped/{map_index}" if is_mapped else ""
    return f"{get_run_path(dag_id, run_id)}/tasks/{quote(task_id, safe='')}{mapped}"
