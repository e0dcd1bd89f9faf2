"""Export of query results as CSV files."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok


@pytest.fixture
def table(tables):
    return tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]


def create_snapshot(ann, table):
    return ok(ann.post(f"{REPO}/entity/{table}/table/snapshot", {}))["snapshotVersionNumber"]


def test_fields_are_quoted_and_null_is_an_empty_field(tables, table):
    tables.append(table, ['say "\\"', "1"], ["", None], ["two\nlines", "3"])
    assert tables.download(f"select * from {table}") == (
        '"ROW_ID","ROW_VERSION","a","n"\n'
        '"1","1","say ""\\\\""","1"\n'
        '"2","1","",\n'
        '"3","1","two\nlines","3"\n'
    )


def test_download_options_are_applied(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    sql = f"select * from {table}"
    assert tables.download(sql, writeHeader=False, includeRowIdAndRowVersion=False) == (
        '"x","1"\n"y","2"\n'
    )
    assert tables.download(f"select n, count(*) from {table} group by n order by n desc") == (
        '"n","COUNT(*)"\n"2","1"\n"1","1"\n'
    )
    descriptor = {"separator": "\t", "quoteCharacter": "'", "lineEnd": "\r\n"}
    assert tables.download(f"select a from {table} limit 1", csvTableDescriptor=descriptor) == (
        "'ROW_ID'\t'ROW_VERSION'\t'a'\r\n'1'\t'1'\t'x'\r\n"
    )
    assert tables.download(sql, limit=1, offset=1, includeRowIdAndRowVersion=False) == (
        '"a","n"\n"y","2"\n'
    )


def test_headers_of_the_result_exclude_row_metadata(ann, tables, table):
    answer = ok(tables.try_download(f"select a, n from {table}", fileName="mine.csv"))
    assert [each["name"] for each in answer["headers"]] == ["a", "n"]
    assert answer["tableId"] == table
    handle = ok(ann.get(f"/file/v1/fileHandle/{answer['resultsFileHandleId']}"))
    assert (handle["fileName"], handle["contentType"]) == ("mine.csv", "text/csv")


def test_result_file_is_downloadable_only_by_its_owner(ann, ben, tables, table):
    handle = ok(tables.try_download(f"select * from {table}"))["resultsFileHandleId"]
    got = ok(ann.batch((handle, table, "TableEntity")))["requestedFiles"][0]
    assert got["preSignedURL"]
    other = ok(ben.batch((handle, table, "TableEntity")))["requestedFiles"][0]
    assert other["failureCode"] == "UNAUTHORIZED"


def test_repeated_query_returns_the_same_file_until_rows_change(ann, ben, tables, table):
    tables.append(table, ["x", "1"])
    sql = f"select * from {table}"

    def handle(**more):
        return ok(tables.try_download(sql, **more))["resultsFileHandleId"]

    first = handle()
    assert handle() == first
    assert handle(writeHeader=False) != first
    tables.append(table, ["y", "2"])
    second = handle()
    assert second != first
    response = ann.delete(f"/file/v1/fileHandle/{second}")
    assert response.status_code == 200
    assert handle() not in {first, second}


def test_query_with_now_is_executed_again(tables, table):
    tables.append(table, ["x", "1"])
    sql = f"select unix_timestamp(now()) as t from {table}"
    first, second = (ok(tables.try_download(sql))["resultsFileHandleId"] for _ in range(2))
    assert first != second


def test_table_without_columns_cannot_be_downloaded(tables):
    table = tables.create_table()["id"]
    assert_error(
        tables.try_download(f"select * from {table}"), 400, f"Schema for {table} is empty."
    )


def test_result_files_of_snapshots_are_reused(ann, tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    create_snapshot(ann, table)

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
