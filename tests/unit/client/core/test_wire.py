"""URLs, bodies and reasons have the form that Synapse wants, or gives."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from synapse_workflows.client.core import wire

BASE = "https://repo.example.org/repo/v1"


@pytest.mark.parametrize(
    ("path", "params", "whole"),
    [
        ("/entity/syn1", None, f"{BASE}/entity/syn1"),
        ("/x?a=1", {"b": "c d"}, f"{BASE}/x?a=1&b=c+d"),
        ("/x", {"a": None, "b": True, "c": [1, 2]}, f"{BASE}/x?b=true&c=1&c=2"),
        ("/x", {"name": "a&b/c é"}, f"{BASE}/x?name=a%26b%2Fc+%C3%A9"),
        ("/x", "raw=%20", f"{BASE}/x?raw=%20"),
        ("https://s3.example.org/k?X=1", None, "https://s3.example.org/k?X=1"),
        ("@evil.org/", None, f"{BASE}@evil.org/"),
    ],
)
def test_url(path, params, whole):
    assert wire.url(BASE, path, params) == whole


def test_a_slash_at_the_end_of_an_endpoint_is_not_doubled():
    assert wire.url(f"{BASE}/", "/entity/syn1") == f"{BASE}/entity/syn1"


@pytest.mark.parametrize(
    ("moment", "text"),
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
def test_dates_are_iso_with_milliseconds_and_z(moment, text):
    assert wire.encode({"when": moment}) == f'{{"when": "{text}"}}'.encode()


def test_what_is_serialized_already_stays_as_it_is():
    assert wire.encode("{}") == "{}"
    assert wire.encode(b"\x00") == b"\x00"
    assert wire.encode(None) is None


@pytest.mark.parametrize("value", [{"x": {1, 2}}, {"x": object()}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(TypeError, match="JSON cannot hold a"):
        wire.encode(value)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        wire.encode({"x": float("nan")})


@pytest.mark.parametrize(
    ("status", "kind", "content", "expected"),
    [
        (404, "application/json", b'{"reason": "no", "concreteType": "x"}', ("no", None)),
        (403, "application/json", b'{"reason": "quiz", "errorCode": "C"}', ("quiz", "C")),
        (
            403,
            "application/json",
            b'{"error": "insufficient_scope", "error_description": "needs modify"}',
            ("needs modify", "insufficient_scope"),
        ),
        (404, "text/plain", b'{"reason": "json all the same"}', ("json all the same", None)),
        (500, "application/json", b"[1, 2]", ("[1, 2]", None)),
        (502, "text/plain", b"bad gateway, sorry", ("bad gateway, sorry", None)),
        (
            502,
            "text/html",
            b"<html><head><title>t</title></head><body><h1>502</h1>Proxy Error</body></html>",
            ("502 Proxy Error", None),
        ),
        (
            403,
            "application/xml",
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>Request has expired</Error>",
            ("AccessDenied Request has expired", None),
        ),
        (503, "application/json", b"", ("Service Unavailable", None)),
        (799, "", b"", ("no reason given", None)),
        (500, "application/json", b"\xff\xfe", ("\ufffd\ufffd", None)),
    ],
)
def test_reason(status, kind, content, expected):
    assert wire.reason(status, kind, content) == expected


def test_a_long_reason_is_cut():
    said, _ = wire.reason(500, "text/plain", b"x" * 5000)
    assert len(said) < 1000


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_retry_after(asked, seconds):
    assert wire.retry_after({"Retry-After": asked}, NOW) == seconds


def test_no_retry_after():
    assert wire.retry_after({}, NOW) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.org/x", "https://A.org:443/y", True),
        ("http://a.org", "https://a.org", False),
        ("https://a.org", "https://a.org:8443", False),
        ("https://a.org", "https://a.org.evil.org", False),
        ("https://a.org", "https://a.org@evil.org", False),
    ],
)
def test_origins(one, other, same):
    assert (wire.origin(one) == wire.origin(other)) is same


def test_advice_names_what_to_do():
    assert "personal access token" in wire.advice(401, "Invalid access token")
    assert "scope" in wire.advice(403, "insufficient_scope: needs modify")
    assert "quiz" in wire.advice(403, "no", "USER_CERTIFICATION_REQUIRED")
    assert "get it again" in wire.advice(412, "was updated")
    assert "addColumn" in wire.advice(400, "Schema for syn5 is empty.")
    assert "getTableColumns" in wire.advice(400, "Unknown column age")
    assert wire.advice(409, "exists") is None
