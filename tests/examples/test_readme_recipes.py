"""Each recipe of the README runs under Airflow; a second run changes nothing."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet
import pytest
from support.airflow_database import create_database
from support.readme import DAGS, TEXT, write_dag
from support.s3_service import use_bucket

from synapse_workflows import File, Project, Synapse, build_table
from synapse_workflows.demo.processes import run_service
from synapse_workflows.demo.runner import airflow_environment
from synapse_workflows.testing import SynapseService

#: `airflow dags test` for each day, in one process.
RUN_DAG = """
import sys
from airflow.cli.cli_parser import get_parser

for day in sys.argv[2:]:
    command = get_parser().parse_args(["dags", "test", sys.argv[1], day])
    command.func(command)
"""
DAY, NEXT_DAY = "2026-11-24", "2026-11-25"
SAMPLES = [("a1", "Basel", 2.5), ("a2", "Basel", 5.0), ("b1", "Seattle", None)]

pytestmark = pytest.mark.timeout(300)
pytest.importorskip("airflow.providers.sqlite", reason="needs apache-airflow-providers-sqlite")


@dataclass
class Site:
    """A local Synapse, an Airflow, a warehouse and a bucket."""

    syn: Synapse
    folder: Path
    environment: dict[str, str]
    s3: Any

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.db"

    def run(self, dag_id: str, *days: str, **ids: str) -> None:
        """Run a DAG for each day, with existing IDs."""
        write_dag(self.folder / "dags", dag_id, ids)
        done = subprocess.run(
            [sys.executable, "-c", RUN_DAG, dag_id, *days],
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]

    def table(self, name: str, rows: list[tuple], *columns: str) -> str:
        """Create a table of alice in a new project; return its ID."""
        import pandas as pd

        project = self.syn.store(Project(f"{name} {uuid4()}"))
        frame = pd.DataFrame(rows, columns=columns)
        return self.syn.store(build_table(name, project, frame)).tableId

    def rows(self, sql: str) -> list[list]:
        """Return the rows of a query, without row ids and versions."""
        result = self.syn.tableQuery(sql, includeRowIdAndRowVersion=False)
        return [list(row) for row in result]

    def used(self, entity: str) -> list[str]:
        """Return the inputs in the Activity of an entity."""
        activity = self.syn.getProvenance(entity)
        return sorted(
            "{targetId}.{targetVersionNumber}".format_map(one["reference"])
            if "reference" in one
            else one["url"]
            for one in activity["used"]
            if not one["wasExecuted"]
        )

    def query_warehouse(self, sql: str, *rows: tuple) -> list[tuple]:
        with closing(sqlite3.connect(self.warehouse)) as database, database:
            if rows:
                database.executemany(sql, rows)
                return []
            return database.execute(sql).fetchall()


@pytest.fixture(scope="module")
def bucket(s3_service):
    """Client of a local S3 server with the bucket `exports`, and the variables for s3fs."""
    with use_bucket(s3_service, "exports") as client:
        yield client


@pytest.fixture(scope="module")
def site(bucket, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "dags").mkdir()
    with run_service(folder / "synapse", s3="off") as service:
        environment = airflow_environment(folder, service, folder / "dags")
        made = Site(SynapseService(service, folder).client(), folder, environment, bucket)
        environment["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(
            {"conn_type": "sqlite", "host": str(made.warehouse)}
        )
        create_database(folder)
        yield made


@pytest.fixture
def samples(site):
    """ID of a table with three samples of two centres."""
    return site.table("samples", SAMPLES, "sample", "centre", "volume")


@pytest.fixture
def warehouse(site):
    """An empty table `samples` in the warehouse."""
    site.query_warehouse("drop table if exists samples")
    site.query_warehouse(
        "create table samples (SAMPLE text primary key, CENTRE text, VOLUME real)"
    )


def test_each_recipe_has_a_test():
    section = TEXT.partition("### Recipes\n")[2].partition("\n### ")[0]
    recipes = [dag_id for dag_id, text in DAGS.items() if text in section]
    assert len(recipes) == section.count("```python\n") == 6
    assert [dag_id for dag_id in recipes if f"test_{dag_id}" not in globals()] == []
    for dag_id in recipes:
        assert len(DAGS[dag_id].strip().splitlines()) <= 35


def test_nightly_metrics(site, samples):
    """One row for each day; a second run for the same day updates its row."""
    metrics = site.table("metrics", [(DAY, 1)], "day", "samples")
    site.run("nightly_metrics", DAY, DAY, NEXT_DAY, syn123=samples, syn456=metrics)
    sql = f"select day, samples from {metrics} order by day"
    assert site.rows(sql) == [[DAY, 3], [NEXT_DAY, 3]]
    assert site.used(metrics) == [f"{samples}.1"]


def test_warehouse_to_synapse(site, warehouse):
    project = site.syn.store(Project(f"warehouse {uuid4()}"))
    site.query_warehouse("insert into samples values (?, ?, ?)", *SAMPLES)
    site.run("warehouse_to_synapse", DAY, DAY, syn456=project.id)
    (table,) = site.syn.getChildren(project)
    assert table["name"] == "Samples"
    sql = f"select sample, centre, volume from {table['id']} order by sample"
    assert site.rows(sql) == [list(row) for row in SAMPLES]
    assert site.used(table["id"]) == [f"sqlite://{site.warehouse}/samples"]
    types = {one["name"]: one["columnType"] for one in site.syn.getColumns(table["id"])}
    assert types == {"sample": "STRING", "centre": "STRING", "volume": "DOUBLE"}


def test_synapse_to_warehouse(site, samples, warehouse):
    site.run("synapse_to_warehouse", DAY, DAY, syn123=samples)
    assert site.query_warehouse("select * from samples order by sample") == SAMPLES
    found = site.s3.list_objects_v2(Bucket="exports")["Contents"]
    assert [one["Key"] for one in found] == [f"{DAY}/samples.parquet"]
    content = site.s3.get_object(Bucket="exports", Key=found[0]["Key"])["Body"].read()
    rows = pyarrow.parquet.read_table(BytesIO(content)).to_pylist()
    assert [tuple(row.values()) for row in rows] == SAMPLES


def test_mirror_centre(site, samples):
    """The file changes one row of Basel, lacks another, and has a new row and a new column."""
    path = site.folder / "basel.csv"
    path.write_text("sample,centre,volume,tube\na1,Basel,9.0,x\na3,Basel,1.0,y\n")
    file = site.syn.store(File(str(path), parent=site.syn.get(samples).parentId))
    site.run("mirror_centre", DAY, NEXT_DAY, syn123=file.id, syn456=samples)
    assert site.rows(f"select sample, centre, volume, tube from {samples} order by sample") == [
        ["a1", "Basel", 9.0, "x"],
        ["a3", "Basel", 1.0, "y"],
        ["b1", "Seattle", None, None],
    ]
    assert site.used(samples) == [f"{file.id}.1"]


def test_release(site, samples):
    """A second run uses the same snapshot; each file has one version, both have one Activity."""
    project = site.syn.store(Project(f"release {uuid4()}"))
    site.run("release", DAY, NEXT_DAY, syn123=samples, syn456=project.id)
    assert site.syn.get(samples).versionNumber == 2
    assert site.syn.get(samples, version=1).versionLabel == "2026-11"
    (folder,) = site.syn.getChildren(project)
    assert folder["name"] == "Release 2026-11"
    files = {one["name"]: one["id"] for one in site.syn.getChildren(folder)}
    assert set(files) == {"samples.csv", "centres.csv"}
    assert {site.syn.get(one, downloadFile=False).versionNumber for one in files.values()} == {1}
    assert len({site.syn.getProvenance(one)["id"] for one in files.values()}) == 1
    assert site.used(files["samples.csv"]) == [f"{samples}.1"]
    content = Path(site.syn.get(files["centres.csv"]).path).read_text()
    assert sorted(content.split()) == ['"Basel","2"', '"Seattle","1"', '"centre","samples"']


def test_scale_volumes(site, samples):
    scaled = site.table("scaled", [("a1", 1.0, 1.0)], "sample", "volume", "scaled")
    site.run("scale_volumes", DAY, NEXT_DAY, syn123=samples, syn456=scaled)
    assert site.rows(f"select sample, volume, scaled from {scaled} order by sample") == [
        ["a1", 2.5, 0.5],
        ["a2", 5.0, 1.0],
        ["b1", None, None],
    ]
    assert site.used(scaled) == [f"{samples}.1"]
