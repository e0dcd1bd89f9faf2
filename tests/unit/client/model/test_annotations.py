"""Tests of the conversion of annotations to and from JSON, and of their limits."""

import math
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from synapse_workflows.client.model.annotations import (
    Annotations,
    from_synapse_annotations,
    have_same_values,
    require_values,
    to_synapse_annotations,
)

KEYS = st.text("abcXYZ019_.,", min_size=1, max_size=12)
MILLISECONDS = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 - zones are drawn below
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.integers(-1400, 1400).map(lambda minutes: timezone(timedelta(minutes=minutes))),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
LISTS = st.one_of(
    st.lists(st.text(max_size=20), min_size=1, max_size=8),
    st.lists(st.booleans(), min_size=1, max_size=8),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8),
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=8),
    st.lists(MILLISECONDS, min_size=1, max_size=8),
)


def body(wire, **ids):
    return {"id": "syn1", "etag": "e", "annotations": wire, **ids}


@given(st.dictionaries(KEYS, LISTS, max_size=6))
def test_round_trip_returns_equal_values(values):
    """Datetimes are compared to the millisecond."""
    wire = to_synapse_annotations(values)
    parsed = from_synapse_annotations(body(wire))
    assert dict(parsed) == values
    assert {key: list(map(type, value)) for key, value in parsed.items()} == {
        key: list(map(type, value)) for key, value in values.items()
    }
    assert have_same_values(wire, to_synapse_annotations(parsed))


@pytest.mark.parametrize(
    ("value", "kind", "texts"),
    [
        ("blue", "STRING", ["blue"]),
        ("", "STRING", [""]),
        (True, "BOOLEAN", ["true"]),
        ([True, False], "BOOLEAN", ["true", "false"]),
        (7, "LONG", ["7"]),
        (range(3), "LONG", ["0", "1", "2"]),
        (-(2**63), "LONG", ["-9223372036854775808"]),
        (0.5, "DOUBLE", ["0.5"]),
        ([math.nan, math.inf, -math.inf], "DOUBLE", ["Infinity", "-Infinity"]),
        (date(2021, 1, 1), "TIMESTAMP_MS", ["1609459200000"]),
        (datetime(2021, 1, 1), "TIMESTAMP_MS", ["1609459200000"]),  # noqa: DTZ001 - naive is UTC
        (datetime(2021, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "TIMESTAMP_MS",
         ["1609459200000"]),
        ([date(2021, 1, 1), datetime(2021, 1, 1, tzinfo=UTC)], "TIMESTAMP_MS",
         ["1609459200000", "1609459200000"]),
        ({"b"}, "STRING", ["b"]),
        ([1, True], "LONG", ["1", "1"]),
        ([True, 1], "STRING", ["True", "1"]),
        ([1, 2.5], "STRING", ["1", "2.5"]),
        (["a", 1], "STRING", ["a", "1"]),
        (PurePosixPath("/a/b"), "STRING", ["/a/b"]),
        (Decimal("1.50"), "STRING", ["1.50"]),
        (uuid.UUID(int=1), "STRING", ["00000000-0000-0000-0000-000000000001"]),
        (StrEnum("Colour", ["RED"]).RED, "STRING", ["red"]),
        (Enum("Tint", {"RED": "rouge"}, type=str).RED, "STRING", ["rouge"]),
        (IntEnum("Level", ["LOW"]).LOW, "LONG", ["1"]),
    ],
)  # fmt: skip
def test_first_value_determines_annotation_type(value, kind, texts):
    assert to_synapse_annotations({"k": value}) == {"k": {"type": kind, "value": texts}}


def test_keys_without_values_are_omitted():
    assert to_synapse_annotations(
        {"a": None, "b": [], "c": (), "d": iter([]), "e": [None], "f": 0}
    ) == {"f": {"type": "LONG", "value": ["0"]}}
    assert to_synapse_annotations({"a": [None, 1.5, None]}) == {
        "a": {"type": "DOUBLE", "value": ["1.5"]}
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"nested": 1}, "{'nested': 1} (dict)"),
        (b"raw", "b'raw' (bytes)"),
        ([b"raw"], "b'raw' (bytes)"),
        ([["deep"]], "['deep'] (list)"),
        (2**63, "9223372036854775808 (int)"),
        ([1, -(2**63) - 1], "-9223372036854775809 (int)"),
        (object, "(type)"),
        (1j, "1j (complex)"),
    ],
)
def test_unsupported_value_raises_error_with_key_and_value(value, shown):
    with pytest.raises(ValueError, match="of annotation 'dose'") as caught:
        to_synapse_annotations({"fine": 1, "dose": value})
    assert shown in str(caught.value)
    assert "64 bits" in str(caught.value)


def test_error_truncates_long_values():
    with pytest.raises(ValueError, match="Invalid value") as caught:
        to_synapse_annotations({"k": {"x": "y" * 10_000}})
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("key", ["two words", "", "naïve", "a/b", "_accessRequirementIds", 3])
def test_invalid_key_raises_error(key):
    with pytest.raises(ValueError, match="Invalid annotation name"):
        to_synapse_annotations({key: 1})


