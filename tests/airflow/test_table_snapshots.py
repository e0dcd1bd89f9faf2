"""Tests of SynapseTableSnapshotOperator with tables."""

import json
from itertools import count

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowNotFoundException
from support.execution_api import Run, fire_trigger
from support.prepared_entities import append_rows, create_table

from synapse_workflows import (
    Column,
    SynapseGetOperator,
    SynapseHook,
    SynapseTableSnapshotOperator,
    Table,
    synapse_asset,
)

RUNS = count(1)


class WorkerStoppedError(RuntimeError):
    """Simulated stop of the worker."""


class LateFailureError(RuntimeError):
    """Failure of a task after its work is done."""


def fail_once(context, result=None):
    if context["ti"].try_number == 1:
        raise LateFailureError


@pytest.fixture
def table(alice, project):
    """Table with two rows."""
    columns = [Column(name="name", columnType="STRING"), Column(name="n", columnType="INTEGER")]
    table = create_table(alice, project, "Measurements", columns)
    append_rows(alice, table, [["a", 1], ["b", 2]])
    return table


@pytest.fixture
def snapshot(api):
    """Run a single SynapseTableSnapshotOperator."""

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


def test_snapshot_has_the_given_label_and_comment(snapshot, table, alice):
    result, run = snapshot(
        table_id=table, version_label="{{ run_id }}", version_comment="of {{ task.task_id }}"
    )
    assert result.state == "success", result.error
    reference = run.value("freeze")
    assert (reference["id"], reference["version"]) == (table, 1)
    assert reference["label"] == run.run_id
    assert reference["comment"] == "of freeze"
    assert history(alice, table) == {1: run.run_id, 2: "in progress"}
    assert run.value("freeze", "synapse_entity_link").endswith(f"/Synapse:{table}.1")


