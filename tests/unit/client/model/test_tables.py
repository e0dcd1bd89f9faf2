"""Tests of tables with rows in memory."""

import pytest
from support.table_pages import HEADERS, NOON, NOON_MS

from synapse_workflows.client.model.rows import Row, RowSet
from synapse_workflows.client.model.tables import RowSetTable


def test_row_set_table_decodes_cells():
    rows = [Row(["1", NOON_MS], 4, 2), Row([2, None], 5, 2)]
    table = RowSetTable("syn5", RowSet(headers=HEADERS, rows=rows, etag="e"))
    assert list(table) == [[1, NOON], [2, None]]
    assert (len(table), table.etag, table.tableId) == (2, "e", "syn5")
    assert [one.row_id for one in table.iter_row_metadata()] == [4, 5]
    assert table.asRowSet().rows == rows
    with pytest.raises(ValueError, match="have no row IDs"):
        list(RowSetTable("syn5", RowSet(headers=HEADERS, rows=[[1, 2]])).iter_row_metadata())
