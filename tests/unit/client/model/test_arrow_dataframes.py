"""Tests of DataFrames read with pyarrow: equal to those read without, cell by cell."""

import gzip
import re
import sys

import pytest
from hypothesis import HealthCheck, assume, example, given, settings, strategies as st
from support.cell_strategies import CELLS

from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_tables import CsvFileTable

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

SETTINGS = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ETAG = "0f3c1bd2-6f6c-4b7e-9d0b-5a0f6dd0c0f1"
#: Cells that Python and pyarrow parse differently, and cells of other types.
UNUSUAL = st.sampled_from(
    ["", " ", "0x1F", "+7", "1_000", " 7 ", "007", "-0", "٣", "9223372036854775808", "1e400",
     "nan(abc)", "-nan", "+1.5", "Infinity", "inf", "T", "f", "1", "0", "tRuE", "yes", "null",
     "[]", "{}", "[1", "syn1", "2020-01-01", "-62135596800001", "253402300800000", "\0"]
)  # fmt: skip


@pytest.fixture
def without_pyarrow(monkeypatch):
    """Return a function that calls a function while pyarrow cannot be imported."""

    def call(function):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, "pyarrow", None)
            patched.setitem(sys.modules, "pyarrow.csv", None)
            return function()

    return call


def read(table, **options):
    """Return the DataFrame of a table, or the error."""
    try:
        return table.asDataFrame(**options)
    except (ValueError, TypeError) as error:
        return error


def assert_equal(found, expected):
    """Assert that two results of `read` are equal, including the Python types of all cells."""
    if isinstance(expected, Exception):  # the errors differ if several cells are invalid
        assert isinstance(found, Exception)
        return
    assert not isinstance(found, Exception), found
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_column_type="exact")
    assert type(found.index) is type(expected.index)
    for column in range(found.shape[1]):
        pairs = zip(found.iloc[:, column], expected.iloc[:, column], strict=True)
        for one, other in pairs:
            assert type(one) is type(other)
            assert repr(one) == repr(other)


@st.composite
def tables(draw):
    """Columns and rows of cell texts; None is null."""
    types = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    cells = [st.none() | CELLS[one].map(lambda pair: pair[1]) for one in types]
    if draw(st.integers(0, 3)) == 0:
        cells = [one | UNUSUAL for one in cells]
    rows = draw(st.lists(st.tuples(*cells), max_size=6))
    columns = [Column(name=f"c {index}", columnType=one) for index, one in enumerate(types)]
    return columns, rows


@st.composite
def dialects(draw):
    """Arguments of `CsvFileTable`."""
    quote = draw(st.sampled_from("\"'"))
    return {
        "quoteCharacter": quote,
        "escapeCharacter": draw(st.sampled_from(["\\", quote])),
        "separator": draw(st.sampled_from(",;\t")),
        "lineEnd": draw(st.sampled_from(["\n", "\r\n", "\r"])),
    }


@SETTINGS
@given(
    tables(),
    dialects(),
    st.sampled_from(["none", "ids", "etags", "aggregate"]),
    st.booleans(),
    st.integers(0, 2),
    st.booleans(),
)
def test_frame_is_equal_with_and_without_pyarrow(
    tmp_path, without_pyarrow, table, dialect, metadata, header, skip, compressed
):
    columns, rows = table
    ids = {"none": [], "ids": ["ROW_ID", "ROW_VERSION"], "aggregate": ["ROW_ID", "ROW_VERSION"]}
    names = ids.get(metadata, ["ROW_ID", "ROW_VERSION", "ROW_ETAG"])
    values = [None] * 3 if metadata == "aggregate" else ["7", "2", ETAG]
    path = tmp_path / "rows.csv"
    result = CsvFileTable(
        "syn1", path, header=header, headers=columns, linesToSkip=skip, **dialect
    )
    lines = ["skipped" + result.dialect.line_end] * skip
    if header:
        lines.append(result.dialect.format_row([*names, *(one["name"] for one in columns)]))
    lines += [result.dialect.format_row([*values[: len(names)], *row]) for row in rows]
    content = "".join(lines).encode()
    path.write_bytes(gzip.compress(content) if compressed else content)
    for in_index in (True, False):
        for dates in (True, False):
            options = {"rowIdAndVersionInIndex": in_index, "convert_to_datetime": dates}
            found = read(result, **options)
            assert_equal(found, without_pyarrow(lambda: read(result, **options)))  # noqa: B023


@SETTINGS
@given(
    st.text('",\\\n\r a1é\ufeff', max_size=30),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(["\\", '"']),
    st.integers(0, 1),
)
@example('"a', 1, True, "\\", 0)  # unterminated
@example('1,"a\n', 2, True, "\\", 0)
@example("1,a\\", 2, True, "\\", 0)
@example("\n\n1,a\n", 2, True, "\\", 0)
@example("\n\n1,a\n", 2, False, "\\", 0)
@example("1\n1,2,3\n", 2, True, "\\", 0)
@example("a\r", 1, True, "\\", 0)
@example("\r", 1, True, "\\", 0)
@example('""\r\n\r\n"', 1, True, "\\", 0)
def test_any_text_is_read_as_without_pyarrow(
    tmp_path, without_pyarrow, text, width, header, escape, skip
):
    # No writer of CSV writes an escape character after a closing quote or before a line ending.
    assume(re.search(r'"\\|\\[\r\n]', text) is None)
    path = tmp_path / "rows.csv"
    columns = [Column(name=f"{index}", columnType="STRING") for index in range(width)]
    names = ",".join(one["name"] for one in columns) + "\n" if header else ""
    path.write_bytes(("#\n" * skip + names + text).encode())
    table = CsvFileTable(
        "syn1", path, header=header, headers=columns, linesToSkip=skip, escapeCharacter=escape
    )
    assert_equal(read(table), without_pyarrow(lambda: read(table)))


def test_frame_is_writable(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('n,x,b,s\n"1","0.5","true","a"\n')
    types = {"n": "INTEGER", "x": "DOUBLE", "b": "BOOLEAN", "s": "STRING"}
    columns = [Column(name=name, columnType=one) for name, one in types.items()]
    frame = CsvFileTable("syn1", path, headers=columns).asDataFrame()
    frame.loc[0] = [2, 1.5, False, "b"]
    frame["n"] += 1
    for values in (frame["n"].array, frame["b"].array, frame["x"].array, frame["s"].array):
        values[0] = values[0]
    assert frame.to_numpy().tolist() == [[3, 1.5, False, "b"]]
