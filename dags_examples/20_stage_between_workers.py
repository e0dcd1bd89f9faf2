"""Stage a file between workers: one task makes it, another one, maybe elsewhere, stores it.

Set: the connection `synapse_default` and the parameters of the run, whose defaults are the IDs of
the local Synapse. On several machines, also `[synapse] staging`: the URL of an object storage,
such as `s3://aws_default@bucket/staging`, or a folder that all workers share.

See: `summarize` deletes its file when it ends, and `store` stores it. The Activity of the summary
lists the file that `raw` read as `used`. `clean` removes what the run has staged.
"""

import csv
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk import Param, dag, task

from synapse_workflows import (
    SynapseGetOperator,
    SynapseStoreOperator,
    clean_staging,
    local_path,
    staged,
)

SYNAPSE_ID = {"type": "string", "pattern": r"^syn\d+(\.\d+)?$"}


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "entity_id": Param("syn10000003", description="The table to summarize", **SYNAPSE_ID),
        "parent_id": Param("syn10000005", description="Folder for the summary", **SYNAPSE_ID),
    },
)
def synapse_20_stage_between_workers() -> None:
    """Raw data -> staged summary -> stored summary."""
    raw = SynapseGetOperator(task_id="raw", entity_id="{{ params.entity_id }}")

    @task
    def summarize(file: dict[str, Any]) -> Any:
        """Count the patients of each diagnosis; return a reference to the staged summary."""
        with Path(local_path(file)).open(newline="") as source:
            counts = Counter(row["diagnosis"] for row in csv.DictReader(source))
        with TemporaryDirectory() as folder:
            summary = Path(folder, "patients.csv")
            with summary.open("w", newline="") as target:
                csv.writer(target).writerows([("diagnosis", "patients"), *sorted(counts.items())])
            return staged(summary)

    store = SynapseStoreOperator(
        task_id="store", path=summarize(raw.output), parent_id="{{ params.parent_id }}"
    )

    @task
    def clean() -> Any:
        return clean_staging()

    store >> clean()


synapse_20_stage_between_workers()
