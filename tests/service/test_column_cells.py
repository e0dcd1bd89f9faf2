"""Cells of a column at a time: equal to cells one by one."""

import pytest
from hypothesis import given, settings, strategies as st
from support.cell_strategies import CELLS, INVALID

from synapse_workflows.local.domain.tables import cell_values, column_cells
from synapse_workflows.local.domain.tables.column_types import parse_column

UNUSUAL = st.sampled_from(
    ["", " ", " 7 ", "+7", "-7", "007", "0x1F", "1_0", "٣", "²", "9" * 18, "9" * 19, "9" * 41,
     "1e5", "1e-400", "1e400", "1e999999999", "1e9999999999", "1.", ".5", ".", "-.5e+1", "nan",
     "-NaN", "inf", "+Infinity", "1_0.5", "٣.٣", "1\x1f", "\u00a01", "True", "FALSE", " true",
     "x" * 50, "x" * 51, "😀" * 25, "😀" * 26, "é" * 50, "\ud800"]
)  # fmt: skip


def parse_one_by_one(column, texts):
    parse = cell_values.get_cell_parser(column)
    try:
        return [parse(text) for text in texts]
    except cell_values.CellError:
        return None


def parse_at_once(column, texts):
    try:
        return list(column_cells.get_column_parser(column)(texts))
    except cell_values.CellError:
        return None


@settings(max_examples=600, deadline=None)
@given(st.data(), st.sampled_from(sorted(CELLS)), st.booleans(), st.booleans())
def test_cells_of_a_column_are_parsed_as_single_cells(data, kind, has_default, is_unusual):
    valid = CELLS[kind].map(lambda pair: pair[0])
    cells = st.none() | valid
    if is_unusual:
        cells = cells | UNUSUAL | st.just(INVALID.get(kind))
    size = {"maximumSize": 50} if kind in {"STRING", "LINK", "STRING_LIST"} else {}
    length = {"maximumListLength": 3} if kind.endswith("_LIST") else {}
    body = {"name": "a", "columnType": kind, **size, **length}
    if has_default and kind not in {"LARGETEXT", "MEDIUMTEXT", "JSON"} and "LIST" not in kind:
        body["defaultValue"] = data.draw(valid)
    column = parse_column(1, body)
    texts = data.draw(st.lists(cells, max_size=8))
    expected = parse_one_by_one(column, texts)
    found = parse_at_once(column, texts)
    assert repr(found) == repr(expected)  # distinguishes 1, 1.0 and True, and -0.0 from 0.0
    if expected is not None:
        serialize = cell_values.get_serializer(column.type)
        assert column_cells.get_column_serializer(column.type)(expected) == [
            None if value is None else serialize(value) for value in expected
        ]


@pytest.mark.parametrize("texts", [["a", None, "b"], ["a", "c"]])
def test_enumeration_is_checked(texts):
    column = parse_column(
        1, {"name": "a", "columnType": "STRING", "maximumSize": 5, "enumValues": ["a", "b"]}
    )
    assert parse_at_once(column, texts) == parse_one_by_one(column, texts)
