"""Tests of the conversion between tables and DataFrames."""

import math
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model import dataframes
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.client.model.rows import RowSet
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.client.model.table_factory import Table, build_table
from synapse_workflows.client.model.tables import RowSetTable

pd = pytest.importorskip("pandas")
numpy = pytest.importorskip("numpy")

COLUMNS = [
    Column(name="n", columnType="INTEGER"),
    Column(name="b", columnType="BOOLEAN"),
    Column(name="x", columnType="DOUBLE"),
    Column(name="s t", columnType="STRING"),
    Column(name="d", columnType="DATE"),
    Column(name="l", columnType="INTEGER_LIST"),
    Column(name="j", columnType="JSON"),
]
NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
NOON_MS = 1577880000000
ROWS = [
    [2**62 + 1, True, 0.1, "01", NOON, [1, 2], {"a": [None]}],
    [None, None, None, "", None, None, None],
    [-3, False, -2.0, None, NOON, None, [1]],
]
ETAG = "0f3c1bd2-6f6c-4b7e-9d0b-5a0f6dd0c0f1"


def schema():
    return Schema("t", COLUMNS, parent="syn1")


def to_lists(frame):
    return frame.astype(object).where(frame.notna(), None).to_numpy().tolist()


def read_text(table):
    return Path(table.filepath).read_text(encoding="utf-8")


def test_nulls_do_not_change_column_types():
    frame = Table(schema(), ROWS).asDataFrame()
    assert list(frame.columns) == [column["name"] for column in COLUMNS]
    assert [str(kind) for kind in frame.dtypes] == [
        "Int64", "boolean", "float64", "object", "Int64", "object", "object",
    ]  # fmt: skip
    milliseconds = [[*row[:4], row[4] and NOON_MS, *row[5:]] for row in ROWS]
    assert to_lists(frame) == milliseconds


def test_convert_to_datetime_returns_datetimes():
    frame = Table(schema(), ROWS).asDataFrame(convert_to_datetime=True)
    assert str(frame["d"].dtype).endswith("UTC]")
    assert frame["d"].tolist()[0] == NOON
    assert pd.isna(frame["d"].tolist()[1])


def test_date_outside_datetime_range_stays_integer():
    column = Column(name="d", columnType="DATE")
    table = Table(Schema("t", [column], parent="syn1"), [[10**17], [NOON], [None]])
    assert to_lists(table.asDataFrame(convert_to_datetime=True)) == [[10**17], [NOON], [None]]
    assert to_lists(table.asDataFrame()) == [[10**17], [NOON_MS], [None]]


@pytest.mark.parametrize("dates", [False, True])
def test_round_trip_returns_equal_table(dates):
    table = Table(schema(), ROWS)
    again = Table(schema(), table.asDataFrame(convert_to_datetime=dates))
    assert read_text(again) == read_text(table)
    unknown = Table("syn5", table.asDataFrame(convert_to_datetime=dates))
    assert unknown.header
    expected = read_text(table).replace('"-2.0"', '"-2"')
    assert read_text(unknown) == expected


def test_multiple_chunks_are_concatenated():
    count = dataframes.CHUNK_ROWS + 5  # odd
    column = Schema("t", [Column(name="n", columnType="INTEGER")], parent="syn1")
    frame = Table(
        column, ([number if number % 2 else None] for number in range(count))
    ).asDataFrame()
    assert len(frame) == count
    assert frame.index.tolist()[-1] == count - 1
    assert str(frame["n"].dtype) == "Int64"
    assert frame["n"].tolist()[-2:] == [count - 2, pd.NA]


def create_labelled(tmp_path, etag=""):
    names = "ROW_ID,ROW_VERSION" + (",ROW_ETAG" if etag else "")
    path = tmp_path / "result.csv"
    extra = f",{etag}" if etag else ""
    path.write_text(f"{names},n\n4,2{extra},7\n5,3{extra},\n")
    return CsvFileTable("syn5", path, headers=[Column(name="n", columnType="INTEGER")])


def test_rows_with_row_ids_are_labelled(tmp_path):
    table = create_labelled(tmp_path)
    assert table.asDataFrame().index.tolist() == ["4_2", "5_3"]
    columns = table.asDataFrame(rowIdAndVersionInIndex=False)
    assert list(columns.columns) == ["ROW_ID", "ROW_VERSION", "n"]
    assert columns["ROW_ID"].tolist() == [4, 5]
    etags = create_labelled(tmp_path, ETAG)
    assert etags.asDataFrame().index.tolist() == [f"4_2_{ETAG}", f"5_3_{ETAG}"]
    columns = etags.asDataFrame(rowIdAndVersionInIndex=False)
    assert list(columns.columns) == ["ROW_ID", "ROW_VERSION", "ROW_ETAG", "n"]


def test_labels_are_converted_to_row_ids(tmp_path):
    frame = create_labelled(tmp_path).asDataFrame()
    assert read_text(Table("syn5", frame)) == (
        '"ROW_ID","ROW_VERSION","n"\n"4","2","7"\n"5","3",\n'
    )
    frame.loc["new"] = [9]
    assert read_text(Table("syn5", frame)).endswith('"5","3",\n,,"9"\n')
    assert read_text(Table("syn5", frame, includeRowIdAndRowVersion=False)) == '"n"\n"7"\n\n"9"\n'
    etags = create_labelled(tmp_path, ETAG).asDataFrame()
    assert read_text(Table("syn5", etags)).startswith(
        '"ROW_ID","ROW_VERSION","ROW_ETAG","n"\n"4","2"'
    )


