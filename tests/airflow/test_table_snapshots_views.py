"""Tests of SynapseTableSnapshotOperator with views, datasets and tables."""

from itertools import count

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run, fire_trigger
from support.table_types import TABLE_TYPES

from synapse_workflows import (
    Column,
    SynapseGetOperator,
    SynapseHook,
    SynapseTableQueryOperator,
    SynapseTableSnapshotOperator,
    synapse_asset,
)

RUNS = count(1)


class LateFailureError(RuntimeError):
    """Failure of a task after its work is done."""


def fail_once(context, result=None):
    if context["ti"].try_number == 1:
        raise LateFailureError


@pytest.fixture
def snapshot(api):
    """Run a single SynapseTableSnapshotOperator with a number of tries."""

    def run(tries=1, **arguments):
        with DAG("freeze_one", schedule=None) as dag:
            SynapseTableSnapshotOperator(task_id="freeze", retries=5, **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        for _ in range(tries):
            result = one.task("freeze", max_tries=5)
        return result, one

    return run


def history(alice, table):
    versions = alice.restGET(f"/entity/{table}/version")["results"]
    return {one["versionNumber"]: one["versionLabel"] for one in versions}


def rows(alice, query):
    return len(list(alice.tableQuery(query)))


@pytest.mark.parametrize("kind", TABLE_TYPES)
@pytest.mark.parametrize("deferrable", [False, True])
def test_snapshot_of_every_table_type(
    api, table_factory, kind, deferrable, put, alice, sources_of, triggerer
):
    """The snapshot has its rows, label, comment, Activity and asset event."""
    table = table_factory.create(kind)
    raw_id = put()
    with DAG("freeze_any", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        create_snapshot = SynapseTableSnapshotOperator(
            task_id="freeze",
            table_id="{{ params.table }}",
            version_label="of {{ run_id }}",
            version_comment="by {{ task.task_id }}",
            deferrable=deferrable,
            poll_interval=0.05,
            outlets=[synapse_asset(table)],
        )
        raw >> create_snapshot
    dag.params["table"] = table
    before = rows(alice, f"select * from {table}")
    run = Run(api, dag, f"run_{next(RUNS)}")
    run.task("raw")
    result = run.task("freeze")
    if deferrable:
        assert result.state == "deferred", result.error
        result = run.task("freeze", event=fire_trigger(result))
    assert result.state == "success", result.error

    reference = run.value("freeze")
    assert (reference["id"], reference["version"], reference["label"]) == (
        table,
        1,
        f"of {run.run_id}",
    )
    assert reference["comment"] == "by freeze"
    assert history(alice, table) == {1: f"of {run.run_id}", 2: "in progress"}
    table_factory.add_row(table)
    assert rows(alice, f"select * from {table}.1") == before
    assert rows(alice, f"select * from {table}") == before + 1
    activity = alice.getProvenance(table, 1)
    assert (activity["id"], activity["name"]) == (reference["activity_id"], "freeze_any.freeze")
    assert sources_of(table, 1)[0] == [raw_id]
    (event,) = [one for one in api.events if one["asset"]["uri"] == f"syn://{table}"]
    assert event["extra"] == {
        "version": 1,
        "name": reference["name"],
        "activity_id": reference["activity_id"],
    }


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_snapshot_does_not_use_its_own_table(api, table_factory, kind, alice, sources_of):
    table = table_factory.create(kind)
    alice.create_snapshot_version(table)
    with DAG("read_and_freeze", schedule=None) as dag:

        @task
        def read():
            syn = SynapseHook().client
            syn.tableQuery(f"select * from {table}.1")
            syn.tableQuery(f"select * from {table}")

        read() >> SynapseTableSnapshotOperator(task_id="freeze", table_id=table)
    Run(api, dag).all()
    assert sources_of(table, 2)[0] == [f"{table}.1"]


@pytest.mark.parametrize(
    ("kind", "lineage_mode"),
    [("entityview", "off"), ("submissionview", "auto"), ("dataset", "auto")],
)
def test_retry_creates_no_second_snapshot_of_a_view(
    snapshot, table_factory, kind, alice, lineage_mode
):
    view = table_factory.create(kind)
    result, run = snapshot(2, table_id=view, post_execute=fail_once, lineage_mode=lineage_mode)
    assert result.state == "success", result.error
    assert run.value("freeze")["version"] == 1
    assert list(history(alice, view)) == [2, 1]


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_unchanged_table_or_view_is_skipped(snapshot, table_factory, kind, alice):
    table = table_factory.create(kind)
    arguments = {"table_id": table, "if_unchanged": "skip"}
    assert [snapshot(**arguments)[0].state for _ in range(2)] == ["success", "skipped"]
    table_factory.add_row(table)
    result, run = snapshot(**arguments)
    assert (result.state, run.value("freeze")["version"]) == ("success", 2)
    assert snapshot(**arguments)[0].state == "skipped"


def test_changed_annotation_is_a_change_of_the_view(snapshot, table_factory, alice, project):
    view = table_factory.create("entityview")
    arguments = {"table_id": view, "if_unchanged": "skip"}
    snapshot(**arguments)
    row = next(iter(alice.tableQuery(f"select id from {view}", includeRowIdAndRowVersion=False)))
    file = alice.get(row[0], downloadFile=False)
    file.annotations["n"] = 7
    alice.store(file, forceVersion=False)
    assert snapshot(**arguments)[0].state == "success"


def test_renamed_column_is_a_change_of_the_view(snapshot, table_factory, alice):
    """The file has no annotation of the old or the new column name, so no cell differs."""
    view = table_factory.create("entityview")
    schema = alice.get(view)
    first = alice.store(Column(name="one", columnType="STRING"))
    schema.addColumn(first)
    schema = alice.store(schema)
    arguments = {"table_id": view, "if_unchanged": "skip"}
    snapshot(**arguments)
    assert snapshot(**arguments)[0].state == "skipped"
    schema = alice.get(view)
    schema.removeColumn(first)
    schema.addColumn(Column(name="other", columnType="STRING"))
    alice.store(schema)
    assert snapshot(**arguments)[0].state == "success"


@pytest.mark.parametrize("kind", ["entityview", "dataset"])
def test_retain_deletes_old_snapshots_of_every_table_type(snapshot, table_factory, kind, alice):
    table = table_factory.create(kind)
    alice.create_snapshot_version(table, label="release")
    for number in range(3):
        result, _ = snapshot(
            table_id=table, version_label=str(number), label_prefix="nightly ", retain=1
        )
        assert result.state == "success", result.error
    assert list(history(alice, table).values()) == ["in progress", "nightly 2", "release"]


def test_duplicate_label_of_a_view_fails_without_retry(snapshot, table_factory, alice):
    view = table_factory.create("entityview")
    alice.create_snapshot_version(view, label="once")
    result, _ = snapshot(table_id=view, version_label="once")
    assert result.state == "failed"
    assert "'once'" in str(result.error)


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_snapshot_first_supports_every_table_type(
    api, table_factory, kind, alice, sources_of, project
):
    table = table_factory.create(kind)
    with DAG("freeze_and_ask", schedule=None) as dag:
        SynapseTableQueryOperator(
            task_id="ask",
            sql=f"select n from {table} where n > 0",
            snapshot_first=True,
            post_execute=fail_once,
        )
    run = Run(api, dag)
    assert run.task("ask", max_tries=1).state == "up_for_retry"
    table_factory.add_row(table)
    assert run.task("ask", max_tries=1).state == "success"
    result = run.value("ask")
    assert (result["version"], result["rows"]) == (1, 1)
    assert result["query"] == f"select n from {table}.1 where n > 0"
    assert list(history(alice, table)) == [2, 1]
    assert alice.getProvenance(table, 1)["name"] == "freeze_and_ask.ask"
