"""SynapseHook and its client."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowNotFoundException
from support.execution_api import Run

from synapse_workflows import File, SynapseHook
from synapse_workflows.client.core.storage_config import find_sftp_login
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseNoCredentialsError,
    SynapseUnauthorizedError,
)
from synapse_workflows.constants import PRODUCTION_ENDPOINTS
from synapse_workflows.hooks.synapse import SynHook


@pytest.fixture
def default(connection, monkeypatch):
    """Set the default connection in the environment, for use outside a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)


def test_connection_of_type_syn_is_supported(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OLD", "syn://:secret-token@")
    settings = SynHook("old").settings()
    assert settings.token == "secret-token"
    assert settings.endpoints == dict(PRODUCTION_ENDPOINTS)
    assert "secret-token" not in repr(settings)


def test_hook_returns_one_client_that_is_logged_in(default, worker, capsys, socket_service):
    hook = SynapseHook()
    assert hook.client is hook.client is hook.get_conn()
    assert hook.client.username == "alice"
    netloc = urlsplit(socket_service.endpoints["repoEndpoint"]).netloc
    assert hook.client.cache.cache_root_dir == str(worker / netloc.replace(":", "-"))
    assert hook.client.max_threads <= 8
    log = capsys.readouterr().out
    assert log.count("as alice") == 1
    assert socket_service.token("alice") not in log


def test_credentials_of_storage_come_from_the_file_of_the_connection(
    connection, worker, monkeypatch, tmp_path
):
    file = tmp_path / "storage"
    file.write_text("[sftp://sftp.example.org]\nusername = lab\npassword = a-secret\n")
    described = json.loads(connection)
    described["extra"] |= {"storage_config": str(file), "use_boto_sts": True}
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(described))
    client = SynapseHook().client
    assert client.use_boto_sts_transfers
    login = find_sftp_login(client, "sftp.example.org", 22)
    assert (login.username, login.password) == ("lab", "a-secret")
    assert "a-secret" not in repr(login)


def test_token_of_other_source_is_ignored(connection, monkeypatch, socket_service, tmp_path):
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


def test_config_file_of_worker_is_ignored(default, worker, socket_service):
    home = Path.home() / ".synapseConfig"
    home.write_text("[cache]\nlocation = /nowhere\n[endpoints]\nrepoEndpoint = http://x/repo/v1\n")
    try:
        client = SynapseHook().client
    finally:
        home.unlink()
    assert Path(client.cache.cache_root_dir).parent == worker
    assert client.repoEndpoint == socket_service.endpoints["repoEndpoint"]


@pytest.mark.parametrize("conn_id", [None, "", " ", 5])
def test_the_id_of_a_connection_is_text(conn_id):
    with pytest.raises(ValueError, match=f"Invalid synapse_conn_id={conn_id!r}: expected text"):
        SynapseHook(conn_id)


def test_missing_connection_names_environment_variable():
    with pytest.raises(AirflowNotFoundException, match="AIRFLOW_CONN_MY_SYNAPSE"):
        SynapseHook("my_synapse").client  # noqa: B018
    works, message = SynapseHook("my_synapse").test_connection()
    assert not works
    assert "AIRFLOW_CONN_MY_SYNAPSE" in message


def test_connection_test_returns_user_name(default, socket_service):
    works, message = SynapseHook().test_connection()
    assert works
    assert message == f"Connected as alice (id {socket_service.owner_id('alice')})"


@pytest.mark.parametrize("host", [None, "http://127.0.0.1:9/repo/v1"])
def test_connection_test_never_shows_the_token(connection, monkeypatch, host):
    wrong = json.loads(connection) | {"password": "invalid-token"}
    if host:
        wrong |= {"host": host, "extra": {}}
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(wrong))
    hook = SynapseHook()
    works, message = hook.test_connection()
    assert not works
    assert message
    assert "invalid-token" not in message
    if host is None:
        with pytest.raises(SynapseUnauthorizedError):
            hook.client  # noqa: B018


def test_client_outside_a_task_stores_declared_activity(default, project, alice, tmp_path):
    path = tmp_path / "plain.txt"
    path.write_text("plain")
    syn = SynapseHook().client
    stored = syn.store(File(str(path), parent=project), used="https://host/x")
    assert [item["url"] for item in alice.getProvenance(stored.id)["used"]] == ["https://host/x"]
    assert alice.getProvenance(stored.id)["createdBy"] == stored.createdBy
    assert syn.skip_unchanged is False


def test_shared_hook_records_for_the_running_task(api, project, put, sources_of, tmp_path):
    """In `dag.test()` one process runs many tasks."""
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


@pytest.mark.parametrize(("login", "accepted"), [("alice", True), ("ALICE", True), ("bob", False)])
def test_login_of_the_connection_must_own_the_token(connection, monkeypatch, login, accepted):
    fields = json.loads(connection) | {"login": login}
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(fields))
    if accepted:
        assert SynapseHook().client.username == "alice"
    else:
        with pytest.raises(SynapseAuthenticationError, match="belongs to alice, not to bob"):
            _ = SynapseHook().client


def test_files_outside_the_cache_are_not_handed_to_tasks(default, alice, project, tmp_path):
    path = tmp_path / "source.txt"
    path.write_text("uploaded")
    stored = SynapseHook().client.store(File(str(path), parent=project))
    elsewhere = SynapseHook().client.get(stored.id, downloadLocation=str(tmp_path / "run 1")).path
    again = SynapseHook().client.get(stored.id, downloadLocation=str(tmp_path / "run 1")).path
    assert again == elsewhere
    client = SynapseHook().client
    found = client.get(stored.id)
    assert Path(found.path).is_relative_to(client.cache.cache_root_dir)
    assert found.path == SynapseHook().client.get(stored.id).path
