"""Files in cells: download permission and bulk download."""

import io
import zipfile

import pytest
from support.entity_api import Author
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient

FILES = "/file/v1"


@pytest.fixture
def table(tables):
    return tables.create_table(("f", "FILEHANDLEID"), ("a", "STRING"))["id"]


def association(handle, table_id, kind="TableEntity"):
    return {"fileHandleId": handle, "associateObjectId": table_id, "associateObjectType": kind}


def bulk(tables, *files, user=None, **more):
    body = {
        "concreteType": f"{M.removesuffix('table')}file.BulkFileDownloadRequest",
        "requestedFiles": files,
        **more,
    }
    return (type(tables)(user) if user else tables).run(f"{FILES}/file/bulk", body)


def read_archive(user, answer):
    data = user.read(answer["resultZipFileHandleId"]).content
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_file_in_a_cell_is_downloadable_with_read_and_download(ann, ben, tables, table):
    handle, other = ann.upload(b"cell"), ann.upload(b"other")
    tables.append(table, [handle, "x"])

    def code(user, handle_id):
        result = ok(user.batch((handle_id, table, "TableEntity")))["requestedFiles"][0]
        return result.get("failureCode")

    assert code(ann, handle) is None
    assert code(ben, handle) == "UNAUTHORIZED"
    ann.share(table, {ben.id: ["READ"]})
    assert code(ben, handle) == "UNAUTHORIZED"
    ann.share(table, {ben.id: ["READ", "DOWNLOAD"]})
    assert code(ben, handle) is None
    assert code(ben, other) == "UNAUTHORIZED"
    assert code(ben, "99999999") == "NOT_FOUND"


def test_file_in_a_cell_cannot_be_deleted(ann, tables, table):
    handle = ann.upload(b"kept in a cell")
    tables.append(table, [handle, "x"])
    assert_error(ann.delete(f"{FILES}/fileHandle/{handle}"), 409)


def test_bulk_download_returns_one_archive(ann, ben, tables, table):
    ann.share(table, {ben.id: ["READ", "DOWNLOAD"]})
    one, two = (ann.upload(each, fileName="data.txt") for each in (b"one", b"two" * 100_000))
    tables.append(table, [one, "x"], [two, "y"])
    answer = ok(bulk(tables, association(one, table), association(two, table), user=ben))
    assert answer["userId"] == str(ben.id)
    names = [f"{int(each) % 1000}/{each}/data.txt" for each in (one, two)]
    assert [each["zipEntryName"] for each in answer["fileSummary"]] == names
    assert {each["status"] for each in answer["fileSummary"]} == {"SUCCESS"}
    assert read_archive(ben, answer) == dict(zip(names, (b"one", b"two" * 100_000), strict=True))
    zipped = answer["resultZipFileHandleId"]
    assert ok(ben.batch((zipped, table, "TableEntity")))["requestedFiles"][0]["preSignedURL"]


def test_bulk_download_reports_a_failure_code_per_file(ann, ben, tables, table):
    mine, other, elsewhere = ann.upload(b"mine"), ben.upload(b"other"), ann.handle("external")
    answer = ok(
        bulk(
            tables,
            association(mine, table),
            association(mine, table),
            association(other, table),
            association("99999999", table),
            association(elsewhere, table),
        )
    )
    codes = [each.get("failureCode") for each in answer["fileSummary"]]
    assert codes == [None, "DUPLICATE", "UNAUTHORIZED", "NOT_FOUND", "UNKNOWN_ERROR"]
    assert len(read_archive(ann, answer)) == 1
    failed = ok(bulk(tables, association(other, table)))
    assert "resultZipFileHandleId" not in failed
    assert failed["fileSummary"][0]["status"] == "FAILURE"


def test_names_in_a_flat_archive_are_unique(ann, tables, table):
    handles = [ann.upload(each, fileName="a.txt") for each in (b"1", b"2", b"3")]
    files = [association(each, table) for each in handles]
    answer = ok(bulk(tables, *files, zipFileFormat="Flat", zipFileName="all.zip"))
    assert set(read_archive(ann, answer)) == {"a.txt", "a(1).txt", "a(2).txt"}
    handle = ok(ann.get(f"{FILES}/fileHandle/{answer['resultZipFileHandleId']}"))
    assert handle["fileName"] == "all.zip"


def test_archive_names_contain_no_directories_of_the_file_name(ann, tables, table):
    original = association(ann.upload(b"x"), table)
    requests = [{"originalFile": original, "newFileName": "..\\..\\evil.txt"}]
    copies = ok(ann.post("/file/v1/filehandles/copy", {"copyRequests": requests}))["copyResults"]
    handle = copies[0]["newFileHandle"]["id"]
    answer = ok(bulk(tables, association(handle, table)))
    assert list(read_archive(ann, answer)) == [f"{int(handle) % 1000}/{handle}/evil.txt"]


def test_bulk_download_without_files_is_rejected(tables):
    assert_error(bulk(tables), 400)


def test_files_beyond_the_archive_size_are_excluded(tmp_path, recording):
    with start_service(tmp_path, recording, archive_bytes=5) as rest_service:
        tables = TableClient(Author(rest_service, "alice"))
        table = tables.create_table(("f", "FILEHANDLEID"))["id"]
        handles = [tables.author.upload(each) for each in (b"123", b"4567", b"89")]
        answer = ok(bulk(tables, *(association(each, table) for each in handles)))
    codes = [each.get("failureCode") for each in answer["fileSummary"]]
    assert codes == [None, "EXCEEDS_SIZE_LIMIT", None]
