"""CSV dialects: reading and writing records."""

import io

from hypothesis import given, settings, strategies as st

from synapse_workflows.local.domain.tables import csv_dialect
from synapse_workflows.local.domain.tables.csv_dialect import CsvDialect

TEXTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['"', '""', "\\", "\\\\", '\\"', ",", "\n", "\r\n", "\t", "", " ", "\ufeff", "'", "\x00"]
)  # fmt: skip
DIALECTS = st.builds(
    CsvDialect,
    separator=st.sampled_from([",", "\t", ";", "|", "s"]),
    quote=st.sampled_from(['"', "'", "%", "7"]),
    escape=st.sampled_from(["\\", "/", '"', "'", "%", "-"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)


@st.composite
def tables(draw):
    """Return columns of text or integers, with the same number of cells."""
    rows = draw(st.integers(1, 5))
    cells = TEXTS | st.just("x"), st.integers(), st.just(None)
    columns = st.one_of(st.lists(each, min_size=rows, max_size=rows) for each in cells)
    return draw(st.lists(columns, min_size=2, max_size=4))


@settings(max_examples=100, deadline=None)
@given(tables(), DIALECTS)
def test_written_records_are_read_back(columns, dialect):
    text = csv_dialect.get_record_writer(dialect)(columns)
    records = list(csv_dialect.read_records(io.StringIO(text, newline=""), dialect))
    rows = zip(*columns, strict=True)
    assert records == [[None if cell is None else str(cell) for cell in row] for row in rows]


class Lines(io.TextIOBase):
    """Text stream that generates its lines one by one."""

    def __init__(self, lines):
        self._lines = iter(lines)

    def readline(self, _size=-1):
        return next(self._lines, "")


def test_skipped_lines_do_not_count_as_one_record():
    junk = "x" * 999_999 + "\n"
    lines = Lines([*[junk] * 70, "a,n\n", "z,3\n"])
    records = csv_dialect.read_records(lines, CsvDialect(), skip=70)
    assert list(records) == [["a", "n"], ["z", "3"]]
