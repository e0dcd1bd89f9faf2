"""Examples of common workflows: each runs with Airflow's task runner and the local Synapse."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from itertools import count
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pyarrow.parquet
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.serde import serialize
from airflow.serialization.serialized_objects import DagSerialization
from support.examples import create_dag, import_example
from support.execution_api import Run
from support.prepared_entities import append_rows, create_table

from synapse_workflows import Column, Dataset, File, Folder, Project
from synapse_workflows.demo.paths import examples_dir

_runs = count(1)
DAYS = (datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC))


def test_airflow_can_store_each_example():
    bag = DagBag(examples_dir(), bundle_name="examples")
    assert bag.import_errors == {}
    names = {re.match(r"synapse_(\d\d)", dag_id)[1] for dag_id in bag.dags}
    assert names == {path.name[:2] for path in examples_dir().glob("[0-9]*.py")}
    for dag in bag.dags.values():
        assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).dag_id == dag.dag_id
        assert dag.doc_md


@pytest.fixture
def start(api):
    """Function that starts a run of an example with parameters."""

    def start_run(number, dag_id, *, logical_date=None, events=(), **params):
        run_id = f"run_{next(_runs)}"
        dag = create_dag(number, dag_id)
        return Run(api, dag, run_id, conf=params, logical_date=logical_date, events=events)

    return start_run


@pytest.fixture
def new_table(alice, project):
    """Function that creates a table of numbers; returns its ID."""

    def create(name, *numbers):
        columns = [Column(name="n", columnType="INTEGER")]
        table = create_table(alice, project, name, columns)
        append_rows(alice, table, [[number] for number in numbers])
        return table

    return create


@pytest.fixture
def warehouse(api, tmp_path):
    """Function that runs SQL in the warehouse."""
    pytest.importorskip("airflow.providers.sqlite")
    path = tmp_path / "warehouse.db"
    api.connections["warehouse"] = json.dumps({"conn_type": "sqlite", "host": str(path)})

    def execute(sql, *rows):
        with closing(sqlite3.connect(path)) as database, database:
            database.executemany(sql, rows or [()])

    execute("create table downloads (day text, project text, bytes integer)")
    return execute


def test_09_each_run_has_a_page(start, alice, project, put):
    """The page has the numbers, the chart, and the version of the file that the run has read."""
    file = put("data.csv", "id,kind\n1,a\n2,b\n3,b\n", project)
    run = start(9, "synapse_09_run_report", file_id=file, column="kind", project_id=project)
    for task_id in ("file", "count", "chart", "report"):
        assert run.task(task_id).state == "success"
    page = alice.getWiki(project, run.value("report")["wiki_id"])
    assert page.title == f"Report {run.run_id}"
    assert "# Kind of data.csv" in page.markdown
    assert "\n|---|---|\n| a | 1 |\n| b | 2 |\n\n3 rows in all." in page.markdown
    assert "${image?fileName=chart.svg&altText=Rows%20of%20each%20value}" in page.markdown
    assert f"- [{file}](" in page.markdown.partition("## Sources")[2]
    assert [each.fileName for each in alice.getWikiAttachments(page)] == ["chart.svg"]


def test_10_metrics_of_a_day_are_stored_once(start, warehouse, alice, project, sources_of):
    """A second run for a day updates its rows; an unchanged table has no other snapshot."""
    insert = "insert into downloads values (?, ?, ?)"
    warehouse(insert, ("2026-11-24", "a", 5), ("2026-11-24", "a", 7), ("2026-11-25", "b", 1))

    def run(day):
        name = "synapse_10_warehouse_metrics"
        one = start(10, name, logical_date=day, parent_id=project)
        states = [one.task(task).state for task in ("metrics", "store", "snapshot")]
        return one.value("store"), states

    stored, states = run(DAYS[0])
    table = stored["id"]
    assert states == ["success"] * 3
    assert run(DAYS[0])[1] == ["success", "success", "skipped"]
    warehouse("insert into downloads values (?, ?, ?)", ("2026-11-24", "a", 1))
    run(DAYS[1])
    sql = f"select day, project, downloads, bytes from {table} order by day"
    rows = alice.tableQuery(sql, includeRowIdAndRowVersion=False)
    assert [list(row) for row in rows] == [
        ["2026-11-24", "a", 2, 12],
        ["2026-11-25", "b", 1, 1],
    ]
    labels = [alice.get(table, version=number).versionLabel for number in (1, 2)]
    assert labels == ["metrics 2026-11-24", "metrics 2026-11-25"]
    used, executed = sources_of(table, 1)
    assert [url.rpartition("/")[2] for url in used] == ["downloads"]
    assert any("10_warehouse_metrics.py" in url for url in executed)


def test_11_tables_are_exported_from_snapshots(start, new_table, alice, tmp_path):
    tables = {"one": new_table("One", 1, 2), "two": new_table("Two", 3)}

    def run():
        target = str(tmp_path / "exports")
        one = start(11, "synapse_11_tables_to_parquet", tables=tables, target=target)
        one.all(export=2)
        return one

    assert run().value("manifest") == 3
    assert run().value("manifest") == 3
    rows = pyarrow.parquet.read_table(tmp_path / "exports" / "one.parquet").to_pylist()
    assert rows == [{"n": 1}, {"n": 2}]
    manifest = json.loads((tmp_path / "exports" / "manifest.json").read_text())
    assert [(one["id"], one["version"]) for one in manifest] == [
        (table, 1) for table in tables.values()
    ]
    assert alice.get(tables["one"]).versionNumber == 2, "an unchanged table has one snapshot"


@pytest.fixture
def catalogue(api, tmp_path):
    """Function that serves a catalogue over HTTP."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        connection = {"conn_type": "http", "host": f"http://127.0.0.1:{server.server_port}"}
        api.connections["catalogue"] = json.dumps(connection)
        yield lambda entries: (tmp_path / "catalogue.json").write_text(json.dumps(entries))
        server.shutdown()


