"""Tests of SynapseTableStoreOperator that waits in the triggerer."""

from itertools import count

import pytest
from airflow.sdk import DAG
from support.execution_api import Run, fire_trigger

from synapse_workflows import (
    Row,
    RowSet,
    SynapseTableStoreOperator,
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


def before_start(api, action):
    """Call a function once, after the rows are uploaded and before the job is started."""
    save, calls = api._store, []

    def answer(request, parts, body):
        result = save(request, parts, body)
        is_pending = request.method == "PUT" and '"pending"' in body
        if is_pending and not calls:
            calls.append(True)
            action()
        return result

    api._store = answer


def change_row(alice, table):
    """Change the row with n = 2, as another writer does."""
    row_id, version, *_ = next(iter(alice.tableQuery(f"select * from {table} where n = 2")))
    rows = [Row(["changed", 2], row_id, version)]
    headers = list(alice.getTableColumns(table))
    alice.store(RowSet(schema=alice.get(table), headers=headers, rows=rows))


@pytest.mark.parametrize("mode", ["upsert", "replace", "mirror"])
def test_stale_rows_are_compared_again(run_of, filled, rows_of, alice, api, mode):
    """Another writer changes a row, so that the job fails; the task defers a second time."""
    arguments, expected, _ = MODES[mode]
    run = run_of(table_id=filled, rows=GIVEN, **arguments)
    before_start(api, lambda: change_row(alice, filled))
    first = fire_trigger(defer(run))
    again = run.task("store", max_tries=5, event=first)
    assert again.state == "deferred", again.error
    second = fire_trigger(again)
    assert second != first
    result = run.task("store", max_tries=5, event=second)
    assert result.state == "success", result.error
    assert rows_of(filled) == expected


@pytest.mark.parametrize("mode", MODES)
def test_rejected_rows_are_not_sent_again(run_of, filled, alice, api, mode):
    """The column of the rows is deleted meanwhile: the job fails, and so does the task."""
    arguments, _, _ = MODES[mode]
    run = run_of(table_id=filled, rows=GIVEN, **arguments)

    def delete_column():
        schema = alice.get(filled)
        schema.removeColumn(
            next(one for one in alice.getTableColumns(filled) if one.name == "a name")
        )
        alice.store(schema)

    before_start(api, delete_column)
    event = fire_trigger(defer(run))
    result = run.task("store", max_tries=5, event=event)
    assert result.state in ("failed", "up_for_retry")
    assert "a name" in str(result.error)
    rows = alice.tableQuery(f"select n from {filled}", includeRowIdAndRowVersion=False)
    assert list(rows) == [[1], [2], [3]]


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
