"""Tests of SynapseTableStoreOperator with delete_missing and where."""

import math

import numpy as np
import pandas as pd
import pytest
from support.prepared_entities import append_rows, create_table

from synapse_workflows import Column


@pytest.fixture
def centres(alice, project):
    """Id of a table with rows of two centres."""
    columns = [
        Column(name="centre", columnType="STRING"),
        Column(name="id", columnType="STRING"),
        Column(name="n", columnType="INTEGER"),
    ]
    table = create_table(alice, project, "Centres", columns)
    given = [["X", "a", 1], ["X", "b", 2], ["Y", "a", 3], ["Y", "b", 4], [None, "a", 5]]
    append_rows(alice, table, given)
    return table


@pytest.fixture
def mirror(store_rows):
    """Function that mirrors rows by `id` and returns the result of the task and its counts."""

    def run(table, *rows, names=("centre", "id", "n"), **arguments):
        given = [dict(zip(names, row, strict=True)) for row in rows]
        arguments = {"mode": "upsert", "key": "id", "delete_missing": True} | arguments
        result, dag_run = store_rows(table_id=table, rows=given, **arguments)
        if result.state != "success":
            return result, None
        counts = dag_run.value("store")
        return result, (counts["added"], counts["changed"], counts["deleted"])

    return run


def test_mirror_deletes_rows_whose_key_is_not_in_the_source(filled, mirror, rows_of):
    names = ("a name", "n")
    for expected in ((1, 1, 2), (0, 0, 0)):
        _, counts = mirror(filled, ["a", 10], ["d", 4], names=names, key="a name")
        assert counts == expected
    assert rows_of(filled) == [["a", 10], ["d", 4]]


def test_mirror_deletes_rows_without_a_key_and_all_rows_with_a_duplicate_key(
    alice, filled, mirror, rows_of
):
    append_rows(alice, filled, [["b", 3], [None, 4], [None, 5]])
    _, counts = mirror(filled, ["a", 1], ["c", 3], names=("a name", "n"), key="a name")
    assert counts == (0, 0, 4)
    assert rows_of(filled) == [["a", 1], ["c", 3]]


def test_mirror_with_a_key_twice_in_the_table_fails(alice, filled, mirror, rows_of):
    append_rows(alice, filled, [["a", 3]])
    result, _ = mirror(filled, ["a", 1], names=("a name", "n"), key="a name")
    assert "in the table more than once: in the rows 1 and 4" in str(result.error)
    assert len(rows_of(filled)) == 4


def test_empty_source_requires_allow_empty(filled, store_rows, rows_of, write_csv):
    arguments = {"mode": "upsert", "key": "a name", "delete_missing": True, "rows": write_csv()}
    result, _ = store_rows(table_id=filled, **arguments)
    assert result.state == "failed"
    assert "allow_empty=True" in str(result.error)
    assert len(rows_of(filled)) == 3
    _, run = store_rows(table_id=filled, allow_empty=True, **arguments)
    assert run.value("store")["deleted"] == 3
    assert rows_of(filled) == []


SCOPES = [
    "centre = 'X'",
    "centre='x'",
    "\"centre\" in ('X', 'Z') and not n > 100",
    {"centre": "X"},
    {"centre": ["X", "Z"]},
    "(centre like 'x%' or centre is null) and centre is not null",
    "centre between 'W' and 'X' and n >= 1.5e-1",
]


@pytest.mark.parametrize("where", SCOPES)
def test_only_rows_in_the_scope_are_compared_changed_and_deleted(centres, mirror, rows_of, where):
    for expected in ((1, 1, 1), (0, 0, 0)):
        _, counts = mirror(centres, ["X", "a", 10], ["X", "c", 7], where=where)
        assert counts == expected
    others = [["Y", "a", 3], ["Y", "b", 4], [None, "a", 5]]
    assert rows_of(centres) == [["X", "a", 10], *others, ["X", "c", 7]]


def test_plain_upsert_with_a_scope_keeps_the_other_rows(centres, mirror, rows_of):
    given = [["Y", "a", 3], ["Y", "c", 8]]
    _, counts = mirror(centres, *given, where="centre = 'Y'", delete_missing=False)
    assert counts == (1, 0, 0)
    assert len(rows_of(centres)) == 6


def test_row_with_the_key_of_a_row_outside_the_scope_is_added_beside_it(alice, centres, mirror):
    append_rows(alice, centres, [["Y", "moved", 9]])
    for expected in ((1, 0, 0), (0, 0, 0)):
        _, counts = mirror(centres, ["X", "moved", 1], where={"centre": "X"}, delete_missing=False)
        assert counts == expected
    moved = alice.tableQuery(f"select centre, n from {centres} where id = 'moved'")
    assert sorted(row[2:] for row in moved) == [["X", 1], ["Y", 9]]