def describe(number, **changes):
    return {
        "id": f"entry-{number}",
        "title": f"Title {number}",
        "url": f"https://example.org/{number}",
        "keywords": ["one", "two"],
    } | changes


def test_14_catalogue_is_mirrored_by_its_keys(start, catalogue, alice, project, put):
    """Entries in another order change nothing; a row of a missing entry is deleted.

    A dataset keeps the files and the annotations that people have added.
    """

    def run(*entries):
        catalogue(entries)
        one = start(14, "synapse_14_catalogue", project_id=project).all()
        return one.value("links")

    first = run(describe(1), describe(2))
    ids = {c["name"]: c["id"] for c in alice.getChildren(project, includeTypes=["dataset"])}
    assert set(ids) == {"entry-1", "entry-2"}
    dataset = alice.get(ids["entry-2"], downloadFile=False)
    dataset.add_item({"entityId": put("a.csv", "a", project).split(".")[0], "versionNumber": 1})
    dataset.reviewed = "yes"
    items = alice.store(dataset).datasetItems
    etags = {one: alice.get(one, downloadFile=False).etag for one in ids.values()}
    run(describe(2), describe(1))
    assert {one: alice.get(one, downloadFile=False).etag for one in ids.values()} == etags
    run(describe(3), describe(2, title="New title"))
    rows = alice.tableQuery(
        f"select id, title, dataset from {first['id']} order by id",
        includeRowIdAndRowVersion=False,
    )
    rows = [list(row) for row in rows]
    assert rows[0] == ["entry-2", "New title", ids["entry-2"]]
    assert [row[0] for row in rows] == ["entry-2", "entry-3"]
    changed = alice.get(ids["entry-2"], downloadFile=False)
    assert (changed.title, changed.sameAs) == (["New title"], ["https://example.org/2"])
    assert (changed.datasetItems, changed.reviewed) == (items, ["yes"])


@pytest.mark.parametrize(
    "entries", [[describe(1), describe(1)], [describe(1, title=None)]], ids=["double", "no title"]
)
def test_14_invalid_catalogue_stores_nothing(start, catalogue, alice, project, entries):
    catalogue(entries)
    run = start(14, "synapse_14_catalogue", project_id=project)
    assert run.task("entries", max_tries=3).state == "failed"
    assert list(alice.getChildren(project)) == []


def test_17_the_last_failed_try_sends_a_message(start, new_table, socket_service):
    table = new_table("Small", 1, 2)
    run = start(17, "synapse_17_alerts", table=table)

    def messages():
        bodies = [one.body for one in socket_service.inbox("alice") if run.run_id in one.body]
        return [body for body in bodies if table in body]

    assert run.task("check", max_tries=1).state == "up_for_retry"
    assert messages() == []
    assert run.task("check", max_tries=1).state == "failed"
    (body,) = messages()
    assert f"ValueError: {table} has 2 rows: 1000 expected" in body
    run = start(17, "synapse_17_alerts", table=table, min_rows=1).all()
    assert run.value("check") == 2


