"""Train and report in a second DAG: cleaned data -> model -> report, one story with 07.

Set: the connection `synapse_default` and the parameter of the run; run the DAG of
07_clean_measurements.py first. `make demo DAG=lineage` runs both.

See: the asset event of the cleaned file starts this DAG, which reads the version of the event.
`synapse-workflows provenance` of `report.md` draws the story of both DAGs, down to the raw data.
"""

import csv
import json
import statistics
from math import dist
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk import AssetAlias, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows import File, SynapseGetOperator, SynapseHook, local_path

CLEANED = AssetAlias("cleaned_measurements")
FOLDER = Param("syn10000005", description="Folder for the results", pattern=r"^syn\d+$")


def read_patients(file: dict[str, Any]) -> list[tuple[str, list[float]]]:
    """Return the diagnosis and the features of each patient."""
    with Path(local_path(file)).open(newline="") as lines:
        rows = csv.DictReader(lines)
        return [(row.pop("diagnosis"), [*map(float, row.values())]) for row in rows]


def store_text(name: str, text: str, parent: str) -> Any:
    """Store a text as a file; return the entity."""
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(text)
        return SynapseHook().client.store(File(str(path), parent=parent), forceVersion=False)


@dag(schedule=[CLEANED], tags=["synapse", "example"], doc_md=__doc__, params={"parent_id": FOLDER})
def synapse_08_model() -> None:
    """The cleaned file that triggered the run -> model -> report."""

    @task(inlets=[CLEANED])
    def version(triggering_asset_events: Any, inlet_events: Any) -> str:
        """Return the version that triggered the run; the newest one if a person started it."""
        events = [event for each in triggering_asset_events.values() for event in each]
        if not (events := events or [*inlet_events[CLEANED]]):
            raise AirflowFailException("No cleaned file: run the DAG of 07_clean_measurements.py")
        newest = max(events, key=lambda event: event.timestamp)
        return f"{newest.asset.uri.removeprefix('syn://')}.{newest.extra['version']}"

    @task
    def train(file: dict[str, Any], params: dict[str, Any]) -> Any:
        """Store the means of the features for each diagnosis, of every second patient."""
        groups: dict[str, list[list[float]]] = {}
        for diagnosis, features in read_patients(file)[::2]:
            groups.setdefault(diagnosis, []).append(features)
        columns = {name: zip(*rows, strict=True) for name, rows in groups.items()}
        means = {name: [*map(statistics.fmean, each)] for name, each in columns.items()}
        return store_text("model.json", json.dumps(means, indent=2), params["parent_id"])

    @task
    def report(model: dict[str, Any], file: dict[str, Any], params: dict[str, Any]) -> Any:
        """Store how often the nearest mean is that of the diagnosis, for the other patients."""
        means = json.loads(Path(local_path(model)).read_text())
        right, patients = 0, read_patients(file)[1::2]
        for diagnosis, features in patients:
            distances = {name: dist(mean, features) for name, mean in means.items()}
            right += min(distances, key=distances.__getitem__) == diagnosis
        text = f"# Nearest means\n\n{right} of {len(patients)} diagnoses are right.\n"
        return store_text("report.md", text, params["parent_id"])

    cleaned = SynapseGetOperator(task_id="cleaned", entity_id=version())
    report(train(cleaned.output), cleaned.output)


synapse_08_model()
