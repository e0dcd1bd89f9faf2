"""Tests of CSV files of rows: one pass over the file."""

import gzip
from contextlib import nullcontext
from pathlib import Path

import pytest
from support.row_forms import COLUMNS

from synapse_workflows.idempotency.local_files import LocalFile
from synapse_workflows.idempotency.row_formats import open_rows

WORDS = COLUMNS[:2]


def open_files(rows):
    return open_rows(rows, None, lambda path: nullcontext(LocalFile(Path(path))))


@pytest.mark.parametrize("opener", [open, gzip.open])
def test_header_and_rows_are_read_in_one_pass(tmp_path, opener):
    path = tmp_path / "rows.csv"
    expected = [[f"word {n}", str(n)] for n in range(30_000)]
    with opener(path, "wt") as file:
        file.write("word,n\n" + "".join(",".join(row) + "\n" for row in expected))
    with open_files(str(path)) as source:
        source.bind_columns(WORDS)
        assert source.has_rows()
        path.unlink()  # the open file can be read to its end
        assert list(source.iter_rows()) == expected


def test_rows_can_be_read_again(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("n,word\n1,x\n2,\n")
    with open_files([str(path), str(path)]) as source:
        source.bind_columns(WORDS)
        first = source.iter_rows()
        rows = [next(first)]
        assert source.has_rows()
        assert (
            list(source.iter_rows()) == list(source.iter_rows()) == [["1", "x"], ["2", None]] * 2
        )
        assert [*rows, *first] == list(source.iter_rows())


def test_columns_can_be_bound_again_after_the_first_row_was_read(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("n,word\n1,x\n")
    with open_files(str(path)) as source:
        for columns in (WORDS, [*WORDS, *COLUMNS[2:3]]):
            source.bind_columns(columns)
            assert source.has_rows()
        assert list(source.iter_rows()) == [["1", "x"]]
        assert source.missing == ["x"]


@pytest.mark.parametrize("content", ["n,word\n", "n,word", "n,word\n\n\n"])
def test_file_without_rows(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_text(content)
    with open_files(str(path)) as source:
        source.bind_columns(WORDS)
        assert not source.has_rows()
        assert list(source.iter_rows()) == []
