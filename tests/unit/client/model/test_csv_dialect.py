"""Tests of formatting and parsing CSV, including null and empty text."""

import csv
import io

import pytest
from hypothesis import example, given, settings, strategies as st

from synapse_workflows.client.model.csv_dialect import LINE_ENDINGS, CsvDialect

DIALECT = CsvDialect()
CELLS = st.none() | st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["", '"', '""', "\\", '\\"', '"\\', ",", "\n", "\r", "\r\n", '","', "a\\", "null", " "]
)  # fmt: skip
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=5)
DIALECTS = st.builds(
    CsvDialect,
    separator=st.sampled_from(",;\t|"),
    quote=st.sampled_from("\"'"),
    escape=st.sampled_from("\\\"'^"),
    line_end=st.sampled_from(LINE_ENDINGS),
)


def parse(text: str, dialect: CsvDialect = DIALECT):
    return list(dialect.parse_rows(io.StringIO(text, newline="")))


@given(LINES, DIALECTS)
def test_round_trip_returns_equal_rows(lines, dialect):
    assert parse("".join(dialect.format_row(line) for line in lines), dialect) == lines


SPECIAL_CELLS = st.sampled_from([None, "", '"', ',"', '",', ',",', '\n",', "\ue0f1", "\\", "a"])


@given(st.lists(st.lists(SPECIAL_CELLS, min_size=1, max_size=6), max_size=6), DIALECTS)
def test_quoted_empty_cells_are_text_next_to_any_other_cell(lines, dialect):
    assert parse("".join(dialect.format_row(line) for line in lines), dialect) == lines


#: Cells, separators and line ends in any order, and the mark for empty text.
PIECES = st.sampled_from(
    [",", '"', '""', '"",""', ',"",', "'", "\\", "\n", "\r\n", "\r", "a", "end", "\ue0f1",
     '"\ue0f1"', "\u2028", '"a"', '"a\nb"', 'a,"",\n', "a,b\n", "a,b\n", '"",\n', "\x00"]
)  # fmt: skip


def collect(rows):
    """Return the rows before an error, and the text of the error."""
    found = []
    try:
        found.extend(rows)
    except ValueError as error:
        return found, str(error)
    return found, None


@settings(max_examples=333)
@given(st.lists(PIECES, max_size=30).map("".join), DIALECTS, st.integers(1, 40))
@example('a,b\n"x,"",y",\ue0f1\n', DIALECT, 40)
@example('a,b\n"x\n""\n",""\n', DIALECT, 1)
@example('a,b\n1,2\n\n3,"4\n', DIALECT, 4)
def test_rows_of_blocks_are_those_parsed_one_by_one(text, dialect, size):
    blocks = dialect.parse_blocks(io.StringIO(text, newline=""), size)
    rows = (row for block in blocks for row in block.iter_rows())
    records = dialect.parse_records(io.StringIO(text, newline=""))
    assert collect(rows) == collect(row for row, _ in records)


def test_regular_rows_are_parsed_as_columns():
    text = 'a,b\n1,\n2,""\n,"two\nlines"\n'
    first, second = DIALECT.parse_blocks(io.StringIO(text, newline=""))
    assert [*first.iter_rows()] == [["a", "b"]]
    assert [*map(list, second.columns)] == [["1", "2", None], [None, "", "two\nlines"]]


@given(LINES)
def test_count_rows_equals_number_of_parsed_rows(lines):
    text = "".join(DIALECT.format_row(line) for line in lines)
    assert DIALECT.count_rows(io.StringIO(text, newline="")) == len(lines)


@st.composite
def documents(draw) -> tuple[str, CsvDialect]:
    """Any text of the characters that have a meaning in a dialect, as lines of that dialect."""
    dialect = draw(DIALECTS)
    characters = dialect.quote + dialect.escape + dialect.separator + "ab \\\"',\t"
    cells = st.text(st.sampled_from(characters), max_size=6)
    lines = draw(st.lists(st.lists(cells, min_size=1, max_size=4), min_size=1, max_size=4))
    text = dialect.line_end.join(dialect.separator.join(line) for line in lines)
    return text + dialect.line_end, dialect


