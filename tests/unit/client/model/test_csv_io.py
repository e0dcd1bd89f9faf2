"""CSV files that are not UTF-8, and text that UTF-8 cannot hold: said where, and what to do."""

import gc

import pytest

from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.client.model.table_factory import Table

LATIN = "name\nant\nbüffel\n".encode("latin-1")
#: The header, and rows enough for the decoder not to see the last one at first.
LONG = b"name\n" + b"ant\n" * 10_000 + "büffel\n".encode("latin-1")
NOT_UTF8 = r"given\.csv is not UTF-8: line {} contains the byte 0xfc\. Save the file as UTF-8"


def given(tmp_path, content, **settings):
    path = tmp_path / "given.csv"
    path.write_bytes(content)
    return CsvFileTable("syn5", path, **settings)


@pytest.mark.parametrize("read", [list, len, CsvFileTable.asRowSet, CsvFileTable.is_empty])
def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path, read):
    with pytest.raises(ValueError, match=NOT_UTF8.format(3)):
        read(given(tmp_path, LATIN))


def test_lines_that_are_skipped_count(tmp_path):
    table = given(tmp_path, b"# made by\n" + LATIN, linesToSkip=1)
    with pytest.raises(ValueError, match=NOT_UTF8.format(4)):
        list(table)


def test_the_whole_file_is_checked_before_it_is_stored(tmp_path):
    table = given(tmp_path, LONG)
    assert not table.is_empty()  # its first rows are fine
    with pytest.raises(ValueError, match=NOT_UTF8.format(10_002)):
        table.validate()


def test_a_file_in_utf8_passes(tmp_path):
    table = given(tmp_path, "\ufeffname\nbüffel\n".encode())
    table.validate()
    assert list(table) == [["büffel"]]


def test_a_file_whose_rows_are_not_read_to_the_end_is_closed(tmp_path):
    rows = iter(given(tmp_path, LONG))
    assert next(rows) == ["ant"]
    del rows
    gc.collect()  # an open file would warn here


COLUMNS = [Column(name="n", columnType="INTEGER"), Column(name="name", columnType="LARGETEXT")]


@pytest.mark.parametrize(
    ("of", "column"),
    [(Schema("t", COLUMNS, parent="syn1"), "'name'"), ("syn5", "'number 2'")],
    ids=["schema", "id"],
)
def test_a_lone_surrogate_is_named_with_its_row_and_column(of, column):
    said = rf"Row 2, column {column}: 'b\\udcfcffel' contains a lone surrogate"
    with pytest.raises(ValueError, match=said) as caught:
        Table(of, [[1, "ant"], [2, "b\udcfcffel"]])
    assert str(caught.value).isascii()
