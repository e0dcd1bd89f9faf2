"""Read and store files with the hook in a @task function, with automatic provenance.

Set: the connection `synapse_default` and the parameters of the run. The defaults are the IDs of
the local Synapse that `make demo` and `make airflow` start.

See: the stored `feature_ranking.csv` has an Activity. It lists as `used` both files that the task
read, with their versions, and as `executed` this file. The task declares no provenance.
"""

import csv
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk import Param, dag, task

from synapse_workflows import File, SynapseHook

SYNAPSE_ID = {"type": "string", "pattern": r"^syn\d+(\.\d+)?$"}


def separation(benign: list[float], malignant: list[float]) -> float:
    """Return the difference of the means in pooled standard deviations (Cohen's d)."""
    pooled = statistics.fmean([statistics.variance(benign), statistics.variance(malignant)]) ** 0.5
    return (statistics.fmean(malignant) - statistics.fmean(benign)) / pooled


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "data_id": Param("syn10000003", description="The measurements", **SYNAPSE_ID),
        "dictionary_id": Param(
            "syn10000004", description="Descriptions of the features", **SYNAPSE_ID
        ),
        "parent_id": Param("syn10000005", description="Folder for the ranking", **SYNAPSE_ID),
    },
)
def synapse_02_rank_features() -> None:
    """Measurements and descriptions -> features ranked by the separation of the diagnoses."""

    @task
    def rank(params: dict[str, Any]) -> dict[str, Any]:
        """Rank the features; return ID and version of the stored ranking."""
        synapse = SynapseHook("synapse_default").client
        data = synapse.get(params["data_id"])
        dictionary = synapse.get(params["dictionary_id"])
        with Path(data.path).open(newline="") as source:
            rows = list(csv.DictReader(source))
        with Path(dictionary.path).open(newline="") as source:
            meaning = {row["feature"]: row["description"] for row in csv.DictReader(source)}

        ranking = []
        for feature, description in meaning.items():
            groups: dict[str, list[float]] = {"benign": [], "malignant": []}
            for row in rows:
                groups[row["diagnosis"]].append(float(row[feature]))
            ranking.append((round(separation(**groups), 3), feature, description))

        with TemporaryDirectory() as folder:
            path = Path(folder) / "feature_ranking.csv"
            with path.open("w", newline="") as target:
                writer = csv.writer(target)
                writer.writerow(["separation", "feature", "description"])
                writer.writerows(sorted(ranking, reverse=True))
            file = File(str(path), parent=params["parent_id"])
            stored = synapse.store(file, forceVersion=False)  # no new version if unchanged
        return {"id": stored.id, "version": stored.versionNumber}

    rank()


synapse_02_rank_features()
