"""Tests of SynapseTableQueryOperator that waits in the triggerer."""

from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from airflow.sdk import DAG, AssetAlias
from support.execution_api import Run, fire_trigger
from support.prepared_entities import append_rows
from support.table_types import TABLE_TYPES

from synapse_workflows import SynapseStoreOperator, SynapseTableQueryOperator

RUNS = count(1)


@pytest.fixture
def run_of(api, triggerer):
    """Create the run of a single deferrable SynapseTableQueryOperator."""

    def make(**arguments):
        with DAG("query_later", schedule=None) as dag:
            SynapseTableQueryOperator(
                task_id="query", deferrable=True, poll_interval=0.05, retries=5, **arguments
            )
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


def defer(run):
    result = run.task("query", max_tries=5)
    assert result.state == "deferred", result.error
    return result


@pytest.mark.parametrize("file_format", ["csv", "tsv", "jsonl", "parquet"])
def test_result_is_downloaded_after_the_trigger(run_of, filled, tmp_path, file_format):
    target = tmp_path / f"rows.{file_format}"
    run = run_of(sql=f"select * from {filled}", output_path=str(target))
    deferred = defer(run)
    assert not target.exists()
    event = fire_trigger(deferred)
    assert set(event) == {"job"}
    result = run.task("query", event=event)
    assert result.state == "success", result.error
    reference = run.value("query")
    assert (reference["rows"], reference["version"]) == (3, 1)
    assert (reference["path"], reference["file_format"]) == (str(target), file_format)
    assert target.stat().st_size == reference["size"]


def test_retry_continues_with_the_same_job(run_of, filled, alice):
    """The rows are those of the time when the query started."""
    run = run_of(sql=f"select * from {filled}")
    first = defer(run)
    event = fire_trigger(first)
    append_rows(alice, filled, [["d", 4]])
    again = defer(run)  # the worker or the triggerer was killed
    assert fire_trigger(again) == event
    assert run.task("query", event=event).state == "success"
    assert run.value("query")["rows"] == 3


def test_snapshot_that_was_created_while_the_task_waited_is_the_version(run_of, filled, alice):
    run = run_of(sql=f"select * from {filled}")
    event = fire_trigger(defer(run))
    assert alice.create_snapshot_version(filled) == 1
    append_rows(alice, filled, [["d", 4]])
    assert run.task("query", max_tries=5, event=event).state == "success"
    assert (run.value("query")["rows"], run.value("query")["version"]) == (3, 1)
    (used,) = run.record("query")["used"]
    assert used["version"] == 1
    assert "open" not in used


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_rows_that_no_snapshot_has_for_certain_are_of_the_open_version(
    run_of, table_factory, alice, kind
):
    table = table_factory.create(kind)
    run = run_of(sql=f"select n from {table}")
    event = fire_trigger(defer(run))
    table_factory.add_row(table)
    alice.create_snapshot_version(table)
    assert run.task("query", max_tries=5, event=event).state == "success"
    assert (run.value("query")["rows"], run.value("query")["version"]) == (1, 2)
    (used,) = run.record("query")["used"]
    assert (used["version"], used["open"]) == (2, True)


class WorkerStoppedError(RuntimeError):
    """Simulated stop of the worker."""


@pytest.mark.parametrize("after", [False, True])
def test_worker_stopped_at_the_save_of_the_job(run_of, filled, api, after):
    """Before the save, the retry starts another query; after the save, it continues."""
    save, bodies = api._store, []

    def stop(request, parts, body):
        if request.method != "PUT" or not parts[2].startswith("synapse_query"):
            return save(request, parts, body)
        bodies.append(body)
        api._store = save
        if after:
            save(request, parts, body)
        raise WorkerStoppedError

    api._store = stop
    run = run_of(sql=f"select * from {filled}")
    assert run.task("query", max_tries=5).state == "up_for_retry"
    event = fire_trigger(defer(run))
    job = f'"job": "{event["job"]}"'
    assert (job in bodies[0] or job.replace(" ", "") in bodies[0]) is after
    assert run.task("query", event=event).state == "success"
    assert run.value("query")["rows"] == 3


