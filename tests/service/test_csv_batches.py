"""Batches of CSV records: equal to records that are read one by one."""

import io

import pytest
from hypothesis import example, given, settings, strategies as st

from synapse_workflows.local.domain.tables import csv_batches, csv_dialect
from synapse_workflows.local.domain.tables.csv_dialect import CsvDialect
from synapse_workflows.local.errors import BadRequest

DIALECTS = st.builds(
    CsvDialect,
    separator=st.sampled_from([",", "\t", "n"]),
    quote=st.sampled_from(['"', "'"]),
    escape=st.sampled_from(["\\", "/", '"', "'"]),
)
#: Fields, separators and line ends in any order, and the mark for empty text.
PIECES = st.sampled_from(
    [",", '"', '""', '"",""', ',"",', "'", "''", "\\", "/", "\n", "\r\n", "\r", "\t", "a", "end",
     "\ue0f1", '"\ue0f1"', "\u2028", "é", '"a"', '"a\nb"', 'a,"",\n', "a,b\n", "\x00"]
)  # fmt: skip
#: Rows of a regular table, which are read as blocks.
FIELDS = st.sampled_from(["", '""', '"a"', "b", '"x, ""y"""', '"two\nlines"', '"\\\\"', "end"])
ROWS = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(FIELDS, min_size=width, max_size=width), max_size=9)
)
TEXTS = st.lists(PIECES, max_size=30).map("".join) | st.builds(
    lambda rows, line_end: "".join(",".join(row) + line_end for row in rows),
    ROWS,
    st.sampled_from(["\n", "\r\n", "\r"]),
)


def read_one_by_one(text, dialect, skip):
    try:
        return list(csv_dialect.read_records(io.StringIO(text, newline=""), dialect, skip=skip))
    except BadRequest as error:
        return str(error)


def read_in_batches(text, dialect, skip, size):
    batches = csv_batches.read_batches(
        io.StringIO(text, newline=""), dialect, skip=skip, block_size=size
    )
    try:
        return [record for batch in batches for record in batch.iter_records()]
    except BadRequest as error:
        return str(error)


@settings(max_examples=500, deadline=None)
@given(TEXTS, DIALECTS, st.integers(0, 2), st.integers(1, 40))
@example('a,b\n"x,"",y",""\n', CsvDialect(), 0, 40)
@example('a,b\n"x,"",y",\ue0f1\n', CsvDialect(), 0, 40)
@example('a,b\n"x\n""\n",""\n', CsvDialect(), 0, 1)
@example('a,b\n\n\n"x\\",""\n\n"",\n', CsvDialect(), 0, 9)
@example('a\n\n""\n\n', CsvDialect(), 0, 2)
@example("a,b\n\nc\n\n1,2\n\n", CsvDialect(), 0, 2)
@example('a,b\n1,"2\n', CsvDialect(), 0, 40)
@example("a,b\n1,2\\", CsvDialect(), 0, 40)
def test_records_in_batches_are_those_read_one_by_one(text, dialect, skip, size):
    expected = read_one_by_one(text, dialect, skip)
    assert read_in_batches(text, dialect, skip, size) == expected


def test_regular_records_are_read_as_columns():
    text = 'a,b\n1,\n2,""\n,"two\nlines"\n'
    first, second = csv_batches.read_batches(io.StringIO(text, newline=""), CsvDialect())
    assert first.records == [["a", "b"]]
    assert [list(column) for column in second.columns] == [
        ["1", "2", None],
        [None, "", "two\nlines"],
    ]


@pytest.mark.parametrize("start", ["", "x" * 100_000, "1,2\n" * 50_000])
def test_record_above_the_limit_is_rejected(start):
    text = f"a,b\n{start}{'x' * csv_dialect.MAX_RECORD_SIZE},1\n"
    with pytest.raises(BadRequest, match="characters or more"):
        list(csv_batches.read_batches(io.StringIO(text, newline=""), CsvDialect()))


def test_bytes_that_are_not_utf8_are_rejected():
    stream = io.TextIOWrapper(io.BytesIO(b"a\n" * 200_000 + b"\xff\n"), encoding="utf-8")
    with pytest.raises(BadRequest, match="UTF-8"):
        list(csv_batches.read_batches(stream, CsvDialect()))
