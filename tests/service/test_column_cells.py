"""Cells of a column at a time: equal to cells one by one."""

import json

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


@settings(max_examples=200, deadline=None)
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
        found = column_cells.get_column_serializer(column.type)(expected)
        assert [None if value is None else str(value) for value in found] == [
            None if value is None else serialize(value) for value in expected
        ]


#: Items of a list by the type of the list, also ones that are converted or invalid.
ITEMS = {
    "STRING_LIST": st.text('ab ,"\\\n\u2028é😀[]', max_size=6)
    | st.text("ab ,", max_size=3)
    | st.sampled_from(["x" * 50, "x" * 51, "😀" * 26]),
    "INTEGER_LIST": st.integers(-9, 9) | st.integers(-(2**64), 2**64) | st.just("7"),
    "DATE_LIST": st.integers(-9, 9) | st.integers(0, 2**64) | st.just("2020-01-01"),
    "USERID_LIST": st.integers(-9, 9) | st.integers(0, 2**64) | st.just("7"),
    "BOOLEAN_LIST": st.booleans() | st.sampled_from(["true", "no", 1]),
    "ENTITYID_LIST": st.sampled_from(["syn1", "SYN2", "3", "syn0", "syn04", 5, f"syn{10**18}"]),
}  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(sorted(ITEMS)), st.sampled_from([",", ", ", " , "]))
def test_lists_of_a_column_are_parsed_as_single_lists(data, kind, separator):
    items = st.lists(ITEMS[kind], min_size=data.draw(st.integers(0, 1)), max_size=4)
    body = {"name": "a", "columnType": kind, "maximumSize": 50, "maximumListLength": 3}
    column = parse_column(1, body)
    texts = [
        json.dumps(each, ensure_ascii=False, separators=(separator, ":"))
        for each in data.draw(st.lists(items, max_size=4))
    ]
    assert parse_at_once(column, texts) == parse_one_by_one(column, texts)


@pytest.mark.parametrize(
    "text", ['[",","b"]', '[", ","b"]', '[",", ","]', '["",","]', '["","",""]', '[" ,"," "]']
)
def test_commas_in_lists_are_kept(text):
    body = {"name": "a", "columnType": "STRING_LIST", "maximumSize": 50, "maximumListLength": 3}
    column = parse_column(1, body)
    assert parse_at_once(column, [text, '["a"]']) == parse_one_by_one(column, [text, '["a"]'])


@pytest.mark.parametrize("texts", [["a", None, "b"], ["a", "c"]])
def test_enumeration_is_checked(texts):
    column = parse_column(
        1, {"name": "a", "columnType": "STRING", "maximumSize": 5, "enumValues": ["a", "b"]}
    )
    assert parse_at_once(column, texts) == parse_one_by_one(column, texts)
