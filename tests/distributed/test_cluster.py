"""Tests of the cluster itself: the machines of its workers share no files."""

import pytest

DAG = """
import os
from pathlib import Path

from airflow.sdk import dag, task

PLACES = ["/tmp", "/var/tmp", "/dev/shm", *(os.environ[name] for name in ("HOME", "TMPDIR"))]


@dag(schedule=None)
def machines():
    @task(queue="a")
    def leave_files():
        for place in PLACES:
            Path(place, "of-machine-a").write_text("a")

    @task(queue="b")
    def find_files():
        folder = Path(os.environ["AIRFLOW_HOME"]).parent
        found = [place for place in PLACES if Path(place, "of-machine-a").exists()]
        return {"found": found, "names": sorted(path.name for path in folder.iterdir())}

    leave_files() >> find_files()


machines()
"""


@pytest.mark.timeout(1500)
def test_workers_share_no_files(cluster):
    cluster.add_file("machines.py", DAG)
    cluster.wait_for_dags("machines")
    run = ("machines", cluster.run("machines"))
    cluster.wait_for_runs([run], 600)
    names = ["airflow", "dags", "home", "shared", "tmp"]
    assert cluster.xcom(*run, "find_files") == {"found": [], "names": names}
