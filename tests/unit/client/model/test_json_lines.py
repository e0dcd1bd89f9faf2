"""Tests of the conversion of CSV tables to JSON lines."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from synapse_workflows.client.model import json_lines
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_dialect import CsvDialect
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.file_conversion import ConversionError

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def convert(path, columns, rows):
    """Write rows of text as CSV, and return the lines of the converted file."""
    dialect = CsvDialect()
    lines = [[name for name, _ in columns], *rows]
    path.write_text("".join(map(dialect.format_row, lines)), "utf-8", newline="")
    headers = [Column(name=name, columnType=kind) for name, kind in columns]
    table = CsvFileTable("syn1", str(path), lineEnd="\n", headers=headers)
    target, sizes = io.BytesIO(), []
    json_lines.write_table(table, target, sizes.append)
    assert sum(sizes) == path.stat().st_size
    return [f"{line}\n" for line in target.getvalue().decode().split("\n")[:-1]]


@pytest.mark.parametrize(
    ("column_type", "text", "expected"),
    [
        ("INTEGER", "9223372036854775807", "9223372036854775807"),
        ("DOUBLE", "1.0E10", "1.0E10"),
        ("DOUBLE", "0.1", "0.1"),
        ("DOUBLE", "NaN", '"NaN"'),
        ("DOUBLE", "-Infinity", '"-Infinity"'),
        ("BOOLEAN", "true", "true"),
        ("BOOLEAN", "FALSE", "false"),
        ("DATE", "0", '"1970-01-01T00:00:00.000Z"'),
        ("DATE", "1700000000123", '"2023-11-14T22:13:20.123Z"'),
        ("DATE", "-99999999999999", "-99999999999999"),
        ("DATE_LIST", "[0]", '["1970-01-01T00:00:00.000Z"]'),
        ("STRING_LIST", '["a", "b"]', '["a", "b"]'),
        ("JSON", '{"a": 1.10}', '{"a": 1.10}'),
        ("JSON", '{\n"a": 1\n}', '{"a": 1}'),
        ("JSON", "3", '"3"'),
        ("ENTITYID", "syn1", '"syn1"'),
        ("USERID", "12", '"12"'),
        ("STRING", "", '""'),
        ("STRING", "12", '"12"'),
        ("STRING", "null", '"null"'),
        ("INTEGER", "", "null"),
        ("STRING", None, "null"),
        ("DATE", None, "null"),
    ],
)
def test_cell_becomes_json(tmp_path, column_type, text, expected):
    line = convert(tmp_path / "rows.csv", [("a", column_type), ("b", "STRING")], [[text, "x"]])
    assert line == [f'{{"a": {expected}, "b": "x"}}\n']


def test_row_ids_are_numbers(tmp_path):
    columns = [("ROW_ID", "STRING"), ("ROW_VERSION", "STRING"), ("n", "INTEGER")]
    (line,) = convert(tmp_path / "rows.csv", columns, [["1", "2", "3"]])
    assert json.loads(line) == {"ROW_ID": 1, "ROW_VERSION": 2, "n": 3}


@given(st.lists(st.lists(st.none() | TEXT, min_size=2, max_size=2), max_size=5), TEXT)
def test_text_survives(tmp_path_factory, rows, name):
    path = Path(tmp_path_factory.mktemp("rows"), "rows.csv")
    names = [f"a{name}", "b"]
    lines = convert(path, [(one, "STRING") for one in names], rows)
    assert [json.loads(line) for line in lines] == [
        dict(zip(names, row, strict=True)) for row in rows
    ]


@pytest.mark.parametrize(
    ("column_type", "good", "bad"),
    [("INTEGER", "1", "1x"), ("DOUBLE", "1.5", "nan"), ("BOOLEAN", "true", "yes")],
)
def test_cell_of_another_type_names_the_row(tmp_path, column_type, good, bad):
    with pytest.raises(ConversionError, match="row 2"):
        convert(tmp_path / "rows.csv", [("a", column_type)], [[good], [bad]])


def test_duplicate_column_names_are_rejected(tmp_path):
    with pytest.raises(ConversionError, match=r"Duplicate column names \['n'\].*JSON lines"):
        convert(tmp_path / "rows.csv", [("n", "STRING"), ("n", "STRING")], [])
