"""Tests of the conversion of CSV tables to Parquet."""

import json
import math
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from pyarrow import parquet as pq

from synapse_workflows.client.model import parquet
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.file_conversion import ConversionError
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.constants import ColumnType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
MOMENTS = st.integers(-(10**12), 10**13).map(lambda ms: EPOCH + timedelta(milliseconds=ms))
WHOLE = st.integers(-(2**63), 2**63 - 1)
IDS = st.integers(1, 2**40)
#: Column type -> strategy of values and their values in Parquet.
VALUES = {
    ColumnType.STRING: TEXT,
    ColumnType.LARGETEXT: TEXT,
    ColumnType.INTEGER: WHOLE,
    ColumnType.DOUBLE: st.floats(),
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.DATE: MOMENTS,
    ColumnType.ENTITYID: IDS.map("syn{}".format),
    ColumnType.USERID: IDS.map(str),
    ColumnType.STRING_LIST: st.lists(TEXT, min_size=1, max_size=4),
    ColumnType.INTEGER_LIST: st.lists(WHOLE, min_size=1, max_size=4),
    ColumnType.BOOLEAN_LIST: st.lists(st.booleans(), min_size=1, max_size=4),
    ColumnType.DATE_LIST: st.lists(MOMENTS, min_size=1, max_size=4),
    ColumnType.USERID_LIST: st.lists(IDS, min_size=1, max_size=4),
}


def columns(*column_types):
    return [
        Column(name=f"a {column_type}, \n{at}", columnType=column_type, id=str(at))
        for at, column_type in enumerate(column_types)
    ]


def create_csv_table(folder, column_types, rows):
    """Write rows in the CSV format of Synapse."""
    table_columns = columns(*column_types)
    table = CsvFileTable.from_list_of_rows(
        Schema("a table", table_columns, parent="syn1", id="syn2"),
        rows,
        filepath=Path(folder, "rows.csv"),
        lineEnd="\n",
    )
    return CsvFileTable("syn2", table.filepath, lineEnd="\n", headers=table_columns)


def convert(folder, table):
    path = Path(folder, "rows.parquet")
    rows = parquet.write_table(table, path, lambda _: None)
    assert rows == pq.read_metadata(path).num_rows == len(table)
    return pq.ParquetFile(path).read()


def are_equal(one, other):
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and one == other


@given(
    data=st.data(), column_types=st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5)
)
def test_round_trip_returns_equal_rows(tmp_path_factory, data, column_types):
    row = st.tuples(
        *(st.none() | VALUES[ColumnType(column_type)] for column_type in column_types)
    ).map(list)
    rows = data.draw(st.lists(row, max_size=6))
    folder = tmp_path_factory.mktemp("parquet")
    found = convert(folder, create_csv_table(folder, column_types, rows))
    assert found.column_names == [one["name"] for one in columns(*column_types)]
    for at, column_type in enumerate(column_types):
        expected = [given_row[at] for given_row in rows]
        if column_type == ColumnType.USERID_LIST:
            expected = [one and [str(item) for item in one] for one in expected]
        assert all(map(are_equal, expected, found.column(at).to_pylist())), column_type


@pytest.mark.parametrize(
    ("column_type", "expected"),
    [
        ("INTEGER", pa.int64()),
        ("DOUBLE", pa.float64()),
        ("BOOLEAN", pa.bool_()),
        ("DATE", pa.timestamp("ms", "UTC")),
        ("STRING", pa.string()),
        ("LINK", pa.string()),
        ("MEDIUMTEXT", pa.string()),
        ("ENTITYID", pa.string()),
        ("FILEHANDLEID", pa.string()),
        ("USERID", pa.string()),
        ("SUBMISSIONID", pa.string()),
        ("EVALUATIONID", pa.string()),
        ("JSON", pa.string()),
        ("STRING_LIST", pa.list_(pa.string())),
        ("INTEGER_LIST", pa.list_(pa.int64())),
        ("BOOLEAN_LIST", pa.list_(pa.bool_())),
        ("DATE_LIST", pa.list_(pa.timestamp("ms", "UTC"))),
        ("ENTITYID_LIST", pa.list_(pa.string())),
        ("USERID_LIST", pa.list_(pa.string())),
        ("ANOTHER", pa.string()),
    ],
)
def test_column_type_is_kept_if_all_cells_are_null(tmp_path, column_type, expected):
    path = tmp_path / "rows.csv"
    path.write_text('"id","a"\n"1",\n')
    headers = [{"name": "id", "columnType": "INTEGER"}, {"name": "a", "columnType": column_type}]
    found = convert(tmp_path, CsvFileTable("syn1", path, lineEnd="\n", headers=headers))
    assert found.schema.field("a").type == expected
    assert found.to_pylist() == [{"id": 1, "a": None}]


