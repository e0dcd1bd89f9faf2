"""Settings, events and resources of a session."""

import io
import logging
import os

import pytest
import requests

from synapse_workflows.client.core.events import Ran, Read, Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseConfigError, SynapseConnectionError
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.constants import PRODUCTION_ENDPOINTS, STAGING_ENDPOINTS

REPO = "https://repo.example.org/repo/v1"


@pytest.fixture
def config(home):
    path = home / ".synapseConfig"
    return lambda text: path.write_text(text) and path


def endpoints(syn: Synapse) -> dict[str, str]:
    return {name: getattr(syn, name) for name in PRODUCTION_ENDPOINTS}


def test_default_endpoints_are_production():
    with Synapse(skip_checks=True) as syn:
        assert endpoints(syn) == dict(PRODUCTION_ENDPOINTS)
        assert syn.credentials is None
        assert syn.username is None
        assert syn.multi_threaded is True
        assert syn.use_boto_sts_transfers is False
        assert syn.max_threads == min(os.cpu_count() + 4, 128)


def test_endpoint_precedence_is_argument_file_production(config):
    config("[endpoints]\nrepoEndpoint=https://file/repo\nAUTHENDPOINT=https://file/auth\n")
    with Synapse("https://argument/repo", skip_checks=True) as syn:
        assert syn.repoEndpoint == "https://argument/repo"
        assert syn.authEndpoint == "https://file/auth"
        assert syn.portalEndpoint == PRODUCTION_ENDPOINTS["portalEndpoint"]


def test_set_endpoints_accepts_the_staging_endpoints(syn):
    before = syn.credentials
    assert syn.setEndpoints(**STAGING_ENDPOINTS, skip_checks=True) is None
    assert endpoints(syn) == dict(STAGING_ENDPOINTS)
    assert syn.credentials is before


def test_set_endpoints_follows_permanent_redirects(syn, http):
    http.get(REPO, status=404)
    http.get("https://a.example.org", status=301, headers={"Location": "https://b.example.org/v1"})
    http.get("https://c.example.org", status=302, headers={"Location": "https://d.example.org"})
    http.get("https://www.example.org/", body="<html>")
    syn.setEndpoints(
        REPO, "https://a.example.org", "https://c.example.org", "https://www.example.org/"
    )
    assert list(endpoints(syn).values()) == [
        REPO,
        "https://b.example.org/v1",
        "https://c.example.org",
        "https://www.example.org/",
    ]
    for call in http.calls:
        assert "Authorization" not in call.request.headers
        assert "content-type" not in call.request.headers


def test_set_endpoints_rejects_a_redirect_to_http(syn, http):
    http.get(REPO, status=301, headers={"Location": "http://repo.example.org/"})
    with pytest.raises(SynapseConfigError, match="not encrypted"):
        syn.setEndpoints(REPO, REPO, REPO, REPO)


def test_set_endpoints_raises_without_connection(syn, http):
    http.get(REPO, body=requests.ConnectionError("no route to host"))
    with pytest.raises(SynapseConnectionError, match="no route to host"):
        syn.setEndpoints(REPO, REPO, REPO, REPO)
    assert syn.repoEndpoint == REPO


@pytest.mark.parametrize(
    "address", ["repo-prod.sagebase.org", "ftp://x/y", "https://", "https://x:y/"]
)
def test_invalid_endpoint_raises(syn, address):
    with pytest.raises(SynapseConfigError, match=r"authEndpoint .* is not a URL"):
        syn.setEndpoints(authEndpoint=address, skip_checks=True)


@pytest.mark.parametrize("user_info", ["eve:hush", "hush", ":hush"])
def test_endpoint_with_user_info_raises(syn, user_info):
    with pytest.raises(SynapseConfigError, match="contains a user name or password") as caught:
        syn.setEndpoints(f"https://{user_info}@repo.example.org/repo/v1", skip_checks=True)
    assert "hush" not in str(caught.value) + repr(syn)


@pytest.mark.parametrize("debug", [1, "yes", []])
def test_debug_must_be_a_bool(debug):
    with pytest.raises(ValueError, match="debug must be set to a bool"):
        Synapse(debug=debug, skip_checks=True)


@pytest.mark.parametrize(("argument", "expected"), [(None, True), (False, False), (True, True)])
def test_debug_argument_overrides_the_file(config, argument, expected):
    config("[debug]\n")
    with Synapse(debug=argument, skip_checks=True) as syn:
        assert syn.debug is expected


def test_cache_location_of_the_file_overrides_the_argument(config, tmp_path):
    config(f"[cache]\nlocation = {tmp_path}/of-the-file\n")
    with Synapse(cache_root_dir=str(tmp_path / "argument"), skip_checks=True) as syn:
        assert syn.cache.cache_root_dir == f"{tmp_path}/of-the-file"


def test_cache_root_argument(tmp_path):
    with Synapse(cache_root_dir=str(tmp_path / "x"), cache_limit=9, skip_checks=True) as syn:
        assert syn.cache.cache_root_dir == str(tmp_path / "x")
        assert syn.cache.limit == 9


def test_default_cache_root_is_in_the_home_directory(home):
    with Synapse(skip_checks=True) as syn:
        assert syn.cache.cache_root_dir == str(home / ".synapseCache")
    assert not (home / ".synapseCache").exists()


@pytest.mark.parametrize("value", ["5", None, 2.5, True])
def test_max_threads_is_a_whole_number(value):
    with Synapse(skip_checks=True) as syn, pytest.raises(ValueError, match="Invalid max_threads"):
        syn.max_threads = value


def test_zero_threads_of_the_configuration_are_one(config):
    config("[transfer]\nmax_threads = 0\n")
    with Synapse(skip_checks=True) as syn:
        assert syn.max_threads == 1