def read_with_csv_module(text: str, dialect: CsvDialect, *, strict: bool):
    return list(
        csv.reader(
            io.StringIO(text, newline=""),
            delimiter=dialect.separator,
            quotechar=dialect.quote,
            escapechar=None if dialect.escape == dialect.quote else dialect.escape,
            strict=strict,
        )
    )


@given(documents())
def test_parse_rows_equals_csv_module(document):
    text, dialect = document
    try:
        rows = parse(text, dialect)
    except ValueError:
        with pytest.raises(csv.Error):  # the text ends inside a cell
            read_with_csv_module(text, dialect, strict=True)
        return
    expected = read_with_csv_module(text, dialect, strict=False)
    assert [[cell or "" for cell in row] for row in rows] == [row or [""] for row in expected]


@given(LINES, DIALECTS)
def test_parse_rows_reads_what_csv_module_writes(lines, dialect):
    """Excel, pandas and the csv module double quotes, and escape nothing."""
    dialect = CsvDialect(dialect.separator, dialect.quote, dialect.quote, dialect.line_end)
    file = io.StringIO(newline="")
    csv.writer(
        file,
        delimiter=dialect.separator,
        quotechar=dialect.quote,
        lineterminator=dialect.line_end,
        quoting=csv.QUOTE_ALL,  # QUOTE_MINIMAL does not quote line endings of other systems
    ).writerows(lines)
    rows = parse(file.getvalue(), dialect)
    assert [[cell or "" for cell in row] for row in rows] == [
        [cell or "" for cell in line] for line in lines
    ]


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_quote_inside_unquoted_cell_is_ordinary_character(separator):
    dialect = CsvDialect(separator)
    text = 'b\n5" pipe\n6" pipe\nplain\n'
    assert parse(text, dialect) == [["b"], ['5" pipe'], ['6" pipe'], ["plain"]]
    assert parse(f'1{separator}5"\n2{separator}"6"""\n', dialect) == [["1", '5"'], ["2", '6"']]
    assert dialect.count_rows(io.StringIO(text, newline="")) == 4


def test_format_row_matches_format_of_synapse():
    assert DIALECT.format_row(["1", None, "", 'say "hi"', "a\\b", "x,y"]) == (
        '"1",,"","say ""hi""","a\\\\b","x,y"\n'
    )


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("1,2", ["1", "2"]),
        ("1,,", ["1", None, None]),
        ('"",', ["", None]),
        (",", [None, None]),
        ("", None),
        ("\n", [None]),
        (r'"\"a\\"', ['"a\\']),
        (r'"a\b"', ["ab"]),
        ('"a""b"', ['a"b']),
        ('"a\nb",c\r\n', ["a\nb", "c"]),
        ('"' + "x" * 500_000 + '"', ["x" * 500_000]),
    ],
)
def test_parse_rows_matches_parser_of_synapse(text, cells):
    assert parse(text) == ([] if cells is None else [cells])


def test_multiline_cell_is_parsed_as_one_cell():
    cell = "line\n" * 10_000
    assert parse(DIALECT.format_row([cell, "x"])) == [[cell, "x"]]


def test_unterminated_cell_raises_error_with_line():
    with pytest.raises(ValueError, match="starts in line 2"):
        parse('"a"\n"b\nc\n')


@pytest.mark.parametrize(
    "dialect",
    [
        {"separator": ""},
        {"separator": "::"},
        {"quote": "''"},
        {"escape": ""},
        {"separator": '"'},
        {"separator": "\n"},
        {"line_end": ";"},
    ],
)
def test_unsupported_dialect_raises_error(dialect):
    with pytest.raises(ValueError, match=r"must be one|Invalid separator|Invalid lineEnd"):
        CsvDialect(**dialect)


def test_to_descriptor_returns_csv_table_descriptor():
    assert CsvDialect(";", "'", "^", "\r\n").to_descriptor(header=False) == {
        "separator": ";",
        "quoteCharacter": "'",
        "escapeCharacter": "^",
        "lineEnd": "\r\n",
        "isFirstLineHeader": False,
    }
