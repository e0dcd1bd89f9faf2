"""Tests of the bulk download of files in table cells, with a mocked file service."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from synapse_workflows.client.errors import SynapseDownloadError
from synapse_workflows.client.model.columns import SelectColumn
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.rows import RowSet
from synapse_workflows.client.model.table_factory import Table

HOST = "https://synapse.example.org"
FILE = f"{HOST}/file/v1"


class BulkFileService:
    """Mocked bulk download: puts requested files into a zip file, except for planned failures."""

    def __init__(self, http, *failures):
        self.http, self.failures, self.requests = http, list(failures), []
        self.break_zips = False
        http.add_callback("POST", f"{FILE}/file/bulk/async/start", self.start)
        http.add_callback("POST", f"{FILE}/fileHandle/batch", self.presign)

    def start(self, request):
        wanted = [one["fileHandleId"] for one in json.loads(request.body)["requestedFiles"]]
        self.requests.append(wanted)
        planned = self.failures.pop(0) if self.failures else {}
        number, content, summary = str(900 + len(self.requests)), io.BytesIO(), []
        with zipfile.ZipFile(content, "w") as archive:
            for handle in wanted:
                entry, failure = (
                    f"{int(handle) % 1000}/{handle}/file{handle}.txt",
                    planned.get(handle),
                )
                if failure is None:
                    archive.writestr(entry, f"content {handle}")
                    summary.append(
                        {"fileHandleId": handle, "status": "SUCCESS", "zipEntryName": entry}
                    )
                else:
                    details = {"failureCode": failure, "failureMessage": f"{failure} of {handle}"}
                    summary.append({"fileHandleId": handle, "status": "FAILURE", **details})
        response = {"fileSummary": summary}
        if any(one["status"] == "SUCCESS" for one in summary):
            response["resultZipFileHandleId"] = number
            content_bytes = b"broken" if self.break_zips else content.getvalue()
            self.http.get(f"{HOST}/storage/{number}", body=content_bytes)
        self.http.get(f"{FILE}/file/bulk/async/get/{number}", json=response, status=201)
        return 201, {}, json.dumps({"token": number})

    def presign(self, request):
        (wanted,) = json.loads(request.body)["requestedFiles"]
        assert wanted["associateObjectType"] == "TableEntity"
        assert wanted["associateObjectId"] == "syn5"
        handle = wanted["fileHandleId"]
        if len(handle) < 3:  # one file alone
            self.http.get(f"{HOST}/storage/{handle}", body=f"content {handle}".encode())
        url = f"{HOST}/storage/{handle}"
        return 200, {}, json.dumps({"requestedFiles": [{"preSignedURL": url}]})


def create_result(tmp_path, *cells):
    path = tmp_path / "result.csv"
    path.write_text("ROW_ID,ROW_VERSION,f,g\n" + "".join(f"1,1,{cell},\n" for cell in cells))
    headers = [SelectColumn(name=name, columnType="FILEHANDLEID") for name in "fg"]
    return CsvFileTable("syn5", path, headers=headers)


def read_files(paths):
    return {handle: Path(path).read_text() for handle, path in paths.items()}


def test_files_are_downloaded_once_in_one_zip(syn, http, tmp_path):
    bulk = BulkFileService(http)
    table = create_result(tmp_path, "12", "11", "12")
    paths = syn.downloadTableColumns(table, ["f", "g"])
    assert read_files(paths) == {"12": "content 12", "11": "content 11"}
    assert bulk.requests == [["12", "11"]]
    assert all(Path(path).parent == Path(syn.cache.get_cache_dir(h)) for h, path in paths.items())
    assert syn.downloadTableColumns(table, "f") == paths
    assert bulk.requests == [["12", "11"]]
    assert not list(Path(syn.cache.cache_root_dir).rglob("*.zip"))


def test_files_are_downloaded_to_directory(syn, http, tmp_path):
    BulkFileService(http)
    directory = tmp_path / "downloads"
    paths = syn.downloadTableColumns(
        create_result(tmp_path, "12"), "f", downloadLocation=directory
    )
    assert paths == {"12": str(directory / "file12.txt")}
    assert [path.name for path in directory.iterdir()] == ["file12.txt"]


def test_files_are_requested_in_batches(syn, http, tmp_path):
    bulk = BulkFileService(http)
    table = create_result(tmp_path, "11", "12", "13")
    assert len(syn.downloadTableColumns(table, "f", max_files_per_request=2)) == 3
    assert bulk.requests == [["11", "12"], ["13"]]


def test_files_over_the_size_limit_are_requested_again(syn, http, tmp_path, log_messages):
    bulk = BulkFileService(http, {"12": "EXCEEDS_SIZE_LIMIT", "13": "UNAUTHORIZED"})
    paths = syn.downloadTableColumns(create_result(tmp_path, "11", "12", "13"), "f")
    assert read_files(paths) == {"11": "content 11", "12": "content 12"}
    assert bulk.requests == [["11", "12", "13"], ["12"]]
    assert "File handle 13: UNAUTHORIZED of 13" in log_messages


def test_file_too_large_for_a_zip_is_downloaded_separately(syn, http, tmp_path):
    bulk = BulkFileService(http, {"12": "EXCEEDS_SIZE_LIMIT"})
    assert read_files(syn.downloadTableColumns(create_result(tmp_path, "12"), "f")) == {
        "12": "content 12"
    }
    assert bulk.requests == [["12"]]


def test_no_zip_is_downloaded_if_all_files_fail(syn, http, tmp_path):
    BulkFileService(http, {"12": "NOT_FOUND"})
    assert syn.downloadTableColumns(create_result(tmp_path, "12"), "f") == {}


def test_corrupt_zip_raises(syn, http, tmp_path):
    BulkFileService(http).break_zips = True
    with pytest.raises(SynapseDownloadError, match="zip file 901 is corrupt"):
        syn.downloadTableColumns(create_result(tmp_path, "12"), "f")
    assert not list(Path(syn.cache.cache_root_dir).rglob("*.zip"))


def test_download_stops_after_a_hundred_requests(syn, http, tmp_path, log_messages):
    failure = {"12": "EXCEEDS_SIZE_LIMIT"}
    bulk = BulkFileService(http, *[failure] * 200)
    cells = ["12", *(str(n) for n in range(100, 300))]
    paths = syn.downloadTableColumns(create_result(tmp_path, *cells), "f", max_files_per_request=2)
    assert len(bulk.requests) == 100
    assert "12" not in paths
    assert log_messages[-1].startswith("Stopped the download of ")


def test_invalid_file_handle_id_is_logged(syn, http, tmp_path, log_messages):
    assert syn.downloadTableColumns(create_result(tmp_path, "dog", ""), "f") == {}
    assert log_messages == ["Ignored invalid file handle ID: dog"]


def test_invalid_arguments_are_rejected(syn, tmp_path):
    table = create_result(tmp_path, "12")
    with pytest.raises(ValueError, match="Columns not found: x, y"):
        syn.downloadTableColumns(table, ["f", "x", "y"])
    with pytest.raises(TypeError, match="a name or a list of names"):
        syn.downloadTableColumns(table, 5)
    with pytest.raises(TypeError, match="Unexpected"):
        syn.downloadTableColumns(table, "f", downloadlocation="x")
    with pytest.raises(ValueError, match="at least 1"):
        syn.downloadTableColumns(table, "f", max_files_per_request=0)
    with pytest.raises(ValueError, match="as 'csv'"):
        syn.downloadTableColumns(Table("syn5", RowSet([])), "f")
