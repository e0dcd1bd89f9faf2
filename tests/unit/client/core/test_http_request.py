"""Encoding of request bodies."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from synapse_workflows.client.core.http_request import encode_body


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2021, 7, 5, 12, 34, 56, 789_654, UTC), "2021-07-05T12:34:56.789Z"),
        (datetime(2021, 7, 5, 12, 34, 56, tzinfo=UTC), "2021-07-05T12:34:56.000Z"),
        (datetime(2021, 7, 5, 12, 34, 56), "2021-07-05T12:34:56.000Z"),  # noqa: DTZ001
        (
            datetime(2021, 7, 5, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2021-07-04T23:00:00.000Z",
        ),
    ],
)
def test_encode_body_writes_datetimes_with_milliseconds_and_z(time, text):
    assert encode_body({"when": time}) == f'{{"when": "{text}"}}'.encode()


def test_encode_body_returns_encoded_bodies_unchanged():
    assert encode_body("{}") == "{}"
    assert encode_body(b"\x00") == b"\x00"
    assert encode_body(None) is None


@pytest.mark.parametrize("value", [{"x": {1, 2}}, {"x": object()}])
def test_encode_body_raises_type_error_for_other_types(value):
    with pytest.raises(TypeError, match="JSON cannot represent a"):
        encode_body(value)


def test_encode_body_raises_value_error_for_nan():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_body({"x": float("nan")})