def test_15_only_files_with_other_content_are_uploaded(
    start, alice, project, tmp_path, sources_of
):
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.csv", "deep/b.csv", "note.tmp"):
        (folder / name).write_text(f"content of {name}\n")

    def run():
        one = start(15, "synapse_15_sync", source=str(folder), folder_id=project)
        assert one.task("plan").state == "success"
        plans = one.value("plan")
        for index in range(len(plans)):
            assert one.task("apply", index).state == "success"
        assert one.task("summary").state == "success"
        return plans, one.value("summary")

    plans, summary = run()
    assert {
        item["path"] for plan in plans for item in plan["items"] if item["kind"] == "file"
    } == {
        "a.csv",
        "deep/b.csv",
    }
    assert (summary["new"], summary["changed"]) == (2, 0)
    (folder / "a.csv").write_text("other content\n")
    assert run()[1] == {"new": 0, "changed": 1, "bytes": 14}
    first = alice.findEntityId("a.csv", project)
    assert alice.get(first, downloadFile=False).versionNumber == 2
    second = alice.findEntityId("b.csv", alice.findEntityId("deep", project))
    assert alice.get(second, downloadFile=False).versionNumber == 1
    assert any("15_keep_folder_in_step.py" in one for one in sources_of(first)[1])


@pytest.fixture
def inbox(alice, project, monkeypatch):
    """ID of the watched folder, and of the quarantine."""
    inbox, quarantine = (
        alice.store(Folder(name, parent=project)).id for name in ("Inbox", "Quarantine")
    )
    monkeypatch.setattr(import_example(16), "INBOX", inbox)
    return inbox, quarantine


def test_16_new_files_are_checked_once(start, api, put, alice, inbox):
    """A run by hand checks the files without an annotation, and finds none."""
    folder, quarantine = inbox
    good, bad = (
        put(name, text, folder).partition(".")[0]
        for name, text in (("good.csv", "a,b\n1,2\n"), ("bad.csv", "a,b\n1\n1,2,3\n"))
    )

    def run(events):
        one = start(16, "synapse_16_check_new_files", quarantine_id=quarantine, events=events)
        assert one.task("files").state == "success"
        number = len(one.value("files"))
        tasks = ("annotations", "failed", "annotate") if number else ()
        for task, index in [*(("check", i) for i in range(number)), *((t, -1) for t in tasks)]:
            assert one.task(task, index).state == "success"
        for index in range(len(one.value("failed") or ())):
            assert one.task("quarantine", index).state == "success"
        return one.value("files")

    payload = {"container_id": folder, "files": [{"id": good, "version": 1}, {"id": bad}]}
    asset = import_example(16).NEW_FILES
    event = api.emit(asset.uri, from_trigger=True, payload=payload)
    assert run((event, event)) == [good, bad]
    entity = alice.get(bad, downloadFile=False)
    assert (entity.quality, entity.parentId) == (["failed"], quarantine)
    assert entity.problems == ["line 2", "line 3"]
    entity = alice.get(good, downloadFile=False)
    assert (entity.quality, entity.parentId) == (["passed"], folder)
    assert run(()) == []
    new = put("new.csv", "a\n1\n", folder).partition(".")[0]
    assert run(()) == [new]


@pytest.fixture
def submit(alice, challenge, socket_service, tmp_path):
    """Function that submits a file as a user; returns the ID of the submission."""

    def submit_file(user):
        alice.setPermissions(alice.getEvaluation(challenge.id), user, ["READ", "SUBMIT"])
        path = tmp_path / f"{user}.csv"
        path.write_text("id,value\n")
        with socket_service.client(user, cache_root_dir=str(tmp_path / user)) as client:
            project = client.store(Project(f"Submissions {uuid4()}"))
            file = client.store(File(str(path), parent=project))
            return client.submit(challenge.id, file).id

    return submit_file


def test_18_participants_read_their_own_results(start, alice, challenge, submit, socket_service):
    """A second run changes nothing."""
    owners = {user: int(socket_service.owner_id(user)) for user in ("bob", "carol")}
    folders = {}
    for user in owners:
        submission = submit(user)
        challenge.update(submission, status="SCORED")
        folders[user] = alice.store(Folder(submission, parent=challenge.project)).id
    params = {"queue": challenge.id, "results_id": challenge.project}

    def run():
        one = start(18, "synapse_18_private_results", **params).all(grant=2)
        return [one.value("grant", map_index=index)["action"] for index in (0, 1)]

    assert run() == ["create", "create"]
    assert run() == ["none", "none"]
    for user, folder in folders.items():
        readers = {owner for owner in owners.values() if alice.getPermissions(folder, owner)}
        assert readers == {owners[user]}
        assert "CHANGE_PERMISSIONS" in alice.getPermissions(folder, "alice")


