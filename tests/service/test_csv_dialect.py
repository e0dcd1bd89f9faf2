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
    separator=st.sampled_from([",", "\t", ";", "|"]),
    quote=st.sampled_from(['"', "'"]),
    escape=st.sampled_from(["\\", "/", '"', "'"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(TEXTS, min_size=2, max_size=4), min_size=1, max_size=5), DIALECTS)
def test_written_records_are_read_back(rows, dialect):
    format_fields = csv_dialect.get_field_writer(dialect)
    lines = [dialect.separator.join(format_fields(row)) for row in rows]
    text = "".join(line + dialect.line_end for line in lines)
    records = list(csv_dialect.read_records(io.StringIO(text, newline=""), dialect))
    assert records == [list(row) for row in rows]


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
