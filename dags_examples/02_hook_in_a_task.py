"""Read and store through the hook in plain @task code, with the same automatic provenance.

Set: the connection `synapse_default`, and the parameters of the run (the defaults are the ids of
the local Synapse that `make demo` and `make airflow` start).

See: `feature_ranking.csv` carries an Activity that names both files the task read, each with its
version, and this file as the code. The task says nothing of provenance.
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
    """Difference of the means, in pooled standard deviations (Cohen's d)."""
    pooled = statistics.fmean([statistics.variance(benign), statistics.variance(malignant)]) ** 0.5
    return (statistics.fmean(malignant) - statistics.fmean(benign)) / pooled


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "data_id": Param("syn10000003", description="The measurements", **SYNAPSE_ID),
        "dictionary_id": Param("syn10000004", description="What they mean", **SYNAPSE_ID),
        "parent_id": Param("syn10000005", description="Where the ranking goes", **SYNAPSE_ID),
    },
)
def synapse_02_rank_features() -> None:
    """Measurements and their dictionary -> features ranked by how well they tell apart."""

    @task
    def rank(params: dict[str, Any]) -> dict[str, Any]:
        """Rank the features; return id and version of the stored ranking."""
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
            stored = synapse.store(file, forceVersion=False)  # the same again is no new version
        return {"id": stored.id, "version": stored.versionNumber}

    rank()


synapse_02_rank_features()
