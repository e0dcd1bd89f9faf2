"""Answers of tables as sources: which version is named by what was made of them."""

import shutil
from itertools import count
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run
from support.table_types import TABLE_TYPES

from synapse_workflows import (
    File,
    Project,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableSnapshotOperator,
    SynapseTableStoreOperator,
    local_path,
)

RUNS = count(1)


@pytest.fixture
def summary(tmp_path):
    """A file that a task writes."""
    return str(tmp_path / "summary.txt")


@pytest.fixture
def elsewhere(alice, project):
    """A project that no view shows."""
    return alice.store(Project(f"Beside {project}")).id


@pytest.fixture
def pipeline(api, elsewhere, summary):
    """A query, a task that makes a file of its answer, and the store of that."""

    def make(query, **arguments):
        with DAG("summarise", schedule=None) as dag:

            @task
            def summarise(reference):
                text = Path(local_path(reference)).read_bytes()
                Path(summary).write_text(f"{len(text)} bytes")
                return summary

            asked = SynapseTableQueryOperator(task_id="ask", sql=query, **arguments)
            made = summarise(asked.output)
            SynapseStoreOperator(task_id="store", path=made, parent_id=elsewhere)
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_what_is_made_of_an_answer_names_the_version_that_answered(
    pipeline, kinds, kind, alice, sources_of
):
    """First the one that still changes, then a snapshot, then one that the query made itself."""
    shown = kinds.make(kind)
    run = pipeline(f"select * from {shown}").all()
    stored = run.value("store")["id"]
    used, executed = sources_of(stored)
    assert used == [f"{shown}.1"]
    assert len(executed) == 1

    alice.create_snapshot_version(shown)
    kinds.add(shown)
    run = pipeline(f"select n from {shown}.1").all()
    assert run.value("ask")["rows"] == 1
    assert sources_of(stored)[0] == [f"{shown}.1"]

    run = pipeline(f"select n from {shown}", snapshot_first=True).all()
    assert run.value("ask")["rows"] == 2
    assert sources_of(stored)[0] == [f"{shown}.2"]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_another_worker_that_asks_again_names_the_same_version(
    pipeline, kinds, alice, worker, sources_of, file_format
):
    """Somebody freezes the table meanwhile: its rows are those of the number after that, too."""
    table = kinds.make("table")
    run = pipeline(f"select * from {table}", output_format=file_format)
    run.task("ask")
    shutil.rmtree(worker)
    alice.create_snapshot_version(table)
    assert run.task("summarise").state == "success"
    assert run.task("store").state == "success"
    assert sources_of(run.value("store")["id"])[0] == [f"{table}.1"]


def test_plain_code_that_queries_and_stores_names_what_it_asked(
    api, kinds, project, summary, sources_of
):
    table, view = kinds.make("table"), kinds.make("entityview")
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


def test_rows_that_are_stored_name_the_table_they_are_from(api, kinds, alice, sources_of):
    source, target = kinds.make("submissionview"), kinds.make("table")
    with DAG("copy_rows", schedule=None) as dag:
        asked = SynapseTableQueryOperator(
            task_id="ask", sql=f"select n from {source}", snapshot_first=True
        )
        SynapseTableStoreOperator(task_id="store", table_id=target, rows=asked.output)
    run = Run(api, dag).all()
    assert run.value("store")["added"] == 1
    used, executed = sources_of(target)
    assert used == [f"{source}.1"]
    assert len(executed) == 1


def test_a_snapshot_names_what_its_rows_were_made_of(api, kinds, alice, sources_of):
    """The rows are stored by one run and frozen by another, which knows no more than Synapse."""
    source, target = kinds.make("dataset"), kinds.make("table")
    with DAG("fill", schedule=None) as fill:
        asked = SynapseTableQueryOperator(task_id="ask", sql=f"select n from {source}")
        SynapseTableStoreOperator(task_id="store", table_id=target, rows=asked.output)
    Run(api, fill).all()
    with DAG("freeze", schedule=None) as freeze:
        SynapseTableSnapshotOperator(task_id="freeze", table_id=target)
    made = Run(api, freeze).all().value("freeze")
    assert sources_of(target, made["version"])[0] == [f"{source}.1"]
    assert alice.getProvenance(target, made["version"])["name"] == "freeze.freeze"


def test_lineage_that_is_off_names_nothing(api, kinds, project, alice):
    table = kinds.make("table")
    with DAG("silent", schedule=None) as dag:
        asked = SynapseTableQueryOperator(
            task_id="ask", sql=f"select * from {table}", lineage_mode="off"
        )
        SynapseStoreOperator(
            task_id="store", path=asked.output, parent_id=project, lineage_mode="off"
        )
    stored = Run(api, dag).all().value("store")
    assert "activity_id" not in stored
    assert stored["version"] == 1
