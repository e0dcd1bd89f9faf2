"""Tests of the temporary storage of rows whose columns are not known yet."""

import gc
import tempfile
from pathlib import Path

import pytest

from synapse_workflows.client.model.row_spool import RowSpool
from synapse_workflows.client.model.rows import Row


def test_rows_are_read_as_often_as_needed():
    spool = RowSpool(iter([[1, "a"], (2, None), Row([3, {"x": 1}])]))
    for _ in range(2):
        assert list(spool) == [[1, "a"], [2, None], [3, {"x": 1}]]
    assert spool.names is None


def test_names_are_those_of_all_records():
    assert RowSpool([{"a": 1}, {"b": 2, "a": 3}]).names == ["a", "b"]
    with pytest.raises(ValueError, match="Row 2 is a list"):
        RowSpool([{"a": 1}, [2]])


def test_values_that_cannot_be_pickled_are_stored_as_text():
    class Local:
        def __str__(self):
            return "local"

    assert list(RowSpool([[Local(), 1]])) == [["local", "1"]]
    assert list(RowSpool([{"a": Local()}])) == [{"a": "local"}]


def test_temporary_file_is_deleted_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = RowSpool([[1]])
    assert len(list(Path(tmp_path).iterdir())) == 1
    del spool
    gc.collect()
    assert list(Path(tmp_path).iterdir()) == []
