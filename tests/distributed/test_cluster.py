"""Tests of the cluster itself: where it can run, and that its machines share no files."""

import os
import shutil

import pytest
from distributed import servers

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


@pytest.fixture
def has_all(monkeypatch):
    """Pretend that this machine has all that a cluster needs."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    for name in ("_find_binaries", "_can_isolate", "find_spec"):
        monkeypatch.setattr(servers, name, lambda *_: True)
    assert servers.find_missing() == ""


@pytest.mark.parametrize(
    ("module", "name", "value", "words"),
    [
        (os, "geteuid", 1000, "need root"),
        (servers, "_find_binaries", None, "apt-get install postgresql"),
        (shutil, "which", None, "apt-get install redis-server"),
        (servers, "_can_isolate", False, "permits no mount and PID namespaces"),
    ],
)
def test_a_machine_without_a_cluster_has_a_reason(
    has_all, monkeypatch, module, name, value, words
):
    monkeypatch.setattr(module, name, lambda *_: value)
    assert words in servers.find_missing()


@pytest.mark.parametrize(
    "name", ["airflow.providers.celery", "celery", "psycopg2", "asyncpg", "redis"]
)
def test_a_missing_package_is_named_with_the_extra(has_all, monkeypatch, name):
    monkeypatch.setattr(servers, "find_spec", lambda one: None if one == name else object())
    assert servers.find_missing() == f"{name} is missing: pip install 'synapse-workflows[celery]'"


@pytest.mark.timeout(1500)
def test_workers_share_no_files(cluster):
    cluster.add_file("machines.py", DAG)
    cluster.wait_for_dags("machines")
    run = ("machines", cluster.run("machines"))
    cluster.wait_for_runs([run], 600)
    names = ["airflow", "dags", "home", "shared", "tmp"]
    assert cluster.xcom(*run, "find_files") == {"found": [], "names": names}
