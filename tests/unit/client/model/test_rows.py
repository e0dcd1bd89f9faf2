"""Tests of rows, partial rows and row sets."""

import pytest
from support.table_pages import HEADERS, NOON, NOON_MS, page, row

from synapse_workflows.client.model.columns import Column, SelectColumn
from synapse_workflows.client.model.rows import PartialRow, PartialRowset, Row, RowSet
from synapse_workflows.client.model.schemas import Schema


def test_row_omits_unknown_fields():
    assert Row([1, None]) == {"values": [1, None]}
    assert Row([1], 5, 2, "e") == {"values": [1], "rowId": 5, "versionNumber": 2, "etag": "e"}


def test_row_set_takes_header_from_columns_or_schema():
    column = Column(**HEADERS[0])
    assert RowSet(columns=[column]).headers == [HEADERS[0]]
    assert RowSet(columns=[SelectColumn(**HEADERS[0])]).headers == [HEADERS[0]]
    schema = Schema("t", [column], parent="syn1", id="syn5")
    row_set = RowSet(schema=schema, rows=[Row([1])])
    assert (row_set.headers, row_set.tableId) == ([HEADERS[0]], "syn5")
    assert RowSet(schema=Schema("t", ["7"], parent="syn1", id="syn5")).headers == [{"id": "7"}]
    for arguments in ({}, {"schema": Schema("t", parent="syn1")}):
        with pytest.raises(ValueError, match="headers must be defined"):
            RowSet(rows=[], **arguments)


def test_to_json_encodes_cells_as_text():
    row_set = RowSet(
        headers=HEADERS, tableId="syn5", rows=[Row([1, NOON]), [None, 5], Row([], 9, 1)]
    )
    assert row_set.to_json() == {
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
    ("values", "message"),
    [
        ([1], "Row 2 has 1 values for 2 columns"),
        ([1, 2, 3], "Row 2 has 3 values for 2 columns"),
        (["x", 1], "Row 2, column 'n': 'x' is not an integer"),
    ],
)
def test_to_json_rejects_row_that_does_not_match(values, message):
    with pytest.raises(ValueError, match=message):
        RowSet(headers=HEADERS, rows=[[1, 1], values]).to_json()


def test_from_json_decodes_cells():
    row_set = RowSet.from_json(page(row(1))["queryResults"])
    assert row_set.rows == [{"rowId": 1, "versionNumber": 2, "values": [1, NOON]}]
    assert RowSet.from_json({}).rows == []


def test_partial_row_accepts_column_ids_and_names():
    assert PartialRow({"7": 5, 8: None}, 3) == {
        "rowId": 3,
        "values": [{"key": "7", "value": "5"}, {"key": "8", "value": None}],
    }
    by_name = PartialRow({"n": True}, "3", "e", {"n": "7"})
    assert by_name == {"rowId": 3, "etag": "e", "values": [{"key": "7", "value": "true"}]}
    with pytest.raises(ValueError, match="Unknown column 'm': expected one of n"):
        PartialRow({"m": 1}, 3, nameToColumnId={"n": "7"})
    assert PartialRow({"7": 1}) == {"values": [{"key": "7", "value": "1"}]}
    one = PartialRow({"7": 1}, 3)
    assert PartialRowset("syn5", one).rows == PartialRowset("syn5", [one]).rows == [one]


def test_partial_rows_require_mappings():
    with pytest.raises(TypeError, match=r"The values must be a mapping.*\['a'\]"):
        PartialRow(["a"], 1)
    with pytest.raises(TypeError, match=r"The mapping must be a mapping.*None"):
        PartialRowset.from_mapping(None, None)
