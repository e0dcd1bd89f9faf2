"""Tests of CsvFileTable: writing, validation and reading of rows."""

import gc
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from synapse_workflows.client.model.columns import Column, SelectColumn
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.rows import Row, RowMetadata, RowSet
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.client.model.table_factory import Table
from synapse_workflows.client.model.tables import RowSetTable

COLUMNS = [
    Column(name="an int", columnType="INTEGER"),
    Column(name='täxt "q", x', columnType="STRING", maximumSize=10),
    Column(name="when", columnType="DATE"),
    Column(name="list", columnType="STRING_LIST"),
]
NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
ROWS = [
    [1, "", NOON, ["a,b", '"']],
    [None, None, None, None],
    [-(2**63), 'q"\\\n', NOON, None],
]
ETAG = "0f3c1bd2-6f6c-4b7e-9d0b-5a0f6dd0c0f1"
#: Columns and values of a few types; test_cell_codec covers all types.
VALUES = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
    st.none()
    | st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0)),
    st.none() | st.lists(st.text(max_size=10), min_size=1, max_size=3),
)


def schema(*columns):
    return Schema("t", columns or COLUMNS, parent="syn1")


def read_text(table):
    return Path(table.filepath).read_text(encoding="utf-8")


def write_file(tmp_path, text, **settings):
    path = tmp_path / "given.csv"
    path.write_bytes(text.encode())
    return {"filepath": path, **settings}


@given(st.lists(VALUES.map(list), max_size=5))
def test_round_trip_returns_equal_rows(rows):
    table = Table(schema(), rows)
    assert list(table) == rows
    assert len(table) == len(rows)
    assert [row["values"] for row in table.asRowSet().rows] == rows


def test_header_contains_column_names_of_schema():
    table = Table(schema(), ROWS)
    assert read_text(table).splitlines()[0] == '"an int","täxt ""q"", x","when","list"'
    assert table.header
    assert list(table) == ROWS


def test_file_has_no_header_if_columns_are_unknown():
    for of in ("syn5", Schema("t", ["1", "2"], parent="syn1")):
        table = Table(of, [[1, "a"], [None, ""]])
        assert not table.header
        assert read_text(table) == '"1","a"\n,""\n'
        assert list(table) == [["1", "a"], [None, ""]]


def test_headers_argument_defines_columns_of_table_id():
    headers = [SelectColumn(name="n", columnType="INTEGER"), Column(**COLUMNS[1])]
    table = Table("syn5", [[1, "a"]], headers=headers)
    assert table.header
    assert list(table) == [[1, "a"]]


def test_rows_can_be_mappings():
    names = [column["name"] for column in COLUMNS]
    table = Table(schema(), [dict(zip(names, row, strict=True)) for row in ROWS])
    assert list(table) == ROWS
    partly = Table("syn5", [{"b": 1, "a": 2}, {"a": 3}])
    assert read_text(partly) == '"b","a"\n"1","2"\n,"3"\n'
    joined = Table("syn5", [{"a": 1}, {"c": 1}])
    assert read_text(joined) == '"a","c"\n"1",\n,"1"\n'
    optional = Table(schema(), [{"an int": 1}, {"when": NOON}])
    assert list(optional) == [[1, None, None, None], [None, None, NOON, None]]
    with pytest.raises(ValueError, match=r"Row 2 has values for unknown columns: \['c'\]"):
        Table(schema(), [{"an int": 1}, {"c": 1}])
    with pytest.raises(ValueError, match="Row 2 is a list"):
        Table("syn5", [{"a": 1}, [1]])


def test_records_that_update_rows_need_equal_columns():
    """A missing value would delete the cell."""
    records = [{"ROW_ID": 1, "ROW_VERSION": 1, "an int": 5}, {"ROW_ID": 2, "ROW_VERSION": 1}]
    for table in (schema(), "syn5"):
        assert len(Table(table, records[:1])) == 1
        with pytest.raises(ValueError, match=r"Row 2 updates row 2 without values for \['an int"):
            Table(table, records)


def test_values_can_be_mapping_of_columns():
    assert list(Table("syn5", {"a": [1, None], "b": ["x", "y"]})) == [["1", "x"], [None, "y"]]
    with pytest.raises(ValueError, match=r"different numbers.*'a': 1"):
        Table("syn5", {"a": [1], "b": []})


