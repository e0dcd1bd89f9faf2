"""Schema changes: added, removed and replaced columns, and conversion of cells."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M


def change(*pairs, order=None):
    body = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "changes": [{"oldColumnId": old, "newColumnId": new} for old, new in pairs],
    }
    if order is not None:
        body["orderedColumnIds"] = order
    return body


@pytest.fixture
def table(tables):
    table_id = tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]
    tables.append(table_id, ["1", "10"], ["2", None], ["3", "30"])
    return table_id


def ids(tables, table):
    return {each["name"]: each["id"] for each in tables.list_columns(table)}


def values(tables, table):
    return [row[2] for row in tables.list_rows(table)]


def test_replaced_columns_lose_their_cells(ann, tables, table):
    a, n = ids(tables, table).values()
    new = tables.create_column("new", "BOOLEAN", defaultValue="true")["id"]
    ann.change(table, columnIds=[new, n])
    assert values(tables, table) == [["true", "10"], ["true", None], ["true", "30"]]
    tables.append(table, ["false", "40"])
    ann.change(table, columnIds=[n, a])
    # cells of a removed column are lost even if the column is added again
    assert values(tables, table) == [["10", None], [None, None], ["30", None], ["40", None]]


def test_removed_column_loses_its_cells_when_added_again(ann, tables, table):
    a, n = ids(tables, table).values()
    ann.change(table, columnIds=[n])
    ann.change(table, columnIds=[n, a])
    assert values(tables, table) == [["10", None], [None, None], ["30", None]]
    tables.append(table, ["40", "back"])
    assert values(tables, table)[-1] == ["40", "back"]


def test_schema_change_takes_a_version_number(ann, tables, table):
    ann.change(table, columnIds=list(reversed(ids(tables, table).values())))
    assert tables.append(table, ["50", "5"]) == [(4, 3)]


def test_table_may_lose_and_regain_all_columns(ann, tables, table):
    columns = list(ids(tables, table).values())
    ann.change(table, columnIds=[])
    bundle = tables.bundle(f"select * from {table}")
    assert bundle["queryCount"] == 0
    assert bundle["queryResult"]["queryResults"]["rows"] == []
    assert (bundle["selectColumns"], bundle["columnModels"]) == ([], [])
    ann.change(table, columnIds=columns)
    assert values(tables, table) == [[None, None]] * 3


def test_transaction_adds_removes_and_orders_columns(ann, tables, table):
    a, n = ids(tables, table).values()
    new = tables.create_column("fresh", "DATE", defaultValue="1970-01-02")["id"]
    etag = ann.entity(table)["etag"]
    answer = tables.transact(table, change((None, new), (a, None), order=[new, n]))
    assert answer["results"][0]["concreteType"] == f"{M}.TableSchemaChangeResponse"
    assert [each["id"] for each in answer["results"][0]["schema"]] == [new, n]
    entity = ann.entity(table)
    assert entity["columnIds"] == [new, n]
    assert entity["etag"] != etag
    assert values(tables, table) == [["86400000", "10"], ["86400000", None], ["86400000", "30"]]
    assert [each["name"] for each in tables.list_columns(table)] == ["fresh", "n"]


@pytest.mark.parametrize(
    ("kind", "cells", "new", "expected"),
    [
        ("STRING", ["1", None, "-3"], ("INTEGER", {}), ["1", None, "-3"]),
        ("STRING", ["x", "", None], ("LARGETEXT", {}), ["x", "", None]),
        ("STRING", ["x", "", None], ("STRING", {"maximumSize": 900}), ["x", "", None]),
        ("STRING", ["x", None, "y"], ("STRING_LIST", {}), ['["x"]', None, '["y"]']),
        ("STRING", ["TRUE", "", None], ("BOOLEAN", {}), ["true", None, None]),
        ("STRING", ["2020-01-01", None, None], ("DATE", {}), ["1577836800000", None, None]),
        ("INTEGER", ["1", None, "3"], ("DOUBLE", {}), ["1.0", None, "3.0"]),
        ("INTEGER", ["1", None, "3"], ("STRING", {}), ["1", None, "3"]),
        ("INTEGER", ["1", None, "3"], ("ENTITYID", {}), ["syn1", None, "syn3"]),
        ("INTEGER", ["1", None, "3"], ("INTEGER_LIST", {}), ["[1]", None, "[3]"]),
        ("DOUBLE", ["NaN", "inf", "1.5"], ("STRING", {}), ["NaN", "Infinity", "1.5"]),
        ("BOOLEAN", ["true", None, "false"], ("STRING", {}), ["true", None, "false"]),
        ("ENTITYID", ["syn5", None, "6"], ("STRING", {}), ["syn5", None, "syn6"]),
        ("STRING_LIST", ['["a","b"]', None, "[]"], ("STRING", {}), ['["a", "b"]', None, None]),
        (
            "STRING_LIST",
            ['["a"]', None, None],
            ("STRING_LIST", {"maximumSize": 90}),
            ['["a"]', None, None],
        ),
        ("DATE", ["5", None, None], ("INTEGER", {"defaultValue": "9"}), ["5", "9", "9"]),
    ],
)
def test_cells_are_converted_to_the_new_column(tables, kind, cells, new, expected):
    table = tables.create_table(("old", kind), ("keep", "STRING"))["id"]
    tables.append(table, *([each, "k"] for each in cells))
    old = ids(tables, table)["old"]
    column = tables.create_column("new", new[0], **new[1])["id"]
    tables.transact(table, change((old, column)))
    assert values(tables, table) == [[each, "k"] for each in expected]
    tables.append(table, [expected[0], "later"])
    assert values(tables, table)[-1] == [expected[0], "later"]


@pytest.mark.parametrize(
    ("kind", "cell", "new"),
    [
        ("STRING", "x", ("INTEGER", {})),
        ("STRING", "x" * 50, ("STRING", {"maximumSize": 5})),
        ("DOUBLE", "1.5", ("INTEGER", {})),
        ("INTEGER_LIST", "[1]", ("INTEGER", {})),
        ("STRING", "b", ("STRING", {"enumValues": ["a"]})),
    ],
)
def test_cell_that_cannot_be_converted_rejects_the_change(ann, tables, kind, cell, new):
    table = tables.create_table(("old", kind))["id"]
    tables.append(table, [None], [cell])
    before = ann.entity(table)
    column = tables.create_column("new", new[0], **new[1])["id"]
    assert_error(
        tables.try_transact(table, change((ids(tables, table)["old"], column))), 400, "'old'"
    )
    assert ann.entity(table) == before
    assert values(tables, table)[1] != [None]


def test_replaced_column_can_be_added_again(tables, table):
    a, n = ids(tables, table).values()
    b = tables.create_column("b", "STRING")["id"]
    tables.transact(table, change((a, b), (None, a)))
    assert values(tables, table) == [["1", "10", None], ["2", None, None], ["3", "30", None]]
    tables.append(table, ["B", "1", "A"])
    assert tables.query(f"select a, b from {table} where b = 'B'") == [["A", "B"]]
    assert n in ids(tables, table).values()


def test_schema_changes_are_applied_in_order(tables, table):
    a, n = ids(tables, table).values()
    b, c = (tables.create_column(name, "STRING")["id"] for name in "bc")
    tables.transact(table, change((a, b), (b, c), (None, a), (a, None), (n, b), (b, None)))
    assert [each["name"] for each in tables.list_columns(table)] == ["c"]
    assert values(tables, table) == [["1"], ["2"], ["3"]]


def test_transaction_may_change_rows_and_columns(tables, table):
    _, n = ids(tables, table).values()
    new = tables.create_column("m", "DOUBLE")["id"]
    rows = {
        "concreteType": f"{M}.AppendableRowSetRequest",
        "toAppend": {
            "concreteType": f"{M}.RowSet",
            "headers": [{"id": new}],
            "rows": [{"values": ["0.5"]}],
        },
    }
    tables.transact(table, change((n, new)), rows)
    assert tables.query(f"select m from {table}") == [["10.0"], [None], ["30.0"], ["0.5"]]


def test_failed_transaction_changes_no_columns(ann, tables, table):
    _, n = ids(tables, table).values()
    new = tables.create_column("m", "DOUBLE")["id"]
    bad = tables.rows(table, ["x", "bad"])
    before = ann.entity(table)
    assert_error(tables.try_transact(table, change((n, new)), bad), 400)
    assert ann.entity(table) == before
    assert values(tables, table)[0] == ["1", "10"]


def test_contradictory_schema_changes_are_rejected(tables, table):
    a, n = ids(tables, table).values()
    other = tables.create_column("other", "DATE")["id"]
    for each in (
        change((other, None)),
        change((a, n)),
        change((None, other), order=[a, n]),
        change((None, "99999999")),
    ):
        assert tables.try_transact(table, each).status_code in {400, 404}
    twin = tables.create_column("n", "DATE")["id"]
    assert_error(
        tables.try_transact(table, change((None, twin))), 400, "Duplicate column name: 'n'"
    )


def test_rows_with_removed_columns_are_rejected(ann, tables, table):
    body = tables.rows(table, ["x", "1"])
    _, n = ids(tables, table).values()
    ann.change(table, columnIds=[n])
    assert_error(tables.try_transact(table, body), 400, "does not match a column")
    csv = tables.csv(table, "a,n\nx,1\n")
    assert_error(tables.try_transact(table, csv), 400, "(a is not a valid column name or id)")


def test_slots_of_removed_columns_are_reused(ann, tables):
    columns = [tables.create_column(f"s{each}", "INTEGER")["id"] for each in range(40)]
    table = tables.create_table(("k", "STRING"))["id"]
    tables.append(table, ["x"])
    for start in range(0, 40, 4):
        k = tables.list_columns(table)[0]["id"]
        ann.change(table, columnIds=[k, *columns[start : start + 4]])
        tables.append(table, ["y", "1", "2", "3", "4"])
    assert len(tables.list_rows(table)) == 11
    assert tables.list_rows(table)[-2][2] == ["y", None, None, None, None]


def test_table_bundle_shows_changed_columns(ann, tables, table):
    new = tables.create_column("m", "DOUBLE")["id"]
    tables.transact(table, change((None, new)))
    flags = {"includeTableBundle": True}
    bundle = ok(ann.post(f"{REPO}/entity/{table}/bundle2", flags))["tableBundle"]
    assert [each["name"] for each in bundle["columnModels"]] == ["a", "n", "m"]


def test_conversion_to_file_handles_checks_their_owner(ann, ben, tables):
    table = tables.create_table(("n", "INTEGER"))["id"]
    mine, other = ann.handle(), ben.handle()
    tables.append(table, [mine])
    old = tables.list_columns(table)[0]["id"]
    new = tables.create_column("f", "FILEHANDLEID")["id"]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "changes": [{"oldColumnId": old, "newColumnId": new}],
    }
    tables.append(table, [other])
    assert_error(tables.try_transact(table, change), 403)
    tables.append(table, (2, 2, ["123"]))
    assert_error(tables.try_transact(table, change), 404)
    tables.append(table, (2, 3, []))
    tables.transact(table, change)
    assert values(tables, table) == [[mine]]
    assert ann.delete(f"/file/v1/fileHandle/{mine}").status_code == 409