def test_empty_text_is_not_null_and_json_is_text(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('"s","j"\n"","{""a"": [1, null]}"\n,\n')
    headers = [{"name": "s", "columnType": "STRING"}, {"name": "j", "columnType": "JSON"}]
    found = convert(tmp_path, CsvFileTable("syn1", path, lineEnd="\n", headers=headers))
    first, second = found.to_pylist()
    assert (first["s"], json.loads(first["j"])) == ("", {"a": [1, None]})
    assert second == {"s": None, "j": None}


def test_row_ids_are_integers_and_etags_are_text(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('"ROW_ID","ROW_VERSION","ROW_ETAG","n"\n"1","2","a-b","3"\n')
    headers = [{"name": "n", "columnType": "INTEGER"}]
    found = convert(tmp_path, CsvFileTable("syn1", path, lineEnd="\n", headers=headers))
    assert found.to_pylist() == [{"ROW_ID": 1, "ROW_VERSION": 2, "ROW_ETAG": "a-b", "n": 3}]


def test_field_metadata_contains_column_type(tmp_path):
    found = convert(tmp_path, create_csv_table(tmp_path, ["ENTITYID"], [["syn1"]]))
    assert found.schema.field(0).metadata[parquet.COLUMN_TYPE] == b"ENTITYID"


def test_equal_rows_produce_equal_bytes(tmp_path):
    table = create_csv_table(
        tmp_path, ["INTEGER", "STRING"], [[n, f"row {n}"] for n in range(1000)]
    )
    for name in ("one", "two"):
        parquet.write_table(table, tmp_path / name, lambda _: None)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_row_longer_than_block_is_converted(tmp_path):
    """Ten cells of maximum length with characters that are doubled: ten megabytes."""
    column_types = ["LARGETEXT"] * 10
    row = ['"' * 524_288] * 10
    found = convert(
        tmp_path, create_csv_table(tmp_path, column_types, [["short"] * 10, row, ["short"] * 10])
    )
    assert found.num_rows == 3
    assert found.column(9)[1].as_py() == row[9]


@pytest.mark.parametrize(
    ("column_type", "cell"), [("INTEGER", "1.5"), ("BOOLEAN", "2"), ("DATE", "x")]
)
def test_cell_of_other_type_raises_error(tmp_path, column_type, cell):
    path = tmp_path / "rows.csv"
    path.write_text(f'"a"\n"{cell}"\n')
    table = CsvFileTable(
        "syn1", path, lineEnd="\n", headers=[{"name": "a", "columnType": column_type}]
    )
    with pytest.raises(ValueError, match=cell):
        parquet.write_table(table, tmp_path / "rows.parquet", lambda _: None)


def test_duplicate_column_names_raise_error(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('"n","b","n"\n1,2,3\n')
    headers = [{"name": name, "columnType": "INTEGER"} for name in ("n", "b", "n")]
    table = CsvFileTable("syn1", path, lineEnd="\n", headers=headers)
    with pytest.raises(ConversionError, match=r"Duplicate column names \['n'\].* AS "):
        parquet.write_table(table, tmp_path / "rows.parquet", lambda _: None)
    assert not (tmp_path / "rows.parquet").exists()


def test_progress_counts_all_bytes(tmp_path):
    table = create_csv_table(tmp_path, ["LARGETEXT"], [["x" * 1000]] * 10_000)
    progress = []
    parquet.write_table(table, tmp_path / "rows.parquet", progress.append)
    assert len(progress) > 1
    assert sum(progress) == Path(table.filepath).stat().st_size


def test_memory_does_not_grow_with_number_of_rows(tmp_path):
    """Peak of the Arrow memory pool is equal for four times as many rows."""
    peaks = []
    for rows in (20_000, 80_000):
        table = create_csv_table(
            tmp_path, ["LARGETEXT", "INTEGER"], ([f"row {n}" * 10, n] for n in range(rows))
        )
        pool = pa.proxy_memory_pool(pa.default_memory_pool())
        pa.set_memory_pool(pool)
        tracemalloc.start()
        try:
            parquet.write_table(table, tmp_path / "rows.parquet", lambda _: None)
            peaks.append(pool.max_memory() + tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
            pa.set_memory_pool(pa.system_memory_pool())
    assert peaks[1] < 1.2 * peaks[0]
    assert Path(table.filepath).stat().st_size > 5_000_000


def test_missing_pyarrow_raises_error_with_install_command(tmp_path, monkeypatch):
    table = create_csv_table(tmp_path, ["INTEGER"], [[1]])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'synapse-workflows\[parquet\]'"):
        parquet.write_table(table, tmp_path / "rows.parquet", lambda _: None)
