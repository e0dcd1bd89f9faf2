"""CSV keeps null and empty text apart, and whatever a cell holds."""

import io

import pytest
from hypothesis import given, strategies as st

from synapse_workflows.client.model.csv_dialect import LINE_ENDINGS, CsvDialect

FORM = CsvDialect()
CELLS = st.none() | st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["", '"', '""', "\\", '\\"', '"\\', ",", "\n", "\r", "\r\n", '","', "a\\", "null", " "]
)  # fmt: skip
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=5)
FORMS = st.builds(
    CsvDialect,
    separator=st.sampled_from(",;\t|"),
    quote=st.sampled_from("\"'"),
    escape=st.sampled_from("\\\"'^"),
    line_end=st.sampled_from(LINE_ENDINGS),
)


def read(text: str, form: CsvDialect = FORM):
    return list(form.parse_rows(io.StringIO(text, newline="")))


@given(LINES, FORMS)
def test_what_is_written_is_read(lines, form):
    assert read("".join(form.format_row(line) for line in lines), form) == lines


@given(LINES)
def test_counting_agrees_with_reading(lines):
    text = "".join(FORM.format_row(line) for line in lines)
    assert FORM.count_rows(io.StringIO(text, newline="")) == len(lines)


def test_it_is_written_as_synapse_writes_it():
    assert FORM.format_row(["1", None, "", 'say "hi"', "a\\b", "x,y"]) == (
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
def test_it_is_read_as_synapse_reads_it(text, cells):
    assert read(text) == ([] if cells is None else [cells])


def test_a_cell_of_many_lines_is_one_cell():
    cell = "line\n" * 10_000
    assert read(FORM.format_row([cell, "x"])) == [[cell, "x"]]


def test_text_that_ends_within_a_cell_is_told_with_its_line():
    with pytest.raises(ValueError, match="starts in line 2"):
        read('"a"\n"b\nc\n')


@pytest.mark.parametrize(
    "form",
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
def test_what_synapse_does_not_take_is_refused(form):
    with pytest.raises(ValueError, match=r"must be one|Invalid separator|Invalid lineEnd"):
        CsvDialect(**form)


def test_it_describes_itself_as_synapse_wants_it():
    assert CsvDialect(";", "'", "^", "\r\n").to_descriptor(header=False) == {
        "separator": ";",
        "quoteCharacter": "'",
        "escapeCharacter": "^",
        "lineEnd": "\r\n",
        "isFirstLineHeader": False,
    }
