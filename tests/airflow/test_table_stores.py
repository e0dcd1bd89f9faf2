"""The operator that stores rows: each of them once, whenever its worker dies."""

import csv
from itertools import count

import pytest
from airflow.sdk import DAG
from execution_api import Run

from synapse_workflows import (
    Column,
    Schema,
    SynapseGetOperator,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
    Table,
    synapse_asset,
)
from synapse_workflows.client.errors import SynapseBadRequestError

RUNS = count(1)


class DiedError(RuntimeError):
    """The worker is no more."""


@pytest.fixture
def table(alice, project):
    columns = [
        Column(name="a name", columnType="STRING"),
        Column(name="n", columnType="INTEGER"),
    ]
    return alice.store(Schema("Results", columns, parent=project)).id


@pytest.fixture
def filled(alice, table):
    alice.store(Table(table, [["a", 1], ["b", 2], ["c", 3]]))
    return table


@pytest.fixture
def write(tmp_path):
    """Write a CSV file as everybody does."""

    def make(*rows, names=("a name", "n")):
        path = tmp_path / "rows.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([names, *rows])
        return str(path)

    return make


@pytest.fixture
def store(api):
    """Run a single SynapseTableStoreOperator."""

    def run(tries=1, **arguments):
        with DAG("store_rows", schedule=None) as dag:
            SynapseTableStoreOperator(task_id="store", retries=5, **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        for _ in range(tries):
            result = one.task("store", max_tries=5)
        return result, one

    return run


@pytest.fixture
def rows(alice, tmp_path):
    """What is in a table: its cells without and with the ids of the rows."""

    def look(table, *, ids=False):
        found = alice.tableQuery(f"select * from {table}", downloadLocation=str(tmp_path / "look"))
        return [row if ids else row[2:] for row in found]

    return look


def test_rows_of_a_file_are_added(store, filled, rows, write):
    result, run = store(table_id=filled, rows=write(["d", 4], ['x "y", \\z', ""], ["ü\n\n", -1]))
    assert result.state == "success", result.error
    done = run.value("store")
    assert (done["added"], done["changed"], done["deleted"]) == (3, 0, 0)
    assert rows(filled)[3:] == [["d", 4], ['x "y", \\z', None], ["ü\n\n", -1]]


def test_rows_may_be_given_themselves(store, table, rows):
    store(table_id=table, rows=[{"a name": "a", "n": 1}, {"a name": None, "n": None}])
    assert rows(table) == [["a", 1], [None, None]]


def test_columns_may_be_fewer_and_in_another_order(store, table, rows, write):
    store(table_id=table, rows=write([4], [5], names=("n",)))
    assert rows(table) == [[None, 4], [None, 5]]


def test_what_another_task_queried_is_stored_and_used(api, filled, table, alice, project, rows):
    columns = list(alice.getColumns(filled))
    copy = alice.store(Schema("Copy", columns, parent=project)).id
    sql = f"select * from {filled} where n > 1"
    with DAG("copy", schedule=None) as dag:
        found = SynapseTableQueryOperator(task_id="query", query=sql)
        SynapseTableStoreOperator(task_id="store", table_id=copy, rows=found.output)
    run = Run(api, dag).all()
    assert rows(copy) == [["b", 2], ["c", 3]]
    made_by = alice.getProvenance(copy)
    assert made_by["id"] == run.value("store")["activity_id"]
    used = [one["reference"] for one in made_by["used"] if not one["wasExecuted"]]
    assert used == [{"targetId": filled, "targetVersionNumber": 1}]


def test_a_file_of_synapse_is_stored_and_used(api, table, put, rows, sources_of):
    file = put("rows.csv", "n\n7\n")
    with DAG("from_file", schedule=None) as dag:
        got = SynapseGetOperator(task_id="get", entity_id=file)
        SynapseTableStoreOperator(task_id="store", table_id=table, rows=got.output)
    Run(api, dag).all()
    assert rows(table) == [[None, 7]]
    assert sources_of(table)[0] == [file]


class Deaths:
    """Lets the worker die when it notes something for the n-th time: before or after that."""

    def __init__(self, api, nth, *, noted):
        self.left, self.noted = nth, noted
        self.note = api._store
        api._store = self.answer

    def answer(self, request, parts, body):
        if request.method == "PUT" and parts[2] == "synapse_rows":
            self.left -= 1
            if self.left == 0:
                if self.noted:
                    self.note(request, parts, body)
                raise DiedError
        return self.note(request, parts, body)


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("nth", range(1, 7))
def test_whenever_a_worker_dies_no_row_is_added_twice(store, table, rows, write, api, nth, noted):
    """Three chunks; of each it is noted that it begins, its job, that the job ended, the end."""
    deaths = Deaths(api, nth, noted=noted)
    given = [["a", 1], ["b", 2], ["a", 1], ["b", 2], ["e", 5]]
    result, _ = store(2, table_id=table, rows=write(*given), chunk_rows=2)
    assert deaths.left < 0
    assert result.state == "success", result.error
    assert rows(table) == given


def test_a_try_that_fails_after_the_last_chunk_is_not_repeated(store, table, rows, write):
    def stumble_once(context, result=None):
        if context["ti"].try_number == 1:
            raise DiedError

    result, run = store(2, table_id=table, rows=write(["a", 1]), post_execute=stumble_once)
    assert result.state == "success"
    assert run.value("store")["added"] == 0
    assert rows(table) == [["a", 1]]


def test_a_task_that_is_cleared_adds_its_rows_again(store, table, rows, write):
    store(2, table_id=table, rows=write(["a", 1]))
    assert rows(table) == [["a", 1], ["a", 1]]


def test_rows_are_changed_by_their_key(store, filled, rows, write):
    _, run = store(
        table_id=filled, rows=write(["b", "02"], ["c", 30], ["d", 4]), mode="upsert", key="a name"
    )
    done = run.value("store")
    assert (done["added"], done["changed"], done["deleted"]) == (1, 1, 0)
    assert rows(filled) == [["a", 1], ["b", 2], ["c", 30], ["d", 4]]


def test_a_second_upsert_changes_nothing(store, filled, rows, write):
    arguments = {"rows": write(["b", 20], ["d", 4]), "mode": "upsert", "key": ["a name"]}
    store(table_id=filled, **arguments)
    before = rows(filled, ids=True)
    _, run = store(table_id=filled, **arguments)
    assert (run.value("store")["added"], run.value("store")["changed"]) == (0, 0)
    assert rows(filled, ids=True) == before


@pytest.mark.parametrize("where", ["source", "table"])
def test_a_key_has_to_be_one(store, filled, alice, write, rows, where):
    given = [["a", 9], ["a", 10]] if where == "source" else [["a", 9]]
    if where == "table":
        alice.store(Table(filled, [["a", 2]]))
    before = rows(filled)
    result, _ = store(table_id=filled, rows=write(*given), mode="upsert", key="a name")
    assert result.state == "failed"
    assert f"in the {where} more than once" in str(result.error)
    assert rows(filled) == before


def test_all_rows_are_replaced_in_one_transaction(store, filled, rows, write, caplog):
    """Its changes come together: no reader finds the table empty."""
    _, run = store(table_id=filled, rows=write(["x", 8], ["y", 9]), mode="replace")
    done = run.value("store")
    assert (done["added"], done["changed"], done["deleted"]) == (2, 0, 3)
    assert rows(filled) == [["x", 8], ["y", 9]]
    started = [
        said for said in caplog.messages if said.startswith("POST") and "transaction" in said
    ]
    assert len(started) == 1


def test_nothing_is_deleted_when_the_new_rows_do_not_fit(store, filled, rows, write):
    result, _ = store(table_id=filled, rows=write(["x", "no number"]), mode="replace")
    assert isinstance(result.error, SynapseBadRequestError)
    assert result.state == "failed"
    assert rows(filled) == [["a", 1], ["b", 2], ["c", 3]]


def test_a_table_can_be_replaced_by_nothing_and_that_by_something(store, filled, rows, write):
    store(table_id=filled, rows=write(), mode="replace")
    assert rows(filled) == []
    store(table_id=filled, rows=write(["x", 8]), mode="replace")
    assert rows(filled) == [["x", 8]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mode": "overwrite"}, "append, upsert, replace"),
        ({"mode": "upsert"}, "key"),
        ({"key": "n"}, "key"),
        ({"mode": "upsert", "key": "other"}, "other"),
    ],
)
def test_what_makes_no_sense_fails_at_once(store, filled, rows, write, arguments, said):
    result, _ = store(table_id=filled, rows=write(["x", 8]), **arguments)
    assert result.state == "failed"
    assert said in str(result.error)
    assert len(rows(filled)) == 3


@pytest.mark.parametrize(
    ("names", "said"), [(("a name", "m"), "'m'"), (("ROW_ID", "n"), "row ids"), ((), "columns")]
)
def test_a_file_of_other_columns_fails_at_once(store, filled, write, rows, names, said):
    result, _ = store(table_id=filled, rows=write(["x", 8], names=names))
    assert result.state == "failed"
    assert said in str(result.error)
    assert len(rows(filled)) == 3


def test_the_asset_of_the_table_is_announced(store, table, api, write):
    store(table_id=table, rows=write(["a", 1]), outlets=[synapse_asset(table)])
    (event,) = api.events
    assert event["asset"]["uri"] == f"syn://{table}"
    assert event["extra"]["version"] == 1
