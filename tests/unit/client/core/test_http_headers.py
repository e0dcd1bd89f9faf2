"""Parsing of the Retry-After header."""

from datetime import UTC, datetime

import pytest

from synapse_workflows.client.core.http_headers import retry_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_retry_after(value, seconds):
    assert retry_after({"Retry-After": value}, NOW) == seconds


def test_retry_after_is_none_without_the_header():
    assert retry_after({}, NOW) is None


def test_date_of_retry_after_is_compared_with_the_clock_of_the_server():
    headers = {
        "Retry-After": "Tue, 01 Jan 2030 00:01:00 GMT",
        "Date": "Tue, 01 Jan 2030 00:00:00 GMT",
    }
    assert retry_after(headers, NOW) == 60
