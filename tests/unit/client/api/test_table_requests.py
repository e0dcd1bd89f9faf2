"""What is asked of Synapse for tables, and what is made of answers no healthy service gives."""

import io
import json
import logging
import zipfile
from pathlib import Path

import pytest
import responses

from synapse_workflows import Synapse
from synapse_workflows.client.api import async_jobs, queries
from synapse_workflows.client.core.async_job_flow import JobProgress
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import (
    SynapseDownloadError,
    SynapseError,
    SynapseJobError,
    SynapseTimeoutError,
)
from synapse_workflows.client.model.columns import SelectColumn
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.rows import PartialRow, PartialRowset, RowSet
from synapse_workflows.client.model.table_factory import Table

HOST = "https://synapse.example.org"
REPO, FILE = f"{HOST}/repo/v1", f"{HOST}/file/v1"
TRANSACTION = "/entity/syn5/table/transaction/async"
MODEL = "org.sagebionetworks.repo.model"


@pytest.fixture
def http():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def syn(tmp_path):
    with Synapse(
        REPO, f"{HOST}/auth/v1", FILE, f"{HOST}/",
        skip_checks=True, silent=True, cache_root_dir=str(tmp_path / "cache"),
        configPath=str(tmp_path / "none"), retry=RetryPolicy(attempts=2, wait=0.001),
    ) as client:  # fmt: skip
        client.table_query_sleep = 0.001
        yield client


@pytest.fixture
def said(syn):
    """What the client logs."""
    lines = []
    syn.silent = False
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    syn.logger.addHandler(handler)
    yield lines
    syn.logger.removeHandler(handler)


def job(http, path, *answers, base=REPO):
    """Answer a job with each of some results in turn."""
    for number, answer in enumerate(answers):
        http.post(f"{base}{path}/start", json={"token": str(number)}, status=201)
        http.get(f"{base}{path}/get/{number}", json=answer, status=201)


def bodies(http, path):
    return [
        json.loads(call.request.body)
        for call in http.calls
        if call.request.url.endswith(f"{path}/start")
    ]


def stored(kind="RowReferenceSetResults", **facts):
    return {"results": [{"concreteType": f"{MODEL}.table.{kind}", **facts}]}


def test_a_row_set_is_appended_in_a_transaction(syn, http):
    reference = {"tableId": "syn5", "etag": "e2", "rows": [{"rowId": 1, "versionNumber": 1}]}
    job(http, TRANSACTION, stored(rowReferenceSet=reference))
    rows = RowSet(headers=[{"id": "7"}], rows=[["x"]], tableId="syn5")
    assert syn.store(rows) == reference
    assert bodies(http, TRANSACTION) == [
        {
            "concreteType": f"{MODEL}.table.TableUpdateTransactionRequest",
            "entityId": "syn5",
            "changes": [
                {
                    "concreteType": f"{MODEL}.table.AppendableRowSetRequest",
                    "entityId": "syn5",
                    "toAppend": {
                        "concreteType": f"{MODEL}.table.RowSet",
                        "tableId": "syn5",
                        "headers": [{"id": "7"}],
                        "rows": [{"values": ["x"]}],
                    },
                }
            ],
        }
    ]


def test_a_transaction_is_not_begun_a_second_time(syn, http):
    """Nobody knows whether the first one began; rows would be there twice."""
    http.post(f"{REPO}{TRANSACTION}/start", status=502, body="bad gateway")
    with pytest.raises(SynapseError):
        syn.store(RowSet(headers=[{"id": "7"}], rows=[["x"]], tableId="syn5"))
    assert len(http.calls) == 1


def test_what_is_too_much_for_a_row_set_is_told_before_any_call(syn, http):
    rows = RowSet(headers=[{"id": "7"}], rows=[["x" * 3_000_000]], tableId="syn5")
    with pytest.raises(ValueError, match=r"Table\(schema, rows\)"):
        syn.store(rows)
    assert not http.calls


def test_rows_of_a_view_that_were_not_updated_are_told(syn, http):
    results = [
        {"entityId": "syn1"},
        {"entityId": "syn2", "failureCode": "CONCURRENT_UPDATE", "failureMessage": "stale"},
    ]
    job(http, TRANSACTION, stored("EntityUpdateResults", updateResults=results))
    parts = PartialRowset("syn5", PartialRow({"7": 1}, 2, "e"))
    with pytest.raises(SynapseError, match=r"Successful updates: \['syn1'\].*CONCURRENT_UPDATE"):
        syn.store(parts)


