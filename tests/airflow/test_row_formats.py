"""Tests of the forms of rows: files, DataFrames, Arrow tables, lists, generators, and mixtures."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from airflow.sdk import DAG, task
from hypothesis import assume, given, settings
from support.execution_api import Run
from support.prepared_entities import create_table
from support.row_forms import COLUMNS, FORMS, KINDS, ROWS, read_rows, write

from synapse_workflows import (
    Column,
    Schema,
    SynapseGetOperator,
    SynapseHook,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=10, deadline=None)
@given(rows=ROWS)
def test_all_forms_have_the_same_cells(form, rows):
    numbers = [row["n"] for row in rows]
    if form == "pandas" and None in numbers:  # pandas converts the numbers to floats
        assume(all(abs(number or 0) < 2**53 for number in numbers))
    expected = read_rows([tuple(row.values()) for row in rows], list(KINDS))
    with TemporaryDirectory() as directory:
        found = read_rows(*FORMS[form](rows, Path(directory)))
    assert [dict.fromkeys(KINDS) | row for row in found] == expected


@pytest.mark.parametrize("number", [2**53 + 1, -(2**60), 2**62])
def test_integers_that_pandas_rounded_are_rejected(typed_table, store_rows, rows_of, number):
    """pandas converts integers beside nulls to floats, which are exact below 2**53."""
    column = [None, number]
    options = {"table_id": typed_table, "missing_columns": True}
    result, _ = store_rows(rows=pd.DataFrame({"n": column}), **options)
    assert result.state == "failed"
    assert "Row 2, column 'n': " in str(result.error)
    assert "may have lost digits" in str(result.error)
    store_rows(rows=pd.DataFrame({"n": pd.array(column, dtype="Int64")}), **options)
    exact = pd.DataFrame({"n": [None, 2**53 - 1]})
    store_rows(rows=exact, **options)
    assert [row[1] for row in rows_of(typed_table)] == [None, number, None, 2**53 - 1]


@pytest.fixture
def typed_table(alice, project):
    """Id of a table with a column of each type in KINDS."""
    return create_table(alice, project, "Typed", COLUMNS)


DATA = [
    {
        "word": 'x "y", \\z',
        "n": 2**60,
        "x": 0.1,
        "on": True,
        "at": datetime(2026, 11, 22, 4, 5, 6, 789000),  # noqa: DTZ001 - UTC
        "words": ["a", 'b"'],
        "doc": {"a": 1},
        "money": Decimal("1.10000000"),
    },
    dict.fromkeys(KINDS) | {"n": 1},
    dict.fromkeys(KINDS) | {"word": "", "n": -3, "on": False},
]
STORED = [
    [
        *[*DATA[0].values()][:4],
        DATA[0]["at"].replace(tzinfo=UTC),
        ["a", 'b"'],
        {"a": 1},
        "1.10000000",
    ],
    [None, 1, *[None] * 6],
    ["", -3, None, False, *[None] * 4],
]


STORED_FORMS = "dictionaries", "tuples", "pandas", "polars", "arrow", "parquet", "csv.gz", "files"


@pytest.mark.parametrize("form", STORED_FORMS)
def test_operator_stores_equal_rows_from_all_forms(
    store_rows, typed_table, rows_of, tmp_path, form
):
    rows, columns = FORMS[form](DATA, tmp_path)
    options = {"table_id": typed_table, "rows": rows, "columns": columns}
    if isinstance(rows, Path):
        options["rows"] = str(rows)
    result, _ = store_rows(**options)
    assert result.state == "success", result.error
    assert rows_of(typed_table) == STORED
    result, run = store_rows(**options, mode="replace")
    assert result.state == "success", result.error
    assert (run.value("store")["added"], run.value("store")["deleted"]) == (0, 0)
    result, run = store_rows(**options, mode="upsert", key=["n"])
    assert (run.value("store")["added"], run.value("store")["changed"]) == (0, 0)


@pytest.mark.parametrize("form", ["pandas", "polars", "arrow", "tuples", "jsonl"])
def test_retry_with_equal_rows_adds_none_again(store_rows, typed_table, rows_of, tmp_path, form):
    """The rows are made anew in each try, with the same content."""
    rows, columns = FORMS[form](DATA, tmp_path)
    result, _ = store_rows(
        tries=2,
        table_id=typed_table,
        rows=str(rows) if isinstance(rows, Path) else rows,
        columns=columns,
        post_execute=fail_first_try,
    )
    assert result.state == "success", result.error
    assert len(rows_of(typed_table)) == len(DATA)


def fail_first_try(context, result=None):
    if context["ti"].try_number == 1:
        raise RuntimeError("after the rows were stored")


@pytest.mark.parametrize(
    ("rows", "columns", "stored"),
    [
        (lambda: ({"n": n} for n in range(4, 6)), None, [[None, 4], [None, 5]]),
        (lambda: iter([("f", 6)]), ["a name", "n"], [["f", 6]]),
        (lambda: iter([]), None, []),
        (lambda: pd.DataFrame({"N": [7]}), None, [[None, 7]]),
        ({1: {"n": 8}}.values, None, [[None, 8]]),
    ],
)
def test_hook_stores_generators_and_frames(api, filled, rows_of, rows, columns, stored):
    with DAG("generators", schedule=None) as dag:

        @task
        def store():
            SynapseHook().store_rows(
                filled, rows(), columns=columns, missing_columns=True, match_case=False
            )

        store()
    Run(api, dag).all()
    assert rows_of(filled)[3:] == stored


def make_frame():
    return pd.DataFrame({"a name": ["x"], "n": [1]})


def make_nothing():
    return []


def make_dictionaries():
    return [{"a name": "x", "n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("function", "columns", "stored"),
    [
        (make_frame, None, [["x", 1]]),
        (make_dictionaries, None, [["x", 1], [None, 2]]),
        (lambda: [("x", 1), ["y", None]], ["a name", "n"], [["x", 1], ["y", None]]),
        (make_nothing, ["a name", "n"], []),
    ],
)
def test_results_of_other_tasks_are_stored(api, table, rows_of, function, columns, stored):
    with DAG("from_task", schedule=None) as dag:
        rows = task(task_id="make")(function)()
        SynapseTableStoreOperator(task_id="store", table_id=table, rows=rows, columns=columns)
    Run(api, dag).all()
    assert rows_of(table) == stored


def mapped_frame(n):
    return pd.DataFrame({"a name": [str(n)], "n": [n]})


def mapped_dictionaries(n):
    return [{"a name": str(n)}, {"n": n}][:n]


def mapped_tuples(n):
    return [(str(n), n)] * n


@pytest.mark.parametrize(
    ("function", "columns", "stored"),
    [
        (mapped_frame, None, [["0", 0], ["1", 1], ["2", 2]]),
        (mapped_dictionaries, None, [["1", None], ["2", None], [None, 2]]),
        (mapped_tuples, ["a name", "n"], [["1", 1], ["2", 2], ["2", 2]]),
    ],
)
def test_results_of_a_mapped_task_are_stored_together(
    api, table, rows_of, function, columns, stored
):
    with DAG("mapped", schedule=None) as dag:
        rows = task(task_id="make")(function).expand(n=[0, 1, 2])
        SynapseTableStoreOperator(task_id="store", table_id=table, rows=rows, columns=columns)
    Run(api, dag).all(make=3)
    assert rows_of(table) == stored


def test_upsert_of_warehouse_rows(store_rows, filled, rows_of):
    result, _ = store_rows(
        table_id=filled,
        rows=[("b", 20), ("d", 4)],
        columns=["A NAME", "N"],
        match_case=False,
        mode="upsert",
        key="A Name",
    )
    assert result.state == "success", result.error
    assert rows_of(filled) == [["a", 1], ["b", 20], ["c", 3], ["d", 4]]


@pytest.mark.parametrize(
    ("columns", "stored"),
    [
        (None, [["b", 2, "new"], ["a", 10, "old"], ["d", None, "x"]]),
        (["k", "n", "note"], [["b", None, "new"], ["a", 10, None], ["d", None, "x"]]),
    ],
)
@pytest.mark.parametrize("kind", ["list", "generator", "files"])
def test_upsert_keeps_the_cells_of_absent_fields(
    store_rows, alice, project, rows_of, tmp_path, kind, columns, stored
):
    kinds = {"k": "STRING", "n": "INTEGER", "note": "STRING"}
    table = alice.store(
        Schema("Notes", [Column(name=n, columnType=k) for n, k in kinds.items()], parent=project)
    ).id
    store_rows(table_id=table, rows=[("b", 2, "old"), ("a", 1, "old")], columns=list(kinds))
    rows = [{"k": "a", "n": 10}, {"note": "new", "k": "b"}, {"k": "d", "note": "x"}]
    if kind == "files":
        if columns:
            pytest.skip("columns is for rows in memory")
        rows = [write(tmp_path / f"{row['k']}.jsonl", json.dumps(row)) for row in rows]
    options = {"table_id": table, "mode": "upsert", "key": "k", "columns": columns}
    for added in (1, 0):
        given = iter(rows) if kind == "generator" else rows
        result, run = store_rows(rows=given, **options)
        assert result.state == "success", result.error
        assert run.value("store")["added"] == added
    assert rows_of(table) == stored
    assert run.value("store")["changed"] == 0


def test_references_of_files_and_queries_are_stored_together(
    api, filled, put, alice, project, rows_of, sources_of
):
    copy = create_table(alice, project, "Copy", list(alice.getColumns(filled)))
    files = [put("1.tsv", "n\ta name\n7\tx\n"), put("2.csv", "a name,n\ny,8\n")]
    with DAG("references", schedule=None) as dag:
        get = SynapseGetOperator.partial(task_id="get").expand(entity_id=files)
        SynapseTableStoreOperator(task_id="store", table_id=copy, rows=get.output)
        query = SynapseTableQueryOperator(
            task_id="query", sql=f"select * from {filled} where n < 3", output_format="parquet"
        )
        SynapseTableStoreOperator(
            task_id="both", table_id=copy, mode="replace", rows=[query.output, get.output]
        )
    run = Run(api, dag)
    for index in range(2):
        run.task("get", index)
    for task_id in ("store", "query"):
        assert run.task(task_id).state == "success"
    assert rows_of(copy) == [["x", 7], ["y", 8]]
    assert sorted(sources_of(copy)[0]) == sorted(files)
    result = run.task("both")
    assert result.state == "success", result.error
    assert rows_of(copy) == [["a", 1], ["b", 2], ["x", 7], ["y", 8]]
    assert sorted(sources_of(copy)[0]) == sorted([f"{filled}.1", *files])
