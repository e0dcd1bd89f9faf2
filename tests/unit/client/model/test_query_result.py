"""Tests of query results: paging, row metadata and partial rows."""

import pytest
from support.table_pages import HEADERS, NOON, NOON_MS, page, row

from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.client.model.rows import PartialRowset, RowMetadata

ETAG = "0f3c1bd2-6f6c-4b7e-9d0b-5a0f6dd0c0f1"


def create_result(bundle, *following):
    """Return a query result, and the list of page tokens that it requests."""
    pages = list(following)
    tokens = []

    def fetch_page(token):
        tokens.append(token)
        return pages.pop(0)

    return TableQueryResult("syn5", bundle, fetch_page, "select * from syn5"), tokens


def test_iteration_fetches_next_page_when_needed():
    bundle = {
        "queryResult": page(row(1), row(2), token={"token": "t"}),
        "queryCount": 3,
        "columnModels": [HEADERS[0]],
        "maxRowsPerPage": 2,
    }
    result, tokens = create_result(bundle, page(row(3)))
    assert (len(result), result.count, result.maxRowsPerPage, result.etag) == (2, 3, 2, "e")
    assert (result.tableId, result.headers, result.columnModels[0].name) == ("syn5", HEADERS, "n")
    assert [next(result)["rowId"], result.next()["rowId"]] == [1, 2]
    assert tokens == []
    assert [one["values"] for one in result] == [[3, NOON]]
    assert tokens == [{"token": "t"}]
    assert len(result) == 1


def test_each_iteration_returns_all_rows():
    following = [page(row(3)) for _ in range(5)]
    bundle = {"queryResult": page(row(1), row(2), token={"token": "t"})}
    result, _ = create_result(bundle, *following)
    for one in result:
        assert one["rowId"] == 1
        break
    for _ in range(2):
        assert [one["rowId"] for one in result] == [1, 2, 3]
    assert len(result.asRowSet().rows) == 3
    assert next(result)["rowId"] == 1
    assert len(result.asRowSet().rows) == 3
    assert [one["rowId"] for one in result] == [2, 3]
    assert not result.is_partly_read


def test_iteration_skips_empty_page():
    result, _ = create_result({"queryResult": page(token={"token": "t"})}, page(row(1)))
    assert [one["rowId"] for one in result] == [1]


def test_empty_result_has_no_rows():
    result, _ = create_result({})
    assert (list(result), len(result), result.headers, result.count) == ([], 0, [], None)
    assert result.asRowSet().rows == []


def test_iter_row_metadata_requires_row_ids():
    result, _ = create_result(
        {"queryResult": page(row(1, ETAG), token={"token": "t"})}, page(row(2, ETAG))
    )
    assert result.has_row_etags
    assert list(result.iter_row_metadata()) == [RowMetadata(1, 2, ETAG), RowMetadata(2, 2, ETAG)]
    aggregate, _ = create_result({"queryResult": page({"values": ["1", None]})})
    with pytest.raises(ValueError, match="have no row IDs"):
        list(aggregate.iter_row_metadata())


def test_partial_rowset_from_result():
    result, _ = create_result({"queryResult": page(row(1, ETAG), row(2, ETAG))})
    partial_rows = PartialRowset.from_mapping({2: {"when": NOON, "n": None}}, result)
    assert partial_rows == {
        "concreteType": "org.sagebionetworks.repo.model.table.PartialRowSet",
        "tableId": "syn5",
        "rows": [
            {
                "rowId": 2,
                "etag": ETAG,
                "values": [{"key": "8", "value": NOON_MS}, {"key": "7", "value": None}],
            }
        ],
    }


def test_partial_rowset_from_result_that_was_read():
    bundle = {"queryResult": page(row(1, ETAG), token={"token": "t"})}
    result, _ = create_result(bundle, *[page(row(2, ETAG))] * 2)
    changes = {one["rowId"]: {"n": None} for one in result}
    assert not result.is_partly_read
    assert [one["etag"] for one in PartialRowset.from_mapping(changes, result).rows] == [ETAG] * 2
    fresh, tokens = create_result(bundle, page(row(2, ETAG)))
    assert fresh.row_etags() == {1: ETAG, 2: ETAG}
    assert tokens == [{"token": "t"}]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({1: {"m": 1}}, "Unknown column 'm'"),
        ({9: {"n": 1}}, "Row 9 is not in the query result"),
        ({1: {"n": "x"}}, "Row 1, column 'n': 'x' is not an integer"),
    ],
)
def test_partial_rowset_rejects_mapping_that_does_not_match(mapping, message):
    result, _ = create_result({"queryResult": page(row(1, ETAG))})
    with pytest.raises(ValueError, match=message):
        PartialRowset.from_mapping(mapping, result)
