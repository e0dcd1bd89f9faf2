"""Rows in batches: equal to rows encoded and decoded one by one."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given, settings, strategies as st

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_dialect import CsvBlock
from synapse_workflows.client.model.row_batches import encode_rows, read_rows
from synapse_workflows.client.model.rows import serialize_cells, validate_width

VALUES = st.sampled_from(
    [None, True, False, 0, 7, -(2**63), 2**63 - 1, 2**63, 2**64, 0.0, -0.0, 1.5, 5.0, math.nan,
     math.inf, -math.inf, 1e300, Decimal("1.50"), Decimal("NaN"), date(2020, 1, 2),
     datetime(2020, 1, 2, tzinfo=UTC), "", "7", "true", "syn5", "x" * 50, "x" * 51, "😀" * 25,
     "😀" * 26, "\ud800", [1, 2], [True], ["a", "b"], [], [None], [2**63], ["x" * 51], [1] * 4,
     (1,), {"a": 1}, '{"a": [1]}', "[1, 2]", b"x"]
)  # fmt: skip
#: Column type -> values that are valid for most of the rows.
USUAL = {
    "INTEGER": st.none() | st.integers(-9, 9),
    "DOUBLE": st.none() | st.floats(),
    "BOOLEAN": st.none() | st.booleans(),
    "DATE": st.integers(-9, 9),
    "STRING": st.none() | st.text(max_size=30),
    "INTEGER_LIST": st.none() | st.lists(st.integers(-9, 9), max_size=3),
    "STRING_LIST": st.none() | st.lists(st.text(max_size=3), max_size=3),
}
KINDS = sorted(cell_codec.ColumnType)
LIMITS = {"maximumSize": 50, "maximumListLength": 3}


def create_column(kind):
    return Column(name=f"c{kind}", columnType=kind, **LIMITS) if kind else {}


def encode(rows, columns, *, in_batches):
    """Encode rows; see `collect`."""
    writers = [*map(cell_codec.create_writer, columns)]
    names = [str(index) for index, _ in enumerate(columns)]

    def encode_row(number, values):
        validate_width(number, len(values), len(writers))
        return serialize_cells(number, values, writers, names)

    lines = (
        encode_rows(rows, columns, writers, encode_row)
        if in_batches
        else (encode_row(number, row) for number, row in enumerate(rows, 1))
    )
    return collect(lines)


def collect(rows):
    """Return the rows before an error, and the text of the error."""
    found = []
    try:
        found.extend(rows)
    except (ValueError, TypeError) as error:
        return found, str(error)
    return found, None


@settings(max_examples=167, deadline=None)
@given(st.data(), st.lists(st.sampled_from([*KINDS, ""]), min_size=1, max_size=4))
def test_rows_in_batches_are_encoded_as_single_rows(data, kinds):
    columns = [*map(create_column, kinds)]
    usual = st.tuples(*(USUAL.get(kind, VALUES) for kind in kinds)).map(list)
    unusual = st.tuples(*([VALUES] * len(kinds))) | st.lists(VALUES, max_size=5)
    rows = data.draw(st.lists(usual, max_size=5))
    rows += data.draw(st.lists(usual | unusual, max_size=3))
    expected = encode(rows, columns, in_batches=False)
    assert encode(rows, columns, in_batches=True) == expected


@pytest.mark.parametrize("kind", [*KINDS, ""])
@settings(max_examples=60, deadline=None)
@given(values=st.lists(VALUES, max_size=4))
@example(values=["😀" * 25, "😀" * 26])
def test_values_of_a_column_are_encoded_as_single_values(kind, values):
    rows, columns = [[value] for value in values], [create_column(kind)]
    expected = encode(rows, columns, in_batches=False)
    assert encode(rows, columns, in_batches=True) == expected


TEXTS = st.sampled_from(
    [None, "", "0", "7", "-7", "1.5", "nan", "true", "F", "yes", "1577923200000", "9" * 30, "[1]",
     '["a"]', "[", "syn5", "x", '{"a": 1}']
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.data(), st.lists(st.sampled_from([*KINDS, ""]), min_size=1, max_size=3))
def test_cells_of_blocks_are_read_as_single_cells(data, kinds):
    columns = [*map(create_column, kinds)]
    readers = [*map(cell_codec.create_reader, columns)]
    width = len(columns) + data.draw(st.sampled_from([0, 0, 0, 1, -1]))
    rows = data.draw(st.lists(st.lists(TEXTS, min_size=width, max_size=width), max_size=4))

    def read_one_by_one():
        for number, row in enumerate(rows, 1):
            if len(row) > len(readers):
                raise ValueError(
                    f"Row {number} of a.csv has {width} cells for {len(columns)} columns. "
                    "Check the row, the separator and the quotes."
                )
            cells = [*row, *[None] * (len(readers) - width)]
            yield [read(cell) for read, cell in zip(readers, cells, strict=True)]

    block = CsvBlock([*zip(*rows, strict=True)]) if rows and width else CsvBlock(rows=rows)
    found = collect(read_rows([block, CsvBlock(rows=rows[:1])], columns, "a.csv"))
    expected = collect(read_one_by_one())
    if rows and expected[1] is None:
        expected = [*expected[0], expected[0][0]], None
    assert repr(found) == repr(expected)


def test_rows_and_values_may_change_after_the_next_row_is_requested():
    def read():
        row = [0, [0], {"n": 0}, "x", [0]]
        for number in range(600):
            row[0] = row[1][0] = row[2]["n"] = row[4][0] = number
            row[3] = row[1] if number % 50 == 49 else str(number)
            yield row

    columns = [*map(create_column, ["INTEGER", "INTEGER_LIST", "JSON", "", "INTEGER_LIST"])]
    lines, error = encode(read(), columns, in_batches=True)
    assert error is None
    assert lines == [
        [
            f"{number}",
            f"[{number}]",
            f'{{"n":{number}}}',
            f"[{number}]" if number % 50 == 49 else f"{number}",
            f"[{number}]",
        ]
        for number in range(600)
    ]


def test_long_text_is_encoded_row_by_row():
    requested = []

    def read():
        for number in range(3):
            requested.append(number)
            yield ["x"]

    column = Column(name="a", columnType="LARGETEXT")
    lines = encode_rows(
        read(), [column], [cell_codec.create_writer(column)], lambda _, values: list(values)
    )
    assert next(lines) == ["x"]
    assert requested == [0]