@pytest.mark.parametrize("centre", ["Y", None, "", "X "])
@pytest.mark.parametrize("delete_missing", [True, False])
def test_row_out_of_the_scope_fails(centres, mirror, rows_of, centre, delete_missing):
    before = rows_of(centres, ids=True)
    rows = [["X", "a", 10], [centre, "z", 9]]
    result, _ = mirror(centres, *rows, where="centre = 'X'", delete_missing=delete_missing)
    assert result.state == "failed"
    assert "Row 2 of rows is not in the scope where=(centre = 'X')" in str(result.error)
    assert rows_of(centres, ids=True) == before


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", "it is empty"),
        ({}, "it is empty"),
        ({"centre": ["X", None]}, "contains None"),
        ({"centre": ["X", pd.NA]}, "contains None"),
        ({"centre": []}, "list of allowed values for 'centre' is empty"),
        ("{{ none }}", "it is empty"),
        ("centre = 'X') or (1 = 1", "unexpected ')'"),
        ("centre = 'O'Brien'", 'unexpected "\'"'),
        ("centre = 'X' order by n", "unexpected 'order'"),
        ("centre = 'X' -- comment", "unexpected '-- comment'"),
        ("upper(centre) = 'X'", "does not have the column 'upper'"),
        ("ROW_ID > 3", "does not have the column 'ROW_ID'"),
        ("other = 1", "does not have the column 'other'"),
        ("n = 'many'", "'many' is not a value of type INTEGER"),
        ("centre = 5", "in single quotes: '5'"),
        ("centre", "unexpected 'end'"),
        (5, "Invalid where of type int"),
    ],
)
def test_invalid_scope_fails(centres, mirror, rows_of, where, message):
    before = rows_of(centres, ids=True)
    result, _ = mirror(centres, ["X", "a", 1], where=where)
    assert result.state == "failed"
    assert message in str(result.error)
    assert rows_of(centres, ids=True) == before


def test_row_without_the_column_of_the_scope_keeps_its_stored_cell(centres, store_rows, rows_of):
    given = [{"id": "a", "n": 9}, {"id": "b", "n": 9, "centre": "X"}]
    arguments = {"table_id": centres, "mode": "upsert", "key": "id", "where": "centre = 'X'"}
    _, run = store_rows(rows=given, **arguments)
    assert run.value("store")["changed"] == 2
    assert rows_of(centres)[:2] == [["X", "a", 9], ["X", "b", 9]]
    result, _ = store_rows(rows=[*given, {"id": "c", "n": 9}], **arguments)
    assert "Row 3 of rows is not in the scope" in str(result.error)


@pytest.mark.parametrize("missing", [None, math.nan, pd.NA], ids=["None", "NaN", "NA"])
def test_missing_value_in_the_scope_is_null(centres, mirror, missing):
    _, counts = mirror(centres, [None, "a", 6], where={"centre": missing})
    assert counts == (0, 1, 0)


def test_numpy_value_in_the_scope(centres, mirror):
    _, counts = mirror(centres, ["Y", "a", 3], where={"n": np.int64(3)}, delete_missing=False)
    assert counts == (0, 0, 0)


def test_values_of_a_dictionary_are_quoted(alice, centres, mirror, rows_of):
    append_rows(alice, centres, [["O'Brien", "a", 6], ["x' or '1'='1", "a", 7]])
    for centre in ("O'Brien", "x' or '1'='1"):
        _, counts = mirror(centres, [centre, "b", 1], where={"centre": centre})
        assert counts == (1, 0, 1)
    assert len(rows_of(centres)) == 7


@pytest.mark.parametrize(
    ("kind", "inside", "outside", "where"),
    [
        ("INTEGER", "05", "6", "c between 4 and 5.5"),
        ("DOUBLE", "5e-1", "-Infinity", "c > 0"),
        ("DOUBLE", "1", "NaN", "not c > 1"),
        ("BOOLEAN", "TRUE", "false", "c = true"),
        ("BOOLEAN", "False", "true", "c <> 'TRUE'"),
        ("DATE", "2026-01-02", "2025-12-31", "c >= '2026-01-01'"),
        ("DATE", "1767225600000", "1767225600001", "c <= 1767225600000"),
        ("ENTITYID", "123", "syn124", "c in ('syn123', 'syn5')"),
        ("USERID", "007", "8", "c = 7"),
        ("STRING", "Ä", "b", "c = 'a'"),
        ("LARGETEXT", "a%b", "b", "c like 'a_b'"),
    ],
)
def test_scope_is_evaluated_as_synapse_does(
    alice, project, store_rows, rows_of, write_csv, kind, inside, outside, where
):
    """A row that the task accepts is found in the scope by a second run."""
    columns = [Column(name="key", columnType="STRING"), Column(name="c", columnType=kind)]
    table = create_table(alice, project, "Typed", columns)

    def mirror(*rows):
        return store_rows(
            table_id=table,
            rows=write_csv(*rows, names=("key", "c")),
            mode="upsert",
            key="key",
            delete_missing=True,
            where=where,
        )

    result, _ = mirror(["k", outside])
    assert "Row 1" in str(result.error)
    assert rows_of(table) == []
    for added in (1, 0):
        result, run = mirror(["k", inside])
        assert run.value("store")["added"] == added
    assert len(rows_of(table)) == 1


def test_names_of_the_scope_may_differ_in_case(centres, mirror):
    row, names = ["X", "a", 1], ("CENTRE", "ID", "N")
    arguments = {"names": names, "match_case": False, "key": "ID"}
    _, counts = mirror(centres, row, where={"Centre": "X"}, **arguments)
    assert counts == (0, 0, 1)
    result, _ = mirror(centres, row, where="CENTRE = 'X'", **arguments)
    assert "'CENTRE' differs from 'centre' in upper and lower case" in str(result.error)


@pytest.mark.parametrize("name", ["key", "delete_missing", "where"])
def test_option_of_another_mode_fails(filled, store_rows, rows_of, write_csv, name):
    value = {"key": "a name", "delete_missing": True, "where": "n = 1"}[name]
    result, _ = store_rows(table_id=filled, rows=write_csv(["z", 1]), **{name: value})
    assert result.state == "failed"
    assert f"{name}={value!r} requires mode='upsert'" in str(result.error)
    assert len(rows_of(filled)) == 3
