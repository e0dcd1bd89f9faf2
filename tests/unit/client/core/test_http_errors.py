"""Reasons and advice of HTTP errors."""

import pytest

from synapse_workflows.client.core.http_errors import advice_for, parse_reason


@pytest.mark.parametrize(
    ("status", "content_type", "content", "expected"),
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
def test_parse_reason(status, content_type, content, expected):
    assert parse_reason(status, content_type, content) == expected


def test_parse_reason_shortens_a_long_reason():
    reason, _ = parse_reason(500, "text/plain", b"x" * 5000)
    assert len(reason) < 1000


def test_advice_for_status_reason_and_code():
    no_activity = "Activity for: 'syn1', version: '2' does not exist"
    assert advice_for(404, no_activity) == "This version has no Activity."
    assert "personal access token" in advice_for(401, "Invalid access token")
    assert "scope" in advice_for(403, "insufficient_scope: needs modify")
    assert "quiz" in advice_for(403, "no", "USER_CERTIFICATION_REQUIRED")
    assert "Get it again" in advice_for(412, "was updated")
    assert "addColumn" in advice_for(400, "Schema for syn5 is empty.")
    assert "getTableColumns" in advice_for(400, "Unknown column age")
    assert advice_for(409, "exists") is None
    sts_reason = "Entity must have an STS-enabled storage location"
    assert "sts_enabled=True" in advice_for(400, sts_reason)
