"""A backfill whose tasks store one file on several days, on two machines and deferred."""

from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from distributed.cluster import Cluster

from synapse_workflows import File, Project

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
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


start, end = datetime(2024, 1, 1), datetime(2024, 1, 3)  # no other days
with DAG("backfilled", schedule="@daily", start_date=start, end_date=end, catchup=False):
    StoreLater(task_id="store")
''')


@dataclass(frozen=True)
class Backfill:
    """A started backfill.

    Args:
        project: ID of the project of the stored file.
        raw: ID of the file that its tasks read.
    """

    project: str
    raw: str


def start_backfill(cluster: Cluster, client: Any, folder: Path) -> Backfill:
    """Start a backfill.

    Args:
        cluster: the cluster.
        client: a client of its Synapse.
        folder: folder for a file.
    """
    project = str(client.store(Project("Backfill")).id)
    (folder / "raw.txt").write_text("raw")
    raw = str(client.store(File(str(folder / "raw.txt"), parent=project)).id)
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
    return Backfill(project, raw)


def list_runs(cluster: Cluster) -> list[tuple[str, str]]:
    """Return the ID and the day of each run of the backfill."""
    rows = cluster.query(
        "select run_id, logical_date from dag_run where dag_id = 'backfilled' "
        "and backfill_id is not null"
    )
    return [(run_id, date.strftime("%Y-%m-%d")) for run_id, date in rows]
