"""Lineage of SynapseTableQueryOperator: the version recorded as used."""

import re
import shutil
from itertools import count
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run
from support.fault_injection import FaultInjector
from support.prepared_entities import append_rows
from support.table_types import TABLE_TYPES

from synapse_workflows import (
    Column,
    File,
    Project,
    Schema,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableSnapshotOperator,
    SynapseTableStoreOperator,
    Table,
    local_path,
)
from synapse_workflows.testing import over_socket

RUNS = count(1)


@pytest.fixture
def summary(tmp_path):
    """Path of a file that a task writes."""
    return str(tmp_path / "summary.txt")


@pytest.fixture
def other_project(alice, project):
    """Project outside the scope of all views."""
    return alice.store(Project(f"Outside {project}")).id


@pytest.fixture
def pipeline(api, other_project, summary):
    """Run of a query, a task that derives a file from its result, and its upload."""

    def make(query, **arguments):
        with DAG("summarize", schedule=None) as dag:

            @task
            def summarize(reference):
                text = Path(local_path(reference)).read_bytes()
                Path(summary).write_text(f"{len(text)} bytes")
                return summary

            query_task = SynapseTableQueryOperator(task_id="ask", sql=query, **arguments)
            derived = summarize(query_task.output)
            SynapseStoreOperator(task_id="store", path=derived, parent_id=other_project)
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_derived_file_uses_the_queried_version(pipeline, table_factory, kind, alice, sources_of):
    """Query the current version, then a snapshot, then with snapshot_first."""
    table = table_factory.create(kind)
    run = pipeline(f"select * from {table}").all()
    stored = run.value("store")["id"]
    used, executed = sources_of(stored)
    assert used == [f"{table}.1"]
    assert len(executed) == 1

    alice.create_snapshot_version(table)
    table_factory.add_row(table)
    run = pipeline(f"select n from {table}.1").all()
    assert run.value("ask")["rows"] == 1
    assert sources_of(stored)[0] == [f"{table}.1"]

    run = pipeline(f"select n from {table}", snapshot_first=True).all()
    assert run.value("ask")["rows"] == 2
    assert sources_of(stored)[0] == [f"{table}.2"]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_repeated_query_uses_the_version_of_the_reference(
    pipeline, table_factory, alice, worker, sources_of, file_format
):
    """A snapshot between the two tasks increases the number of the current version."""
    table = table_factory.create("table")
    run = pipeline(f"select * from {table}", output_format=file_format)
    run.task("ask")
    shutil.rmtree(worker)
    alice.create_snapshot_version(table)
    assert run.task("summarize").state == "success"
    assert run.task("store").state == "success"
    assert sources_of(run.value("store")["id"])[0] == [f"{table}.1"]


