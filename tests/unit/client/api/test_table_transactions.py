"""Tests of table transactions: request bodies, retries and results."""

import pytest

from synapse_workflows.client.api import table_transactions
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.rows import PartialRow, PartialRowset, RowSet
from synapse_workflows.constants import MODEL

PATH = "/entity/syn5/table/transaction/async"


def response_of(result_type="RowReferenceSetResults", **properties):
    return {"results": [{"concreteType": f"{MODEL}.table.{result_type}", **properties}]}


def test_store_row_set_sends_append_request(syn, add_jobs, get_job_requests):
    reference = {"tableId": "syn5", "etag": "e2", "rows": [{"rowId": 1, "versionNumber": 1}]}
    add_jobs(PATH, response_of(rowReferenceSet=reference))
    rows = RowSet(headers=[{"id": "7"}], rows=[["x"]], tableId="syn5")
    assert syn.store(rows) == reference
    assert get_job_requests(PATH) == [
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


@pytest.fixture
def table(http, repo_url):
    """The table has a column, which is looked up to serialize values by its type."""
    entity = {"id": "syn5", "concreteType": f"{MODEL}.table.TableEntity"}
    columns = [{"id": "7", "name": "is_new", "columnType": "BOOLEAN"}]
    bundle = {"entity": entity, "tableBundle": {"columnModels": columns}}
    http.post(f"{repo_url}/entity/syn5/bundle2", json=bundle)


@pytest.mark.usefixtures("table")
def test_partial_rows_are_serialized_by_column_type(syn, add_jobs, get_job_requests):
    add_jobs(PATH, response_of())
    syn.store(PartialRowset("syn5", PartialRow({"7": 1}, 2)))
    (request,) = get_job_requests(PATH)
    assert request["changes"][0]["toAppend"]["rows"] == [
        {"rowId": 2, "values": [{"key": "7", "value": "true"}]}
    ]
    with pytest.raises(ValueError, match=r"Row 2, column 'is_new': 5 is neither true nor false"):
        syn.store(PartialRowset("syn5", PartialRow({"7": 5}, 2)))


def test_upload_request_has_etag_only_if_given():
    request = {
        "concreteType": f"{MODEL}.table.UploadToTableRequest",
        "tableId": "syn5",
        "uploadFileHandleId": "12",
        "linesToSkip": 1,
        "csvTableDescriptor": {"separator": ","},
    }
    arguments = ("syn5", "12", {"separator": ","})
    assert table_transactions.upload_request(*arguments, lines_to_skip=1) == request
    assert table_transactions.upload_request(*arguments, lines_to_skip=1, etag="e") == {
        **request,
        "updateEtag": "e",
    }


def test_transaction_with_snapshot_has_its_options():
    assert table_transactions.transaction_request("syn5", [], {"snapshotLabel": "one"}) == {
        "concreteType": f"{MODEL}.table.TableUpdateTransactionRequest",
        "entityId": "syn5",
        "changes": [],
        "createSnapshot": True,
        "snapshotOptions": {"snapshotLabel": "one"},
    }


def test_start_of_a_transaction_is_not_repeated(syn, http, repo_url):
    """The first request may have been processed; a repetition would store the rows twice."""
    http.post(f"{repo_url}{PATH}/start", status=502, body="bad gateway")
    with pytest.raises(SynapseError):
        syn.store(RowSet(headers=[{"id": "7"}], rows=[["x"]], tableId="syn5"))
    assert len(http.calls) == 1


def test_failed_updates_of_a_view_raise(syn, add_jobs):
    results = [
        {"entityId": "syn1"},
        {"entityId": "syn2", "failureCode": "CONCURRENT_UPDATE", "failureMessage": "stale"},
    ]
    add_jobs(PATH, response_of("EntityUpdateResults", updateResults=results))
    rows = PartialRowset("syn5", PartialRow({"7": "1"}, 2, "e"))
    with pytest.raises(SynapseError, match=r"Successful updates: \['syn1'\].*CONCURRENT_UPDATE"):
        syn.store(rows)


def test_unknown_result_type_is_logged(syn, add_jobs, log_messages):
    add_jobs(PATH, response_of("NewResult"))
    syn.store(PartialRowset("syn5", PartialRow({"7": "1"}, 2)))
    assert log_messages == [f"Unknown result type of a table change: {MODEL}.table.NewResult"]
