"""Each DAG of the README and of the guides runs under Airflow; a second run changes nothing.

All of them run in one process of Airflow, against the service that the session shares.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet
import pytest
from support.airflow_database import create_database
from support.airflow_process import AirflowProcess, start_airflow
from support.challenge import Challenge
from support.guides import write_dag
from support.s3_service import use_bucket

from synapse_workflows import File, Project, Synapse, build_table
from synapse_workflows.demo.runner import airflow_environment
from synapse_workflows.testing import SynapseService

DAY, NEXT_DAY = "2026-11-24", "2026-11-25"
SAMPLES = [("a1", "Basel", 2.5), ("a2", "Basel", 5.0), ("b1", "Seattle", None)]

pytestmark = pytest.mark.timeout(300)
pytest.importorskip("airflow.providers.sqlite", reason="needs apache-airflow-providers-sqlite")


@dataclass
class Site:
    """A local Synapse, an Airflow, a warehouse and a bucket."""

    service: SynapseService
    syn: Synapse
    folder: Path
    airflow: AirflowProcess
    s3: Any

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.db"

    def run(self, dag_id: str, *days: str, conf: str = "{}", **ids: str) -> None:
        """Run a DAG for each day, with existing IDs."""
        path = write_dag(self.folder / "dags", dag_id, ids)
        for day in days:
            self.airflow.run("dags", "test", dag_id, day, "--conf", conf)
        path.unlink()
        # a file of the same size in the same second would be run from its cached bytecode
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)

    def project(self, name: str) -> str:
        return self.syn.store(Project(f"{name} {uuid4()}")).id

    def put(self, name: str, text: str, parent: str) -> str:
        """Store a file; return its ID."""
        path = self.folder / name
        path.write_text(text)
        return self.syn.store(File(str(path), parent=parent)).id

    def find(self, parent: str) -> dict[str, str]:
        """Return the IDs of the children of a container, by name."""
        return {one["name"]: one["id"] for one in self.syn.getChildren(parent)}

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
def site(socket_service, bucket, tmp_path_factory):
    folder = tmp_path_factory.mktemp("guides")
    (folder / "dags").mkdir()
    environment = airflow_environment(folder, socket_service.service_info, folder / "dags")
    environment["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(
        {"conn_type": "sqlite", "host": str(folder / "warehouse.db")}
    )
    create_database(folder)
    with (
        socket_service.client(cache_root_dir=str(folder / "alice")) as syn,
        start_airflow(environment, folder / "airflow.log") as airflow,
    ):
        yield Site(socket_service, syn, folder, airflow, bucket)


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


def test_summarize_counts(site):
    """The Activity is that of the diagram in the README."""
    project = site.project("counts")
    raw = site.put("counts.csv", "gene,count\nTP53,12\n", project)
    site.run("summarize_counts", DAY, NEXT_DAY, syn123=raw, syn456=project)
    stored = site.find(project)["summary.txt"]
    activity = site.syn.getProvenance(stored)
    assert activity["name"] == "summarize_counts.store"
    assert site.used(stored) == [f"{raw}.1"]
    assert [one["name"].split()[0] for one in activity["used"] if one["wasExecuted"]] == [
        "summarize_counts.py"
    ]
    entity = site.syn.get(stored, downloadFile=False)
    assert (entity.dataType, entity.versionNumber) == (["summary"], 1)


def test_score_submissions(site):
    challenge = Challenge(site.syn, site.project("scores"), site.folder / "scores")
    goldstandard = challenge.put("truth.csv", "id,value\na,1\nb,2\n").split(".")[0]
    good, bad = map(challenge.submit_text, ("id,value\na,1\nb,3\n", "nonsense\n"))
    ids = {"syn123": goldstandard, "syn456": challenge.project, "9600001": challenge.id}
    site.run("score_submissions", DAY, **ids)
    status, annotations = challenge.get_status(good)
    assert (status["status"], annotations["right"]) == ("SCORED", ("LONG", ["1"]))
    status, annotations = challenge.get_status(bad)
    assert status["status"] == "INVALID"
    assert "nonsense" in annotations["validation_errors"][1][0]


def test_rank_weekly(site):
    challenge = Challenge(site.syn, site.project("ranks"), site.folder / "ranks")
    for auc, loss in ((0.5, 0.1), (0.75, 0.2)):
        status = site.syn.getSubmissionStatus(challenge.submit_text(f"{auc}"))
        status.status = "SCORED"
        status.submissionAnnotations = {"auc": [auc], "loss": [loss]}
        site.syn.store(status)
    site.run(
        "rank_weekly", DAY, NEXT_DAY, **{"9600001": challenge.id, "syn456": challenge.project}
    )
    (board,) = (id_ for name, id_ in site.find(challenge.project).items() if name == "Leaderboard")
    assert site.rows(f"select rank, auc from {board}") == [[1, 0.75]]


def write_results(site, name):
    """Write two files to a new directory; return it, and the `conf` that names it."""
    folder = site.folder / name
    (folder / "sub").mkdir(parents=True)
    for path in ("a.txt", "sub/b.txt"):
        (folder / path).write_text(f"{path} {uuid4()}")
    return folder, json.dumps({"directory": str(folder)})


def test_mirror_results(site):
    project = site.project("mirror")
    folder, conf = write_results(site, "mirrored")
    site.run("mirror_results", DAY, NEXT_DAY, conf=conf, syn123=project)
    stored = site.find(project)["a.txt"]
    assert site.syn.get(stored, downloadFile=False).versionNumber == 1
    assert site.used(stored) == ["https://example.org/pipeline/inputs"]
    copied = site.s3.get_object(Bucket="exports", Key="results/sub/b.txt")["Body"].read()
    assert copied == (folder / "sub/b.txt").read_bytes()


def test_upload_in_parallel(site):
    project = site.project("parallel")
    conf = write_results(site, "parallel")[1]
    site.run("upload_in_parallel", DAY, conf=conf, syn123=project)
    assert site.find(project).keys() == {"a.txt", "sub"}
    assert site.find(site.find(project)["sub"]).keys() == {"b.txt"}


def test_report_by_message(site):
    bob = site.service.owner_id("bob")
    team = site.syn.restPOST("/team", '{"name": "Data Team", "canPublicJoin": true}')
    with site.service.client("bob") as client:
        client.restPUT(f"/team/{team['id']}/member/{bob}")
    site.run("report_by_message", DAY)
    (message,) = (one for one in site.service.inbox("bob") if one.subject == f"Samples of {DAY}")
    assert message.body == "There are 42 samples."
    subjects = {one.subject for one in site.service.inbox("alice")}
    assert {f"Samples of {DAY}", "report_by_message is done"} <= subjects


def test_wiki_report(site):
    project = site.project("wiki")
    site.run("wiki_report", DAY, DAY, syn10000001=project)
    root, page = site.syn.getWikiHeaders(project)
    assert page.title == "Quality of the data"
    assert site.syn.getWiki(project, page).markdown.startswith("569 rows, 3 problems.")
    assert root.id == page.parentId


def test_export_story(site):
    project = site.project("story")
    file = site.put("told.csv", "a\n1\n", project)
    site.run("export_story", DAY, DAY, syn123=file, syn456=project)
    story = site.find(project)[f"story of {DAY}.svg"]
    assert site.used(story) == [f"{file}.1"]
    exported = site.syn.get(story)
    assert exported.versionNumber == 1
    assert "told.csv" in Path(exported.path).read_text()


def test_annotate_reviewed_files(site):
    """The table is not in the state `since`, so there is no wait."""
    project = site.project("reviews")
    files = [site.put(name, name, project) for name in ("a.csv", "b.csv")]
    rows = [(files[0], "good", True), (files[1], "poor", True)]
    table = site.table("reviews", rows, "file", "grade", "reviewed")
    since = json.dumps({"id": table, "version": 1, "etag": "old"})
    site.run("annotate_reviewed_files", DAY, conf=json.dumps({"since": since}), syn123=table)
    assert [site.syn.get(one, downloadFile=False).grade for one in files] == [["good"], ["poor"]]


def test_check_samples(site, samples):
    site.run("check_samples", DAY, syn123=samples)
    empty = site.table("unnamed", [("a1", "x"), (None, "y")], "sample", "centre")
    with pytest.raises(AssertionError, match="null_check"):
        site.run("check_samples", DAY, syn123=empty)


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
    found = site.s3.list_objects_v2(Bucket="exports", Prefix=DAY)["Contents"]
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
