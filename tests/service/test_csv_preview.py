"""Previews of CSV files: sample rows and suggested columns."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M


def try_preview(tables, data, **more):
    handle = tables.author.upload(data.encode())
    body = {
        "concreteType": f"{M}.UploadToTablePreviewRequest",
        "uploadFileHandleId": handle,
        **more,
    }
    return tables.run(f"{REPO}/table/upload/csv/preview", body)


def list_suggestions(preview):
    return [
        (each["name"], each["columnType"], each.get("maximumSize"))
        for each in preview["suggestedColumns"]
    ]


def test_suggested_columns_have_the_narrowest_type(tables):
    names = "yes,n,x,day,who,word,mixed,none,long,longest"
    first = f"true,1,1.5,2020-01-02,syn12,ant,1,,{'m' * 1500},{'l' * 3000}"
    second = "False,-2,3,2021-03-04 05:06:07,syn13,a beetle,b,,,"
    preview = ok(try_preview(tables, f"{names}\n{first}\n{second}\n"))
    assert list_suggestions(preview) == [
        ("yes", "BOOLEAN", None),
        ("n", "INTEGER", None),
        ("x", "DOUBLE", None),
        ("day", "DATE", None),
        ("who", "ENTITYID", None),
        ("word", "STRING", 8),
        ("mixed", "STRING", 1),
        ("none", "STRING", None),
        ("long", "MEDIUMTEXT", None),
        ("longest", "LARGETEXT", None),
    ]
    assert preview["rowsScanned"] == 2
    assert preview["sampleRows"][1]["values"] == [*second.split(",")[:7], None, None, None]


def test_suggested_columns_hold_the_file(tables):
    data = "a,b\n1,x\n,yy\n"
    preview = ok(try_preview(tables, data))
    table = tables.create_table(*preview["suggestedColumns"])["id"]
    tables.transact(table, tables.csv(table, data))
    assert tables.query(f"select * from {table}") == [["1", "x"], [None, "yy"]]


def test_preview_applies_the_csv_descriptor(tables):
    descriptor = {"separator": ";", "isFirstLineHeader": False}
    preview = ok(
        try_preview(tables, "skip me\n1;a\n2;b\n", csvTableDescriptor=descriptor, linesToSkip=1)
    )
    assert list_suggestions(preview) == [("col1", "INTEGER", None), ("col2", "STRING", 1)]
    assert [row["values"] for row in preview["sampleRows"]] == [["1", "a"], ["2", "b"]]


def test_row_metadata_is_not_suggested_as_columns(tables):
    preview = ok(try_preview(tables, "ROW_ID,ROW_VERSION,a\n5,2,x\n"))
    assert list_suggestions(preview) == [("a", "STRING", 1)]
    assert preview["sampleRows"] == [{"rowId": 5, "versionNumber": 2, "values": ["x"]}]


def test_first_thousand_rows_are_scanned_without_full_scan(tables):
    data = "n\n" + "1\n" * 1000 + "text\n"
    part = ok(try_preview(tables, data))
    assert (list_suggestions(part), part["rowsScanned"]) == ([("n", "INTEGER", None)], 1000)
    whole = ok(try_preview(tables, data, doFullFileScan=True))
    assert (list_suggestions(whole), whole["rowsScanned"]) == ([("n", "STRING", 4)], 1001)
    assert len(whole["sampleRows"]) == 5


@pytest.mark.parametrize("data", ["\n", "a,a\n1,2\n", "a\n1,2\n", 'a\n"open\n'])
def test_preview_of_an_invalid_csv_is_rejected(tables, data):
    assert_error(try_preview(tables, data), 400)


def test_preview_of_another_users_or_missing_file_is_rejected(tables, ben):
    body = {
        "concreteType": f"{M}.UploadToTablePreviewRequest",
        "uploadFileHandleId": tables.author.upload(b"a\n1\n"),
    }
    path = f"{REPO}/table/upload/csv/preview"
    assert_error(type(tables)(ben).run(path, body), 403)
    assert_error(tables.run(path, {**body, "uploadFileHandleId": "999999999"}), 404)
    assert_error(tables.run(path, {"concreteType": body["concreteType"]}), 400)