def test_snapshot_is_created_with_its_activity(api, table, put, sources_of):
    raw_id = put()
    with DAG("freeze_after", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        create_snapshot = SynapseTableSnapshotOperator(task_id="freeze", table_id=table)
        raw >> create_snapshot
    run = Run(api, dag).all()
    used, executed = sources_of(table, 1)
    assert used == [raw_id]
    assert [name.rpartition("/")[2] for name in executed] != []
    assert run.value("freeze")["activity_id"] is not None


def test_snapshot_inherits_the_sources_of_stored_rows(api, table, put, sources_of):
    """The Activity lists the sources of the rows as used, not the table itself."""
    raw_id = put()
    with DAG("store_then_freeze", schedule=None) as dag:

        @task
        def rows():
            syn = SynapseHook().client
            syn.get(raw_id)
            syn.store(Table(table, [["c", 3]]))

        rows() >> SynapseTableSnapshotOperator(task_id="freeze", table_id=table)
    Run(api, dag).all()
    assert sources_of(table, 1)[0] == [raw_id]


def test_snapshot_through_the_hook_has_the_activity_of_the_task(
    api, table, put, alice, sources_of
):
    raw_id = put()
    with DAG("hooked", schedule=None) as dag:

        @task(outlets=[synapse_asset(table)])
        def create_snapshot():
            syn = SynapseHook().client
            syn.get(raw_id)
            return syn.create_snapshot_version(table, label="by hand")

        create_snapshot()
    Run(api, dag).all()
    assert history(alice, table)[1] == "by hand"
    assert sources_of(table, 1)[0] == [raw_id]
    (event,) = api.events
    activity = alice.getProvenance(table, 1)["id"]
    assert event["extra"] == {"version": 1, "name": "Measurements", "activity_id": activity}


@pytest.mark.parametrize("lineage_mode", ["auto", "off"])
def test_retry_creates_no_second_snapshot(snapshot, table, alice, lineage_mode):
    result, run = snapshot(2, table_id=table, post_execute=fail_once, lineage_mode=lineage_mode)
    assert result.state == "success"
    assert run.value("freeze")["version"] == 1
    assert list(history(alice, table)) == [2, 1]


def test_cleared_task_creates_another_snapshot(snapshot, table, alice):
    """Airflow raises `max_tries` of a task that is cleared."""
    _, run = snapshot(table_id=table)
    assert run.task("freeze", max_tries=1 + 5).state == "success"
    assert run.value("freeze")["version"] == 2
    first, second = alice.getProvenance(table, 1), alice.getProvenance(table, 2)
    assert first["id"] != second["id"]


def test_retry_after_lost_success_creates_no_second_snapshot(snapshot, table, alice, api):
    """The worker stops before it reports success to Airflow."""
    handle = api._task_instances

    def stop(request, parts, body):
        if parts[1:] == ["state"]:
            raise WorkerStoppedError
        return handle(request, parts, body)

    api._task_instances = stop
    arguments = {"if_unchanged": "skip", "outlets": [synapse_asset(table)]}
    _, run = snapshot(table_id=table, **arguments)
    assert api.events == []
    api._task_instances = handle
    assert run.task("freeze", max_tries=5).state == "success"
    assert run.value("freeze")["version"] == 1
    assert list(history(alice, table)) == [2, 1]
    assert [event["extra"]["version"] for event in api.events] == [1]


def test_snapshot_of_another_task_is_not_reused(snapshot, table, alice):
    """Another task creates a snapshot between the two tries."""

    def create_snapshot_before(context):
        if context["ti"].try_number == 2:
            alice.create_snapshot_version(table, label="another one")

    result, run = snapshot(
        2,
        table_id=table,
        version_label="nightly",
        post_execute=fail_once,
        pre_execute=create_snapshot_before,
    )
    assert result.state == "success"
    assert run.value("freeze")["version"] == 1
    assert history(alice, table) == {1: "nightly", 2: "another one", 3: "in progress"}


def test_asset_event_has_the_version(snapshot, table, api):
    _, run = snapshot(table_id=table, outlets=[synapse_asset(table)])
    (event,) = api.events
    assert event["asset"]["uri"] == f"syn://{table}"
    activity = run.value("freeze")["activity_id"]
    assert event["extra"] == {"version": 1, "name": "Measurements", "activity_id": activity}


def test_duplicate_label_fails_without_retry(snapshot, table):
    snapshot(table_id=table, version_label="once")
    result, _ = snapshot(table_id=table, version_label="once")
    assert result.state == "failed"
    assert "'once'" in str(result.error)


def test_snapshot_of_a_version_fails(snapshot, table, alice):
    alice.create_snapshot_version(table)
    result, _ = snapshot(table_id=f"{table}.1")
    assert result.state == "failed"
    assert f"Pass '{table}' to use the current state" in str(result.error)
    assert list(history(alice, table)) == [2, 1]


def test_version_of_a_reference_is_ignored(snapshot, table, alice):
    alice.create_snapshot_version(table)
    result, run = snapshot(table_id={"id": table, "version": 1})
    assert result.state == "success"
    assert run.value("freeze")["version"] == 2


def test_snapshot_of_a_file_fails_without_retry(snapshot, put):
    result, _ = snapshot(table_id=put().partition(".")[0])
    assert result.state == "failed"
    assert "which is a file" in str(result.error)


def test_retain_deletes_old_snapshots_with_the_prefix(snapshot, table, alice):
    alice.create_snapshot_version(table, label="release")
    for number in range(4):
        result, _ = snapshot(
            table_id=table, version_label=str(number), label_prefix="nightly ", retain=2
        )
        assert result.state == "success", result.error
    assert list(history(alice, table).values()) == [
        "in progress",
        "nightly 3",
        "nightly 2",
        "release",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        {"retain": 2},
        {"retain": 0, "label_prefix": "a", "version_label": "b"},
        {"retain": 2, "version_label": "b"},
    ],
)
def test_retain_requires_label_and_prefix(table, arguments):
    with pytest.raises(ValueError, match="retain"):
        SynapseTableSnapshotOperator(task_id="freeze", table_id=table, **arguments)


