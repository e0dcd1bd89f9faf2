"""Tests of the inference of columns: every value fits the column that is inferred from it."""

import gzip
import io
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from synapse_workflows import Table, as_table_columns, build_table
from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.csv_dialect import CsvDialect

INTEGERS = st.integers(-(2**65), 2**65) | st.sampled_from([2**63 - 1, 2**63, 2**53 + 1])
SCALARS = (
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.text("😀", min_size=20, max_size=1200) | st.decimals(allow_nan=False) | st.dates()
    | st.builds(np.float32, st.floats(width=32, allow_nan=False))
    | st.builds(np.int64, st.integers(-(2**63), 2**63 - 1))
)  # fmt: skip
CELLS = st.lists(SCALARS, max_size=4) | st.lists(
    st.lists(st.integers() | st.text(max_size=3), max_size=120), max_size=2
)
#: Text as it is found in files of other programs.
TEXTS = st.sampled_from(
    ["1", "-7", "007", "+1", "1.50", "1e5", ".5", "NA", "NaN", "nan", "inf", "Infinity", "1e999",
     "true", "False", "yes", "12345678901234567890", "9007199254740993", "0.12345678901234567891",
     "1_000", " 1", "٣", "", "x" * 1001]
)  # fmt: skip


def get_type(values):
    (column,) = as_table_columns({"x": values})
    return column["columnType"]


@given(CELLS)
def test_values_fit_the_inferred_column(values):
    (column,) = as_table_columns({"x": values})
    write = cell_codec.create_writer(column)
    texts = [write(value) for value in values]
    is_json = column["columnType"] == "JSON"
    nulls = [value is None or (isinstance(value, list) and not value) for value in values]
    assert is_json or [text is None for text in texts] == nulls
    if column["columnType"] in {"STRING", "LARGETEXT"}:
        as_text = cell_codec.create_writer({"columnType": "LARGETEXT"})
        assert texts == [as_text(value) for value in values]
    if column["columnType"] == "INTEGER":
        assert [text and int(text) for text in texts] == values


@given(st.lists(st.none() | TEXTS, min_size=1, max_size=4))
def test_cells_of_file_fit_the_inferred_column(cells):
    """The file is uploaded as it is, so that Synapse parses its text."""
    dialect = CsvDialect()
    text = "".join(dialect.format_row([cell, "z"]) for cell in ["x", *cells])
    (column, _) = as_table_columns(io.StringIO(text))
    write = cell_codec.create_writer(column)
    texts = [write(cell) for cell in cells]
    if column["columnType"] in {"STRING", "LARGETEXT", "INTEGER"}:
        assert texts == cells
    elif column["columnType"] == "DOUBLE":
        pairs = zip(texts, cells, strict=True)
        assert all(found is None or float(found) == float(cell) or cell == "NaN"
                   for found, cell in pairs)  # fmt: skip
        assert not {"007", "NA", "9007199254740993", "12345678901234567890"} & set(cells)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, 2], "STRING"),
        ([1, 2.5], "DOUBLE"),
        ([2**53 + 1, 0.5], "STRING"),
        ([2**63], "STRING"),
        ([Decimal("1.10")], "STRING"),
        ([np.int64(1), None], "INTEGER"),
        ([np.float64(1.5)], "DOUBLE"),
        ([np.bool_(True)], "BOOLEAN"),
        ([np.datetime64("2020-01-01")], "DATE"),
        ([np.array(["2020-01-01"], "datetime64[ns]")], "DATE_LIST"),
        ([[1] * 101], "JSON"),
        ([["x" * 1001]], "JSON"),
        ([[2**63]], "JSON"),
        ([[1, None]], "JSON"),
        ([["a"], {"b": 1}], "JSON"),
        (["😀" * 501], "LARGETEXT"),
        ([], "STRING"),
    ],
)
def test_narrowest_type_that_fits_is_chosen(values, expected):
    assert get_type(values) == expected
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object)})
    assert as_table_columns(frame)[0]["columnType"] == expected


def test_large_unsigned_integers_are_text():
    frame = pd.DataFrame({"x": np.array([2**64 - 1], "uint64"), "y": np.array([1], "uint64")})
    assert [one["columnType"] for one in as_table_columns(frame)] == ["STRING", "INTEGER"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"x": [[1], "a"]}, r"Column 'x' has no common type: \[1\] is not text"),
        ({"x": [b"a"]}, "Column 'x'"),
        ({" ": [1]}, "no name"),
        (pd.DataFrame({"": [1]}), "no name"),
        (io.StringIO(",a\n0,1\n"), "Column 1 of the CSV file has no name.*index=False"),
    ],
)
def test_values_without_a_column_raise_error(values, message):
    with pytest.raises(ValueError, match=message):
        as_table_columns(values)
    with pytest.raises(TypeError, match="type list"):
        as_table_columns([1])


def test_file_can_be_compressed(tmp_path):
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("a,b\n1,NA\n2,x\n")
    table = build_table("t", "syn1", path)
    assert [one["columnType"] for one in table.schema.columns()] == ["INTEGER", "STRING"]
    assert list(table) == [[1, "NA"], [2, "x"]]
    uploaded = table.to_uploadable()
    assert Path(uploaded.filepath).read_text() == "a,b\n1,NA\n2,x\n"
    assert list(Table("syn1", str(path))) == [["1", "NA"], ["2", "x"]]
