"""The hook: from a connection to a client, and nothing from anywhere else."""

import json
from pathlib import Path

import pytest
from airflow.sdk import DAG, Connection, task
from airflow.sdk.exceptions import AirflowNotFoundException
from support.execution_api import Run

from synapse_workflows import File, SynapseHook
from synapse_workflows.client.errors import (
    SynapseConfigError,
    SynapseNoCredentialsError,
    SynapseUnauthorizedError,
)
from synapse_workflows.constants import PRODUCTION_ENDPOINTS, STAGING_ENDPOINTS, GiB, MiB
from synapse_workflows.hooks.connection import ClientSettings, parse_size
from synapse_workflows.hooks.synapse import SynHook


@pytest.fixture
def default(connection, monkeypatch):
    """The connection in the environment, as outside of a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)


def settings(**fields):
    fields.setdefault("conn_type", "synapse")
    if "extra" in fields:
        fields["extra"] = json.dumps(fields["extra"])
    return ClientSettings.from_connection(Connection(conn_id="c", **fields))


@pytest.mark.parametrize(
    "host",
    [None, "", "repo-prod.prod.sagebase.org", "https://repo-prod.prod.sagebase.org/repo/v1/"],
)
def test_production_is_what_nobody_has_to_say(host):
    assert settings(host=host, password="t").endpoints == dict(PRODUCTION_ENDPOINTS)


def test_the_endpoints_of_another_synapse_lie_beside_its_repository():
    assert settings(host="http://127.0.0.1:1234/repo/v1").endpoints == {
        "repoEndpoint": "http://127.0.0.1:1234/repo/v1",
        "authEndpoint": "http://127.0.0.1:1234/auth/v1",
        "fileHandleEndpoint": "http://127.0.0.1:1234/file/v1",
        "portalEndpoint": "http://127.0.0.1:1234/",
    }
    staging = settings(host=STAGING_ENDPOINTS["repoEndpoint"]).endpoints
    assert staging == dict(STAGING_ENDPOINTS)


def test_an_endpoint_that_is_said_wins():
    extra = {"file_endpoint": "https://files.org/v1", "portal_endpoint": ""}
    found = settings(host="https://my.org/repo/v1", extra=extra).endpoints
    assert found["fileHandleEndpoint"] == "https://files.org/v1"
    assert found["portalEndpoint"] == "https://my.org/"


def test_host_and_port_may_come_apart():
    found = settings(host="localhost", port=8080, schema="http").endpoints
    assert found["repoEndpoint"] == "http://localhost:8080/repo/v1"


def test_an_old_secret_of_type_syn_is_understood(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OLD", "syn://:secret-token@")
    found = SynHook("old").settings()
    assert found.token == "secret-token"
    assert found.endpoints == dict(PRODUCTION_ENDPOINTS)
    assert "secret-token" not in repr(found)


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
def test_sizes_are_read(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["much", "-1", "5 parsecs"])
def test_a_size_that_is_none_says_where_it_was_said(text):
    with pytest.raises(SynapseConfigError, match="cache_limit"):
        parse_size(text)


def test_the_cache_is_that_of_the_connection_else_of_the_configuration(monkeypatch, tmp_path):
    assert settings().cache_limit == 20 * GiB
    assert settings().cache_dir is None
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CACHE_LIMIT", "1 GB")
    assert settings().cache_dir == str(tmp_path)
    assert settings().cache_limit == GiB
    own = settings(extra={"cache_dir": "/own", "cache_limit": "none"})
    assert (own.cache_dir, own.cache_limit) == ("/own", None)


def test_the_hook_gives_one_client_that_is_logged_in(default, worker, capsys, socket_service):
    hook = SynapseHook()
    assert hook.client is hook.client is hook.get_conn()
    assert hook.client.username == "alice"
    assert hook.client.cache.cache_root_dir == str(worker)
    assert hook.client.max_threads <= 8
    said = capsys.readouterr().out
    assert said.count("as alice") == 1
    assert socket_service.token("alice") not in said


def test_no_token_of_another_place_is_taken(connection, monkeypatch, socket_service, tmp_path):
    bare = json.loads(connection) | {"password": None}
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(bare))
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", socket_service.token("bob"))
    home = Path.home() / ".synapseConfig"
    home.write_text(socket_service.synapse_config("bob"))
    try:
        with pytest.raises(SynapseNoCredentialsError, match="synapse_default"):
            SynapseHook().client  # noqa: B018
        works, message = SynapseHook().test_connection()
    finally:
        home.unlink()
    assert not works
    assert "password" in message


def test_the_config_file_of_the_worker_decides_nothing(default, worker, socket_service):
    home = Path.home() / ".synapseConfig"
    home.write_text("[cache]\nlocation = /nowhere\n[endpoints]\nrepoEndpoint = http://x/repo/v1\n")
    try:
        client = SynapseHook().client
    finally:
        home.unlink()
    assert client.cache.cache_root_dir == str(worker)
    assert client.repoEndpoint == socket_service.endpoints["repoEndpoint"]


def test_a_missing_connection_says_what_to_make():
    with pytest.raises(AirflowNotFoundException, match="AIRFLOW_CONN_MY_SYNAPSE"):
        SynapseHook("my_synapse").client  # noqa: B018
    works, message = SynapseHook("my_synapse").test_connection()
    assert not works
    assert "AIRFLOW_CONN_MY_SYNAPSE" in message


def test_testing_a_connection_says_who_one_is(default, socket_service):
    works, message = SynapseHook().test_connection()
    assert works
    assert message == f"Connected as alice (id {socket_service.owner_id('alice')})"


@pytest.mark.parametrize("host", [None, "http://127.0.0.1:9/repo/v1"])
def test_testing_a_connection_never_shows_the_token(connection, monkeypatch, host):
    wrong = json.loads(connection) | {"password": "not-a-token-of-anybody"}
    if host:
        wrong |= {"host": host, "extra": {}}
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(wrong))
    hook = SynapseHook()
    works, message = hook.test_connection()
    assert not works
    assert message
    assert "not-a-token-of-anybody" not in message
    if host is None:
        with pytest.raises(SynapseUnauthorizedError):
            hook.client  # noqa: B018


def test_outside_of_a_task_the_client_is_a_plain_client(default, project, alice, tmp_path):
    path = tmp_path / "plain.txt"
    path.write_text("plain")
    syn = SynapseHook().client
    stored = syn.store(File(str(path), parent=project), used="https://host/x")
    assert [item["url"] for item in alice.getProvenance(stored.id)["used"]] == ["https://host/x"]
    assert alice.getProvenance(stored.id)["createdBy"] == stored.createdBy
    assert syn.skip_unchanged is False


def test_a_hook_that_outlives_its_task_gathers_for_the_task_that_runs(
    api, project, put, sources_of, tmp_path
):
    """As in `dag.test()`, where one process runs many tasks."""
    one, two = put("one.txt"), put("two.txt")
    hook = SynapseHook()
    with DAG("shared_hook", schedule=None) as dag:

        def work(entity, name):
            hook.client.get(entity)
            path = tmp_path / name
            path.write_text(name)
            return hook.client.store(File(str(path), parent=project)).id

        task(task_id="first")(work)(one, "a.txt")
        task(task_id="second")(work)(two, "b.txt")
    run = Run(api, dag).all()
    assert sources_of(run.value("first"))[0] == [one]
    assert sources_of(run.value("second"))[0] == [two]


def test_a_mode_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'auto', 'declared', 'off'"):
        SynapseHook(lineage_mode="sometimes")


def test_the_mode_of_the_deployment_counts_where_nobody_says_one(monkeypatch):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__LINEAGE_MODE", "off")
    assert SynapseHook().lineage_mode == "off"
    assert SynapseHook(lineage_mode="auto").lineage_mode == "auto"