def test_cleared_task_starts_another_job(run_of, filled, alice):
    run = run_of(sql=f"select * from {filled}")
    event = fire_trigger(defer(run))
    assert run.task("query", event=event).state == "success"
    append_rows(alice, filled, [["d", 4]])
    result = run.task("query", max_tries=6)
    assert result.state == "deferred"
    other = fire_trigger(result)
    assert other != event
    assert run.task("query", max_tries=6, event=other).state == "success"
    assert run.value("query")["rows"] == 4


def test_failed_query_is_started_again(run_of, filled):
    """The job of a try failed: the next try must not continue with it."""
    run = run_of(sql=f"select * from {filled}")
    defer(run)
    result = run.task("query", max_tries=5, event={"job": "987654"})
    assert result.state in ("failed", "up_for_retry")
    event = fire_trigger(defer(run))
    assert run.task("query", event=event).state == "success"


def test_rejected_query_fails_without_retry(run_of, filled):
    run = run_of(sql=f"select nothing from {filled}")
    result = run.task("query", max_tries=5)
    if result.state == "deferred":
        result = run.task("query", max_tries=5, event=fire_trigger(result))
    assert result.state == "failed"
    assert "nothing" in str(result.error)


def test_error_of_the_trigger_is_retried(run_of, filled):
    run = run_of(sql=f"select * from {filled}")
    event = fire_trigger(defer(run))
    failed = run.task("query", max_tries=5, event={**event, "error": "no answer"})
    assert failed.state == "up_for_retry"
    assert "no answer" in str(failed.error)
    assert fire_trigger(defer(run)) == event
    assert run.task("query", event=event).state == "success"


@pytest.mark.parametrize("policy", ["snapshot", "reuse"])
def test_snapshot_first_queries_one_snapshot(
    api, triggerer, filled, alice, project, sources_of, policy
):
    """The table changes while the task waits; the events are emitted after the deferral."""
    with DAG("release_later", schedule=None) as dag:
        rows = SynapseTableQueryOperator(
            task_id="query",
            sql=f"select * from {filled}",
            snapshot_first=True,
            if_unchanged=policy,
            version_label="1.0",
            deferrable=True,
            poll_interval=0.05,
            outlets=[AssetAlias("snapshots")],
        )
        SynapseStoreOperator(task_id="store", path=rows.output, parent_id=project)
    run = Run(api, dag)
    event = fire_trigger(defer(run))
    append_rows(alice, filled, [["d", 4]])
    result = run.task("query", event=event)
    assert result.state == "success", result.error
    reference = run.value("query")
    assert (reference["version"], reference["rows"]) == (1, 3)
    assert reference["query"] == f"select * from {filled}.1"
    assert [one["extra"]["version"] for one in api.events] == [1]
    assert run.task("store").state == "success"
    assert sources_of(run.value("store")["id"])[0] == [f"{filled}.1"]
    assert alice.getProvenance(filled, 1)["name"] == "release_later.query"


def test_execution_timeout_includes_the_deferral(run_of, filled):
    run = run_of(sql=f"select * from {filled}", execution_timeout=timedelta(seconds=60))
    result = defer(run)
    assert result.msg.trigger_timeout <= timedelta(seconds=60)


def test_timeout_limits_the_deferral(run_of, filled):
    run = run_of(sql=f"select * from {filled}", timeout=30)
    result = defer(run)
    assert result.msg.trigger_timeout == timedelta(seconds=30)
    failed = run.task("query", max_tries=5, timed_out=True)
    assert failed.state == "up_for_retry"
    assert "timeout=30 s" in str(failed.error)


@pytest.mark.parametrize("argument", ["timeout", "poll_interval"])
def test_times_must_be_positive(argument):
    with pytest.raises(ValueError, match=f"Invalid {argument}=0"):
        SynapseTableQueryOperator(task_id="query", sql="select * from syn1", **{argument: 0})


def test_missing_directory_is_created_after_the_deferral(run_of, filled, tmp_path):
    run = run_of(sql=f"select * from {filled}", download_dir=str(tmp_path / "a" / "b"))
    event = fire_trigger(defer(run))
    assert run.task("query", event=event).state == "success"
    assert Path(run.value("query")["path"]).parent == tmp_path / "a" / "b"