def test_generator_is_consumed_one_row_at_a_time():
    alive, most = 0, 0

    class Counted(list):
        def __init__(self, values):
            nonlocal alive, most
            super().__init__(values)
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    table = Table("syn5", (Counted([number, "x"]) for number in range(5000)))
    assert len(table) == 5000
    assert most < 5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, "a", NOON]], "Row 1 has 3 values for 4 columns"),
        ([*ROWS, [1, "a", NOON, None, 5]], "Row 4 has 5 values for 4 columns"),
        ([["x", "a", NOON, None]], "Row 1, column 'an int': 'x' is not an integer"),
        ([[1, "a" * 11, NOON, None]], r"Row 1, column 'täxt .*11 characters, .* limited to 10"),
        (["text"], "Row 1 is not a list or mapping of values: 'text'"),
        ([5], "Row 1 is not a list or mapping of values: 5"),
        ([{"An Int ": 1}], "unknown columns: 'An Int '.* differs from 'an int' in upper"),
        ([{"__index_level_0__": 1}], "is the index of a DataFrame"),
        ([{**dict.fromkeys(c["name"] for c in COLUMNS), "more": 1}], "unknown columns: 'more'"),
    ],
)
def test_rows_that_do_not_match_raise_error(rows, message):
    with pytest.raises(ValueError, match=message):
        Table(schema(), rows)


def test_rows_of_unknown_columns_must_have_equal_width():
    with pytest.raises(ValueError, match="Row 2 has 1 values for 2 columns"):
        Table("syn5", [[1, 2], [1]])
    with pytest.raises(ValueError, match="Row 1 has 3 values for 2 columns"):
        Table(Schema("t", ["1", "2"], parent="syn1"), [[1, 2, 3]])


def test_rows_can_include_row_ids():
    table = Table(schema(COLUMNS[0]), [["7", 2, 5]], includeRowIdAndRowVersion=True)
    assert read_text(table) == '"ROW_ID","ROW_VERSION","an int"\n"7","2","5"\n'
    assert list(table) == [["7", "2", 5]]
    assert list(table.iter_row_metadata()) == [RowMetadata(7, 2, None)]
    assert table.asRowSet().rows == [Row([5], 7, 2)]


def test_temporary_file_is_deleted_with_table(tmp_path):
    table = Table("syn5", [[1]])
    path = Path(table.filepath)
    assert path.exists()
    del table
    gc.collect()
    assert not path.exists()
    kept = Table("syn5", [[1]], filepath=tmp_path / "kept.csv")
    del kept
    gc.collect()
    assert (tmp_path / "kept.csv").exists()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (",an int,when,list", "unknown columns: ''.* '' is the index of a DataFrame"),
        ('an int,"täxt ""q"", x",when,list,more', "unknown columns: 'more'"),
        ("an int,text,when,list", "missing columns: 'täxt.*unknown columns: 'text'"),
        ("an int,an int", "Duplicate column names: 'an int'"),
        ("ROW_ID,ROW_VERSION,wehn", "unknown columns: 'wehn'"),
    ],
)
def test_header_that_does_not_match_raises_error(tmp_path, header, message):
    table = CsvFileTable(schema(), **write_file(tmp_path, f"{header}\n1\n"))
    with pytest.raises(ValueError, match=message):
        table.validate()


def test_backslash_that_escapes_nothing_is_ordinary_character(tmp_path):
    """Python, pandas and Excel escape no backslashes; Synapse doubles them."""
    columns = schema(*(Column(name=name, columnType="STRING") for name in "ab"))
    cases = [
        ('C:\\temp,"D:\\new\nline\\"', ["C:\\temp", "D:\\new\nline\\"]),
        ('"a\\\\b","\\"quoted\\""', ["a\\b", '"quoted"']),
        ("\\\\server\\x,1", ["\\\\server\\x", "1"]),
    ]
    for text, cells in cases:
        table = CsvFileTable(columns, **write_file(tmp_path, f"a,b\n{text}\n"))
        table.validate()
        assert list(table) == [cells]


def test_columns_can_be_omitted(tmp_path):
    CsvFileTable(schema(), **write_file(tmp_path, "an int,when,list\n1,2,\n")).validate()
    CsvFileTable(schema(), **write_file(tmp_path, "ROW_ID,ROW_VERSION,when\n1,1,5\n")).validate()
    with pytest.raises(ValueError, match="unknown"):
        CsvFileTable(schema(), **write_file(tmp_path, "an int,unknown\n1,2\n")).validate()


def test_number_of_cells_is_validated_without_header(tmp_path):
    CsvFileTable(schema(), **write_file(tmp_path, "1,2,3,4\n", header=False)).validate()
    CsvFileTable(schema(), **write_file(tmp_path, "1,1,1,2,3,4\n", header=False)).validate()
    with pytest.raises(ValueError, match="5 cells for 4 columns"):
        CsvFileTable(schema(), **write_file(tmp_path, "1,2,3,4,5\n", header=False)).validate()
    CsvFileTable("syn5", **write_file(tmp_path, "1,2\n", header=False)).validate()


HEADERS = [
    SelectColumn(name="n", columnType="INTEGER"),
    SelectColumn(name="s", columnType="STRING"),
]


