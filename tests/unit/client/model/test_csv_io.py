"""Tests of encoding errors in CSV files."""

import gc

import pytest

from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.client.model.table_factory import Table

LATIN = "name\nant\nbüffel\n".encode("latin-1")
#: A header and more rows than the decoder reads at a time.
LONG = b"name\n" + b"ant\n" * 10_000 + "büffel\n".encode("latin-1")
NOT_UTF8 = r"given\.csv is not UTF-8: line {} contains the byte 0xfc\. Save the file as UTF-8"


def create_table(tmp_path, content, **settings):
    path = tmp_path / "given.csv"
    path.write_bytes(content)
    return CsvFileTable("syn5", path, **settings)


@pytest.mark.parametrize("read", [list, len, CsvFileTable.asRowSet, CsvFileTable.is_empty])
def test_file_with_other_encoding_raises_error_with_line(tmp_path, read):
    with pytest.raises(ValueError, match=NOT_UTF8.format(3)):
        read(create_table(tmp_path, LATIN))


def test_line_number_in_error_includes_skipped_lines(tmp_path):
    table = create_table(tmp_path, b"# made by\n" + LATIN, linesToSkip=1)
    with pytest.raises(ValueError, match=NOT_UTF8.format(4)):
        list(table)


def test_validate_reads_whole_file(tmp_path):
    table = create_table(tmp_path, LONG)
    assert not table.is_empty()  # its first rows are fine
    with pytest.raises(ValueError, match=NOT_UTF8.format(10_002)):
        table.validate()


def test_validate_accepts_utf8(tmp_path):
    table = create_table(tmp_path, "\ufeffname\nbüffel\n".encode())
    table.validate()
    assert list(table) == [["büffel"]]


def test_file_is_closed_if_iteration_stops_early(tmp_path):
    rows = iter(create_table(tmp_path, LONG))
    assert next(rows) == ["ant"]
    del rows
    gc.collect()  # an open file would warn here


COLUMNS = [Column(name="n", columnType="INTEGER"), Column(name="name", columnType="LARGETEXT")]


@pytest.mark.parametrize(
    ("of", "column"),
    [(Schema("t", COLUMNS, parent="syn1"), "'name'"), ("syn5", "'number 2'")],
    ids=["schema", "id"],
)
def test_lone_surrogate_raises_error_with_row_and_column(of, column):
    message = rf"Row 2, column {column}: 'b\\udcfcffel' contains a lone surrogate"
    with pytest.raises(ValueError, match=message) as caught:
        Table(of, [[1, "ant"], [2, "b\udcfcffel"]])
    assert str(caught.value).isascii()
