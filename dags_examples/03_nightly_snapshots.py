"""Freeze a list of tables every night; a second DAG reads exactly the snapshot that woke it.

Set: the connection `synapse_default`; `TABLES`, whose first wakes the second DAG (or the parameter
`tables` of a run). The ids are those of a fresh local Synapse with the seed `demo`.

See: `freeze` has one instance for each table. A table that is gone or not yours fails its own
instance, and no other; one that nobody changed is skipped, and wakes nobody; of each table the
newest 30 nightly snapshots stay. The second DAG queries `syn123.7`, not the table that goes on
changing, and what it stores names that version as used.
"""

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows import (
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableSnapshotOperator,
    synapse_asset,
)

TABLES = ["syn10000006", "syn10000007"]
PUBLISHED = synapse_asset(TABLES[0])
SYNAPSE_ID = {"type": "string", "pattern": r"^syn\d+$"}


@dag(
    schedule="0 3 * * *",
    catchup=False,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={"tables": Param(TABLES, type="array", items=SYNAPSE_ID)},
)
def synapse_03_nightly_snapshots() -> None:
    """Tables -> a snapshot of each."""

    @task
    def tables(params: dict) -> list[str]:
        return params["tables"]

    SynapseTableSnapshotOperator.partial(
        task_id="freeze",
        label_prefix="nightly ",
        version_label="{{ run_id }}",
        version_comment="By {{ dag.dag_id }}",
        skip_if_unchanged=True,
        retain=30,
        map_index_template="{{ task.table_id }}",
    ).expand(table_id=tables())


@dag(
    schedule=[PUBLISHED],
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={"parent_id": Param("syn10000005", description="Where the CSV goes", **SYNAPSE_ID)},
)
def synapse_03_publish_snapshot() -> None:
    """The snapshot that woke the run -> a CSV file beside it."""

    @task
    def snapshot(triggering_asset_events: dict) -> str:
        """Name the newest of the versions that the events name."""
        events = triggering_asset_events.get(PUBLISHED)
        if not events:
            raise AirflowFailException("No snapshot woke this run: let the nightly DAG make one")
        newest = max(events, key=lambda event: event.timestamp)
        return f"{TABLES[0]}.{newest.extra['version']}"

    rows = SynapseTableQueryOperator(
        task_id="rows", sql="select * from {{ ti.xcom_pull('snapshot') }}"
    )
    snapshot() >> rows
    SynapseStoreOperator(
        task_id="publish", path=rows.output, parent_id="{{ params.parent_id }}", name="latest.csv"
    )


synapse_03_nightly_snapshots()
synapse_03_publish_snapshot()
