"""Deferrable sensors of each kind, whose triggerer is killed while they wait."""

from airflow.sdk import dag

from synapse_workflows import (
    SynapseNewFilesSensor,
    SynapseSubmissionSensor,
    SynapseTableChangeSensor,
    SynapseTableQueryOperator,
    SynapseTableRowsSensor,
)

WAIT = {"deferrable": True, "poke_interval": 1, "timeout": 1200}
PARAMS = {"project": "", "table": "", "queue": "", "rows": 1}


@dag(schedule=None, params=PARAMS)
def waiting():
    """Wait for a file, a change, rows and a submission; then query."""
    sensors = [
        SynapseNewFilesSensor(task_id="files", container_id="{{ params.project }}", **WAIT),
        SynapseTableChangeSensor(task_id="change", table_id="{{ params.table }}", **WAIT),
        SynapseTableRowsSensor(
            task_id="rows", sql="select * from {{ params.table }} where n = 7", **WAIT
        ),
        SynapseSubmissionSensor(task_id="submissions", evaluation_id="{{ params.queue }}", **WAIT),
    ]
    query = SynapseTableQueryOperator(
        task_id="query",
        sql="select n from {{ params.table }} where n = 7",
        deferrable=True,
        poll_interval=0.5,
    )
    sensors >> query


waiting()