@pytest.fixture
def release(start, new_table, alice, project, monkeypatch):
    """Function that runs the release until a person has answered; returns the run."""
    tables = [new_table("One", 1, 2), new_table("Two", 3)]
    monkeypatch.setattr(import_example(13), "TABLES", tables)
    staging, public = (alice.store(Folder(name, parent=project)).id for name in ("S", "P"))

    def run(answer):
        one = start(13, "synapse_13_release", staging_id=staging, public_id=public)
        mapped = [(task, index) for task in ("snapshots", "rows", "files") for index in (0, 1)]
        for task, index in [*mapped, *((t, -1) for t in ("dataset", "copy", "preview"))]:
            result = one.task(task, index)
            assert result.state == "success", (task, result.error)
        assert one.task("approve").state == "awaiting_input"
        response = {
            "chosen_options": [answer],
            "params_input": {},
            "responded_at": datetime.now(UTC),
            "responded_by_user": {"id": "1", "name": "alice"},
        }
        assert one.task("approve", event=serialize(response)).state == "success"
        return one

    return run


def test_13_release_is_public_after_the_approval(release, alice, api, sources_of):
    """A rejected release is not public. A second run stores nothing twice."""
    rejected = release("Reject")
    copy = rejected.value("copy")["id"]
    assert api.instances["synapse_13_release", rejected.run_id, "publish", -1].state == "skipped"
    assert not alice.getPermissions(copy)
    run = release("Approve")
    assert run.value("copy")["id"] == copy
    assert not alice.getPermissions(copy)
    assert run.task("publish").state == "success"
    assert alice.getPermissions(copy) == ["READ"]
    found = alice.getChildren(copy, includeTypes=["file", "dataset"])
    children = {one["name"]: one["id"] for one in found}
    assert set(children) == {"One.csv", "Two.csv", "Files"}
    items = alice.get(children["Files"]).datasetItems
    assert {(one["entityId"], one["versionNumber"]) for one in items} == {
        (children[name], 1) for name in ("One.csv", "Two.csv")
    }
    source = run.value("files", map_index=0)["id"]
    assert alice.get(source, downloadFile=False).versionNumber == 1
    assert sources_of(source)[0] == [f"{import_example(13).TABLES[0]}.1"]
    assert sources_of(children["One.csv"])[0] == [f"{source}.1"]


def test_19_a_description_lists_the_files_of_a_snapshot(start, alice, project, put, sources_of):
    """A second run for an unchanged dataset stores nothing."""
    item = put("data.csv", "id\n1\n", project).split(".")
    items = [{"entityId": item[0], "versionNumber": int(item[1])}]
    dataset = alice.store(Dataset("Measurements", parent=project, dataset_items=items)).id

    def run():
        one = start(19, "synapse_19_croissant", dataset_id=dataset, parent_id=project).all()
        return one.value("describe")

    stored = run()
    content = json.loads(Path(alice.get(stored["id"]).path).read_text())
    (file,) = content["distribution"]
    assert file["contentUrl"] == f"https://www.synapse.org/Synapse:{'.'.join(item)}"
    assert (file["name"], file["contentSize"]) == ("data.csv", "5 B")
    assert file["md5"] == alice.get(item[0], downloadFile=False).md5
    assert sources_of(stored["id"])[0] == [f"{dataset}.1"]
    assert run()["version"] == stored["version"] == 1


def test_20_a_file_is_staged_stored_and_removed(
    start, alice, project, put, sources_of, tmp_path, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", str(tmp_path / "shared"))
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CACHE_DIR", str(tmp_path / "cache"))
    raw = put("raw.csv", "id,diagnosis\n1,B\n2,M\n3,B\n")
    name = "synapse_20_stage_between_workers"
    run = start(20, name, entity_id=raw, parent_id=project).all()
    stored = run.value("store")
    assert Path(alice.get(stored["id"]).path).read_text().split() == [
        "diagnosis,patients", "B,2", "M,1",
    ]  # fmt: skip
    used, executed = sources_of(stored["id"])
    assert used == [raw]
    assert len(executed) == 1
    assert run.value("clean")["files"] == 1
    assert not [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]
