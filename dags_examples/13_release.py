"""Release tables: snapshots, files, a dataset, a copy, and the approval of a person.

Set: the connection `synapse_default`, `TABLES`, and the parameters of the run: the label of the
release, a folder that is not public, and the project of releases. In Airflow, a person answers
under **Required Actions**. The IDs are those of a new local Synapse with the seed `demo`.

See: each file lists its snapshot as used; the dataset fixes the versions of the files. The body of
`approve` shows the permissions that would change. Nothing is public before `Approve`, or after
`Reject`. A second run with the same label stores nothing twice, and fails if a table has changed.
Afterwards, 19_croissant.py lists the files of the released dataset with their versions and MD5. A
DOI is created on the page of the dataset in Synapse: the API has no request for it.
"""

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, dag, task

from synapse_workflows import (
    Dataset,
    SynapseCopyOperator,
    SynapseHook,
    SynapseSetPermissionsOperator,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableSnapshotOperator,
)

TABLES = ["syn10000006", "syn10000007"]
SYNAPSE_ID = {"type": "string", "pattern": r"^syn\d+$"}
PARAMS = {
    "release": Param("2026-11", pattern=r"^[\w.-]+$"),
    "staging_id": Param("syn10000005", description="Folder", **SYNAPSE_ID),
    "public_id": Param("syn10000001", description="Project of releases", **SYNAPSE_ID),
}
RELEASE, STAGING = "{{ params.release }}", "{{ params.staging_id }}"
GRANTS = {"public": ["READ"], "authenticated": ["READ", "DOWNLOAD"]}
ACCESS: dict[str, Any] = {"grants": GRANTS, "if_inherited": "create", "allow_public": True}


def query(snapshot: dict[str, Any]) -> dict[str, str]:
    """Return the arguments of the query of a snapshot."""
    return {"sql": f"select * from {snapshot['id']}.{snapshot['version']}"}  # noqa: S608


def upload(results: Any) -> dict[str, Any]:
    """Return the arguments of the upload of rows, the first result, of the snapshot."""
    return {"path": results[0], "name": f"{results[1]['name']}.csv"}


@dag(schedule=None, tags=["synapse", "example"], doc_md=__doc__, params=PARAMS)
def synapse_13_release() -> None:
    """Tables -> snapshots -> files -> dataset -> copy -> approval -> public."""
    snapshots = SynapseTableSnapshotOperator.partial(
        task_id="snapshots", version_label=RELEASE, if_unchanged="reuse"
    ).expand(table_id=TABLES)
    queries = snapshots.output.map(query)
    rows = SynapseTableQueryOperator.partial(task_id="rows").expand_kwargs(queries)
    files = SynapseStoreOperator.partial(
        task_id="files", parent_id=STAGING, folder=RELEASE
    ).expand_kwargs(rows.output.zip(snapshots.output).map(upload))

    @task
    def dataset(files: Any, params: dict[str, Any]) -> str:
        synapse = SynapseHook().client
        folder = synapse.findEntityId(params["release"], params["staging_id"])
        synapse.store(Dataset("Files", parent=folder, dataset_items=list(files)))
        return folder

    copy = SynapseCopyOperator(
        task_id="copy", entity_id=dataset(files.output), parent_id="{{ params.public_id }}"
    )
    folder = {"entity_id": copy.output, **ACCESS}
    preview = SynapseSetPermissionsOperator(task_id="preview", dry_run=True, **folder)
    body = "{{ ti.xcom_pull('preview')['changes'] }}"
    approve = ApprovalOperator(task_id="approve", subject=f"Publish {RELEASE}?", body=body)
    preview >> approve >> SynapseSetPermissionsOperator(task_id="publish", **folder)


synapse_13_release()
