"""Run a Nextflow pipeline on files of Synapse, and register what it writes to S3.

Set: the connection `synapse_default`, Nextflow on the worker, and the parameters of the run: a
sample sheet whose cells have URIs such as `syn://syn123.4`, a folder whose storage location is an
S3 bucket with STS, and a directory, which workers share if there are several.

See: `run` has temporary credentials for the folder only. It fails if the pipeline fails, and a
retry resumes the pipeline. The files below `results` refer to the objects; no byte is copied. The
Activity lists the sheet and the samples with their versions, and the pipeline.
"""

import csv
import re
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

from synapse_workflows import (
    SynapseHook,
    SynapseIndexS3PrefixOperator,
    SynapseStsBashOperator,
    local_path,
)

SYNAPSE_ID = {"type": "string", "pattern": r"^syn\d+(\.\d+)?$"}


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "sample_sheet": Param(description="ID of a CSV file", **SYNAPSE_ID),
        "folder_id": Param(description="ID of a folder with STS", **SYNAPSE_ID),
        "revision": Param("3.11.2", description="Tag of the pipeline", pattern=r"^[\w.-]+$"),
        "work": Param("/tmp/synapse_nextflow", description="Directory"),  # noqa: S108
    },
)
def synapse_12_nextflow() -> None:
    """Sample sheet -> files on the worker -> objects in S3 -> files in Synapse."""

    @task
    def stage(params: dict[str, Any], run_id: str) -> str:
        hook = SynapseHook()
        folder = Path(params["work"], re.sub(r"\W+", "_", run_id)).absolute()
        with Path(local_path(hook.get_file(params["sample_sheet"]))).open(newline="") as source:
            rows = list(csv.reader(source))
        for row in rows:
            for index, cell in enumerate(row):
                if sample := cell.partition("syn://")[2]:
                    row[index] = hook.get_file(sample, download_dir=folder / sample)["path"]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "samples.csv").open("w", newline="") as target:
            csv.writer(target).writerows(rows)
        return str(folder)

    run = SynapseStsBashOperator(
        task_id="run",
        folder_id="{{ params.folder_id }}",
        permission="read_write",
        bash_command=(
            'nextflow run nf-core/rnaseq -r "{{ params.revision }}" -resume'
            ' --input samples.csv --outdir "$SYNAPSE_STS_S3_LOCATION/results"'
        ),
        cwd="{{ ti.xcom_pull('stage') }}",
        retries=1,
    )
    register = SynapseIndexS3PrefixOperator(
        task_id="register",
        folder_id="{{ params.folder_id }}",
        prefix="results",
        folder="results",
        exclude="pipeline_info/*",
        executed="https://github.com/nf-core/rnaseq/tree/{{ params.revision }}",
    )
    stage() >> run >> register


synapse_12_nextflow()
