"""Rows and sets of rows in the form that Synapse takes and gives."""

from datetime import UTC, datetime

import pytest

from synapse_workflows.client.model.columns import Column, SelectColumn
from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.client.model.rows import PartialRow, PartialRowset, Row, RowMetadata, RowSet
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.client.model.tables import RowSetTable

HEADERS = [
    {"id": "7", "columnType": "INTEGER", "name": "n"},
    {"id": "8", "columnType": "DATE", "name": "when"},
]
NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
NOON_MS = "1577880000000"
ETAG = "0f3c1bd2-6f6c-4b7e-9d0b-5a0f6dd0c0f1"


def page(*rows, token=None):
    rowset = {"tableId": "syn5", "etag": "e", "headers": HEADERS, "rows": list(rows)}
    return {"queryResults": rowset} | ({"nextPageToken": token} if token else {})


def row(number, etag=None):
    made = {"rowId": number, "versionNumber": 2, "values": [str(number), NOON_MS]}
    return made | ({"etag": etag} if etag else {})


def test_a_row_says_what_is_known_of_it():
    assert Row([1, None]) == {"values": [1, None]}
    assert Row([1], 5, 2, "e") == {"values": [1], "rowId": 5, "versionNumber": 2, "etag": "e"}


def test_a_row_set_takes_its_header_from_columns_or_a_schema():
    column = Column(**HEADERS[0])
    assert RowSet(columns=[column]).headers == [HEADERS[0]]
    assert RowSet(columns=[SelectColumn(**HEADERS[0])]).headers == [HEADERS[0]]
    schema = Schema("t", [column], parent="syn1", id="syn5")
    made = RowSet(schema=schema, rows=[Row([1])])
    assert (made.headers, made.tableId) == ([HEADERS[0]], "syn5")
    assert RowSet(schema=Schema("t", ["7"], parent="syn1", id="syn5")).headers == [{"id": "7"}]
    for nothing in ({}, {"schema": Schema("t", parent="syn1")}):
        with pytest.raises(ValueError, match="headers must be defined"):
            RowSet(rows=[], **nothing)


def test_a_row_set_is_written_as_text():
    made = RowSet(headers=HEADERS, tableId="syn5", rows=[Row([1, NOON]), [None, 5], Row([], 9, 1)])
    assert made.to_json() == {
        "concreteType": "org.sagebionetworks.repo.model.table.RowSet",
        "tableId": "syn5",
        "headers": HEADERS,
        "rows": [
            {"values": ["1", NOON_MS]},
            {"values": [None, "5"]},
            {"values": [], "rowId": 9, "versionNumber": 1},
        ],
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1], "Row 2 has 1 values for 2 columns"),
        ([1, 2, 3], "Row 2 has 3 values for 2 columns"),
        (["x", 1], "Row 2, column 'n': 'x' is not an integer"),
    ],
)
def test_a_row_that_does_not_fit_is_told(values, said):
    with pytest.raises(ValueError, match=said):
        RowSet(headers=HEADERS, rows=[[1, 1], values]).to_json()


def test_a_row_set_that_was_answered_holds_values():
    made = RowSet.from_json(page(row(1))["queryResults"])
    assert made.rows == [{"rowId": 1, "versionNumber": 2, "values": [1, NOON]}]
    assert RowSet.from_json({}).rows == []


def test_parts_of_rows_are_named_by_column():
    assert PartialRow({"7": 5, 8: None}, 3) == {
        "rowId": 3,
        "values": [{"key": "7", "value": "5"}, {"key": "8", "value": None}],
    }
    named = PartialRow({"n": True}, "3", "e", {"n": "7"})
    assert named == {"rowId": 3, "etag": "e", "values": [{"key": "7", "value": "true"}]}
    with pytest.raises(ValueError, match="Unknown column 'm': expected one of n"):
        PartialRow({"m": 1}, 3, nameToColumnId={"n": "7"})
    assert PartialRow({"7": 1}) == {"values": [{"key": "7", "value": "1"}]}
    one = PartialRow({"7": 1}, 3)
    assert PartialRowset("syn5", one).rows == PartialRowset("syn5", [one]).rows == [one]


