"""Lineage of a table to which several tasks have stored rows since its last snapshot."""

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import SynapseHook, Table
from synapse_workflows.client.errors import SynapseNotFoundError


@pytest.fixture
def store_from(store_rows, table, put):
    """Store rows in the table with a new file as source; return the file as `syn123.1`."""

    def store(name, rows, **arguments):
        source = put(name)
        result, _ = store_rows(table_id=table, rows=rows, used=source, **arguments)
        assert result.state == "success", result.error
        return source

    return store


A, B = [{"a name": "a", "n": 1}], [{"a name": "b", "n": 2}]


@pytest.mark.parametrize("mode", [{}, {"mode": "upsert", "key": "n"}])
def test_second_store_adds_its_sources(store_from, table, sources_of, mode):
    first, second = store_from("a.csv", A), store_from("b.csv", B, **mode)
    assert sorted(sources_of(table)[0]) == sorted([first, second])


def test_snapshot_has_the_sources_of_all_its_rows(store_from, table, alice, sources_of):
    first, second = store_from("a.csv", A), store_from("b.csv", B)
    number = alice.create_snapshot_version(table, activity=alice.getProvenance(table))
    third = store_from("c.csv", A)
    assert sorted(sources_of(table, number)[0]) == sorted([first, second])
    assert sources_of(table)[0] == [third]


def test_replace_removes_earlier_sources(store_from, table, sources_of):
    store_from("a.csv", A)
    second = store_from("b.csv", B, mode="replace")
    assert sources_of(table)[0] == [second]


@pytest.mark.parametrize(
    "arguments",
    [{"rows": []}, {"rows": A, "mode": "upsert", "key": "n"}, {"rows": A, "mode": "replace"}],
)
def test_store_without_changes_keeps_the_activity(store_from, table, alice, arguments):
    store_from("a.csv", A)
    before = alice.getProvenance(table)
    store_from("b.csv", **arguments)
    assert alice.getProvenance(table) == before


@pytest.mark.parametrize(
    "arguments", [{}, {"mode": "upsert", "key": "n"}, {"mode": "replace", "allow_empty": True}]
)
def test_a_table_gets_an_activity_from_no_rows_only_if_it_is_declared(
    store_rows, store_from, table, arguments, sources_of
):
    result, run = store_rows(table_id=table, rows=[], **arguments)
    assert result.state == "success", result.error
    assert run.value("store")["activity_id"] is None
    with pytest.raises(SynapseNotFoundError):
        sources_of(table)
    source = store_from("a.csv", [], **arguments)
    assert sources_of(table)[0] == [source]


@pytest.mark.parametrize(
    "arguments",
    [
        {"used": "syn999999999"},
        {"used": "syn999999999.1"},
        {"executed": "syn999999999", "lineage_mode": "off"},
        {"activity": {"id": "999999999", "name": "a"}},
    ],
)
def test_unknown_source_is_rejected_before_rows_are_stored(store_rows, table, alice, arguments):
    failed, _ = store_rows(table_id=table, rows=A, **arguments)
    assert failed.state == "failed"
    assert "999999999" in str(failed.error)
    assert len(alice.tableQuery(f"select * from {table}").asDataFrame()) == 0


def test_client_in_a_task_rejects_an_unknown_source_before_rows_are_stored(api, table, alice):
    with DAG("unknown", schedule=None) as dag:

        @task
        def store():
            SynapseHook().client.store(Table(table, [["a", 1]]), used="syn999999999")

        store()
    failed = Run(api, dag, "unknown").task("store")
    assert "syn999999999 is declared as a source" in str(failed.error)
    assert len(alice.tableQuery(f"select * from {table}").asDataFrame()) == 0
