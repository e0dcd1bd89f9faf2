"""Import of CSV files: inserts, updates and deletes of rows."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient

from synapse_workflows.local.domain import file_handles


@pytest.fixture
def table(tables):
    return tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]


def values(tables, table):
    return [row[2] for row in tables.list_rows(table)]


def create_snapshot(ann, table):
    return ok(ann.post(f"{REPO}/entity/{table}/table/snapshot", {}))["snapshotVersionNumber"]


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
        (1, 2, ["x", "10"]),  # a missing field leaves the cell unchanged
        (2, 1, ["y", "2"]),
        (3, 2, ["zz", "30"]),
        (4, 2, ["new", "40"]),
    ]


def test_csv_with_only_ids_and_versions_deletes_rows(tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    answer = tables.transact(table, tables.csv(table, "ROW_ID,ROW_VERSION\n1,1\n"))
    assert answer["results"][0]["rowsProcessed"] == 1
    assert values(tables, table) == [["y", "2"]]


@pytest.mark.parametrize("data", ["ROW_ID,ROW_VERSION\n", "ROW_ID,ROW_VERSION\n1,1\n"])
def test_rows_of_a_table_without_columns_are_rejected(ann, tables, table, data):
    tables.append(table, ["x", "1"])
    ann.change(table, columnIds=[])
    response = tables.try_transact(table, tables.csv(table, data))
    assert_error(response, 400, f"Schema for {table} is empty.")


def test_row_ids_are_ignored_in_an_empty_table(tables, table):
    tables.transact(
        table, tables.csv(table, "ROW_ID,ROW_VERSION,ROW_ETAG,a\n77,8,e,x\n78,9,e,y\n")
    )
    assert tables.list_rows(table) == [(1, 1, ["x", None]), (2, 1, ["y", None])]


def test_csv_update_of_a_changed_row_is_a_conflict(tables, table):
    tables.append(table, ["x", "1"])
    old = tables.row_set(f"select * from {table}")["etag"]
    tables.append(table, (1, 1, ["other", "1"]))
    data = "ROW_ID,ROW_VERSION,a\n1,1,mine\n"
    assert_error(
        tables.try_transact(table, tables.csv(table, data)), 412, "Row id: 1 has been changed"
    )
    assert_error(tables.try_transact(table, tables.csv(table, data, updateEtag=old)), 412)
    current = tables.row_set(f"select * from {table}")["etag"]
    tables.transact(table, tables.csv(table, data, updateEtag=current))
    assert_error(
        tables.try_transact(table, tables.csv(table, "ROW_ID,a\n1,x\n")), 400, "cannot be null"
    )


@pytest.mark.parametrize(
    ("data", "message"),
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
def test_invalid_csv_is_rejected_and_changes_nothing(tables, table, data, message):
    tables.append(table, ["x", "1"])
    good = tables.rows(table, ["y", "2"])
    assert_error(tables.try_transact(table, good, tables.csv(table, data)), 400, message)
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
    options = {
        "csvTableDescriptor": {
            "separator": "\t", "quoteCharacter": "'", "escapeCharacter": "/", "lineEnd": "\r\n",
        },
        "linesToSkip": 2,
    }  # fmt: skip
    data = "# no\n# no\r\na\tn\r\n'x/'y/ /tab\t'\t1\r\n''\t2\r\n"
    tables.transact(table, tables.csv(table, data, **options))
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


def test_last_line_of_a_repeated_row_wins(ann, tables, table):
    tables.append(table, ["x", "1"], ["y", "2"])
    create_snapshot(ann, table)
    lines = ["ROW_ID,ROW_VERSION,a,n", "1,1,short", "1,1,long,9", "1,1,last"]
    tables.transact(table, tables.csv(table, "\n".join(lines)))
    assert values(tables, table) == [["last", "9"], ["y", "2"]]
    tables.transact(table, tables.csv(table, "ROW_ID,ROW_VERSION\n2,1\n2,1\n"))
    assert values(tables, table) == [["last", "9"]]
    assert values(tables, f"{table}.1") == [["x", "1"], ["y", "2"]]


@pytest.mark.parametrize("number", ["9" * 30, "1_0", "-1", "1.5", "\u0661", "0", "99"])
def test_invalid_row_id_or_version_is_rejected(tables, table, number):
    tables.append(table, ["x", "1"], ["y", "2"])
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


def test_csv_larger_than_one_gigabyte_is_rejected(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        tables = TableClient(Author(rest_service, "alice"))
        table = tables.create_table(("a", "STRING"))["id"]
        body = tables.csv(table, "a\nx\n")
        service = rest_service.session.get_adapter(rest_service.base_url)._app.state.service
        for size, status in ((2**30 + 1, 400), (2**30, 201)):
            with service.database.write_transaction() as session:
                handle = file_handles.get_handle(session, int(body["uploadFileHandleId"]))
                handle.content_size = size
            assert tables.try_transact(table, body).status_code == status


@pytest.mark.parametrize("names", [("a", "STRING"), None])
def test_header_with_an_unknown_column(tables, names):
    table = tables.create_table(*([names] if names else []))["id"]
    answer = tables.try_transact(table, tables.csv(table, "zzz,a\n1,2\n"))
    reason = assert_error(answer, 400)["reason"]
    assert reason == (
        "The first line is expected to be a header but the values do not match the names of of "
        "the columns of the table (zzz is not a valid column name or id). Header row: zzz,a"
    )


def test_line_with_only_row_id_and_version_deletes_the_row(tables):
    table = tables.create_table(("a", "STRING"), ("b", "STRING"))["id"]
    tables.append(table, *([f"a{number}", f"b{number}"] for number in range(1, 6)))
    lines = ["ROW_ID,ROW_VERSION,a,b", "1,1", "2,1,new", "3,1,,", ",,x,y", "5,1"]
    response = tables.transact(table, tables.csv(table, "\n".join(lines) + "\n"))
    assert response["results"][0]["rowsProcessed"] == 5
    assert [(row, values) for row, _, values in tables.list_rows(table)] == [
        (2, ["new", "b2"]),
        (3, [None, None]),
        (4, ["a4", "b4"]),
        (6, ["x", "y"]),
    ]


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        ("ROW_ID,ROW_VERSION,a\n1,0\n", 412, "changed since last read"),
        ("ROW_ID,ROW_VERSION,a\n1\n", 400, "version number cannot be null"),
        ("ROW_ID,ROW_VERSION,a\n99,1\n", 400, "does not exist"),
    ],
)
def test_line_that_deletes_a_row_is_checked(tables, data, status, words):
    table = tables.create_table(("a", "STRING"))["id"]
    tables.append(table, ["x"])
    assert_error(tables.try_transact(table, tables.csv(table, data)), status, words)
    assert len(tables.list_rows(table)) == 1


def test_line_that_deletes_a_row_of_an_empty_table_is_rejected(tables):
    table = tables.create_table(("a", "STRING"))["id"]
    answer = tables.try_transact(table, tables.csv(table, "ROW_ID,ROW_VERSION,a\n1,1\n"))
    assert_error(answer, 400, "does not exist")
