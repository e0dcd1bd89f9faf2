"""Client settings of an Airflow connection."""

import json
from pathlib import Path

import pytest
from airflow.sdk import Connection

from synapse_workflows.client.errors import (
    SynapseConfigError,
)
from synapse_workflows.constants import PRODUCTION_ENDPOINTS, STAGING_ENDPOINTS, GiB, MiB
from synapse_workflows.hooks.connection import ClientSettings, parse_size


def settings(**fields):
    fields.setdefault("conn_type", "synapse")
    if "extra" in fields:
        fields["extra"] = json.dumps(fields["extra"])
    return ClientSettings.from_connection(Connection(conn_id="c", **fields))


@pytest.mark.parametrize(
    "host",
    [None, "", "repo-prod.prod.sagebase.org", "https://repo-prod.prod.sagebase.org/repo/v1/"],
)
def test_production_is_the_default(host):
    assert settings(host=host, password="t").endpoints == dict(PRODUCTION_ENDPOINTS)


def test_endpoints_are_derived_from_repository_endpoint():
    assert settings(host="http://127.0.0.1:1234/repo/v1").endpoints == {
        "repoEndpoint": "http://127.0.0.1:1234/repo/v1",
        "authEndpoint": "http://127.0.0.1:1234/auth/v1",
        "fileHandleEndpoint": "http://127.0.0.1:1234/file/v1",
        "portalEndpoint": "http://127.0.0.1:1234/",
    }
    staging = settings(host=STAGING_ENDPOINTS["repoEndpoint"]).endpoints
    assert staging == dict(STAGING_ENDPOINTS)


def test_endpoint_in_extra_takes_precedence():
    extra = {"file_endpoint": "https://files.org/v1", "portal_endpoint": ""}
    endpoints = settings(host="https://my.org/repo/v1", extra=extra).endpoints
    assert endpoints["fileHandleEndpoint"] == "https://files.org/v1"
    assert endpoints["portalEndpoint"] == "https://my.org/"


@pytest.mark.parametrize("host", ["https://www.synapse.org", "synapse.org", "www.synapse.org/x"])
def test_host_of_the_web_portal_is_production(host):
    assert settings(host=host, password="t").endpoints == dict(PRODUCTION_ENDPOINTS)


def test_invalid_host_names_the_connection():
    with pytest.raises(SynapseConfigError, match="host 'http://x:port' of the connection 'c'"):
        settings(host="http://x:port")


@pytest.mark.parametrize("extra", [["cache_dir"], [{}]])
def test_extra_that_is_not_an_object_names_the_connection(extra):
    with pytest.raises(SynapseConfigError, match=r"extra of the connection 'c'.*list"):
        settings(extra=extra)


def test_each_synapse_has_a_cache_directory(tmp_path):
    extra = {"cache_dir": str(tmp_path)}
    hosts = [None, STAGING_ENDPOINTS["repoEndpoint"], "http://127.0.0.1:1", "http://127.0.0.1:2"]
    roots = {settings(host=host, extra=extra).cache_root for host in hosts}
    assert len(roots) == 4
    assert {Path(root).parent for root in roots} == {tmp_path}


def test_host_and_port_are_joined():
    endpoints = settings(host="localhost", port=8080, schema="http").endpoints
    assert endpoints["repoEndpoint"] == "http://localhost:8080/repo/v1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20 GB", 20 * GiB),
        ("512MiB", 512 * MiB),
        ("1.5g", GiB * 3 // 2),
        (12345, 12345),
        ("none", None),
    ],
)
def test_parse_size_returns_bytes(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["much", "-1", "5 parsecs"])
def test_invalid_size_names_the_setting(text):
    with pytest.raises(SynapseConfigError, match="cache_limit"):
        parse_size(text)


def test_cache_settings_come_from_connection_or_configuration(monkeypatch, tmp_path):
    assert settings().cache_limit == 20 * GiB
    assert settings().cache_dir is None
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CACHE_LIMIT", "1 GB")
    assert settings().cache_dir == str(tmp_path)
    assert settings().cache_limit == GiB
    own = settings(extra={"cache_dir": "/own", "cache_limit": "none"})
    assert (own.cache_dir, own.cache_limit) == ("/own", None)


def test_request_limiter_is_set_in_connection_or_configuration(monkeypatch):
    assert settings().limit_requests is True
    monkeypatch.setenv("AIRFLOW__SYNAPSE__LIMIT_REQUESTS", "False")
    assert settings().limit_requests is False
    assert settings(extra={"limit_requests": "true"}).limit_requests is True
    monkeypatch.delenv("AIRFLOW__SYNAPSE__LIMIT_REQUESTS")
    assert settings(extra={"limit_requests": False}).limit_requests is False
    with pytest.raises(SynapseConfigError, match="limit_requests"):
        settings(extra={"limit_requests": "perhaps"})


@pytest.mark.parametrize("host", ["", "https://repo-prod.prod.sagebase.org/repo/v1"])
def test_the_default_port_is_not_part_of_the_endpoints(host):
    """The test button of the web UI requires a port in the connection."""
    assert settings(host=host, port=443).endpoints == dict(PRODUCTION_ENDPOINTS)
