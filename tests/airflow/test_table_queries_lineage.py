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
def test_derived_file_uses_the_queried_version(pipeline, table_factory, kind, alice, sources_of):
    """First the one that still changes, then a snapshot, then one that the query made itself."""
    shown = table_factory.create(kind)
    run = pipeline(f"select * from {shown}").all()
    stored = run.value("store")["id"]
    used, executed = sources_of(stored)
    assert used == [f"{shown}.1"]
    assert len(executed) == 1

    alice.create_snapshot_version(shown)
    table_factory.add_row(shown)
    run = pipeline(f"select n from {shown}.1").all()
    assert run.value("ask")["rows"] == 1
    assert sources_of(stored)[0] == [f"{shown}.1"]

    run = pipeline(f"select n from {shown}", snapshot_first=True).all()
    assert run.value("ask")["rows"] == 2
    assert sources_of(stored)[0] == [f"{shown}.2"]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_repeated_query_uses_the_version_of_the_reference(
    pipeline, table_factory, alice, worker, sources_of, file_format
):
    """Somebody freezes the table meanwhile: its rows are those of the number after that, too."""
    table = table_factory.create("table")
    run = pipeline(f"select * from {table}", output_format=file_format)
    run.task("ask")
    shutil.rmtree(worker)
    alice.create_snapshot_version(table)
    assert run.task("summarise").state == "success"
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
        asked = SynapseTableQueryOperator(
            task_id="ask", sql=f"select n from {source}", snapshot_first=True
        )
        SynapseTableStoreOperator(task_id="store", table_id=target, rows=asked.output)
    run = Run(api, dag).all()
    assert run.value("store")["added"] == 1
    used, executed = sources_of(target)
    assert used == [f"{source}.1"]
    assert len(executed) == 1


def test_snapshot_uses_the_sources_of_its_rows(api, table_factory, alice, sources_of):
    """The rows are stored by one run and frozen by another, which knows no more than Synapse."""
    source, target = table_factory.create("dataset"), table_factory.create("table")
    with DAG("fill", schedule=None) as fill:
        asked = SynapseTableQueryOperator(task_id="ask", sql=f"select n from {source}")
        SynapseTableStoreOperator(task_id="store", table_id=target, rows=asked.output)
    Run(api, fill).all()
    with DAG("freeze", schedule=None) as create_snapshot:
        SynapseTableSnapshotOperator(task_id="freeze", table_id=target)
    made = Run(api, create_snapshot).all().value("freeze")
    assert sources_of(target, made["version"])[0] == [f"{source}.1"]
    assert alice.getProvenance(target, made["version"])["name"] == "freeze.freeze"


def test_lineage_mode_off_records_nothing(api, table_factory, project, alice):
    table = table_factory.create("table")
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
