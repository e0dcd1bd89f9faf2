"""Export tables as Parquet files, one task instance for each table.

Set: the connection `synapse_default`, and the parameters of the run: the tables by name, and the
target, a directory or the URL of a bucket: `s3://my_conn@exports/portals`. The defaults are the
IDs of a new local Synapse with the seed `demo`, and a directory in /tmp.

See: each table has a snapshot, and a file of the rows of that snapshot with the types of its
columns. XComs have paths and numbers of rows only. `manifest.json` lists the files with their
versions. A warehouse loads them from there: `CopyFromExternalStageToSnowflakeOperator`.
"""

import json
from typing import Any

from airflow.sdk import ObjectStoragePath, Param, dag, task

from synapse_workflows import SynapseTableQueryOperator

SYNAPSE_IDS = {"additionalProperties": {"type": "string", "pattern": r"^syn\d+$"}}
TABLES = {"measurements": "syn10000006", "features": "syn10000007"}


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "tables": Param(TABLES, type="object", description="File -> table", **SYNAPSE_IDS),
        "target": Param("/tmp/synapse_exports", description="Directory or URL"),  # noqa: S108
    },
)
def synapse_11_tables_to_parquet() -> None:
    """Tables -> a Parquet file of each -> a list of the files."""

    @task
    def queries(params: dict[str, Any]) -> list[dict[str, str]]:
        """Return the arguments of each query."""
        return [
            {
                "sql": f"select * from {table}",  # noqa: S608 - an ID
                "output_path": f"{params['target']}/{name}.parquet",
            }
            for name, table in params["tables"].items()
        ]

    export = SynapseTableQueryOperator.partial(
        task_id="export",
        snapshot_first=True,
        if_unchanged="reuse",  # a table that has not changed needs no other snapshot
        map_index_template="{{ task.output_path }}",
    ).expand_kwargs(queries())

    @task
    def manifest(files: Any, params: dict[str, Any]) -> int:
        """Write the list of the files; return the number of rows."""
        keys = ("name", "id", "version", "rows", "md5", "path")
        content = [{key: file[key] for key in keys} for file in files]
        path = ObjectStoragePath(f"{params['target']}/manifest.json")
        path.write_text(json.dumps(content, indent=2))
        return sum(file["rows"] for file in content)

    manifest(export.output)


synapse_11_tables_to_parquet()