def test_types_of_endpoints_and_paths_are_checked(syn):
    with pytest.raises(SynapseConfigError, match="repoEndpoint '5' is not a URL"):
        syn.setEndpoints(repoEndpoint=5, skip_checks=True)
    for uri in (None, 5):
        with pytest.raises(ValueError, match=f"Invalid uri {uri}: expected a path"):
            syn.restGET(uri)


@pytest.mark.parametrize(("value", "threads"), [(-3, 1), (0, 1), (7, 7), (128, 128), (999, 128)])
def test_max_threads_is_clamped(config, value, threads):
    config("[transfer]\nmax_threads = 5\nuse_boto_sts = True\n")
    with Synapse(skip_checks=True) as syn:
        assert syn.max_threads == 5
        assert syn.use_boto_sts_transfers is True
        syn.max_threads = value
        assert syn.max_threads == threads


def test_config_file_is_read_once_per_client(config, syn, home):
    config("[a]\nx = 1\n")
    path = str(home / ".synapseConfig")
    fresh = syn.getConfigFile(str(home / "other"))
    assert fresh.sections() == []
    with Synapse(skip_checks=True) as other:
        first = other.getConfigFile(path)
        config("[b]\n")
        assert other.getConfigFile("~/.synapseConfig") is first
        assert first.get("a", "x") == "1"


def test_emit_calls_listeners_in_order_until_they_unsubscribe(syn):
    events = []
    unsubscribe = syn.subscribe(events.append)
    syn.subscribe(lambda event: events.append(type(event).__name__))
    syn.emit(Read("syn1", 2))
    unsubscribe()
    unsubscribe()
    syn.emit(Wrote("syn2"))
    syn.emit(Ran("step"))
    assert events == [Read("syn1", 2), "Read", "Wrote", "Ran"]


def test_emit_raises_errors_of_listeners(syn):
    def refuse(event):
        raise RuntimeError("not written down")

    syn.subscribe(refuse)
    with pytest.raises(RuntimeError, match="not written down"):
        syn.emit(Read("syn1"))


def test_get_or_create_creates_once_and_close_closes():
    syn = Session()
    owned = syn.get_or_create("file", io.StringIO)
    assert syn.get_or_create("file", io.StringIO) is owned
    syn.close()
    assert owned.closed


def test_given_requests_session_is_used_and_not_closed(make, http):
    closed = []

    class Given(requests.Session):
        def close(self):
            closed.append(self)

    http.get(f"{REPO}/x", json=1)
    given = Given()
    given.headers["X-Mine"] = "yes"
    syn = make(requests_session=given)
    syn.restGET("/x")
    syn.close()
    assert http.calls[0].request.headers["X-Mine"] == "yes"
    assert closed == []


def test_requests_session_argument_of_a_call(syn, http):
    http.get(f"{REPO}/x", json=1)
    once = requests.Session()
    once.headers["X-Once"] = "yes"
    syn.restGET("/x", requests_session=once)
    syn.restGET("/x")
    assert [call.request.headers.get("X-Once") for call in http.calls] == ["yes", None]


def test_other_arguments_are_passed_to_requests(syn, http):
    http.get(f"{REPO}/x", json=1)
    syn.restGET("/x", params={"a": 1}, verify="/ca.pem", proxies={"http": "x"}, stream=True)
    kwargs = http.calls[0].request.req_kwargs
    assert (kwargs["verify"], kwargs["proxies"]["http"]) == ("/ca.pem", "x")
    assert http.calls[0].request.url == f"{REPO}/x?a=1"


@pytest.mark.parametrize(
    ("kind", "body", "result"),
    [
        ("application/json", "[1]", [1]),
        ("application/json;charset=ISO-8859-1", "[1]", [1]),
        ("text/plain", "[1]", "[1]"),
        ("application/json", "", ""),
    ],
)
def test_rest_methods_return_json_or_text_by_content_type(syn, http, kind, body, result):
    for add in (http.get, http.post, http.put, http.delete):
        add(f"{REPO}/x", body=body, content_type=kind)
    assert syn.restGET("/x") == result
    assert syn.restPOST("/x", "{}") == result
    assert syn.restPUT("/x") == result
    assert syn.restDELETE("/x") is None


def test_streamed_response_is_left_open(syn, http):
    http.get(f"{REPO}/file", body=b"abcdef", content_type="text/csv")
    reply = syn.call("GET", "/file", stream=True)
    assert reply.content == b""
    with reply.response as response:
        assert b"".join(response.iter_content(2)) == b"abcdef"


def test_log_settings_are_separate_for_each_client(make, caplog):
    silent, chatty, plain = make(silent=True), make(debug=True), make()
    for name, syn in [("silent", silent), ("chatty", chatty), ("plain", plain)]:
        syn.logger.debug("%s debug", name)
        syn.logger.info("%s info", name)
        syn.logger.warning("%s warning", name)
    assert [record.getMessage() for record in caplog.records] == [
        "chatty debug",
        "chatty info",
        "chatty warning",
        "plain info",
        "plain warning",
    ]


def test_log_levels_are_respected(make, caplog):
    with caplog.at_level(logging.WARNING, logger="synapse_workflows"):
        make().logger.info("not now")
    assert caplog.records == []


def test_messages_are_printed_without_logging_setup(make, capsys):
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers.clear()
    try:
        make().logger.info("Welcome, %s!", "alice")
        make().logger.warning("careful")
        make(silent=True).logger.warning("nothing")
    finally:
        root.handlers[:] = handlers
    assert capsys.readouterr() == ("Welcome, alice!\n", "careful\n")