def test_hook_in_a_task_records_the_queried_table(
    api, table_factory, project, summary, sources_of
):
    table, view = table_factory.create("table"), table_factory.create("entityview")
    with DAG("plain", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            rows = [*syn.tableQuery(f"select n from {table}"), *syn.tableQuery(
                f"select n from {view}", resultsAs="rowset"
            )]  # fmt: skip
            Path(summary).write_text(str(len(rows)))
            return syn.store(File(summary, parent=project)).id

        work()
    stored = Run(api, dag).all().value("work")
    assert sources_of(stored)[0] == [f"{table}.1", f"{view}.1"]


def test_stored_rows_use_the_table_they_were_queried_from(api, table_factory, alice, sources_of):
    source, target = table_factory.create("submissionview"), table_factory.create("table")
    with DAG("copy_rows", schedule=None) as dag:
        query_task = SynapseTableQueryOperator(
            task_id="ask", sql=f"select n from {source}", snapshot_first=True
        )
        SynapseTableStoreOperator(task_id="store", table_id=target, rows=query_task.output)
    run = Run(api, dag).all()
    assert run.value("store")["added"] == 1
    used, executed = sources_of(target)
    assert used == [f"{source}.1"]
    assert len(executed) == 1


def test_snapshot_uses_the_sources_of_its_rows(api, table_factory, alice, sources_of):
    """One run stores the rows; another run creates the snapshot."""
    source, target = table_factory.create("dataset"), table_factory.create("table")
    with DAG("fill", schedule=None) as fill:
        query_task = SynapseTableQueryOperator(task_id="ask", sql=f"select n from {source}")
        SynapseTableStoreOperator(task_id="store", table_id=target, rows=query_task.output)
    Run(api, fill).all()
    with DAG("freeze", schedule=None) as dag:
        SynapseTableSnapshotOperator(task_id="freeze", table_id=target)
    snapshot = Run(api, dag).all().value("freeze")
    assert sources_of(target, snapshot["version"])[0] == [f"{source}.1"]
    assert alice.getProvenance(target, snapshot["version"])["name"] == "freeze.freeze"


def test_lineage_mode_off_records_nothing(api, table_factory, project, alice):
    table = table_factory.create("table")
    with DAG("silent", schedule=None) as dag:
        query_task = SynapseTableQueryOperator(
            task_id="ask", sql=f"select * from {table}", lineage_mode="off"
        )
        SynapseStoreOperator(
            task_id="store", path=query_task.output, parent_id=project, lineage_mode="off"
        )
    stored = Run(api, dag).all().value("store")
    assert "activity_id" not in stored
    assert stored["version"] == 1


def get_gaps(alice, entity, version=None):
    lines = alice.getProvenance(entity, version)["description"].splitlines()
    return [line for line in lines if line.startswith("Not pinned: ")]


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_open_version_is_a_gap_and_a_snapshot_is_not(
    api, table_factory, other_project, alice, sources_of, kind
):
    table = table_factory.create(kind)
    for number, snapshot_first in enumerate((False, True)):
        with DAG(f"open_{number}", schedule=None) as dag:
            query = SynapseTableQueryOperator(
                task_id="ask", sql=f"select * from {table}", snapshot_first=snapshot_first
            )
            SynapseStoreOperator(
                task_id="store",
                path=query.output,
                name=f"{number}.csv",
                parent_id=other_project,
            )
        stored = Run(api, dag).all().value("store")
        assert sources_of(stored["id"])[0] == [f"{table}.1"]
        gaps = get_gaps(alice, stored["id"])
        if snapshot_first:
            assert gaps == []
            continue
        time = r"read at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
        gap = rf"Not pinned: {table}\.1 is an open version, not a snapshot: {time}, etag [\w-]+"
        assert [bool(re.fullmatch(gap, one)) for one in gaps] == [True]


def test_declared_live_table_is_a_gap(api, table_factory, project, alice, summary):
    table = table_factory.create("table")
    Path(summary).write_text("summary")
    with DAG("declared", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path=summary, parent_id=project, used=table)
    stored = Run(api, dag).all().value("store")
    expected = [f"Not pinned: {table}.1 is an open version, not a snapshot"]
    assert get_gaps(alice, stored["id"]) == expected


def test_rows_stored_upstream_are_a_gap(
    api, table_factory, project, alice, summary, write_csv, sources_of
):
    table = table_factory.create("table")
    Path(summary).write_text("summary")
    with DAG("rows", schedule=None) as dag:
        rows = SynapseTableStoreOperator(
            task_id="rows", table_id=table, rows=write_csv([1], names=("n",)), missing_columns=True
        )
        store = SynapseStoreOperator(task_id="store", path=summary, parent_id=project)
        rows >> store
    stored = Run(api, dag).all().value("store")
    assert sources_of(stored["id"])[0] == [f"{table}.1"]
    assert len(get_gaps(alice, stored["id"])) == 1


def test_result_is_stored_under_one_name_in_every_run(api, table_factory, project):
    table = table_factory.create("table")
    stored = []
    for number in range(2):
        with DAG("named", schedule=None) as dag:
            query = SynapseTableQueryOperator(task_id="ask", sql=f"select * from {table}")
            SynapseStoreOperator(task_id="store", path=query.output, parent_id=project)
        run = Run(api, dag, f"run_{number}").all()
        assert run.value("ask")["name"] == "ask.csv"
        stored.append(run.value("store"))
    assert [one["name"] for one in stored] == ["ask.csv", "ask.csv"]
    assert len({one["id"] for one in stored}) == 1


def test_results_of_mapped_queries_have_names_of_their_own(api, table_factory, project):
    tables = [table_factory.create("table") for _ in range(2)]
    with DAG("mapped_names", schedule=None) as dag:
        query = SynapseTableQueryOperator.partial(task_id="ask").expand(
            sql=[f"select * from {table}" for table in tables]
        )
        SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(path=query.output)
    run = Run(api, dag).all(ask=2, store=2)
    names = [run.value("store", map_index=index)["name"] for index in range(2)]
    assert names == ["ask_0.csv", "ask_1.csv"]


@pytest.mark.parametrize("output_format", ["csv", "parquet"])
def test_plain_path_of_a_result_has_the_same_name_in_each_run(
    api, filled, alice, project, output_format
):
    """The file is stored by its path alone, by an operator and by the client in a task."""
    with DAG("names", schedule=None) as dag:
        rows = SynapseTableQueryOperator(
            task_id="rows", sql=f"select * from {filled}", output_format=output_format
        )
        SynapseStoreOperator(
            task_id="store", path=rows.output["path"], parent_id=project, folder="operator"
        )

        @task
        def store(path):
            client = SynapseHook().client
            return client.store(File(path, parent=project)).id

        store.override(task_id="client")(rows.output["path"])
    ids = set()
    for number in range(2):
        run = Run(api, dag, f"names_{number}").all()
        ids.add((run.value("store")["id"], run.value("client")))
        assert run.value("store")["name"] == f"rows.{output_format}"
        append_rows(alice, filled, [["d", number]])
    assert len(ids) == 1
    ((by_operator, by_client),) = ids
    assert alice.get(by_client).name == f"rows.{output_format}"
    assert alice.get(by_operator, downloadFile=False).versionNumber == 2


def test_results_of_two_tasks_have_their_own_names(api, filled):
    with DAG("two", schedule=None) as dag:
        for name in ("one", "two"):
            SynapseTableQueryOperator(task_id=name, sql=f"select * from {filled}")
    run = Run(api, dag, "two").all()
    paths = [Path(run.value(name)["path"]) for name in ("one", "two")]
    assert [path.name for path in paths] == ["one.csv", "two.csv"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_snapshot_that_is_created_during_a_query_is_the_version(tmp_path, monkeypatch):
    injectors = []

    def wrap(app):
        injectors.append(FaultInjector(app))
        return injectors[0]

    with over_socket(tmp_path, wrap=wrap) as service, service.client() as syn:
        monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", service.airflow_connection)
        schema = Schema(
            "t", [Column(name="n", columnType="INTEGER")], parent=syn.store(Project("p"))
        )
        table = syn.store(Table(schema, [[1]])).tableId
        hook, reads = SynapseHook(), []
        hook.client.subscribe(reads.append)
        for path, query in (
            ("download/csv", lambda: hook.get_records(f"select n from {table}")),
            ("query", lambda: [hook.get_first(f"select n from {table}")]),
        ):
            injectors[0].at(
                f"GET .*/table/{path}/async/get", lambda: syn.create_snapshot_version(table)
            )
            assert query() == [(1,)]
            injectors[0].clear()
    assert [(one.version, one.is_open) for one in reads] == [(1, False), (2, False)]
