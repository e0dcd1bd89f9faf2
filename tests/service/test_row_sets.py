"""Row sets: inserts, updates and deletes of rows, and conflicts."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import FOLDER

CHANGED = (
    "has been changed since last read.  Please get the latest value for this row "
    "and then attempt to update it again."
)


@pytest.fixture
def table(tables):
    return tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]


def test_row_ids_and_versions_start_at_one(tables, table):
    assert tables.append(table, ["x", "1"], ["y", None]) == [(1, 1), (2, 1)]
    assert tables.append(table, ["z", "3"]) == [(3, 2)]
    assert tables.list_rows(table) == [
        (1, 1, ["x", "1"]),
        (2, 1, ["y", None]),
        (3, 2, ["z", "3"]),
    ]


def test_append_returns_row_references(tables, table):
    answer = tables.transact(table, tables.rows(table, ["x", "1"]))
    references = answer["results"][0]["rowReferenceSet"]
    assert answer["results"][0]["concreteType"] == f"{M}.RowReferenceSetResults"
    assert references["tableId"] == table
    assert [each["name"] for each in references["headers"]] == ["a", "n"]
    assert references["etag"] == tables.row_set(f"select * from {table}")["etag"]


def test_update_replaces_all_cells_of_a_row(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    assert tables.append(table, (1, 1, ["new", None])) == [(1, 2)]
    assert tables.list_rows(table) == [(1, 2, ["new", None]), (2, 1, ["y", "2"])]


def test_ids_of_deleted_rows_are_not_reused(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    tables.append(table, (2, 1, []))
    tables.append(table, ["z", "3"])
    assert [each[0] for each in tables.list_rows(table)] == [1, 3]


def test_request_may_insert_update_and_delete_rows(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"], ["z", "3"])
    done = tables.append(table, ["n1", "4"], (2, 1, ["yy", "2"]), (1, 1, []), ["n2", "5"])
    assert done == [(4, 2), (2, 2), (1, 2), (5, 2)]
    assert [(i, v[0]) for i, _, v in tables.list_rows(table)] == [
        (2, "yy"), (3, "z"), (4, "n1"), (5, "n2"),
    ]  # fmt: skip


def test_missing_columns_keep_their_value_or_get_the_default(tables):
    table = tables.create_table(
        {"name": "a", "columnType": "STRING", "defaultValue": "def"},
        {"name": "n", "columnType": "INTEGER", "defaultValue": "7"},
    )["id"]
    tables.append(table, ["1"], names=["n"])
    tables.append(table, [None, None])
    tables.append(table, ["", "0"])
    assert tables.query(f"select * from {table}") == [["def", "1"], ["def", "7"], ["", "0"]]
    tables.append(table, (1, 1, ["new"]), names=["a"])
    assert tables.query(f"select * from {table} where row_id = 1") == [["new", "1"]]


def test_partial_row_updates_only_its_cells(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    tables.transact(
        table, tables.partial(table, (1, {"n": "9"}), (2, {"a": None}), (None, {"a": "z"}))
    )
    assert tables.list_rows(table) == [
        (1, 2, ["x", "9"]),
        (2, 2, [None, "2"]),
        (3, 2, ["z", None]),
    ]
    # partial rows have no version and never conflict
    tables.transact(table, tables.partial(table, (1, {"n": "10"})))
    assert_error(
        tables.try_transact(table, tables.partial(table, (77, {"n": "1"}))), 400, "does not exist"
    )
    assert_error(tables.try_transact(table, tables.partial(table, (1, {}))), 400)


def test_update_of_a_changed_row_is_a_conflict(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    tables.append(table, (1, 1, ["other", "1"]))
    answer = tables.try_transact(table, tables.rows(table, (1, 1, ["mine", "1"])))
    assert assert_error(answer, 412)["reason"] == f"Row id: 1 {CHANGED}"
    assert tables.query(f"select a from {table} where row_id = 1") == [["other"]]


def test_latest_row_version_decides_on_conflicts(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    tables.append(table, (1, 1, ["other", "1"]))
    # row 1 was changed in version 2; a request that names version 2 has read that change
    tables.append(table, (1, 2, ["mine", "1"]), (2, 1, ["mine", "2"]))
    tables.append(table, (2, 3, ["again", "2"]))
    assert_error(
        tables.try_transact(table, tables.rows(table, (1, 1, []), (2, 2, []))), 412, CHANGED
    )


def test_etag_decides_on_conflicts(tables, table):
    tables.append(table, ["x", "1"])
    old = tables.row_set(f"select * from {table}")["etag"]
    tables.append(table, (1, 1, ["other", "1"]))
    current = tables.row_set(f"select * from {table}")["etag"]
    stale = tables.rows(table, (1, 1, ["mine", "1"]), etag=old)
    assert_error(tables.try_transact(table, stale), 412, CHANGED)
    tables.transact(table, tables.rows(table, (1, 1, ["mine", "1"]), etag=current))
    unknown = tables.rows(table, (1, 3, ["mine", "1"]), etag="nonsense")
    assert_error(tables.try_transact(table, unknown), 400, "etag")


def test_deleted_row_cannot_be_updated(tables, table):
    tables.append(table, ["x", "1"])
    tables.append(table, (1, 1, []))
    assert_error(
        tables.try_transact(table, tables.rows(table, (1, 1, ["mine", "1"]))), 412, CHANGED
    )
    assert_error(
        tables.try_transact(table, tables.rows(table, (1, 2, ["m", "1"]))), 400, "not exist"
    )
    assert_error(
        tables.try_transact(table, tables.rows(table, (9, 2, ["m", "1"]))), 400, "not exist"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, None, ["x", "1"]), "Row version number cannot be null"),
        (["x"], "one value for each of the 2 headers"),
        (["x", "1", "2"], "one value for each of the 2 headers"),
        ([], "one value for each of the 2 headers"),
        (["x", "one"], "Value at [0,1] was not a valid INTEGER."),
        (["x" * 51, "1"], "Value at [0,0] was not a valid STRING."),
        (["x", str(2**63)], "Value at [0,1] was not a valid INTEGER."),
        (["x", "1.0"], "Value at [0,1] was not a valid INTEGER."),
    ],
)
def test_invalid_row_is_rejected(tables, table, row, message):
    tables.append(table, ["x", "1"])
    assert_error(tables.try_transact(table, tables.rows(table, row)), 400, message)
    assert len(tables.list_rows(table)) == 1


def test_header_must_name_a_column_of_the_table(tables, table):
    other = tables.create_column("elsewhere", "DATE")["id"]
    body = tables.rows(table, ["x", "1"])
    body["toAppend"]["headers"][1]["id"] = other
    assert_error(tables.try_transact(table, body), 400, other)
    body["toAppend"]["headers"] = []
    assert_error(tables.try_transact(table, body), 400)


def test_transaction_applies_all_changes_or_none(tables, table):
    good, bad = tables.rows(table, ["x", "1"]), tables.rows(table, ["y", "two"])
    assert_error(tables.try_transact(table, good, bad, good), 400)
    assert tables.list_rows(table) == []
    answer = tables.transact(table, good, tables.partial(table, (1, {"n": "5"})), good)
    assert len(answer["results"]) == 3
    assert tables.list_rows(table) == [(1, 2, ["x", "5"]), (2, 3, ["x", "1"])]


def test_transaction_without_changes_is_rejected(tables, table):
    assert_error(tables.try_transact(table), 400)
    assert_error(tables.try_transact(table, createSnapshot=False), 400)
    rows = tables.rows(table, ["x", "1"])
    assert_error(tables.try_transact(table, rows, snapshotOptions={}), 400)
    tables.transact(table, rows, createSnapshot=False, snapshotOptions={})
    search = {"concreteType": f"{M}.TableSearchChangeRequest", "searchEnabled": True}
    assert_error(tables.try_transact(table, search), 400)


def test_rows_for_a_table_without_columns_are_rejected(ann, tables):
    table = tables.create_table()["id"]
    body = tables.rows(table, ["x"])
    assert_error(tables.try_transact(table, body), 400, f"Schema for {table} is empty.")
    answer = tables.try_transact(table, tables.csv(table, "a\n1\n"))
    assert_error(answer, 400, "a is not a valid column name or id")


def test_transaction_requires_update_permission_on_a_table(ann, ben, tables, table):
    folder = ann.new_folder(ann.new_project()["id"])
    assert_error(
        tables.try_transact(folder["id"], tables.rows(table, ["x", "1"])), 400, "not a table"
    )
    body = {"changes": [tables.rows(table, ["x", "1"])]}
    path = f"{REPO}/entity/{table}/table/transaction/async"
    token = ok(ben.post(f"{path}/start", body))["token"]
    assert_error(ben.get(f"{path}/get/{token}"), 403)
    assert_error(tables.try_transact("syn99999999", tables.rows(table, ["x", "1"])), 404)
    assert_error(
        tables.try_transact(f"{table}.1", tables.rows(table, ["x", "1"])), 400, "cannot be"
    )
    assert tables.list_rows(table) == []
    assert folder["concreteType"] == FOLDER


def test_request_larger_than_two_megabytes_is_rejected(ann, tables):
    table = tables.create_table(("a", "LARGETEXT"))["id"]
    body = {"changes": [tables.rows(table, *(["x" * 500_000] for _ in range(5)))]}
    path = f"{REPO}/entity/{table}/table/transaction/async/start"
    assert_error(ann.post(path, body), 413)


def test_changed_rows_keep_the_etag_of_the_entity(ann, tables, table):
    etag = ann.entity(table)["etag"]
    tables.append(table, ["x", "1"])
    assert ann.entity(table)["etag"] == etag


def test_last_change_of_a_repeated_row_wins(ann, tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    ok(ann.post(f"{REPO}/entity/{table}/table/snapshot", {}))
    tables.append(table, (1, 1, ["first", "5"]), (1, 1, ["last", "6"]))
    assert row_values(tables, table) == [["last", "6"], ["y", "2"]]
    tables.append(table, (2, 1, []), (2, 1, []))
    assert row_values(tables, table) == [["last", "6"]]
    assert row_values(tables, f"{table}.1") == [["x", "1"], ["y", "2"]]


def row_values(tables, table):
    return [row[2] for row in tables.list_rows(table)]


def test_partial_row_set_without_rows_changes_nothing(tables):
    table = tables.create_table(("a", "STRING"))["id"]
    tables.append(table, ["x"])
    before = tables.row_set(f"select * from {table}")
    response = tables.transact(table, tables.partial(table))
    assert response["results"][0]["rowReferenceSet"]["rows"] == []
    assert tables.row_set(f"select * from {table}") == before
    assert tables.append(table, ["y"]) == [(2, 2)]
