"""What tasks may return: objects of the client become JSON, or an error says what to return."""

import json
from itertools import count
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import Activity, File, Folder, Row, RowSet, SynapseHook, Table

RUNS = count(1)


@pytest.fixture
def hand_over(api):
    """Function that returns what one task returns, as another task receives it."""

    def run(function):
        received = []
        with DAG("hand_over", schedule=None) as dag:

            @task
            def make():
                return function(SynapseHook().client)

            @task
            def take(value):
                received.append(value)

            take(make())
        one = Run(api, dag, f"run_{next(RUNS)}")
        made = one.task("make")
        if made.state != "success":
            return made.error
        assert one.task("take").state == "success"
        return received[0]

    return run


def test_entities_in_collections_become_references(hand_over, put):
    entity, version = put().split(".")
    found = hand_over(
        lambda client: {"one": client.get(entity), "more": [(client.get(entity), 1)]}
    )
    reference = found["one"]
    assert (reference["id"], reference["version"]) == (entity, int(version))
    assert found["more"] == [(reference, 1)]
    assert Path(reference["path"]).read_text() == "a,b\n1,2\n"


def test_stored_rows_become_a_reference_of_the_table(hand_over, table, alice):
    found = hand_over(lambda client: client.store(Table(table, [["a", 1]])))
    assert (found["id"], found["columns"], found["path"]) == (table, ["a name", "n"], None)
    assert found["etag"] == alice.tableQuery(f"select n from {table}").etag
    assert hand_over(lambda client: client.store(Table(table, [])))["id"] == table


def test_result_of_a_query_becomes_the_path_of_its_file(hand_over, filled):
    found = hand_over(lambda client: client.tableQuery(f"select n from {filled}"))
    assert (found["id"], found["columns"]) == (filled, ["ROW_ID", "ROW_VERSION", "n"])
    assert len(Path(found["path"]).read_text().splitlines()) == 4


@pytest.mark.parametrize(
    "function",
    [
        lambda client, table: client.setProvenance(table, Activity(name="a", used=[table])),
        lambda client, table: client.get_annotations(table),
        lambda client, table: list(client.getColumns(table)),
        lambda client, table: client.tableQuery(f"select n from {table}", "rowset").asRowSet(),
        lambda client, table: client.store(RowSet(schema=client.get(table), rows=[Row(["x", 9])])),
        lambda client, _: client.getUserProfile(),
    ],
)
def test_dictionaries_of_the_client_stay_dictionaries(hand_over, filled, function):
    found = hand_over(lambda client: function(client, filled))
    assert isinstance(found, dict | list)
    json.dumps(found)


@pytest.mark.parametrize(
    ("function", "advice"),
    [
        (lambda client, table: client.tableQuery(f"select n from {table}", "rowset"), "asRowSet"),
        (lambda _, table: Table(table, [["a", 1]]), r"Return syn.store\(table\)"),
        (lambda _, table: [Folder("f", parent=table)], r"Folder 'f'.*Return syn.store\(entity\)"),
        (lambda _, table: File("a.txt", parent=table), r"Return syn.store\(entity\)"),
        (lambda client, _: client, r"SynapseHook\('synapse_default'\).client"),
    ],
)
def test_error_says_what_to_return_instead(hand_over, filled, function, advice):
    error = hand_over(lambda client: function(client, filled))
    assert isinstance(error, TypeError)
    with pytest.raises(TypeError, match=advice):
        raise error
