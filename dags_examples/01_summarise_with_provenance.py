"""Download a file from Synapse, summarize it, and store the summary with automatic provenance.

Set: the connection `synapse_default` (its password is a personal access token) and the
parameters of the run. The defaults are the IDs of the local Synapse that `make demo` and
`make airflow` start.

See: the stored `diagnosis_summary.csv` has an Activity. It lists as `used` the file that `raw`
read, with its version, and as `executed` this file. Both are recorded automatically.
"""

import csv
import statistics
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk import Param, dag, task

from synapse_workflows import File, SynapseGetOperator, SynapseHook, local_path

SYNAPSE_ID = {"type": "string", "pattern": r"^syn\d+(\.\d+)?$"}
FEATURES = ("mean_radius", "mean_texture", "mean_concavity")


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "entity_id": Param("syn10000003", description="The table to summarize", **SYNAPSE_ID),
        "parent_id": Param("syn10000005", description="Folder for the summary", **SYNAPSE_ID),
    },
)
def synapse_01_summarise() -> None:
    """Raw data -> summary."""
    raw = SynapseGetOperator(task_id="raw", entity_id="{{ params.entity_id }}")

    @task
    def store(file: dict[str, Any], params: dict[str, Any]) -> Any:
        """Store count and means for each diagnosis; return a reference to the summary."""
        rows = defaultdict(list)
        with Path(local_path(file)).open(newline="") as source:
            for row in csv.DictReader(source):
                rows[row["diagnosis"]].append([float(row[feature]) for feature in FEATURES])
        with TemporaryDirectory() as folder:  # another worker does not have the file
            summary = Path(folder, "diagnosis_summary.csv")
            with summary.open("w", newline="") as target:
                writer = csv.writer(target)
                writer.writerow(["diagnosis", "patients", *FEATURES])
                for diagnosis, values in sorted(rows.items()):
                    columns = zip(*values, strict=True)
                    means = [round(statistics.fmean(column), 3) for column in columns]
                    writer.writerow([diagnosis, len(values), *means])
            entity = File(
                str(summary),
                parent=params["parent_id"],
                annotations={"dataType": "summary", "features": list(FEATURES)},
            )
            return SynapseHook("synapse_default").client.store(entity, forceVersion=False)

    store(raw.output)


synapse_01_summarise()
