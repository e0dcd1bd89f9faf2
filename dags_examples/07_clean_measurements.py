"""Clean a file and announce the result as an asset: raw data -> cleaned data.

Set: the connection `synapse_default` and the parameters of the run. The defaults are the IDs of
the local Synapse that `make demo DAG=lineage` and `make airflow` start.

See: the stored `cleaned.csv` has an Activity, and an asset event has its ID and version. The event
starts the DAG of 08_model_and_report.py. Unchanged content gives no new version.
"""

import csv
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk import AssetAlias, Param, dag, task

from synapse_workflows import File, SynapseGetOperator, SynapseHook, local_path

FEATURES = ("mean_radius", "mean_texture", "mean_concavity")
SYNAPSE_ID = {"type": "string", "pattern": r"^syn\d+(\.\d+)?$"}


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "entity_id": Param("syn10000003", description="The raw measurements", **SYNAPSE_ID),
        "parent_id": Param("syn10000005", description="Folder for the result", **SYNAPSE_ID),
    },
)
def synapse_07_clean() -> None:
    """Raw measurements -> three features with mean 0 and standard deviation 1."""
    raw = SynapseGetOperator(task_id="raw", entity_id="{{ params.entity_id }}")

    @task(outlets=[AssetAlias("cleaned_measurements")])
    def clean(file: dict[str, Any], params: dict[str, Any]) -> Any:
        """Store the standardized features; return a reference to the file."""
        with Path(local_path(file)).open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        columns = []
        for feature in FEATURES:
            values = [float(row[feature]) for row in rows]
            mean, deviation = statistics.fmean(values), statistics.stdev(values)
            columns.append([round((value - mean) / deviation, 4) for value in values])
        with TemporaryDirectory() as folder:
            path = Path(folder, "cleaned.csv")
            with path.open("w", newline="") as target:
                writer = csv.writer(target)
                writer.writerow([*FEATURES, "diagnosis"])
                for row, values in zip(rows, zip(*columns, strict=True), strict=True):
                    writer.writerow([*values, row["diagnosis"]])
            entity = File(str(path), parent=params["parent_id"])
            return SynapseHook().client.store(entity, forceVersion=False)

    clean(raw.output)


synapse_07_clean()
