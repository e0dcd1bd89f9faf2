"""Sessions of requests: proxies and certificates of the environment."""

import urllib.request

import pytest
import requests

from synapse_workflows.client.core import transport

URL = "http://synapse.example:8080/repo/v1"
PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def settings(session, url=URL, **proxies):
    return session.merge_environment_settings(url, proxies, None, None, None)


def proxy_of(session, url=URL, **proxies):
    return settings(session, url, **proxies)["proxies"].get("http")


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "Http_Proxy"])
def test_proxy_of_the_environment_is_used(environment, name):
    environment.setenv(name, PROXY)
    assert proxy_of(transport.new_session()) == PROXY


def test_proxy_set_after_the_session_was_created_is_used(environment):
    session = transport.new_session()
    assert proxy_of(session) is None
    environment.setenv("http_proxy", PROXY)
    assert proxy_of(session) == PROXY
    environment.setenv("no_proxy", "synapse.example")
    assert proxy_of(session) is None


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:8080/", "http://[::1]:8080/", "http:///"])
def test_environment_is_not_searched_without_proxies(environment, url):
    session = transport.new_session()
    environment.setattr(urllib.request, "getproxies_environment", None)
    assert proxy_of(session, url) is None


def test_proxy_of_a_request_or_of_the_session_is_used():
    session = transport.new_session()
    assert proxy_of(session, http=PROXY) == PROXY
    session.proxies = {"http": PROXY}
    assert proxy_of(session) == PROXY


def test_certificates_of_the_environment_are_used(environment):
    environment.setenv("REQUESTS_CA_BUNDLE", "/bundle.pem")
    assert settings(transport.new_session())["verify"] == "/bundle.pem"


def no_auth(request):
    return request


@pytest.mark.parametrize("auth", [None, no_auth])
def test_request_is_prepared_with_the_settings_of_the_session(environment, auth):
    session = transport.new_session()
    session.headers.update({"Accept": "text/plain", "X-Session": "1", "X-Removed": "2"})
    plain = requests.Session()
    plain.headers = session.headers
    request = requests.Request(
        "put",
        URL,
        data=b"{}",
        params={"a": "b"},
        auth=auth,
        headers={"accept": "*/*", "X-Removed": None},
    )
    for change in ({}, {"params": {"c": "d"}}, {"auth": ("user", "password")}):
        vars(session).update(change)
        vars(plain).update(change)
        prepared, expected = session.prepare_request(request), plain.prepare_request(request)
        assert vars(prepared) | {"_cookies": None} == vars(expected) | {"_cookies": None}
    session.cookies.set("name", "value")
    assert session.prepare_request(request).headers["Cookie"] == "name=value"