@pytest.mark.parametrize(
    ("text", "settings", "rows"),
    [
        ("ROW_ID,ROW_VERSION,n,s\n1,2,3,\n", {}, [["1", "2", 3, None]]),
        (f"ROW_ID,ROW_VERSION,ROW_ETAG,n,s\n1,2,{ETAG},3,x\n", {}, [["1", "2", ETAG, 3, "x"]]),
        ("n,s\n3,\n", {}, [[3, None]]),
        ("s,n\nx,3\n", {"headers": [HEADERS[1], HEADERS[0]]}, [["x", 3]]),
        ("s,n\nx,3\n", {}, [["x", 3]]),
        ("1,2,3,x\n", {"header": False}, [["1", "2", 3, "x"]]),
        ("3,x\n", {"header": False}, [[3, "x"]]),
        ("", {"header": False}, []),
        ("", {}, []),
        ("n,s\n", {}, []),
        ("skip,me\n\nn,s\n3,x\n", {"linesToSkip": 2}, [[3, "x"]]),
        ("\ufeffn,s\r\n3,x\r\n\r\n", {"lineEnd": "\r\n"}, [[3, "x"]]),
        ("n;s\n3;'x;y'\n", {"separator": ";", "quoteCharacter": "'"}, [[3, "x;y"]]),
        ("N,S\n3\n", {}, [[3, None]]),
    ],
)
def test_query_result_is_decoded_by_column_type(tmp_path, text, settings, rows):
    table = CsvFileTable("syn5", **write_file(tmp_path, text, **{"headers": HEADERS, **settings}))
    assert list(table) == rows
    assert len(table) == len(rows)
    assert table.is_empty() == (not rows)


def test_line_with_too_many_cells_raises_error(tmp_path):
    table = CsvFileTable("syn5", **write_file(tmp_path, "n,s\n1,x\n1,x,y\n", headers=HEADERS))
    with pytest.raises(ValueError, match=r"Row 2 of .* has 3 cells for 2 columns"):
        list(table)


def test_empty_line_is_null_in_table_with_one_column():
    table = Table(schema(COLUMNS[1]), [["a"], [None], [""]])
    assert list(table) == [["a"], [None], [""]]
    assert len(table) == 3


def test_to_uploadable_contains_no_empty_lines():
    """Synapse ignores empty lines, which are nulls in a table with one column."""
    table = Table(schema(COLUMNS[0]), [[1], [None]])
    assert read_text(table.to_uploadable()) == '"ROW_ID","ROW_VERSION","an int"\n,,"1"\n,,\n'
    nameless = Table("syn5", [[1], [None]])
    assert read_text(nameless.to_uploadable()) == ',,"1"\n,,\n'
    wide = Table("syn5", [[1, None]])
    assert wide.to_uploadable() is wide


def test_to_uploadable_returns_caller_file_unchanged(tmp_path):
    table = CsvFileTable("syn5", **write_file(tmp_path, "n\n1\n\n"))
    assert table.to_uploadable() is table


def test_duplicate_column_names_are_read_separately(tmp_path):
    headers = [HEADERS[0], SelectColumn(name="n", columnType="STRING")]
    table = CsvFileTable("syn5", **write_file(tmp_path, "n,n\n1,1\n", headers=headers))
    assert list(table) == [[1, "1"]]


def test_iter_row_metadata_requires_row_ids(tmp_path):
    table = CsvFileTable("syn5", **write_file(tmp_path, "n,s\n1,x\n", headers=HEADERS))
    assert not table.has_row_etags
    with pytest.raises(ValueError, match="have no row IDs"):
        list(table.iter_row_metadata())


def test_as_integer_returns_first_cell(tmp_path):
    counted = [SelectColumn(name="COUNT(*)", columnType="INTEGER")]
    table = CsvFileTable("syn5", **write_file(tmp_path, "COUNT(*)\n12\n", headers=counted))
    with pytest.warns(DeprecationWarning, match="asInteger"):
        assert table.asInteger() == 12
    empty = CsvFileTable("syn5", **write_file(tmp_path, "n,s\n", headers=HEADERS))
    warns = pytest.warns(DeprecationWarning, match="asInteger")
    with warns, pytest.raises(ValueError, match="no row"):
        empty.asInteger()


def test_table_accepts_all_kinds_of_rows(tmp_path):
    rowset = RowSet(headers=HEADERS, rows=[[1, "a"]])
    assert isinstance(Table("syn5", rowset), RowSetTable)
    assert isinstance(Table("syn5", str(tmp_path / "x.csv")), CsvFileTable)
    assert isinstance(Table("syn5", tmp_path / "x.csv"), CsvFileTable)
    for values in (5, None, b"x"):
        with pytest.raises(ValueError, match="Cannot create a table"):
            Table("syn5", values)
    with pytest.raises(ValueError, match="Must provide a schema"):
        Table(None, [[1]])


def test_nan_is_value_in_double_column():
    table = Table(schema(Column(name="x", columnType="DOUBLE")), [[math.nan], [None], [math.inf]])
    assert read_text(table) == '"x"\n"NaN"\n\n"Infinity"\n'
    read = [value for (value,) in table]
    assert math.isnan(read[0])
    assert read[1:] == [None, math.inf]
