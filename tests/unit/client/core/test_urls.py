"""Building and comparing URLs."""

import pytest

from synapse_workflows.client.core.urls import build_url, origin

BASE = "https://repo.example.org/repo/v1"


@pytest.mark.parametrize(
    ("path", "params", "url"),
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
def test_build_url(path, params, url):
    assert build_url(BASE, path, params) == url


def test_build_url_does_not_double_the_slash_after_the_endpoint():
    assert build_url(f"{BASE}/", "/entity/syn1") == f"{BASE}/entity/syn1"


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
def test_origin_compares_scheme_host_and_port(one, other, same):
    assert (origin(one) == origin(other)) is same
