"""Tests of the validation of rows before they are stored."""

import pytest

from synapse_workflows.client.model.rows import RowSet


def test_too_large_row_set_is_rejected_before_any_request(syn, http):
    rows = RowSet(headers=[{"id": "7"}], rows=[["x" * 3_000_000]], tableId="syn5")
    with pytest.raises(ValueError, match=r"Table\(schema, rows\)"):
        syn.store(rows)
    assert not http.calls


def test_rows_without_table_id_are_rejected(syn):
    with pytest.raises(ValueError, match="no table ID"):
        syn.store(RowSet(headers=[{"id": "7"}], rows=[["x"]]))