def test_a_result_of_unknown_kind_is_worth_a_warning(syn, http, said):
    job(http, TRANSACTION, stored("Unheard"))
    syn.store(PartialRowset("syn5", PartialRow({"7": 1}, 2)))
    assert said == [f"Unknown result type of a table change: {MODEL}.table.Unheard"]


def test_rows_without_a_table_are_told(syn):
    with pytest.raises(ValueError, match="no table ID"):
        syn.store(RowSet(headers=[{"id": "7"}], rows=[["x"]]))


@pytest.mark.parametrize("results", ["panda", "", None])
def test_only_known_kinds_of_results_can_be_asked_for(syn, results):
    with pytest.raises(ValueError, match="Unknown return type requested from tableQuery"):
        syn.tableQuery("select * from syn5", resultsAs=results)


@pytest.mark.parametrize("query", ["select 1", "select * from table", "select * from 123", ""])
def test_a_query_needs_a_table(syn, query):
    with pytest.raises(ValueError, match="Couldn't extract synapse ID from query"):
        syn.tableQuery(query)


@pytest.mark.parametrize(
    ("resultsAs", "options"),
    [
        ("csv", {"limit": 5}),
        ("rowset", {"header": True}),
        ("rowset", {"partMask": 1}),
    ],
)
def test_an_argument_of_the_other_kind_is_refused(syn, resultsAs, options):  # noqa: N803
    with pytest.raises(TypeError):
        syn.tableQuery("select * from syn5", resultsAs=resultsAs, **options)


@pytest.mark.parametrize(
    ("query", "table"),
    [
        ("select * from syn5", "syn5"),
        ("SELECT a\nFROM\tSYN5.12 where b = 1", "syn5.12"),
        ("""select "from syn7", ' from syn8' from syn5""", "syn5"),
        ('select \'it\'\'s from syn7\' as "a ""from syn8""" from syn5 t', "syn5"),
    ],
)
def test_the_table_of_a_query_is_found(query, table):
    found = queries.parse_table_id(query)
    assert (found.id if found.version is None else f"{found.id}.{found.version}") == table


def test_a_form_of_csv_that_synapse_does_not_take_is_told(syn, http):
    with pytest.raises(ValueError, match="separator must be one character"):
        syn.tableQuery("select * from syn5", separator="::")
    assert not http.calls


def test_pages_are_asked_for_when_they_are_reached(syn, http):
    def page(number):
        rowset = {
            "tableId": "syn5",
            "headers": [{"name": "n", "columnType": "INTEGER"}],
            "rows": [{"rowId": number, "versionNumber": 1, "values": [str(number)]}],
        }
        return {"queryResults": rowset}

    token = {"concreteType": f"{MODEL}.table.QueryNextPageToken", "token": "t"}
    query, following = "/entity/syn5/table/query/async", "/entity/syn5/table/query/nextPage/async"
    job(http, query, {"queryResult": {**page(1), "nextPageToken": token}, "queryCount": 2})
    job(http, following, page(2))
    sql = "SELECT n FROM syn5.3"
    result = syn.tableQuery(sql, resultsAs="rowset", limit=2, offset=1)
    assert bodies(http, query) == [
        {
            "concreteType": f"{MODEL}.table.QueryBundleRequest",
            "query": {"sql": sql, "includeEntityEtag": True, "limit": 2, "offset": 1},
        }
    ]
    assert bodies(http, following) == []
    assert [row["values"] for row in result] == [[1], [2]]
    assert bodies(http, following) == [token]


def test_is_consistent_is_not_sent_any_more(syn, http, said):
    job(http, "/entity/syn5/table/query/async", {})
    syn.tableQuery("select * from syn5", resultsAs="rowset", isConsistent=False)
    assert said == ["isConsistent=False has no effect: Synapse ignores it."]
    assert "isConsistent" not in str(bodies(http, "/entity/syn5/table/query/async"))


