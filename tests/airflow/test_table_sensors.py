"""Tests of the table sensors in workers and in the triggerer."""

import json
from itertools import count

import pytest
from airflow.sdk import DAG
from support.execution_api import Run, fire_trigger
from support.prepared_entities import append_rows, create_table
from support.table_types import TABLE_TYPES, VIEW_TYPES

from synapse_workflows import (
    Column,
    SynapseTableChangeSensor,
    SynapseTableQueryOperator,
    SynapseTableRowsSensor,
)

RUNS = count(1)


@pytest.fixture
def table(alice, project):
    columns = [Column(name="n", columnType="INTEGER")]
    table = create_table(alice, project, "Watched", columns)
    append_rows(alice, table, [[1]])
    return table


@pytest.fixture
def wait(api):
    """Create a run of a single sensor."""

    def make(kind, **arguments):
        defaults = {"mode": "reschedule", "poke_interval": 0.1, "timeout": 60}
        with DAG("wait", schedule=None) as dag:
            kind(task_id="wait", retries=5, **(defaults | arguments))
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


def rows(table, more=""):
    return f"select * from {table} {more}"


def test_rows_sensor_waits_for_rows(wait, table, alice):
    run = wait(SynapseTableRowsSensor, sql=rows(table, "where n > {{ 0 + 1 }}"), min_rows=2)
    assert run.task("wait").state == "up_for_reschedule"
    append_rows(alice, table, [[2]])
    assert run.task("wait").state == "up_for_reschedule"
    append_rows(alice, table, [[3]])
    assert run.task("wait").state == "success"
    assert run.value("wait") == {"id": table, "rows": 2}


def test_sensor_records_no_lineage(wait, table):
    run = wait(SynapseTableRowsSensor, sql=rows(table))
    assert run.task("wait").state == "success"
    assert run.record("wait") is None


def test_rows_sensor_waits_in_the_triggerer(wait, table, alice, triggerer):
    run = wait(SynapseTableRowsSensor, sql=rows(table), min_rows=2, deferrable=True)
    deferred = run.task("wait")
    assert deferred.state == "deferred"
    append_rows(alice, table, [[2]])
    event = fire_trigger(deferred)
    assert event == {"rows": 2}
    assert run.task("wait", event=event).state == "success"
    assert run.value("wait") == {"id": table, "rows": 2}


def test_sensor_does_not_defer_when_rows_exist(wait, table):
    run = wait(SynapseTableRowsSensor, sql=rows(table), deferrable=True)
    assert run.task("wait").state == "success"


def test_error_in_the_triggerer_is_raised_in_the_worker(wait, table, alice, triggerer):
    run = wait(SynapseTableRowsSensor, sql=rows(table, "where n > 5"), deferrable=True)
    deferred = run.task("wait", max_tries=5)
    alice.delete(table)
    failed = run.task("wait", max_tries=5, event=fire_trigger(deferred))
    assert failed.state == "failed"
    assert failed.error.status == 404


@pytest.mark.parametrize("query", ["select 1", "select nothing from {table}"])
def test_invalid_query_fails_without_retry(wait, table, query):
    run = wait(SynapseTableRowsSensor, sql=query.format(table=table))
    assert run.task("wait", max_tries=5).state == "failed"


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from {table} where n > 5",
        "SELECT 'group by', 1 + Max (n) as \"having\" FROM {table}",
        "select sum(n) from {table} order by 1 limit 1",
        "select 'some' from {table} order by count(*)",
    ],
)
@pytest.mark.parametrize("more", [{}, {"soft_fail": True}, {"deferrable": True}])
def test_aggregate_query_fails_without_retry(wait, table, query, more):
    run = wait(SynapseTableRowsSensor, sql=query.format(table=table), **more)
    result = run.task("wait", max_tries=5)
    assert result.state == "failed"
    assert f"`select * from {table} where ...`" in str(result.error)
    assert "min_rows" in str(result.error)


@pytest.mark.parametrize(
    "query",
    [
        "select n, count(*) from {table} where n > 1 group  by n",
        "select count(*) from {table} having count(*) > 1",
        "select n as \"max(n)\", 'sum(n)' from {table} where n > 1",
    ],
)
def test_grouped_query_is_accepted(wait, table, alice, query):
    run = wait(SynapseTableRowsSensor, sql=query.format(table=table))
    assert run.task("wait").state == "up_for_reschedule"
    add_row(alice, table)
    assert run.task("wait").state == "success"


@pytest.mark.parametrize("more", [{}, {"soft_fail": True}, {"deferrable": True}])
def test_change_sensor_rejects_a_version(wait, table, alice, more):
    create_snapshot(alice, table)
    result = wait(SynapseTableChangeSensor, table_id=f"{table}.1", **more).task(
        "wait", max_tries=5
    )
    assert result.state == "failed"
    assert f"Pass '{table}' to use the current state" in str(result.error)


@pytest.mark.parametrize("more", [{}, {"soft_fail": True}, {"deferrable": True}])
def test_invalid_state_fails_without_retry(wait, table, more):
    run = wait(SynapseTableChangeSensor, table_id=table, since={"version": "x"}, **more)
    result = run.task("wait", max_tries=5)
    assert result.state == "failed"
    assert "Invalid since" in str(result.error)


