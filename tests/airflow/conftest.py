"""Airflow for tests: a home of its own, set before Airflow is imported; a Synapse beside it."""
# ruff: noqa: E402

import csv
import json
import os
import sys
import tempfile
import warnings
from itertools import count
from pathlib import Path

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
from airflow.sdk import DAG
from support.execution_api import ExecutionApi, Run
from support.table_types import TableFactory

from synapse_workflows import (
    Column,
    File,
    Project,
    Schema,
    SynapseTableStoreOperator,
    Table,
)

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
def kinds(alice, project, tmp_path):
    """Make tables, views, submission views and datasets of alice's, outside of Airflow."""
    return TableFactory(alice, project, tmp_path / "shown")


@pytest.fixture
def triggerer(connection, monkeypatch):
    """The environment of a triggerer."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)


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


@pytest.fixture
def table(alice, project):
    """A table of alice with two columns and no rows."""
    columns = [
        Column(name="a name", columnType="STRING"),
        Column(name="n", columnType="INTEGER"),
    ]
    return alice.store(Schema("Results", columns, parent=project)).id


@pytest.fixture
def filled(alice, table):
    """The same with three rows."""
    alice.store(Table(table, [["a", 1], ["b", 2], ["c", 3]]))
    return table


@pytest.fixture
def write_csv(tmp_path):
    """Write a CSV file as everybody does."""

    def make(*rows, names=("a name", "n"), name="rows.csv", **form):
        path = tmp_path / name
        with path.open("w", newline="") as file:
            csv.writer(file, **form).writerows([names, *rows])
        return str(path)

    return make


@pytest.fixture
def store_rows(api):
    """Run a single SynapseTableStoreOperator, in so many tries; its result and its run."""

    def run(tries=1, **arguments):
        with DAG("store_rows", schedule=None) as dag:
            SynapseTableStoreOperator(task_id="store", retries=5, **arguments)
        one = Run(api, dag, f"run_{next(_names)}")
        for _ in range(tries):
            result = one.task("store", max_tries=5)
        return result, one

    return run


@pytest.fixture
def rows_of(alice, tmp_path):
    """Tell what is in a table: its cells without or with the ids of the rows."""

    def look(table, *, ids=False):
        sql = f"select * from {table} order by ROW_ID"
        found = alice.tableQuery(sql, downloadLocation=str(tmp_path / "look"))
        return [row if ids else row[2:] for row in found]

    return look
