"""Store metrics of a warehouse in a table, once per day however often a run is repeated.

Set: the connections `synapse_default` and `warehouse` (any SQL database with a table `downloads`:
day, project, bytes), and the parameter `parent_id`. For SQLite:
`AIRFLOW_CONN_WAREHOUSE='sqlite:////tmp/warehouse.db'` and `apache-airflow-providers-sqlite`.

See: the table `Project metrics` has one row for each day and project. Another run for the same day
updates its rows, and a backfill adds those of its days. The Activity of each snapshot lists the
table of the warehouse, and this file. A day without changes has no snapshot.
"""

from datetime import timedelta

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import CronTriggerTimetable, Param, dag

from synapse_workflows import SynapseTableSnapshotOperator, SynapseTableStoreOperator

SQL = """
select day, project, count(*) as downloads, sum(bytes) as bytes
from downloads where day = '{{ data_interval_start | ds }}' group by day, project
"""


@dag(
    schedule=CronTriggerTimetable("0 5 * * *", timezone="UTC", interval=timedelta(days=1)),
    catchup=False,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "parent_id": Param("syn10000005", description="Project or folder", pattern=r"^syn\d+$")
    },
)
def synapse_10_warehouse_metrics() -> None:
    """Query of a day -> rows of a table -> snapshot."""
    metrics = SQLExecuteQueryOperator(task_id="metrics", conn_id="warehouse", sql=SQL)
    store = SynapseTableStoreOperator(
        task_id="store",
        rows=metrics.output,
        columns=["day", "project", "downloads", "bytes"],
        mode="upsert",
        key=["day", "project"],
        create=True,  # at the first run
        parent_id="{{ params.parent_id }}",
        name="Project metrics",
    )
    SynapseTableSnapshotOperator(
        task_id="snapshot",
        table_id=store.output,
        label_prefix="metrics ",
        version_label="{{ data_interval_start | ds }}",
        if_unchanged="skip",
    )


synapse_10_warehouse_metrics()
