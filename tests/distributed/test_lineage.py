"""Lineage of a backfill: tasks of several days store one file, on two machines and deferred."""

from pathlib import Path
from string import Template

import pytest

from synapse_workflows import File, Project

TIMEOUT = 600
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
DAG = Template('''
from datetime import datetime, timedelta

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, ObjectStoragePath


class StoreLater(BaseOperator):
    """Read a file, wait in the triggerer, and store a file with the day of the run."""

    def execute(self, context):
        text = ObjectStoragePath("syn://synapse_default@$raw").read_text()
        trigger = TimeDeltaTrigger(timedelta(seconds=0.1))
        self.defer(trigger=trigger, method_name="store", kwargs={"text": text})

    def store(self, context, text, event=None):
        target = ObjectStoragePath("syn://synapse_default@$project/result.txt")
        target.write_text(f"{text} {context['ds']}")


start, end = datetime(2026, 1, 1), datetime(2026, 1, 3)  # no other days
with DAG("backfilled", schedule="@daily", start_date=start, end_date=end, catchup=False):
    StoreLater(task_id="store")
''')


@pytest.mark.timeout(1500)
def test_each_day_of_a_backfill_has_a_version_and_an_activity(cluster, tmp_path):
    with cluster.synapse.client(cache_root_dir=str(tmp_path / "cache")) as syn:
        project = syn.store(Project("Backfill")).id
        (tmp_path / "raw.txt").write_text("raw")
        raw = syn.store(File(str(tmp_path / "raw.txt"), parent=project)).id
        cluster.add_file("backfilled.py", DAG.substitute(raw=raw, project=project))
        cluster.wait_for_dags("backfilled")
        cluster.request(
            "POST",
            "/backfills",
            {
                "dag_id": "backfilled",
                "from_date": f"{DAYS[0]}T00:00:00Z",
                "to_date": f"{DAYS[-1]}T00:00:00Z",
                "max_active_runs": len(DAYS),
            },
        )
        cluster.wait_until(lambda: len(list_runs(cluster)) == len(DAYS), TIMEOUT)
        runs = list_runs(cluster)
        cluster.wait_for_runs([("backfilled", run_id) for run_id, _ in runs], TIMEOUT)
        entity = syn.findEntityId("result.txt", project)
        days = {day: run_id for run_id, day in runs}
        assert sorted(days) == list(DAYS)
        found = {}
        for version in range(1, len(DAYS) + 1):
            stored = syn.get(entity, version=version)
            text, day = Path(stored.path).read_text().split()
            assert text == "raw"
            activity = syn.getProvenance(entity, version)
            (used,) = [item["reference"] for item in activity["used"] if "reference" in item]
            assert (used["targetId"], used["targetVersionNumber"]) == (raw, 1)
            assert days[day] in activity["description"]
            found[day] = activity["id"]
        assert len(set(found.values())) == len(DAYS)
        assert syn.restGET(f"/entity/{entity}/version")["totalNumberOfResults"] == len(DAYS)


def list_runs(cluster):
    """Return the ID and the day of each run of the backfill."""
    rows = cluster.query(
        "select run_id, logical_date from dag_run where dag_id = 'backfilled' "
        "and backfill_id is not null"
    )
    return [(run_id, date.strftime("%Y-%m-%d")) for run_id, date in rows]
