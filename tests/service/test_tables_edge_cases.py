"""Requests at the edge of what tables take: a row named twice, ids out of range, odd files."""

import io

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient

from synapse_workflows.local.domain import file_handles
from synapse_workflows.local.domain.tables import csv_dialect


@pytest.fixture
def table(tables):
    made = tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]
    tables.append(made, ["x", "1"], ["y", "2"])
    return made


def values(tables, table):
    return [row[2] for row in tables.list_rows(table)]


def snapshot(ann, table, **more):
    return ok(ann.post(f"{REPO}/entity/{table}/table/snapshot", more))["snapshotVersionNumber"]


def test_last_change_of_a_repeated_row_wins(ann, tables, table):
    snapshot(ann, table)
    tables.append(table, (1, 1, ["first", "5"]), (1, 1, ["last", "6"]))
    assert values(tables, table) == [["last", "6"], ["y", "2"]]
    tables.append(table, (2, 1, []), (2, 1, []))
    assert values(tables, table) == [["last", "6"]]
    assert values(tables, f"{table}.1") == [["x", "1"], ["y", "2"]]


def test_last_line_of_a_repeated_row_wins(ann, tables, table):
    snapshot(ann, table)
    lines = ["ROW_ID,ROW_VERSION,a,n", "1,1,short", "1,1,long,9", "1,1,last"]
    tables.transact(table, tables.csv(table, "\n".join(lines)))
    assert values(tables, table) == [["last", "9"], ["y", "2"]]
    tables.transact(table, tables.csv(table, "ROW_ID,ROW_VERSION\n2,1\n2,1\n"))
    assert values(tables, table) == [["last", "9"]]
    assert values(tables, f"{table}.1") == [["x", "1"], ["y", "2"]]


@pytest.mark.parametrize("number", ["9" * 30, "1_0", "-1", "1.5", "\u0661", "0", "99"])
def test_invalid_row_id_or_version_is_rejected(tables, table, number):
    body = tables.csv(table, f"ROW_ID,ROW_VERSION,a\n{number},1,z\n")
    assert_error(tables.try_transact(table, body), 400)
    body = tables.csv(table, f"ROW_ID,ROW_VERSION,a\n1,{number},z\n")
    if number not in ("0", "99", "-1"):
        assert_error(tables.try_transact(table, body), 400)


def test_skipping_all_lines_is_rejected_as_empty(tables, table):
    body = tables.csv(table, "a,n\nz,3\n", linesToSkip=2**62)
    assert_error(tables.try_transact(table, body), 400, "empty")


def test_empty_line_of_a_single_column_is_null(tables):
    table = tables.create_table(("a", "STRING"))["id"]
    tables.append(table, ["x"], [None], [""], ["y"])
    csv = tables.download(f"select * from {table}", includeRowIdAndRowVersion=False)
    other = tables.create_table(("a", "STRING"))["id"]
    tables.transact(other, tables.csv(other, csv))
    assert values(tables, other) == [["x"], [None], [""], ["y"]]


def test_table_without_column_ids_is_empty(ann, tables):
    table = ann.make(f"{M}.TableEntity", tables.project)["id"]
    assert tables.bundle(f"select * from {table}")["queryResult"]["queryResults"]["rows"] == []
    assert snapshot(ann, table) == 1


def test_conversion_to_file_handles_checks_their_owner(ann, ben, tables):
    table = tables.create_table(("n", "INTEGER"))["id"]
    mine, theirs = ann.handle(), ben.handle()
    tables.append(table, [mine])
    old = tables.list_columns(table)[0]["id"]
    new = tables.create_column("f", "FILEHANDLEID")["id"]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "changes": [{"oldColumnId": old, "newColumnId": new}],
    }
    tables.append(table, [theirs])
    assert_error(tables.try_transact(table, change), 403)
    tables.append(table, (2, 2, ["123"]))
    assert_error(tables.try_transact(table, change), 404)
    tables.append(table, (2, 3, []))
    tables.transact(table, change)
    assert values(tables, table) == [[mine]]
    assert ann.delete(f"/file/v1/fileHandle/{mine}").status_code == 409


def test_deleting_the_current_version_keeps_the_columns_of_the_rows(ann, tables, table):
    snapshot(ann, table)
    n = tables.list_columns(table)[1]["id"]
    ann.change(table, columnIds=[n])
    assert ann.delete(f"{REPO}/entity/{table}/version/2").status_code == 204
    assert ann.entity(table)["columnIds"] == [n]
    assert values(tables, table) == [["1"], ["2"]]


def test_csv_larger_than_one_gigabyte_is_rejected(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        tables = TableClient(Author(rest_service, "alice"))
        table = tables.create_table(("a", "STRING"))["id"]
        body = tables.csv(table, "a\nx\n")
        service = rest_service.session.get_adapter(rest_service.base_url)._app.state.service
        for size, status in ((2**30 + 1, 400), (2**30, 201)):
            with service.database.transaction() as session:
                handle = file_handles.load(session, int(body["uploadFileHandleId"]))
                handle.content_size = size
            assert tables.try_transact(table, body).status_code == status


class Lines(io.TextIOBase):
    """A file of many lines that is nowhere as a whole."""

    def __init__(self, lines):
        self._lines = iter(lines)

    def readline(self, _size=-1):
        return next(self._lines, "")


def test_skipped_lines_do_not_count_as_one_record():
    junk = "x" * 999_999 + "\n"
    lines = Lines([*[junk] * 70, "a,n\n", "z,3\n"])
    found = csv_dialect.read_records(lines, csv_dialect.CsvDialect(), skip=70)
    assert list(found) == [["a", "n"], ["z", "3"]]


def test_result_files_of_snapshots_are_reused(ann, tables, table):
    snapshot(ann, table)

    def handle(sql, **more):
        return ok(tables.try_download(sql, **more))["resultsFileHandleId"]

    now, then = f"select * from {table}", f"select * from {table}.1"
    first = handle(now), handle(then)
    assert len(set(first)) == 2
    tables.append(table, (1, 1, ["changed", "5"]))
    assert handle(now) != first[0]
    assert handle(then) == first[1]
    ann.change(table, columnIds=[tables.list_columns(table)[0]["id"]])
    assert tables.download(now) == '"ROW_ID","ROW_VERSION","a"\n"1","2","changed"\n"2","1","y"\n'
    assert handle(then) == first[1]
    assert ann.delete(f"/file/v1/fileHandle/{first[1]}").ok
    assert handle(then) != first[1]
