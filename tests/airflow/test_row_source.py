"""Tests of the names of columns, and of errors in rows of all forms."""

import gzip
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowFailException
from support.row_forms import read_rows

from synapse_workflows import Column

TWO_COLUMNS = [
    Column(name="a name", columnType="STRING"),
    Column(name="n", columnType="INTEGER"),
]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (None, None, "Invalid rows: expected a file"),
        (7, None, "Invalid rows of type int"),
        (b"a,b", None, "Invalid rows of type bytes"),
        ({"n": [1]}, None, "Invalid rows of type dict"),
        (np.array([[1, 2]]), ["a name", "n"], "Invalid rows of type ndarray"),
        (pd.Series([1], name="n"), None, "Invalid rows of type Series"),
        ([("x", 1)], None, "Set columns=['name', 'age']"),
        ([("x", 1), ("y",)], ["a name", "n"], "Row 2 of rows has 1 values for 2 columns"),
        ([("x", 1), {"n": 2}], ["a name", "n"], "row 2 is of type dict, but the rows before"),
        ([{"n": 2}, ("x", 1)], None, "row 2 is of type tuple, but the rows before"),
        (("x", 1), ["a name", "n"], "row 1 is of type str"),
        ([{"n": 1}, None], None, "row 2 is of type NoneType"),
        (iter([("x", 1), {"n": 1}]), ["a name", "n"], "Row 2 is a dict, unlike the rows before"),
        ([{"n": 1}, {"m": 1}], ["n"], "Row 2 of rows has values for ['m']"),
        ([{}], None, "rows has no column names"),
        ([("x", 1)], "n", "Invalid columns of type str"),
        ([("x", 1)], [], "Invalid columns of type list"),
        ([("x", 1)], ["n", "n"], "duplicate columns: ['n']"),
        ([("x", 1)], ["a name", "N"], "'N' differs from 'n' in upper and lower case"),
        (pd.DataFrame({"n": [1]}), ["n"], "columns=['n'] is for rows that are tuples"),
        ([{None: "x", "n": 1}], None, "rows has a column without a name: [None, 'n']"),
        (pd.DataFrame({None: ["x"], "n": [1]}), None, "rows has a column without a name: [nan"),
        (pd.DataFrame({"n": ["1_0"]}), None, "Row 1, column 'n': '1_0' is not an integer"),
        ([{"n": "\u0663"}], None, "Row 1, column 'n': '\u0663' is not an integer"),
        (pd.DataFrame({"n": [1]}, index=["x"]).reset_index(), None, "'index'"),
        (pd.DataFrame({"n": [1]}, index=pd.Index(["x"], name="key")), None, "['key']"),
        (pd.DataFrame([[1, 2]], columns=["n", "n"]), None, "duplicate columns: ['n']"),
        (pd.DataFrame({"n": ["many"]}), None, "Row 1, column 'n': 'many' is not an integer"),
        (pd.DataFrame(index=range(3)), None, "has 3 rows, but no columns and no named index"),
        (pd.DataFrame([[1]], columns=[["n"], ["m"]]), None, "2 levels of column names"),
        ([pd.DataFrame({"n": [1]}), {"n": 1}], None, "Invalid rows[1] of type dict"),
        ([pd.DataFrame({"n": [1]}), pd.DataFrame({"a name": [1]})], None, "rows[0] does not have"),
        ([{"a name": "\ud800"}], None, "Row 1, column 'a name': '\\ud800' contains a lone"),
        ({"not": "a reference"}, None, "Invalid rows of type dict"),
    ],
)
def test_invalid_rows_fail_at_once(rows, columns, message):
    with pytest.raises(AirflowFailException) as raised:
        read_rows(rows, columns, TWO_COLUMNS)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b'{"n": 1}\n[1]\n', "line 2 is not a JSON object"),
        ("rows.jsonl", b'{"n": 1}\n{"n": \n', "line 2 is not valid JSON"),
        ("rows.jsonl", b'{"n": 1, "n": 2}\n', "duplicate names ['n']"),
        ("rows.json", b'[{"n": 1}]', "not one array"),
        ("rows.jsonl", b'{"n": "\xff"}\n', "is not UTF-8: line 1"),
        ("rows.jsonl", b'{"N": 1}\n', "Set match_case=False"),
        ("rows.csv.gz", gzip.compress(b"n\n1\n" * 99999, mtime=0)[:50], "cannot be read"),
        ("rows.csv.gz", gzip.compress(b"n\n1\n", mtime=0)[:-5] + b"12345", "cannot be read"),
        ("rows.csv", b"PK\x03\x04\x00\xff", "a ZIP archive or an Excel file"),
        ("rows.csv", b"PAR1 but not a Parquet file", "cannot be read"),
        ("rows.csv", b",n\n0,1\n", "'' is the index of a DataFrame"),
        ("rows.csv", b"Unnamed: 0,n\n0,1\n", "written without index=False"),
        ("rows.csv", b"__index_level_0__,n\n0,1\n", "written without index=False"),
        ("rows.csv", b"", "has no column names"),
        ("rows.tsv", b"a name,n\nx,1\n", "['a name,n']"),
    ],
)
def test_invalid_files_fail_at_once(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(AirflowFailException) as raised:
        read_rows(str(file), None, TWO_COLUMNS)
    assert message in str(raised.value)
    assert str(file) in str(raised.value)


def test_index_of_a_parquet_file_is_explained(tmp_path):
    pytest.importorskip("pyarrow")
    file = tmp_path / "rows.parquet"
    pd.DataFrame({"n": [1]}, index=["x"]).to_parquet(file)
    with pytest.raises(AirflowFailException, match="'__index_level_0__' is the index of a Data"):
        read_rows(str(file), None, TWO_COLUMNS)


@pytest.mark.parametrize(
    ("frame", "rows"),
    [
        (pd.DataFrame({"n": [1]}, index=["x"]), [{"n": "1"}]),
        (
            pd.DataFrame({"n": [1]}, index=pd.Index(["x"], name="a name")),
            [{"a name": "x", "n": "1"}],
        ),
        (
            pd.DataFrame({"a name": ["x", "x"], "n": [1, 2]}).groupby("a name").sum(),
            [{"a name": "x", "n": "3"}],
        ),
        (
            pd.DataFrame({"a name": ["x"], "n": [1]}).set_index(["a name", "n"], append=True),
            [{"a name": "x", "n": "1"}],
        ),
        (
            pd.DataFrame({"a name": ["x"], "n": [1]}).set_index("n", drop=False),
            [{"a name": "x", "n": "1"}],
        ),
        (pd.DataFrame({"n": [1]}, index=["1_1"]), [{"n": "1"}]),
        (pd.DataFrame(), []),
        (pd.DataFrame([]), []),
    ],
)
def test_named_levels_of_an_index_are_columns(frame, rows):
    before = frame.copy()
    assert read_rows(frame, None, TWO_COLUMNS) == rows
    pd.testing.assert_frame_equal(frame, before)


def test_signaling_nan_is_an_empty_cell():
    values = [Decimal("1.10"), Decimal("sNaN"), Decimal("NaN"), None]
    columns = [{"name": "money", "columnType": "STRING", "maximumSize": 50}]
    expected = [{"money": "1.10"}, *[{"money": None}] * 3]
    assert read_rows(pd.DataFrame({"money": values}), None, columns) == expected
    assert read_rows([{"money": value} for value in values], None, columns) == expected


def test_nan_is_a_value_where_it_differs_from_null():
    pa = pytest.importorskip("pyarrow")
    columns = [Column(name="x", columnType="DOUBLE")]
    values = [math.nan, None, math.inf]
    table = pa.table({"x": pa.array(values, from_pandas=False)})
    assert read_rows(table, None, columns) == [{"x": "nan"}, {"x": None}, {"x": "inf"}]
    assert read_rows([[x] for x in values], ["x"], columns) == [
        {"x": None},
        {"x": None},
        {"x": "inf"},
    ]


@pytest.mark.parametrize(
    ("given_names", "table_names", "expected"),
    [
        (["ID", "NAME"], ["id", "Name"], ["id", "Name"]),
        (["NAME"], ["name", "NAME"], ["NAME"]),
        (["Stra\u00dfe"], ["STRASSE"], ["STRASSE"]),
        (["ID", "other"], ["id"], "['other']"),
        (["Name"], ["name", "NAME"], "ambiguous"),
        (["ID", "id"], ["id"], "duplicate columns: ['ID', 'id']"),
    ],
)
def test_match_case_false_ignores_upper_and_lower_case(given_names, table_names, expected):
    columns = [Column(name=name, columnType="INTEGER") for name in table_names]
    rows = [[1] * len(given_names)]
    if isinstance(expected, list):
        assert read_rows(rows, given_names, columns, match_case=False) == [
            dict.fromkeys(expected, "1")
        ]
        return
    with pytest.raises(AirflowFailException) as raised:
        read_rows(rows, given_names, columns, match_case=False)
    assert expected in str(raised.value)