def test_nothing_is_asked_about_the_table_when_nobody_listens(syn, http):
    job(http, "/entity/syn5/table/query/async", {}, {})
    syn.tableQuery("select * from syn5", resultsAs="rowset")
    syn.subscribe(lambda _: None)
    syn.tableQuery("select * from syn5.2", resultsAs="rowset")
    assert not [call for call in http.calls if call.request.url == f"{REPO}/entity/syn5"]


def test_a_failed_job_and_one_without_progress_are_told(syn, http):
    path = "/entity/syn5/table/query/async"
    job(http, path, {"jobState": "FAILED", "errorMessage": "broken"})
    with pytest.raises(SynapseJobError, match="broken"):
        syn.tableQuery("select * from syn5", resultsAs="rowset")
    job(http, path, {"jobState": "PROCESSING", "progressMessage": "reading"})
    syn.table_query_timeout = 0.01
    with pytest.raises(SynapseTimeoutError, match="reading"):
        syn.tableQuery("select * from syn5", resultsAs="rowset")


def test_progress_is_told_every_ten_seconds(syn, said):
    now = iter([0, 5, 11, 11, 12, 22, 22])
    path = "/entity/syn5/table/query/async"
    with async_jobs.show_progress(
        syn, path, stream=io.StringIO(), clock=lambda: next(now)
    ) as tell:
        for step in range(1, 5):
            tell(JobProgress("reading", step, 9))
    assert said == ["syn5 table query: reading, 2 of 9", "syn5 table query: reading, 4 of 9"]


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self):
        return True


def test_progress_is_drawn_in_a_terminal(syn, said):
    path = "/entity/syn5/table/query/async"
    quick, slow, silent = Terminal(), Terminal(), Terminal()
    with async_jobs.show_progress(syn, path, stream=quick):
        pass
    assert quick.getvalue() == ""
    with async_jobs.show_progress(syn, path, stream=slow) as tell:
        tell(JobProgress("reading", 1, 9))
        tell(JobProgress("writing"))
    assert "syn5 table query: 00:00, reading, 1 of 9" in slow.getvalue()
    assert "writing" in slow.getvalue()
    syn.silent = True
    with async_jobs.show_progress(syn, path, stream=silent) as tell:
        tell(JobProgress("reading"))
    assert silent.getvalue() == ""
    assert said == []


class Bulk:
    """The file service: packs files that are asked for, as far as it is told to."""

    def __init__(self, http, *fates):
        self.http, self.fates, self.zips, self.asked = http, list(fates), {}, []
        self.break_zips = False
        http.add_callback("POST", f"{FILE}/file/bulk/async/start", self.start)
        http.add_callback("POST", f"{FILE}/fileHandle/batch", self.grant)

    def start(self, request):
        wanted = [one["fileHandleId"] for one in json.loads(request.body)["requestedFiles"]]
        self.asked.append(wanted)
        fate = self.fates.pop(0) if self.fates else {}
        number, content, summary = str(900 + len(self.asked)), io.BytesIO(), []
        with zipfile.ZipFile(content, "w") as archive:
            for handle in wanted:
                entry, failure = (
                    f"{int(handle) % 1000}/{handle}/file{handle}.txt",
                    fate.get(handle),
                )
                if failure is None:
                    archive.writestr(entry, f"content {handle}")
                    summary.append(
                        {"fileHandleId": handle, "status": "SUCCESS", "zipEntryName": entry}
                    )
                else:
                    facts = {"failureCode": failure, "failureMessage": f"{failure} of {handle}"}
                    summary.append({"fileHandleId": handle, "status": "FAILURE", **facts})
        answer = {"fileSummary": summary}
        if any(one["status"] == "SUCCESS" for one in summary):
            answer["resultZipFileHandleId"] = number
            packed = b"broken" if self.break_zips else content.getvalue()
            self.http.get(f"{HOST}/storage/{number}", body=packed)
        self.http.get(f"{FILE}/file/bulk/async/get/{number}", json=answer, status=201)
        return 201, {}, json.dumps({"token": number})

    def grant(self, request):
        (wanted,) = json.loads(request.body)["requestedFiles"]
        assert wanted["associateObjectType"] == "TableEntity"
        assert wanted["associateObjectId"] == "syn5"
        handle = wanted["fileHandleId"]
        if len(handle) < 3:  # one file alone
            self.http.get(f"{HOST}/storage/{handle}", body=f"content {handle}".encode())
        url = f"{HOST}/storage/{handle}"
        return 200, {}, json.dumps({"requestedFiles": [{"preSignedURL": url}]})


