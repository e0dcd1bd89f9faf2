"""DAGs under Airflow's scheduler: concurrent runs that store one file, and asset events."""

import hashlib
import json
import time
from datetime import date, timedelta
from pathlib import Path
from string import Template

import pytest

from synapse_workflows import File

FIRST = date(2026, 1, 1)
DAG_FILE = """
from datetime import datetime
from airflow.sdk import DAG
from synapse_workflows import SynapseStoreOperator

for number in range($dags):
    with DAG(
        f"latest_{number}",
        schedule=None,
        start_date=datetime(2026, 1, 1),
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
#: Two DAGs that declare one new asset, and a DAG that one of them triggers through an alias. None
#: of the tasks that store without outlets triggers a DAG.
ASSETS_FILE = """
from datetime import datetime
from airflow.sdk import DAG, AssetAlias
from synapse_workflows import SynapseStoreOperator, synapse_asset

START = datetime(2026, 1, 1)
for name, more in (("left", [AssetAlias("synapse")]), ("right", [])):
    with DAG(f"declare_{name}", schedule="@once", start_date=START) as dag:
        SynapseStoreOperator(
            task_id="declare",
            path=f"$files/{name}.txt",
            name="shared.txt",
            parent_id="$project",
            outlets=[synapse_asset("$shared"), *more],
        )
    globals()[dag.dag_id] = dag
with DAG("on_alias", schedule=AssetAlias("synapse"), start_date=START) as dag:
    SynapseStoreOperator(task_id="react", path="$files/right.txt", parent_id="$project")
"""
#: Time in seconds in which the scheduler would start another run.
QUIET_SECONDS = 5


def write_asset_dags(folder, alice, project):
    """Write the files of the DAGs with assets; return the ID of the entity, and the DAGs."""
    for name in ("left", "right", "shared"):
        (folder / "files" / f"{name}.txt").write_text(f"{name} in {project}")
    shared = alice.store(File(str(folder / "files" / "shared.txt"), parent=project)).id
    source = Template(ASSETS_FILE).substitute(
        files=folder / "files", project=project, shared=shared
    )
    return shared, source


def check_asset_runs(scheduler, alice, shared, references):
    """Check the runs and the events of the DAGs with assets."""
    time.sleep(QUIET_SECONDS)
    runs = dict(
        scheduler.query(
            "select dag_id, count(*) from dag_run where dag_id like 'declare%' or dag_id = "
            "'on_alias' group by dag_id"
        )
    )
    assert runs == {"declare_left": 1, "declare_right": 1, "on_alias": 1}
    events = scheduler.query(
        "select source_dag_id, extra from asset_event where source_dag_id like 'declare%'"
    )
    versions = {dag_id: set() for dag_id in ("declare_left", "declare_right")}
    for dag_id, extra in events:
        versions[dag_id].add(json.loads(extra)["version"])
    assert {dag_id: {one["version"]} for (dag_id, _), one in references.items()} == versions
    assert {one["id"] for one in references.values()} == {shared}
    for name in ("left", "right"):
        (version,) = versions[f"declare_{name}"]
        stored = alice.get(shared, version=version)
        assert Path(stored.path).read_text().startswith(name)


def write_inputs(folder, project, dags, days):
    """Write the files that the runs store; return the text of each run's file, and the DAGs."""
    texts = {}
    for number in range(dags):
        for day in range(days):
            key = f"latest_{number}", (FIRST + timedelta(day)).isoformat()
            path = folder / "files" / key[0] / key[1] / "latest.txt"
            path.parent.mkdir(parents=True)
            path.write_text(f"{key} in {project}")
            texts[key] = path.read_text()
    source = Template(DAG_FILE).substitute(dags=dags, files=folder / "files", project=project)
    return texts, source


def by_day(results):
    """Return the results of runs by DAG and day."""
    return {
        (dag_id, run_id.partition("__")[2][:10]): result
        for (dag_id, run_id), result in results.items()
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
def test_runs_at_once_store_their_own_versions_and_trigger_declared_assets_only(
    tmp_path, alice, project, scheduler
):
    texts, latest = write_inputs(tmp_path, project, dags=1, days=6)
    shared, assets = write_asset_dags(tmp_path, alice, project)
    with (
        scheduler.run_dags(latest, "latest_0"),
        scheduler.run_dags(assets, "declare_left", "declare_right", "on_alias"),
    ):
        scheduler.create_runs("latest_0", (day for _, day in texts))
        assert scheduler.wait_for_runs("latest%", len(texts), 150) == {"success": len(texts)}
        for pattern, count in (("declare%", 2), ("on_alias", 1)):
            assert scheduler.wait_for_runs(pattern, count, 60) == {"success": count}
        check_asset_runs(scheduler, alice, shared, scheduler.results("declare%", "declare"))
    check_versions(alice, texts, by_day(scheduler.results("latest%", "store")))
