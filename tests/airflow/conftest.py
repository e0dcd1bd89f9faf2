"""Airflow for tests: a home of its own, set before Airflow is imported; a Synapse beside it."""
# ruff: noqa: E402

import json
import os
import sys
import tempfile
import warnings
from itertools import count
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
if "airflow" not in sys.modules:
    os.environ.update(
        AIRFLOW_HOME=_HOME.name,
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGS_FOLDER=str(Path(_HOME.name, "dags")),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME.name}/airflow.db",
    )
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import airflow.sdk
    import airflow.sdk.execution_time.supervisor  # noqa: F401

import pytest
from execution_api import ExecutionApi

from synapse_workflows import File, Project

_names = count(1)


@pytest.fixture
def alice(socket_service, tmp_path):
    """A client of alice, outside of Airflow: what a person would look with."""
    with socket_service.client(cache_root_dir=str(tmp_path / "alice")) as syn:
        yield syn


@pytest.fixture
def project(alice):
    """A project of alice."""
    return alice.store(Project(f"Airflow test {next(_names)}")).id


@pytest.fixture
def worker(tmp_path):
    """The directory of a worker's cache."""
    return tmp_path / "worker"


@pytest.fixture
def connection(socket_service, worker):
    """The connection of the tasks, as JSON text; alice's."""
    found = json.loads(socket_service.airflow_connection)
    found["extra"]["cache_dir"] = str(worker)
    return json.dumps(found)


@pytest.fixture
def api(connection):
    """What the tasks ask of Airflow."""
    return ExecutionApi({"synapse_default": connection})


@pytest.fixture
def put(alice, project, tmp_path):
    """Store a small file in the project, outside of Airflow; its id and version."""

    def make(name="raw.csv", text="a,b\n1,2\n", parent=None):
        path = tmp_path / "given" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        stored = alice.store(File(str(path), parent=parent or project))
        return f"{stored.id}.{stored.versionNumber}"

    return make


@pytest.fixture
def sources_of(alice):
    """Tell what the Activity of an entity names: used, and executed."""

    def look(entity, version=None):
        found = alice.getProvenance(entity, version)
        used, executed = [], []
        for item in found["used"]:
            reference = item.get("reference")
            name = (
                f"{reference['targetId']}.{reference['targetVersionNumber']}"
                if reference
                else item["url"]
            )
            (executed if item["wasExecuted"] else used).append(name)
        return used, executed

    return look