def result_of(tmp_path, *cells):
    path = tmp_path / "result.csv"
    path.write_text("ROW_ID,ROW_VERSION,f,g\n" + "".join(f"1,1,{cell},\n" for cell in cells))
    headers = [SelectColumn(name=name, columnType="FILEHANDLEID") for name in "fg"]
    return CsvFileTable("syn5", path, headers=headers)


def contents(paths):
    return {handle: Path(path).read_text() for handle, path in paths.items()}


def test_files_come_in_one_zip_and_once(syn, http, tmp_path):
    bulk = Bulk(http)
    table = result_of(tmp_path, "12", "11", "12")
    paths = syn.downloadTableColumns(table, ["f", "g"])
    assert contents(paths) == {"12": "content 12", "11": "content 11"}
    assert bulk.asked == [["12", "11"]]
    assert all(Path(path).parent == Path(syn.cache.get_cache_dir(h)) for h, path in paths.items())
    assert syn.downloadTableColumns(table, "f") == paths
    assert bulk.asked == [["12", "11"]]
    assert not list(Path(syn.cache.cache_root_dir).rglob("*.zip"))


def test_files_go_where_they_should(syn, http, tmp_path):
    Bulk(http)
    place = tmp_path / "place"
    paths = syn.downloadTableColumns(result_of(tmp_path, "12"), "f", downloadLocation=place)
    assert paths == {"12": str(place / "file12.txt")}
    assert [path.name for path in place.iterdir()] == ["file12.txt"]


def test_files_are_asked_for_in_batches(syn, http, tmp_path):
    bulk = Bulk(http)
    table = result_of(tmp_path, "11", "12", "13")
    assert len(syn.downloadTableColumns(table, "f", max_files_per_request=2)) == 3
    assert bulk.asked == [["11", "12"], ["13"]]


def test_what_did_not_fit_into_a_zip_is_asked_for_again(syn, http, tmp_path, said):
    bulk = Bulk(http, {"12": "EXCEEDS_SIZE_LIMIT", "13": "UNAUTHORIZED"})
    paths = syn.downloadTableColumns(result_of(tmp_path, "11", "12", "13"), "f")
    assert contents(paths) == {"11": "content 11", "12": "content 12"}
    assert bulk.asked == [["11", "12", "13"], ["12"]]
    assert "File handle 13: UNAUTHORIZED of 13" in said


def test_a_file_too_large_for_any_zip_comes_alone(syn, http, tmp_path):
    bulk = Bulk(http, {"12": "EXCEEDS_SIZE_LIMIT"})
    assert contents(syn.downloadTableColumns(result_of(tmp_path, "12"), "f")) == {
        "12": "content 12"
    }
    assert bulk.asked == [["12"]]


def test_when_no_file_can_be_had_there_is_no_zip(syn, http, tmp_path):
    Bulk(http, {"12": "NOT_FOUND"})
    assert syn.downloadTableColumns(result_of(tmp_path, "12"), "f") == {}


def test_a_zip_that_is_broken_is_told(syn, http, tmp_path):
    Bulk(http).break_zips = True
    with pytest.raises(SynapseDownloadError, match="zip file 901 is corrupt"):
        syn.downloadTableColumns(result_of(tmp_path, "12"), "f")
    assert not list(Path(syn.cache.cache_root_dir).rglob("*.zip"))


def test_after_a_hundred_requests_it_gives_up(syn, http, tmp_path, said):
    always = {"12": "EXCEEDS_SIZE_LIMIT"}
    bulk = Bulk(http, *[always] * 200)
    cells = ["12", *(str(n) for n in range(100, 300))]
    paths = syn.downloadTableColumns(result_of(tmp_path, *cells), "f", max_files_per_request=2)
    assert len(bulk.asked) == 100
    assert "12" not in paths
    assert said[-1].startswith("Stopped the download of ")


def test_a_cell_that_is_no_file_handle_is_worth_a_warning(syn, http, tmp_path, said):
    assert syn.downloadTableColumns(result_of(tmp_path, "dog", ""), "f") == {}
    assert said == ["Ignored invalid file handle ID: dog"]


def test_only_columns_of_a_csv_result_can_be_downloaded(syn, tmp_path):
    table = result_of(tmp_path, "12")
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