def result(bundle, *following):
    pages = list(following)
    asked = []

    def turn(token):
        asked.append(token)
        return pages.pop(0)

    made = TableQueryResult("syn5", bundle, turn, "select * from syn5")
    return made, asked


def test_a_result_goes_from_page_to_page():
    bundle = {
        "queryResult": page(row(1), row(2), token={"token": "t"}),
        "queryCount": 3,
        "columnModels": [HEADERS[0]],
        "maxRowsPerPage": 2,
    }
    made, asked = result(bundle, page(row(3)))
    assert (len(made), made.count, made.maxRowsPerPage, made.etag) == (2, 3, 2, "e")
    assert (made.tableId, made.headers, made.columnModels[0].name) == ("syn5", HEADERS, "n")
    rows = iter(made)
    assert [next(rows)["rowId"], made.next()["rowId"]] == [1, 2]
    assert asked == []
    assert [one["values"] for one in rows] == [[3, NOON]]
    assert asked == [{"token": "t"}]
    assert len(made) == 1
    assert list(made) == []


def test_an_empty_page_before_another_is_passed_over():
    made, _ = result({"queryResult": page(token={"token": "t"})}, page(row(1)))
    assert [one["rowId"] for one in made] == [1]


def test_an_empty_result_is_empty():
    made, _ = result({})
    assert (list(made), len(made), made.headers, made.count) == ([], 0, [], None)
    assert made.asRowSet().rows == []


def test_a_result_says_which_rows_they_are():
    made, _ = result({"queryResult": page(row(1, ETAG), token={"token": "t"})}, page(row(2, ETAG)))
    assert made.has_row_etags
    assert list(made.iter_row_metadata()) == [RowMetadata(1, 2, ETAG), RowMetadata(2, 2, ETAG)]
    aggregate, _ = result({"queryResult": page({"values": ["1", None]})})
    with pytest.raises(ValueError, match="have no row IDs"):
        list(aggregate.iter_row_metadata())


def test_parts_of_rows_are_made_from_a_result():
    made, _ = result({"queryResult": page(row(1, ETAG), row(2, ETAG))})
    parts = PartialRowset.from_mapping({2: {"when": NOON, "n": None}}, made)
    assert parts == {
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


def test_parts_of_rows_are_made_from_a_result_that_was_gone_through():
    bundle = {"queryResult": page(row(1, ETAG), token={"token": "t"})}
    made, _ = result(bundle, page(row(2, ETAG)))
    assert not made.is_partly_read
    changes = {one["rowId"]: {"n": None} for one in made}
    assert made.is_partly_read
    assert [one["etag"] for one in PartialRowset.from_mapping(changes, made).rows] == [ETAG] * 2
    fresh, asked = result(bundle, page(row(2, ETAG)))
    assert fresh.row_etags() == {1: ETAG, 2: ETAG}
    assert asked == [{"token": "t"}]


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({1: {"m": 1}}, "Unknown column 'm'"),
        ({9: {"n": 1}}, "Row 9 is not in the query result"),
        ({1: {"n": "x"}}, "Row 1, column 'n': 'x' is not an integer"),
    ],
)
def test_parts_that_do_not_fit_the_result_are_told(mapping, said):
    made, _ = result({"queryResult": page(row(1, ETAG))})
    with pytest.raises(ValueError, match=said):
        PartialRowset.from_mapping(mapping, made)


def test_a_table_of_a_row_set_gives_values():
    rows = [Row(["1", NOON_MS], 4, 2), Row([2, None], 5, 2)]
    table = RowSetTable("syn5", RowSet(headers=HEADERS, rows=rows, etag="e"))
    assert list(table) == [[1, NOON], [2, None]]
    assert (len(table), table.etag, table.tableId) == (2, "e", "syn5")
    assert [one.row_id for one in table.iter_row_metadata()] == [4, 5]
    assert table.asRowSet().rows == rows
    with pytest.raises(ValueError, match="have no row IDs"):
        list(RowSetTable("syn5", RowSet(headers=HEADERS, rows=[[1, 2]])).iter_row_metadata())
