"""Concurrent runs of one DAG, under Airflow's scheduler, that store one file."""

import hashlib
from datetime import date, timedelta
from string import Template

import pytest
from support.airflow_scheduler import Backfill, run_scheduler

FIRST = date(2026, 1, 1)
DAG_FILE = """
from datetime import datetime
from airflow.sdk import DAG
from synapse_workflows import SynapseStoreOperator

for number in range($dags):
    with DAG(
        f"latest_{number}",
        schedule="@daily",
        start_date=datetime(2026, 1, 1),
        end_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=8,
    ) as dag:
        SynapseStoreOperator(
            task_id="store",
            path="$files/{{ dag.dag_id }}/{{ ds }}/latest.txt",
            parent_id="$project",
            used="https://example.org/{{ dag.dag_id }}/{{ ds }}",
            annotations={"day": "{{ ds }}"},
            version_comment="{{ dag.dag_id }} {{ ds }}",
        )
    globals()[dag.dag_id] = dag
"""


def write_inputs(folder, project, dags, days):
    """Write the DAGs and the files that the runs store; return the text of each run's file."""
    texts = {}
    for number in range(dags):
        for day in range(days):
            key = f"latest_{number}", (FIRST + timedelta(day)).isoformat()
            path = folder / "files" / key[0] / key[1] / "latest.txt"
            path.parent.mkdir(parents=True)
            path.write_text(f"{key} in {project}")
            texts[key] = path.read_text()
    (folder / "dags").mkdir()
    source = Template(DAG_FILE).substitute(dags=dags, files=folder / "files", project=project)
    (folder / "dags" / "latest.py").write_text(source)
    return texts


def backfill(folder, connection, texts, at_once=8, timeout=100):
    """Run the backfills; return the states of the runs and the references by DAG and day."""
    days = sorted({day for _, day in texts})
    dags = sorted({dag_id for dag_id, _ in texts})
    backfills = [Backfill(dag_id, days[0], days[-1]) for dag_id in dags]
    with run_scheduler(folder, folder / "dags", connection, at_once, backfills) as scheduler:
        states = scheduler.wait_for_runs(len(texts), timeout)
        results = scheduler.results("store")
    return states, {
        (dag_id, run_id.partition("__")[2][:10]): reference
        for (dag_id, run_id), reference in results.items()
    }


def check_versions(alice, texts, references):
    """Check that the reference and version of each run have its content, Activity and comment."""
    assert references.keys() == texts.keys()
    assert len({one["version"] for one in references.values()}) == len(texts)
    for (dag_id, day), reference in references.items():
        entity, version = reference["id"], reference["version"]
        stored = alice.get(entity, version=version, downloadFile=False)
        expected = hashlib.md5(texts[dag_id, day].encode()).hexdigest()
        assert reference["md5"] == stored.md5 == expected
        assert stored.versionComment == f"{dag_id} {day}"
        assert stored.day == [day]
        activity = alice.getProvenance(entity, version)
        assert activity["id"] == reference["activity_id"]
        assert activity["name"] == f"{dag_id}.store"
        urls = [item.get("url") for item in activity["used"]]
        assert f"https://example.org/{dag_id}/{day}" in urls
        assert f"__{day}" in activity["description"]


@pytest.mark.timeout(300)
def test_runs_at_once_store_their_own_versions(tmp_path, alice, project, connection):
    texts = write_inputs(tmp_path, project, dags=1, days=6)
    states, references = backfill(tmp_path, connection, texts)
    assert states == ["success"] * len(texts)
    check_versions(alice, texts, references)
