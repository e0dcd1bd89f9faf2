"""Tests of encoding, decoding and validation of cells."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.columns import Column, SelectColumn

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
LONG = st.integers(-(2**63), 2**63 - 1)
IDS = st.integers(1, 10**12)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
DOCUMENTS = st.dictionaries(TEXT, st.none() | TEXT | LONG | st.booleans() | st.lists(LONG))
VALUES = {
    "STRING": TEXT,
    "LINK": TEXT,
    "MEDIUMTEXT": TEXT,
    "LARGETEXT": TEXT,
    "INTEGER": LONG,
    "DOUBLE": st.floats(),
    "BOOLEAN": st.booleans(),
    "DATE": MOMENTS,
    "ENTITYID": IDS.map("syn{}".format),
    "FILEHANDLEID": IDS.map(str),
    "USERID": IDS.map(str),
    "SUBMISSIONID": IDS.map(str),
    "EVALUATIONID": IDS.map(str),
    "JSON": DOCUMENTS | st.lists(DOCUMENTS),
    "STRING_LIST": st.lists(TEXT, min_size=1),
    "INTEGER_LIST": st.lists(LONG, min_size=1),
    "BOOLEAN_LIST": st.lists(st.booleans(), min_size=1),
    "DATE_LIST": st.lists(MOMENTS, min_size=1),
    "ENTITYID_LIST": st.lists(IDS.map("syn{}".format), min_size=1),
    "USERID_LIST": st.lists(IDS, min_size=1),
}


def column(column_type, **facts):
    return Column(name="x", columnType=column_type, **facts)


def encode(column_type, value, **facts):
    return cell_codec.create_writer(column(column_type, **facts))(value)


def test_strategies_cover_all_column_types():
    assert set(VALUES) == set(cell_codec.ColumnType)


@given(st.data(), st.sampled_from(sorted(VALUES)))
def test_round_trip_returns_equal_value(data, column_type):
    value = data.draw(VALUES[column_type])
    text = cell_codec.create_writer(column(column_type))(value)
    assert isinstance(text, str)
    back = cell_codec.create_reader(column(column_type))(text)
    assert back == value or (isinstance(value, float) and math.isnan(value) and math.isnan(back))
    assert type(back) is type(value)


def encode_or_fail(column_type, value):
    try:
        return encode(column_type, value, maximumListLength=3)
    except ValueError as error:
        return str(error)


@given(st.lists(st.integers(-(2**64), 2**64) | st.sampled_from([0, True, 7.0, "7"]), max_size=4))
def test_list_of_integers_is_encoded_as_other_sequences_are(items):
    assert encode_or_fail("INTEGER_LIST", items) == encode_or_fail("INTEGER_LIST", tuple(items))


@pytest.mark.parametrize("column_type", sorted(VALUES))
def test_null_is_null_in_every_column_type(column_type):
    assert encode(column_type, None) is None
    assert cell_codec.create_reader(column(column_type))(None) is None
    if column_type != "DOUBLE":
        assert encode(column_type, math.nan) is None


@pytest.mark.parametrize("column_type", sorted(VALUES))
def test_empty_text_is_null_except_in_text_columns(column_type):
    assert cell_codec.create_reader(column(column_type))("") == (
        "" if column_type in cell_codec.TEXT_TYPES else None
    )


@pytest.mark.parametrize(
    ("column_type", "value", "text"),
    [
        ("INTEGER", 3.0, "3"),
        ("INTEGER", "-7", "-7"),
        ("DOUBLE", 3, "3.0"),
        ("DOUBLE", math.nan, "NaN"),
        ("DOUBLE", -math.inf, "-Infinity"),
        ("DOUBLE", Decimal("0.5"), "0.5"),
        ("INTEGER", Decimal(7), "7"),
        ("DOUBLE", "1e3", "1000.0"),
        ("BOOLEAN", "TRUE", "true"),
        ("BOOLEAN", 0, "false"),
        ("BOOLEAN", 1.0, "true"),
        ("DATE", date(1970, 1, 2), "86400000"),
        ("DATE", datetime(1970, 1, 1, 0, 0, 1), "1000"),  # noqa: DTZ001 - naive is UTC
        ("DATE", datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "0"),
        ("DATE", -5, "-5"),
        ("DATE", "2020-1-1", "2020-1-1"),
        ("ENTITYID", 12, "syn12"),
        ("ENTITYID", {"id": "syn7"}, "syn7"),
        ("FILEHANDLEID", {"id": "88"}, "88"),
        ("USERID", 4, "4"),
        ("STRING", 5, "5"),
        ("STRING", True, "true"),
        ("STRING", date(2020, 1, 2), "2020-01-02"),
        ("STRING_LIST", ("a", "é"), '["a","é"]'),
        ("STRING_LIST", '["a"]', '["a"]'),
        ("STRING_LIST", [], None),
        ("USERID_LIST", ["3"], "[3]"),
        ("DATE_LIST", [date(1970, 1, 1)], "[0]"),
        ("JSON", '{"a": 1}', '{"a": 1}'),
        ("JSON", [], "[]"),
    ],
)
def test_equivalent_values_are_accepted(column_type, value, text):
    assert encode(column_type, value) == text


@pytest.mark.parametrize(
    ("column_type", "value", "message"),
    [
        ("INTEGER", "x", "not an integer"),
        ("INTEGER", 1.5, "not an integer"),
        ("INTEGER", True, "not an integer"),
        ("INTEGER", 2**63, "64 bits"),
        ("DOUBLE", "x", "not a number"),
        ("DOUBLE", False, "not a number"),
        ("BOOLEAN", "maybe", "neither true nor false"),
        ("BOOLEAN", 2, "neither true nor false"),
        ("DATE", 1.5, "not a date"),
        ("ENTITYID", "dog", "not a Synapse ID"),
        ("USERID", "bob", "not an integer"),
        ("STRING", ["a"], "not text"),
        ("STRING", b"a", "not text"),
        ("JSON", "{", "not valid JSON"),
        ("JSON", [object], "cannot be serialized as JSON"),
        ("JSON", [math.nan], "not JSON compliant"),
        ("JSON", 5, "neither a JSON object"),
        ("STRING_LIST", "a", "not a list"),
        ("STRING_LIST", 5, "not a list"),
        ("STRING_LIST", ["a", None], "missing item"),
        ("INTEGER_LIST", ["x"], "not an integer"),
    ],
)
def test_invalid_value_raises_error(column_type, value, message):
    with pytest.raises(ValueError, match=message):
        encode(column_type, value)


def test_too_long_cell_raises_error_with_both_lengths():
    assert encode("STRING", "x" * 50) == "x" * 50
    for column_type, value, facts in [
        ("STRING", "x" * 51, {}),
        ("LINK", "x" * 8, {"maximumSize": 7}),
        ("MEDIUMTEXT", "x" * 2001, {}),
        ("LARGETEXT", "x" * 524_289, {}),
        ("STRING_LIST", ["ok", "x" * 4], {"maximumSize": 3}),
        ("INTEGER_LIST", [1, 2, 3], {"maximumListLength": 2}),
    ]:
        with pytest.raises(ValueError, match=r"has .*\d+ .*limited to \d+: shorten it"):
            encode(column_type, value, **facts)


def test_limits_missing_in_header_are_not_validated():
    for column_type, value in (("STRING", "x" * 99), ("STRING_LIST", ["x" * 99] * 101)):
        write = cell_codec.create_writer(SelectColumn(name="x", columnType=column_type))
        assert "x" * 99 in write(value)
    with pytest.raises(ValueError, match="limited to 524288"):
        cell_codec.create_writer(SelectColumn(name="x", columnType="LARGETEXT"))("x" * 524_289)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (0.1, "0.1"),
        (math.inf, "Infinity"),
        (math.nan, None),
        (True, "true"),
        ("", ""),
        (date(1970, 1, 1), "0"),
        ([1, 2], "[1,2]"),
        ([date(1970, 1, 1)], "[0]"),
        ([1, None, {"a": 2}], '[1,null,{"a":2}]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_unknown_column_type_encodes_by_python_type(value, text):
    assert cell_codec.create_writer({})(value) == text


def test_date_outside_datetime_range_is_decoded_as_integer():
    assert cell_codec.create_reader(column("DATE"))(str(10**17)) == 10**17


def test_missing_values_of_pandas_are_null():
    pandas = pytest.importorskip("pandas")
    for missing in (pandas.NA, pandas.NaT, float("nan")):
        assert cell_codec.create_writer({})(missing) is None
        assert encode("STRING", missing) is None
        assert encode("DATE", missing) is None


def test_numpy_numbers_are_encoded():
    numpy = pytest.importorskip("numpy")
    assert encode("INTEGER", numpy.int32(4)) == "4"
    assert encode("DOUBLE", numpy.float32(0.5)) == "0.5"
    assert encode("BOOLEAN", numpy.bool_(True)) == "true"
    assert encode("INTEGER_LIST", numpy.array([1, 2])) == "[1,2]"
    assert json.loads(cell_codec.create_writer({})(numpy.array([1.5]))) == [1.5]
