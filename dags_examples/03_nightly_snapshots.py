"""Create snapshots of tables every night; a second DAG reads the snapshot that triggered it.

Set: the connection `synapse_default`, the recipients `TO`, and `TABLES` (the first triggers the
second DAG) or the parameter `tables` of a run. The IDs are those of a new local Synapse.

See: one task instance for each table. A missing or forbidden table fails only its own; `TO` get a
message. An unchanged one is skipped. 30 snapshots are kept. The second DAG queries its version.
"""

from airflow.sdk import AssetAlias, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows import (
    SynapseNotifier,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableSnapshotOperator,
    synapse_asset,
)

TO = ["alice"]
TABLES = ["syn10000006", "syn10000007"]
PUBLISHED = synapse_asset(TABLES[0])
SYNAPSE_ID = {"type": "string", "pattern": r"^syn\d+$"}


@dag(
    schedule="0 3 * * *",
    catchup=False,
    tags=["synapse", "example"],
    doc_md=__doc__,
    default_args={"on_failure_callback": SynapseNotifier(to=TO)},
    params={"tables": Param(TABLES, type="array", items=SYNAPSE_ID)},
)
def synapse_03_nightly_snapshots() -> None:
    """Tables -> a snapshot of each."""

    @task
    def tables(params: dict) -> list[str]:
        return params["tables"]

    SynapseTableSnapshotOperator.partial(
        task_id="create_snapshot",
        label_prefix="nightly ",
        version_label="{{ run_id }}",
        version_comment="By {{ dag.dag_id }}",
        if_unchanged="skip",
        retain=30,
        outlets=[AssetAlias("snapshots")],
        map_index_template="{{ task.table_id }}",
    ).expand(table_id=tables())


@dag(
    schedule=[PUBLISHED],
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={"parent_id": Param("syn10000005", description="Folder", **SYNAPSE_ID)},
)
def synapse_03_publish_snapshot() -> None:
    """The snapshot that triggered the run -> a CSV file."""

    @task
    def snapshot(triggering_asset_events: dict) -> str:
        """Return the ID of the newest snapshot in the triggering events, with its version."""
        events = triggering_asset_events.get(PUBLISHED)
        if not events:
            raise AirflowFailException("No snapshot triggered this run; run the nightly DAG")
        newest = max(events, key=lambda event: event.timestamp)
        return f"{TABLES[0]}.{newest.extra['version']}"

    sql = "select * from {{ ti.xcom_pull('snapshot') }}"
    rows = SynapseTableQueryOperator(task_id="rows", sql=sql)
    snapshot() >> rows
    parent = "{{ params.parent_id }}"
    SynapseStoreOperator(task_id="publish", path=rows.output, parent_id=parent, name="latest.csv")


synapse_03_nightly_snapshots()
synapse_03_publish_snapshot()