def test_unchanged_table_is_skipped_without_asset_event(snapshot, table, alice, api):
    """A skipped task emits no asset event."""
    arguments = {"if_unchanged": "skip", "outlets": [synapse_asset(table)]}
    states = [snapshot(table_id=table, **arguments)[0].state for _ in range(2)]
    assert states == ["success", "skipped"]
    assert len(api.events) == 1
    append_rows(alice, table, [["c", 3]])
    result, run = snapshot(table_id=table, **arguments)
    assert result.state == "success", result.error
    assert run.value("freeze")["version"] == 2
    assert [event["extra"]["version"] for event in api.events] == [1, 2]


def test_new_column_is_a_change(snapshot, table, alice):
    snapshot(table_id=table)
    schema = alice.get(table)
    schema.addColumn(Column(name="more", columnType="DOUBLE"))
    alice.store(schema)
    assert snapshot(table_id=table, if_unchanged="skip")[0].state == "success"


def test_annotation_is_not_a_change_of_the_rows(snapshot, table, alice):
    snapshot(table_id=table)
    schema = alice.get(table)
    schema.annotations["reviewed"] = "yes"
    alice.store(schema)
    assert snapshot(table_id=table, if_unchanged="skip")[0].state == "skipped"


@pytest.fixture
def deferred(api, table):
    """Run of a deferred task, and the result of its first part."""
    with DAG("freeze_later", schedule=None) as dag:
        SynapseTableSnapshotOperator(
            task_id="freeze",
            table_id=table,
            version_label="later",
            deferrable=True,
            poll_interval=0.05,
            retries=5,
        )
    run = Run(api, dag)
    result = run.task("freeze", max_tries=5)
    assert result.state == "deferred", result.error
    return run, result


def test_deferred_task_continues_after_the_trigger(deferred, triggerer, table, alice, sources_of):
    run, result = deferred
    event = fire_trigger(result)
    assert set(event) == {"job"}
    assert run.task("freeze", event=event).state == "success"
    reference = run.value("freeze")
    assert (reference["version"], reference["label"]) == (1, "later")
    assert alice.getProvenance(table, 1)["id"] == reference["activity_id"]
    assert len(sources_of(table, 1)[1]) == 1


def test_retry_waits_for_the_job_of_a_deferred_try(deferred, triggerer, table, alice):
    """The retry starts no second job."""
    run, before = deferred
    event = fire_trigger(before)
    again = run.task("freeze", max_tries=5)
    if again.state == "deferred":
        assert fire_trigger(again) == event
        again = run.task("freeze", event=event)
    assert again.state == "success"
    assert history(alice, table) == {1: "later", 2: "in progress"}


def test_retry_after_a_trigger_timeout_finds_the_snapshot(deferred, triggerer, table, alice):
    run, result = deferred
    fire_trigger(result)
    failed = run.task("freeze", max_tries=5, event={"job": "1", "error": "no answer"})
    assert failed.state == "up_for_retry"
    assert "no answer" in str(failed.error)
    assert run.task("freeze", max_tries=5).state == "success"
    assert list(history(alice, table)) == [2, 1]


def test_failed_job_fails_the_task_with_the_error_of_synapse(api, table, triggerer, alice):
    alice.create_snapshot_version(table, label="taken")
    with DAG("freeze_taken", schedule=None) as dag:
        SynapseTableSnapshotOperator(
            task_id="freeze", table_id=table, version_label="taken", deferrable=True
        )
    run = Run(api, dag)
    failed = run.task("freeze", event=fire_trigger(run.task("freeze")))
    assert failed.state == "failed"
    assert "'taken'" in str(failed.error)
    assert list(history(alice, table)) == [2, 1]


def test_trigger_arguments_contain_no_token(deferred, api, connection):
    _, result = deferred
    token = json.loads(connection)["password"]
    assert "token" not in result.msg.model_dump_json()
    assert not any(token in body or token in url for _, url, body in api.requests)


def test_trigger_without_a_connection_fires_an_error(deferred):
    with pytest.raises(AirflowNotFoundException, match="synapse_default"):
        fire_trigger(deferred[1])