def test_version_of_a_reference_is_ignored(wait, table):
    reference = {"id": table, "version": 1}
    run = wait(SynapseTableChangeSensor, table_id=reference)
    assert run.task("wait").state == "up_for_reschedule"


def add_row(alice, table):
    append_rows(alice, table, [[2]])


def create_snapshot(alice, table):
    alice.create_snapshot_version(table)


def add_column(alice, table):
    schema = alice.get(table)
    schema.addColumn(Column(name="more", columnType="STRING"))
    alice.store(schema)


@pytest.mark.parametrize("change", [add_row, create_snapshot, add_column])
def test_change_sensor_waits_for_a_change(wait, table, alice, change):
    run = wait(SynapseTableChangeSensor, table_id=table)
    assert run.task("wait").state == "up_for_reschedule"
    assert run.task("wait").state == "up_for_reschedule"
    change(alice, table)
    assert run.task("wait").state == "success"
    assert run.value("wait")["version"] == (2 if change is create_snapshot else 1)


def test_change_sensor_waits_in_the_worker(wait, table, alice, api):
    """A row is added after the sensor has saved its first state."""
    run = wait(SynapseTableChangeSensor, table_id=table, mode="poke", poke_interval=0.02)
    store_state = api._store

    def add_row_after_save(request, parts, body):
        result = store_state(request, parts, body)
        if (request.method, parts[2]) == ("PUT", "synapse_table_state"):
            add_row(alice, table)
        return result

    api._store = add_row_after_save
    assert run.task("wait").state == "success"
    assert run.value("wait")["version"] == 1


def test_change_since_a_given_state_is_detected_at_once(wait, table, alice):
    first = wait(SynapseTableChangeSensor, table_id=table)
    first.task("wait")
    add_row(alice, table)
    first.task("wait")
    known = first.value("wait")
    second = wait(SynapseTableChangeSensor, table_id=table, since=known)
    assert second.task("wait").state == "up_for_reschedule"
    add_row(alice, table)
    third = wait(SynapseTableChangeSensor, table_id=table, since=known)
    assert third.task("wait").state == "success"
    assert third.value("wait")["etag"] != known["etag"]


@pytest.mark.parametrize("kind", VIEW_TYPES)
def test_change_sensor_waits_for_changes_in_a_view(wait, table_factory, kind):
    view = table_factory.create(kind)
    run = wait(SynapseTableChangeSensor, table_id=view)
    assert run.task("wait").state == "up_for_reschedule"
    assert run.task("wait").state == "up_for_reschedule"
    table_factory.add_row(view)
    assert run.task("wait").state == "success"
    digest = {"digest"} if kind != "materializedview" else set()
    assert run.value("wait").keys() == {"id", "version", "etag"} | digest


@pytest.mark.parametrize("kind", VIEW_TYPES)
def test_change_sensor_waits_for_a_view_in_the_triggerer(wait, table_factory, kind, triggerer):
    view = table_factory.create(kind)
    run = wait(SynapseTableChangeSensor, table_id=view, deferrable=True)
    deferred = run.task("wait")
    table_factory.add_row(view)
    assert run.task("wait", event=fire_trigger(deferred)).state == "success"
    assert run.value("wait")["id"] == view


@pytest.mark.parametrize("kind", TABLE_TYPES)
@pytest.mark.parametrize("deferrable", [False, True])
def test_rows_sensor_supports_every_table_type(wait, table_factory, kind, deferrable, triggerer):
    table = table_factory.create(kind)
    query = f"select n from {table} where n > 1"
    run = wait(SynapseTableRowsSensor, sql=query, deferrable=deferrable)
    result = run.task("wait")
    assert result.state == ("deferred" if deferrable else "up_for_reschedule")
    table_factory.add_row(table)
    event = fire_trigger(result) if deferrable else None
    assert run.task("wait", event=event).state == "success"
    assert run.value("wait") == {"id": table, "rows": 1}


def test_since_accepts_the_result_of_a_query(wait, table, alice, api):
    with DAG("ask", schedule=None) as dag:
        SynapseTableQueryOperator(task_id="ask", sql=f"select * from {table}")
    reference = Run(api, dag).all().value("ask")
    waiting = wait(SynapseTableChangeSensor, table_id=table, since=reference)
    assert waiting.task("wait").state == "up_for_reschedule"
    add_row(alice, table)
    assert waiting.task("wait").state == "success"


def test_change_sensor_waits_in_the_triggerer(wait, table, alice, triggerer):
    run = wait(SynapseTableChangeSensor, table_id=table, deferrable=True)
    deferred = run.task("wait")
    assert deferred.state == "deferred"
    add_row(alice, table)
    assert run.task("wait", event=fire_trigger(deferred)).state == "success"
    assert run.value("wait")["id"] == table
    assert run.value("wait")["etag"]


def test_token_is_not_stored_in_airflow(wait, table, connection, api):
    deferred = wait(SynapseTableChangeSensor, table_id=table, deferrable=True).task("wait")
    token = json.loads(connection)["password"]
    assert token not in deferred.msg.model_dump_json()
    assert not any(token in body for _, _, body in api.requests)
