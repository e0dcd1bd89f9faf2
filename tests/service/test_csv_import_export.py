"""CSV both ways: how it is read into tables, and how results are written."""

import io

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.local.domain.tables import csv_dialect
from synapse_workflows.local.domain.tables.csv_dialect import CsvDialect


@pytest.fixture
def table(tables):
    return tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]


def values(tables, table):
    return [row[2] for row in tables.list_rows(table)]


def test_csv_rows_are_appended_by_column_name(tables, table):
    answer = tables.transact(table, tables.csv(table, 'n,a\n1,x\n2,\n,""\n'))
    assert answer["results"][0] == {
        "concreteType": f"{M}.UploadToTableResult",
        "rowsProcessed": 3,
        "etag": tables.row_set(f"select * from {table}")["etag"],
    }
    assert values(tables, table) == [["x", "1"], [None, "2"], ["", None]]


def test_csv_rows_with_id_and_version_are_updated(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"], ["z", "3"])
    data = "ROW_ID,ROW_VERSION,n,a\n1,1,10\n3,1,30,zz\n,,40,new\n"
    tables.transact(table, tables.csv(table, data))
    assert tables.list_rows(table) == [
        (1, 2, ["x", "10"]),  # the line is short: the cell is left alone
        (2, 1, ["y", "2"]),
        (3, 2, ["zz", "30"]),
        (4, 2, ["new", "40"]),
    ]


def test_csv_with_only_ids_and_versions_deletes_rows(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    answer = tables.transact(table, tables.csv(table, "ROW_ID,ROW_VERSION\n1,1\n"))
    assert answer["results"][0]["rowsProcessed"] == 1
    assert values(tables, table) == [["y", "2"]]


def test_row_ids_are_ignored_in_an_empty_table(tables, table):
    tables.transact(
        table, tables.csv(table, "ROW_ID,ROW_VERSION,ROW_ETAG,a\n77,8,e,x\n78,9,e,y\n")
    )
    assert tables.list_rows(table) == [(1, 1, ["x", None]), (2, 1, ["y", None])]


def test_csv_update_of_a_changed_row_is_a_conflict(tables, table):
    tables.append(table, ["x", "1"])
    old = tables.row_set(f"select * from {table}")["etag"]
    tables.append(table, (1, 1, ["theirs", "1"]))
    data = "ROW_ID,ROW_VERSION,a\n1,1,mine\n"
    assert_error(
        tables.try_transact(table, tables.csv(table, data)), 412, "Row id: 1 has been changed"
    )
    assert_error(tables.try_transact(table, tables.csv(table, data, updateEtag=old)), 412)
    seen = tables.row_set(f"select * from {table}")["etag"]
    tables.transact(table, tables.csv(table, data, updateEtag=seen))
    assert_error(
        tables.try_transact(table, tables.csv(table, "ROW_ID,a\n1,x\n")), 400, "cannot be null"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("a,nope\nx,1\n", "nope"),
        ("a,a\nx,y\n", "two columns named"),
        ("a,n\nx,1,2\n", "3 fields"),
        ("a,n\nx,one\n", "Value at [0,1] was not a valid INTEGER."),
        (f"a\n{'x' * 51}\n", "Value at [0,0] was not a valid STRING."),
        ("\n", "empty"),
        ("ROW_ID,ROW_VERSION,a\n1.5,1,x\n", "row ID"),
        (b"a\n\xff\xfe\n", "UTF-8"),
        ('a,n\nx,1\n"y,2\n', "ends within a quoted field"),
        ('a\n"x\\', "ends within a quoted field"),
    ],
)
def test_invalid_csv_is_rejected_and_changes_nothing(tables, table, data, words):
    tables.append(table, ["x", "1"])
    good = tables.rows(table, ["y", "2"])
    assert_error(tables.try_transact(table, good, tables.csv(table, data)), 400, words)
    assert tables.list_rows(table) == [(1, 1, ["x", "1"])]


def test_invalid_line_in_a_later_batch_changes_nothing(tables, table):
    lines = "".join(f"x{each},{each}\n" for each in range(2500))
    assert_error(
        tables.try_transact(table, tables.csv(table, f"a,n\n{lines}y,bad\n")), 400, "[2500,1]"
    )
    assert values(tables, table) == []


def test_fields_without_a_header_follow_the_column_order(tables, table):
    no_header = {"csvTableDescriptor": {"isFirstLineHeader": False}}
    tables.transact(table, tables.csv(table, "x,1\ny,2\n", **no_header))
    tables.transact(table, tables.csv(table, "1,1,xx,11\n", **no_header))
    assert values(tables, table) == [["xx", "11"], ["y", "2"]]
    assert_error(tables.try_transact(table, tables.csv(table, "a,1,2\n", **no_header)), 400)


def test_csv_descriptor_is_applied(tables, table):
    described = {
        "csvTableDescriptor": {
            "separator": "\t", "quoteCharacter": "'", "escapeCharacter": "/", "lineEnd": "\r\n",
        },
        "linesToSkip": 2,
    }  # fmt: skip
    data = "# no\n# no\r\na\tn\r\n'x/'y/ /tab\t'\t1\r\n''\t2\r\n"
    tables.transact(table, tables.csv(table, data, **described))
    assert values(tables, table) == [["x'y tab\t", "1"], ["", "2"]]
    for wrong in ({"separator": ";;"}, {"quoteCharacter": ""}, {"separator": '"'}):
        body = tables.csv(table, "a\nx\n", csvTableDescriptor=wrong)
        assert_error(tables.try_transact(table, body), 400)


def test_column_ids_of_the_request_replace_the_header(tables, table):
    ids = {each["name"]: each["id"] for each in tables.list_columns(table)}
    body = tables.csv(table, "what,ever\n1,x\n", columnIds=[ids["n"], ids["a"]])
    tables.transact(table, body)
    assert values(tables, table) == [["x", "1"]]
    assert_error(
        tables.try_transact(table, tables.csv(table, "a\nx\n", columnIds=["99999999"])), 400
    )


def test_quotes_escapes_and_byte_order_mark_are_decoded(tables, table):
    data = '\ufeffa,n\r\n"two\nlines, ""quoted"" \\"too\\" and \\\\",1\n"lone \\x",2\n'
    tables.transact(table, tables.csv(table, data))
    assert values(tables, table) == [
        ['two\nlines, "quoted" "too" and \\', "1"],
        ["lone x", "2"],
    ]


def test_file_must_be_stored_in_synapse_and_owned_by_the_caller(ann, ben, tables, table):
    body = tables.csv(table, "a\nx\n")
    body["uploadFileHandleId"] = ben.upload(b"a\nx\n")
    assert_error(tables.try_transact(table, body), 403)
    body["uploadFileHandleId"] = ann.handle()
    assert_error(tables.try_transact(table, body), 400)
    body["uploadFileHandleId"] = "99999999"
    assert_error(tables.try_transact(table, body), 404)


def test_upload_without_a_transaction_appends_rows(tables, table):
    path = f"{REPO}/entity/{table}/table/upload/csv"
    assert ok(tables.run(path, tables.csv(table, "a\nx\n")))["rowsProcessed"] == 1
    assert values(tables, table) == [["x", None]]


# Downloads.


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
    described = {"separator": "\t", "quoteCharacter": "'", "lineEnd": "\r\n"}
    assert tables.download(f"select a from {table} limit 1", csvTableDescriptor=described) == (
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
    theirs = ok(ben.batch((handle, table, "TableEntity")))["requestedFiles"][0]
    assert theirs["failureCode"] == "UNAUTHORIZED"


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
    ok_delete = ann.delete(f"/file/v1/fileHandle/{second}")
    assert ok_delete.status_code == 200
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


# The format, whatever the text.

TEXTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['"', '""', "\\", "\\\\", '\\"', ",", "\n", "\r\n", "\t", "", " ", "\ufeff", "'", "\x00"]
)  # fmt: skip
FORMS = st.builds(
    CsvDialect,
    separator=st.sampled_from([",", "\t", ";", "|"]),
    quote=st.sampled_from(['"', "'"]),
    escape=st.sampled_from(["\\", "/", '"', "'"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(TEXTS, min_size=2, max_size=4), min_size=1, max_size=5), FORMS)
def test_written_records_are_read_back(rows, form):
    line = csv_dialect.get_record_writer(form)
    text = "".join(line(row) for row in rows)
    found = list(csv_dialect.read_records(io.StringIO(text, newline=""), form))
    assert found == [list(row) for row in rows]