def test_more_than_hundred_keys_or_values_raise_error():
    assert len(to_synapse_annotations({f"k{i}": range(100) for i in range(100)})) == 100
    with pytest.raises(ValueError, match="Too many annotations: 101"):
        to_synapse_annotations({f"k{i}": i for i in range(101)})
    with pytest.raises(ValueError, match="'k' has 101 values"):
        to_synapse_annotations({"k": range(101)})


def test_more_than_five_hundred_characters_raise_error():
    assert to_synapse_annotations({"k": ["x" * 250, "y" * 250]})
    with pytest.raises(ValueError, match="'k' has 501 characters"):
        to_synapse_annotations({"k": ["x" * 250, "y" * 251]})


def test_all_spellings_of_synapse_are_parsed():
    wire = {
        "b": {"type": "BOOLEAN", "value": ["TRUE", "False"]},
        "d": {"type": "DOUBLE", "value": ["NaN", "inf", "-Infinity", "1e3"]},
        "t": {"type": "TIMESTAMP_MS", "value": ["-1"]},
        "e": {"type": "STRING", "value": []},
    }
    annotations = from_synapse_annotations(body(wire))
    assert annotations["b"] == [True, False]
    assert math.isnan(annotations["d"][0])
    assert annotations["d"][1:] == [math.inf, -math.inf, 1000.0]
    assert annotations["t"] == [datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)]
    assert annotations["e"] == []
    assert (annotations.id, annotations.etag) == ("syn1", "e")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "COLOUR", "value": ["red"]}, "Unknown type 'COLOUR'"),
        ({"type": "LONG", "value": ["many"]}, r"Invalid value \['many'\] .*: not of type LONG"),
        ({"type": "TIMESTAMP_MS", "value": ["soon"]}, "not of type TIMESTAMP_MS"),
    ],
)
def test_invalid_entry_raises_error(entry, message):
    with pytest.raises(ValueError, match=message):
        from_synapse_annotations(body({"k": entry}))


def test_equal_values_in_different_spelling_are_equal():
    there = {
        "n": {"type": "DOUBLE", "value": ["Infinity", "1.0"]},
        "b": {"type": "BOOLEAN", "value": ["TRUE"]},
        "gone": {"type": "STRING", "value": []},
    }
    assert have_same_values(to_synapse_annotations({"n": [math.inf, 1.0], "b": True}), there)
    assert not have_same_values(to_synapse_annotations({"n": [math.nan, 1.5], "b": True}), there)
    assert not have_same_values(
        to_synapse_annotations({"b": "true"}), to_synapse_annotations({"b": True})
    )


def test_annotations_require_id_and_etag():
    annotations = Annotations("syn1", "e", {"a": [1]}, b=[2])
    assert (annotations, annotations.id, annotations.etag) == ({"a": [1], "b": [2]}, "syn1", "e")
    with pytest.raises(ValueError, match="id must not be None"):
        Annotations(None, "e")
    with pytest.raises(ValueError, match="etag must not be None"):
        Annotations("syn1", None)


@pytest.mark.parametrize("value", [
    None, math.nan, np.float32("nan"), np.datetime64("NaT"), Decimal("NaN"), pd.NA, pd.NaT,
])  # fmt: skip
def test_missing_values_are_omitted(value):
    assert to_synapse_annotations({"k": value, "l": [value]}) == {}
    assert to_synapse_annotations({"k": [1, value]}) == {"k": {"type": "LONG", "value": ["1"]}}


@pytest.mark.parametrize(
    ("value_type", "texts"),
    [
        ("TIMESTAMP_MS", ["9" * 18, "0"]),
        ("TIMESTAMP_MS", ["0", "-99999999999999"]),
        ("TIMESTAMP_MS", ["-99999999999999"]),
        ("DOUBLE", ["NaN", "1.0"]),
    ],
)
def test_values_of_others_keep_their_type(value_type, texts):
    """Synapse stores timestamps that Python has no datetime for, and NaN."""
    stored = {"k": {"type": value_type, "value": texts}}
    read = from_synapse_annotations({"id": "syn1", "etag": "e", "annotations": stored})
    assert to_synapse_annotations(read) == stored
    assert to_synapse_annotations({"k": list(read["k"])}) == stored


def test_values_are_listed_unless_one_is_missing():
    given = {"a": 1, "b": ["x", "y"], "c": None, "d": (), "e": np.array([1, 2]), "f": "text"}
    expected = {"a": [1], "b": ["x", "y"], "c": [], "d": [], "e": [1, 2], "f": ["text"]}
    assert require_values(given) == expected
    for missing in (math.nan, pd.NA, pd.NaT, Decimal("nan"), [None], [1, np.nan]):
        with pytest.raises(ValueError, match="Annotation 'k' has the missing value"):
            require_values({"k": missing})
