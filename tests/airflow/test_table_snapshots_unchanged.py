"""Tests of `if_unchanged`: snapshots of tables that have not changed since a snapshot."""

from itertools import count

import pytest
from airflow.sdk import DAG, AssetAlias
from support.execution_api import Run, fire_trigger
from support.parallel_tasks import run_in_parallel
from support.prepared_entities import append_rows
from support.table_types import TABLE_TYPES

from synapse_workflows import (
    Column,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableSnapshotOperator,
    synapse_asset,
)

RUNS = count(1)


@pytest.fixture
def snapshot(api, triggerer):
    """Run a SynapseTableSnapshotOperator in a new DAG run, with its trigger if it defers."""

    def run(**arguments):
        with DAG("freeze_unchanged", schedule=None) as dag:
            SynapseTableSnapshotOperator(task_id="freeze", poll_interval=0.05, **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        result = one.task("freeze")
        if result.state == "deferred":
            result = one.task("freeze", event=fire_trigger(result))
        return result, one

    return run


def labels(alice, table):
    """Labels of the snapshots, oldest first."""
    versions = alice.restGET(f"/entity/{table}/version?limit=50")["results"]
    return [one["versionLabel"] for one in reversed(versions[1:])]


@pytest.mark.parametrize("policy", ["reuse", "skip"])
def test_new_label_of_an_unchanged_table_gets_a_snapshot(snapshot, filled, alice, policy):
    alice.create_snapshot_version(filled, label="1.0")
    result, run = snapshot(table_id=filled, version_label="1.1", if_unchanged=policy)
    assert result.state == "success", result.error
    assert run.value("freeze")["created"] is True
    assert labels(alice, filled) == ["1.0", "1.1"]


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_repeated_release_finds_its_snapshot(snapshot, table_factory, alice, kind, deferrable):
    """Snapshots after the release do not matter; the Activity of the release stays."""
    table = table_factory.create(kind)
    arguments = {"table_id": table, "version_label": "release 1", "deferrable": deferrable}
    first, made = snapshot(**arguments, if_unchanged="reuse")
    assert first.state == "success", first.error
    activity = alice.getProvenance(table, 1)
    alice.create_snapshot_version(table, label="between")
    again, found = snapshot(**arguments, if_unchanged="reuse", version_comment="again")
    assert again.state == "success", again.error
    assert found.value("freeze") == made.value("freeze") | {"created": False}
    assert found.value("freeze")["activity_id"] == activity["id"]
    assert labels(alice, table) == ["release 1", "between"]
    assert alice.getProvenance(table, 1) == activity


def test_cleared_task_finds_its_snapshot(snapshot, filled, alice):
    """Airflow raises `max_tries` of a task that is cleared."""
    _, run = snapshot(table_id=filled, version_label="{{ run_id }}", if_unchanged="reuse")
    assert run.value("freeze")["created"] is True
    assert run.task("freeze", max_tries=1).state == "success"
    assert run.value("freeze")["created"] is False
    assert labels(alice, filled) == [run.run_id]


@pytest.mark.parametrize("policy", ["reuse", "skip"])
@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_label_of_other_content_fails_at_once(snapshot, table_factory, alice, kind, policy):
    table = table_factory.create(kind)
    alice.create_snapshot_version(table, label="1.0")
    alice.create_snapshot_version(table, label="1.1")
    table_factory.add_row(table)
    result, _ = snapshot(table_id=table, version_label="1.0", if_unchanged=policy, retries=3)
    assert result.state == "failed"
    message = str(result.error)
    assert f"{table} has changed since its snapshot {table}.1" in message
    assert "'1.0'" in message
    assert "version 3" in message
    assert "another version_label" in message
    assert labels(alice, table) == ["1.0", "1.1"]


def test_used_label_without_reuse_names_the_argument(snapshot, filled, alice):
    alice.create_snapshot_version(filled, label="1.0")
    result, _ = snapshot(table_id=filled, version_label="1.0", retries=3)
    assert result.state == "failed"
    assert f"already has a version labelled '1.0', {filled}.1" in str(result.error)
    assert "if_unchanged='reuse'" in str(result.error)


@pytest.mark.parametrize(("policy", "state"), [("reuse", "success"), ("skip", "skipped")])
def test_series_counts_its_newest_snapshot(snapshot, filled, alice, policy, state):
    """Each run has a label of its own; snapshots of other series do not count."""
    arguments = {
        "table_id": filled,
        "label_prefix": "nightly ",
        "version_label": "{{ run_id }}",
        "if_unchanged": policy,
        "retain": 1,
    }
    alice.create_snapshot_version(filled, label="release")
    first, run = snapshot(**arguments)
    assert first.state == "success", first.error
    label = f"nightly {run.run_id}"
    alice.create_snapshot_version(filled, label="release 2")
    again, run = snapshot(**arguments)
    assert again.state == state, again.error
    if policy == "reuse":
        assert (run.value("freeze")["version"], run.value("freeze")["label"]) == (2, label)
    assert labels(alice, filled) == ["release", label, "release 2"]
    append_rows(alice, filled, [["d", 4]])
    changed, run = snapshot(**arguments)
    assert changed.state == "success", changed.error
    assert labels(alice, filled) == ["release", "release 2", f"nightly {run.run_id}"]


def test_reused_snapshot_is_not_deleted_by_retain(snapshot, filled, alice):
    for label in ("nightly 1", "nightly 2", "nightly 3"):
        alice.create_snapshot_version(filled, label=label)
    result, run = snapshot(
        table_id=filled,
        label_prefix="nightly ",
        version_label="1",
        if_unchanged="reuse",
        retain=1,
    )
    assert result.state == "success", result.error
    assert run.value("freeze")["version"] == 1
    assert labels(alice, filled) == ["nightly 1", "nightly 2", "nightly 3"]


def test_prefix_requires_a_label(snapshot, filled):
    result, _ = snapshot(table_id=filled, label_prefix="nightly ", retries=3)
    assert result.state == "failed"
    assert "requires version_label" in str(result.error)


@pytest.mark.parametrize(("policy", "state"), [("reuse", "success"), ("skip", "skipped")])
def test_without_label_the_newest_snapshot_counts(snapshot, filled, alice, policy, state):
    alice.create_snapshot_version(filled, label="a")
    alice.create_snapshot_version(filled, label="b")
    result, run = snapshot(table_id=filled, if_unchanged=policy)
    assert result.state == state
    assert policy == "skip" or run.value("freeze")["version"] == 2
    assert labels(alice, filled) == ["a", "b"]


def test_table_that_never_had_rows_is_unchanged(snapshot, table, alice):
    arguments = {"table_id": table, "version_label": "empty", "if_unchanged": "reuse"}
    assert snapshot(**arguments)[0].state == "success"
    again, run = snapshot(**arguments)
    assert again.state == "success", again.error
    assert run.value("freeze")["created"] is False
    schema = alice.get(table)
    schema.addColumn(Column(name="more", columnType="DOUBLE"))
    alice.store(schema)
    changed, _ = snapshot(**arguments)
    assert changed.state == "failed"
    assert "has changed" in str(changed.error)


def test_unknown_policy_fails_at_dag_parsing():
    with pytest.raises(ValueError, match="snapshot, reuse, skip"):
        SynapseTableSnapshotOperator(task_id="freeze", table_id="syn1", if_unchanged="keep")


def test_events_of_a_reused_snapshot(snapshot, filled, api, alice):
    """Airflow emits the event of the declared asset; the alias gets no event."""
    arguments = {
        "table_id": filled,
        "version_label": "1.0",
        "if_unchanged": "reuse",
        "outlets": [synapse_asset(filled), AssetAlias("snapshots")],
    }
    snapshot(**arguments)
    before = len(api.events)
    snapshot(**arguments)
    (event,) = api.events[before:]
    activity = alice.getProvenance(filled, 1)["id"]
    extra = {"version": 1, "name": "Results", "created": False, "activity_id": activity}
    assert event["extra"] == extra


def test_reused_snapshot_is_the_source_of_the_tasks_downstream(
    api, filled, alice, project, sources_of, put
):
    alice.create_snapshot_version(filled, label="1.0", activity={"name": "by hand"})
    before = alice.getProvenance(filled, 1)
    with DAG("release", schedule=None) as dag:
        release = SynapseTableSnapshotOperator(
            task_id="release", table_id=filled, version_label="1.0", if_unchanged="reuse"
        )
        rows = SynapseTableQueryOperator(
            task_id="rows",
            sql="select * from {{ ti.xcom_pull('release', key='id') }}."
            "{{ ti.xcom_pull('release', key='version') }}",
        )
        release >> rows
        SynapseStoreOperator(task_id="store", path=rows.output, parent_id=project)
    run = Run(api, dag).all()
    assert sources_of(run.value("store")["id"])[0] == [f"{filled}.1"]
    assert alice.getProvenance(filled, 1) == before


def test_parallel_tasks_with_one_label_create_one_snapshot(connection, filled, alice, tmp_path):
    arguments = {"table_id": filled, "version_label": "1.0", "if_unchanged": "reuse"}
    references = run_in_parallel(connection, tmp_path, "snapshot", [arguments] * 4)
    assert [one["version"] for one in references] == [1] * 4
    assert sorted(one["created"] for one in references) == [False, False, False, True]
    assert {one["activity_id"] for one in references} == {alice.getProvenance(filled, 1)["id"]}
    assert labels(alice, filled) == ["1.0"]


@pytest.fixture
def query(api, triggerer):
    """Run a single SynapseTableQueryOperator with snapshot_first in a new DAG run."""

    def run(**arguments):
        with DAG("query_unchanged", schedule=None) as dag:
            SynapseTableQueryOperator(task_id="query", snapshot_first=True, **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        return one.task("query"), one

    return run


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_query_reuses_the_snapshot_of_its_label(query, table_factory, alice, kind):
    table = table_factory.create(kind)
    arguments = {"sql": f"select * from {table}", "version_label": "1.0"}
    results = [query(**arguments, if_unchanged="reuse") for _ in range(2)]
    assert [result.state for result, _ in results] == ["success", "success"]
    first, second = (run.value("query") for _, run in results)
    assert (second["version"], second["md5"]) == (first["version"], first["md5"])
    assert labels(alice, table) == ["1.0"]
    table_factory.add_row(table)
    changed, _ = query(**arguments, if_unchanged="reuse")
    assert changed.state == "failed"
    assert "has changed" in str(changed.error)


def test_query_without_label_reuses_the_newest_snapshot(query, filled, alice):
    sql = f"select * from {filled}"
    versions = [query(sql=sql, if_unchanged="reuse")[1].value("query")["version"] for _ in "ab"]
    append_rows(alice, filled, [["d", 4]])
    versions.append(query(sql=sql, if_unchanged="reuse")[1].value("query")["version"])
    assert versions == [1, 1, 2]


def test_query_names_the_argument_for_a_used_label(query, filled, alice):
    alice.create_snapshot_version(filled, label="1.0")
    result, _ = query(sql=f"select * from {filled}", version_label="1.0", retries=3)
    assert result.state == "failed"
    assert "if_unchanged='reuse'" in str(result.error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"if_unchanged": "reuse"}, "if_unchanged requires snapshot_first=True"),
        ({"version_label": "1.0"}, "version_label requires snapshot_first=True"),
        ({"snapshot_first": True, "if_unchanged": "skip"}, "expected one of snapshot, reuse"),
    ],
)
def test_query_arguments_that_do_not_fit_fail_at_dag_parsing(arguments, message):
    with pytest.raises(ValueError, match=message):
        SynapseTableQueryOperator(task_id="query", sql="select * from syn1", **arguments)
