"""Tests of parsing CSV files with pyarrow."""

import pytest
from support.cell_strategies import CELLS

from synapse_workflows.client.model import arrow_csv
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_io import CsvFile
from synapse_workflows.client.model.csv_tables import CsvFileTable

pytest.importorskip("pyarrow")


def is_read_with_pyarrow(table):
    file = CsvFile(table.filepath, table.dialect, table.header, table.linesToSkip)
    cells = arrow_csv.read_columns(file, len(table.columns()))
    return cells is not None


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("width", [1, 2])
def test_rows_across_blocks_are_complete(tmp_path, end, width):
    rows = [["x" * (n % 7) if n % 5 else None for _ in range(width)] for n in range(60)]
    path = tmp_path / "rows.csv"
    table = CsvFileTable("syn1", path, header=False, lineEnd=end)
    path.write_text("".join(map(table.dialect.format_row, rows)), newline="")
    file = CsvFile(str(path), table.dialect, header=False)
    for size in range(24, 50):
        cells = arrow_csv.read_columns(file, width, block_size=size)
        assert [list(row) for row in zip(*(one.to_pylist() for one in cells), strict=True)] == rows


def test_query_results_are_read_with_pyarrow(tmp_path):
    """All types and quoted text, and cells that only Python parses."""
    path = tmp_path / "rows.csv"
    columns = [Column(name=f"c {index}", columnType=one) for index, one in enumerate(CELLS)]
    table = CsvFileTable("syn1", path, headers=columns)
    table.includeRowIdAndRowVersion = True
    rows = [['"a",\n', *[None] * (len(columns) - 1)], ["", *["+7"] * (len(columns) - 1)]]
    names = ["ROW_ID", "ROW_VERSION", *(one["name"] for one in columns)]
    lines = [names, *(["1", "2", *row] for row in rows)]
    path.write_text("".join(map(table.dialect.format_row, lines)))
    assert is_read_with_pyarrow(table)


@pytest.mark.parametrize(
    "text",
    [
        'a\n1,"',
        "a\n1\\",
        "a\n1\\\n",
        "a\n1,2\n",
        "a\n" + "1\n" * 99_999 + "\xff",
        "a\n" + "x" * 3_000_000,
    ],
)
def test_other_files_are_read_without_pyarrow(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="latin-1")
    assert not is_read_with_pyarrow(CsvFileTable("syn1", path))
