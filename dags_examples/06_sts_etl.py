"""Summarize objects in S3 with temporary credentials, and register the summaries in Synapse.

Set: the connection `synapse_default`, and the parameter `folder_id`: a folder whose storage
location is an S3 bucket with STS. The default is the ID of a new local Synapse with the seeds
`demo` and `sts`, which `make demo DAG=sts` starts, with a real S3 server.

See: the objects below `raw/` become summaries below `results/`; no object is moved to or from
Synapse. The files in the folder `results` refer to the summaries. Their Activity lists the objects
that were read and this file. A second run finds nothing new, and creates no versions.
"""

import csv
import io
import statistics
from collections import defaultdict
from typing import Any

from airflow.sdk import Param, dag, task

from synapse_workflows import SynapseIndexS3PrefixOperator

FEATURES = ("mean_radius", "mean_texture", "mean_concavity")


def summarise_rows(text: str) -> str:
    """Return count and means for each diagnosis, as CSV."""
    rows = defaultdict(list)
    for row in csv.DictReader(io.StringIO(text)):
        rows[row["diagnosis"]].append([float(row[feature]) for feature in FEATURES])
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["diagnosis", "patients", *FEATURES])
    for diagnosis, values in sorted(rows.items()):
        means = [round(statistics.fmean(column), 3) for column in zip(*values, strict=True)]
        writer.writerow([diagnosis, len(values), *means])
    return target.getvalue()


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "folder_id": Param("syn10000009", description="Folder with STS", pattern=r"^syn\d+$"),
    },
)
def synapse_06_sts_etl() -> None:
    """Objects below `raw` -> summaries below `results` -> files in Synapse."""

    @task.synapse_sts(folder_id="{{ params.folder_id }}", permission="read_write")
    def summarise(sts_session: Any) -> str:
        """Summarize each object below `raw`; return the prefix of the summaries."""
        s3, bucket, raw = sts_session.client("s3"), sts_session.bucket, sts_session.key("raw/")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=raw):
            for one in page.get("Contents", ()):
                text = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read().decode()
                name = one["Key"].removeprefix(raw).removesuffix(".csv")
                key = sts_session.key(f"results/{name}_summary.csv")
                s3.put_object(Bucket=bucket, Key=key, Body=summarise_rows(text).encode())
        return "results"

    SynapseIndexS3PrefixOperator(
        task_id="register",
        folder_id="{{ params.folder_id }}",
        prefix=summarise(),
        folder="results",
        include="*_summary.csv",
        annotations={"dataType": "summary", "features": list(FEATURES)},
    )


synapse_06_sts_etl()
