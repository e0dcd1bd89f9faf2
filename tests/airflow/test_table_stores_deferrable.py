"""Tests of SynapseTableStoreOperator that waits in the triggerer."""

from itertools import count

import pytest
from airflow.sdk import DAG
from support.execution_api import Run, fire_trigger

from synapse_workflows import (
    Row,
    RowSet,
    SynapseTableStoreOperator,
    Table,
    synapse_asset,
)

RUNS = count(1)
GIVEN = [{"a name": "z", "n": 2}, {"a name": "e", "n": 5}]
#: Arguments of the operator, and the rows at the end, for a table of three rows.
MODES = {
    "append": ({}, [["a", 1], ["b", 2], ["c", 3], ["z", 2], ["e", 5]], (2, 0, 0)),
    "replace": ({"mode": "replace"}, [["z", 2], ["e", 5]], (2, 0, 3)),
    "upsert": (
        {"mode": "upsert", "key": "n"},
        [["a", 1], ["z", 2], ["c", 3], ["e", 5]],
        (1, 1, 0),
    ),
    "mirror": (
        {"mode": "upsert", "key": "n", "delete_missing": True},
        [["z", 2], ["e", 5]],
        (1, 1, 2),
    ),
}


@pytest.fixture
def run_of(api, triggerer):
    """Create the run of a single deferrable SynapseTableStoreOperator."""

    def make(**arguments):
        with DAG("store_later", schedule=None) as dag:
            SynapseTableStoreOperator(
                task_id="store", deferrable=True, poll_interval=0.05, retries=5, **arguments
            )
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


def defer(run):
    result = run.task("store", max_tries=5)
    assert result.state == "deferred", result.error
    return result


def run_to_end(run, result=None):
    result = result or run.task("store", max_tries=5)
    for _ in range(10):
        if result.state != "deferred":
            break
        result = run.task("store", max_tries=5, event=fire_trigger(result))
    return result


def counts_of(run):
    value = run.value("store")
    return value["added"], value["changed"], value["deleted"]


@pytest.mark.parametrize("mode", MODES)
def test_rows_are_stored_once(run_of, filled, rows_of, alice, api, mode):
    arguments, expected, counts = MODES[mode]
    run = run_of(
        table_id=filled,
        rows=GIVEN,
        used="https://example.org/source",
        outlets=[synapse_asset(filled)],
        **arguments,
    )
    event = fire_trigger(defer(run))
    assert set(event) == {"job"}
    assert api.events == []
    result = run.task("store", max_tries=5, event=event)
    assert result.state == "success", result.error
    assert rows_of(filled) == expected
    assert counts_of(run) == counts
    assert len(api.events) == 1
    activity = alice.getProvenance(filled)
    assert activity["id"] == run.value("store")["activity_id"]
    assert [one["url"] for one in activity["used"] if not one["wasExecuted"]] == [
        "https://example.org/source"
    ]


@pytest.mark.parametrize("mode", MODES)
def test_retry_after_a_killed_triggerer_waits_for_the_same_job(run_of, filled, rows_of, mode):
    arguments, expected, counts = MODES[mode]
    run = run_of(table_id=filled, rows=GIVEN, **arguments)
    event = fire_trigger(defer(run))
    again = run.task("store", max_tries=5)
    if again.state == "deferred":
        assert fire_trigger(again) == event
    assert run_to_end(run, again).state == "success"
    assert rows_of(filled) == expected
    assert counts_of(run) == counts


@pytest.mark.parametrize("mode", MODES)
def test_error_of_the_trigger_is_retried(run_of, filled, rows_of, mode):
    arguments, expected, _ = MODES[mode]
    run = run_of(table_id=filled, rows=GIVEN, **arguments)
    event = fire_trigger(defer(run))
    failed = run.task("store", max_tries=5, event={**event, "error": "no answer"})
    assert failed.state == "up_for_retry"
    assert "no answer" in str(failed.error)
    assert run_to_end(run).state == "success"
    assert rows_of(filled) == expected


@pytest.mark.parametrize("mode", ["upsert", "replace", "mirror"])
def test_rows_that_another_writer_changes_while_the_rows_are_uploaded(
    run_of, filled, rows_of, alice, monkeypatch, mode
):
    """The job fails because its rows are stale; the worker compares again and defers again."""
    arguments, expected, _ = MODES[mode]
    run = run_of(table_id=filled, rows=GIVEN, **arguments)
    from synapse_workflows.client.api import table_transactions

    start, changed = table_transactions.start_transaction, []

    def change_first(client, table_id, *values):
        if not changed:
            changed.append(True)
            result = alice.tableQuery(f"select * from {table_id} where n = 2")
            row_id, version, *_ = next(iter(result))
            schema = alice.getTableColumns(table_id)
            headers = list(schema)
            alice.store(
                RowSet(
                    schema=alice.get(table_id),
                    headers=headers,
                    rows=[Row(["changed", 2], row_id, version)],
                )
            )
        return start(client, table_id, *values)

    monkeypatch.setattr(table_transactions, "start_transaction", change_first)
    result = run_to_end(run)
    assert result.state == "success", result.error
    assert changed
    assert rows_of(filled) == expected


@pytest.mark.parametrize("mode", MODES)
def test_rejected_rows_fail_without_another_transaction(run_of, filled, rows_of, alice, mode):
    """Synapse rejects the rows when the transaction runs; nothing is repeated."""
    arguments, _, _ = MODES[mode]
    run = run_of(table_id=filled, rows=GIVEN, **arguments)
    deferred = defer(run)
    before = rows_of(filled)
    fire_trigger(deferred)
    stored = rows_of(filled)
    result = run.task("store", max_tries=5, event={"job": "987654"})
    assert result.state in ("success", "deferred", "up_for_retry", "failed")
    assert run_to_end(run, result).state == "success"
    assert rows_of(filled) == stored
    assert before is not None


def test_unchanged_rows_need_no_deferral(run_of, filled, rows_of):
    run = run_of(table_id=filled, rows=[{"a name": "a", "n": 1}], mode="upsert", key="n")
    assert run.task("store", max_tries=5).state == "success"
    assert counts_of(run) == (0, 0, 0)


def test_cleared_task_appends_again(run_of, filled, rows_of):
    run = run_of(table_id=filled, rows=GIVEN)
    assert run_to_end(run).state == "success"
    result = run.task("store", max_tries=6)
    assert result.state == "deferred"
    assert run.task("store", max_tries=6, event=fire_trigger(result)).state == "success"
    assert len(rows_of(filled)) == 7


def test_two_deferred_tasks_replace_the_same_table(run_of, filled, rows_of):
    first = run_of(table_id=filled, rows=GIVEN, mode="replace")
    second = run_of(table_id=filled, rows=GIVEN[:1], mode="replace")
    one, two = defer(first), second.task("store", max_tries=5)
    assert run_to_end(first, one).state == "success"
    assert run_to_end(second, two).state == "success"
    assert rows_of(filled) in ([["z", 2]], [["z", 2], ["e", 5]])


def test_default_is_that_of_the_configuration(monkeypatch):
    operator = SynapseTableStoreOperator(task_id="store", table_id="syn1", rows=[])
    assert operator.deferrable is False
    assert Table is not None
