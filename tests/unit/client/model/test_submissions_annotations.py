"""Legacy annotations of submission statuses."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from synapse_workflows import (
    from_submission_status_annotations,
    set_privacy,
    to_submission_status_annotations,
)


def entry(key, value, *, private=True):
    return {"key": key, "value": value, "isPrivate": private}


def test_each_type_has_its_list():
    values = {
        "text": "a", "yes": True, "n": 3, "p": 0.5, "count": np.int64(4), "mean": np.float32(0.5),
        "day": date(2026, 1, 2), "time": datetime(2026, 1, 2, tzinfo=UTC), "list": [1, 2],
    }  # fmt: skip
    assert to_submission_status_annotations(values) == {
        "stringAnnos": [entry("text", "a"), entry("yes", "true"), entry("list", "[1, 2]")],
        "longAnnos": [
            entry("n", 3),
            entry("count", 4),
            entry("day", 1767312000000),
            entry("time", 1767312000000),
        ],
        "doubleAnnos": [entry("p", 0.5), entry("mean", 0.5)],
    }


def test_privacy_of_all_or_of_one():
    converted = to_submission_status_annotations({"a": 1, "b": 2}, is_private=False)
    assert set_privacy(converted, "b") == entry("b", 2)
    assert converted == {"longAnnos": [entry("a", 1, private=False), entry("b", 2)]}
    with pytest.raises(KeyError, match="c"):
        set_privacy(converted, "c")
    with pytest.raises(KeyError, match="a"):
        set_privacy(converted, "a", value_types=["stringAnnos"])


def test_converted_annotations_are_not_converted_again():
    converted = to_submission_status_annotations({"a": 1})
    assert to_submission_status_annotations(converted) == converted
    assert to_submission_status_annotations({}) == {}


def test_conversion_back():
    values = {"a": 1, "p": 0.5, "text": "x"}
    meta = {"objectId": "1", "scopeId": "2"}
    converted = to_submission_status_annotations({**values, **meta})
    assert from_submission_status_annotations(converted) == {**values, **meta}
    nan = {"doubleAnnos": [entry("x", "NaN"), entry("y", None)], "stringAnnos": None}
    assert str(from_submission_status_annotations(nan)) == "{'x': nan, 'y': None}"