def test_row_id_columns_must_match_labels(tmp_path):
    frame = create_labelled(tmp_path).asDataFrame()
    frame.insert(0, "ROW_ID", ["4", "5"])
    assert '"4"' in read_text(Table("syn5", frame))
    frame["ROW_ID"] = ["4", "6"]
    with pytest.raises(SynapseError, match="ROW_ID"):
        Table("syn5", frame)


def test_empty_table_keeps_columns(tmp_path):
    empty = Table(schema(), []).asDataFrame()
    assert list(empty.columns) == [column["name"] for column in COLUMNS]
    assert str(empty["n"].dtype) == "Int64"
    path = tmp_path / "none.csv"
    path.touch()
    empty = CsvFileTable("syn5", path, header=False, headers=COLUMNS[:1])
    assert list(empty.asDataFrame().columns) == ["n"]


def test_pages_of_query_result_are_concatenated():
    def page(number, **more):
        row = {"rowId": number, "versionNumber": 1, "values": [str(number), str(NOON_MS)]}
        headers = [{"name": "n", "columnType": "INTEGER"}, {"name": "d", "columnType": "DATE"}]
        return {"queryResults": {"headers": headers, "rows": [row]}, **more}

    def result():
        bundle = {"queryResult": page(1, nextPageToken={"token": "t"})}
        return TableQueryResult("syn5", bundle, lambda _: page(2), "select * from syn5")

    frame = result().asDataFrame()
    assert (frame.index.tolist(), frame["n"].tolist()) == (["1_1", "2_1"], [1, 2])
    assert frame["d"].tolist() == [NOON_MS, NOON_MS]
    columns = result().asDataFrame(rowIdAndVersionInIndex=False, convert_to_datetime=True)
    assert columns["ROW_ID"].tolist() == [1, 2]
    assert columns["d"].tolist() == [NOON, NOON]


def test_row_set_table_is_converted():
    rowset = RowSet(headers=COLUMNS[:1], rows=[["5"], [None]])
    assert RowSetTable("syn5", rowset).asDataFrame()["n"].tolist() == [5, pd.NA]


def test_schema_without_columns_gets_columns_of_dataframe():
    frame = pd.DataFrame({
        "i": pd.Series([1, None], dtype="Int64"),
        "f": [1.0, None],
        "b": [True, False],
        "d": pd.to_datetime(["2020-01-01", None]),
        "short": ["a", None],
        "middle": ["m" * 100, ""],
        "long": ["l" * 1001, ""],
        "l": [["a"], ["b", "c" * 40]],
        "empty": [[], None],
        "array": [numpy.array([1, 2, 3]), None],
        "gaps": [[1, None], None],
        "mixed": [[1], {"a": 1}],
        "dicts": [[{"a": 1}], None],
        "numbers": [[1, 0.5], None],
        "j": [{"a": 1}, None],
        "o": [True, None],
        "none": [None, None],
        "nan": [math.nan, math.nan],
    })  # fmt: skip
    schema_without_columns = Schema("t", parent="syn1")
    table = Table(schema_without_columns, frame)
    facts = ("columnType", "maximumSize", "maximumListLength")
    found = {
        c["name"]: tuple(c[fact] for fact in facts if fact in c)
        for c in schema_without_columns.columns()
    }
    assert found == {
        "i": ("INTEGER",),
        "f": ("DOUBLE",),
        "b": ("BOOLEAN",),
        "d": ("DATE",),
        "short": ("STRING", 30),
        "middle": ("STRING", 150),
        "long": ("LARGETEXT",),
        "l": ("STRING_LIST", 60, 2),
        "empty": ("STRING_LIST", 30, 2),
        "array": ("INTEGER_LIST", 3),
        "gaps": ("JSON",),
        "mixed": ("JSON",),
        "dicts": ("JSON",),
        "numbers": ("JSON",),
        "j": ("JSON",),
        "o": ("BOOLEAN",),
        "none": ("STRING", 30),
        "nan": ("DOUBLE",),
    }
    assert len(list(table)) == 2


def test_build_table_accepts_columns_and_file(tmp_path):
    built = build_table("t", "syn1", {"n": [1, None], "s": ["a", "b"]})
    assert [column["columnType"] for column in built.schema.columns()] == ["INTEGER", "STRING"]
    assert list(built) == [[1, "a"], [None, "b"]]
    path = tmp_path / "given.csv"
    path.write_text("n,s\n1,a\n")
    from_file = build_table("t", "syn1", str(path))
    assert [column["columnType"] for column in from_file.schema.columns()] == ["INTEGER", "STRING"]
    assert list(from_file) == [[1, "a"]]


def test_columns_that_do_not_match_raise_error():
    with pytest.raises(ValueError, match="unknown columns: 'z'"):
        Table(schema(), pd.DataFrame({column["name"]: [] for column in COLUMNS} | {"z": []}))
    with pytest.raises(ValueError, match="Row 1, column 'n': 'x' is not an integer"):
        Table(Schema("t", COLUMNS[:1], parent="syn1"), pd.DataFrame({"n": ["x"]}))


def test_pandas_is_imported_lazily():
    code = (
        "import sys; from synapse_workflows.client.model.table_factory import Table; "
        "list(Table('syn1', [[1]])); list(Table('syn1', {'a': [1]})); "
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
