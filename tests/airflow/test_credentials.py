"""Credentials of connections: one account each, and no silent fallback to another one."""

import asyncio
import base64
import json
import logging

import pytest
from airflow.sdk import DAG, Connection, task
from support.execution_api import ExecutionApi, Run

from synapse_workflows import SynapseHook
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseConfigError,
    SynapseNoCredentialsError,
    SynapseUnauthorizedError,
)
from synapse_workflows.hooks.connection import ClientSettings
from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed
from synapse_workflows.testing import over_socket
from synapse_workflows.triggers.tables import SynapseTableRowsTrigger

API_KEY = base64.b64encode(b"the hush key of eve").decode()
ACCOUNT_PASSWORD = "hush my account password"
EVE = UserSeed(user_name="eve", password=ACCOUNT_PASSWORD, api_key=API_KEY)


@pytest.fixture(scope="module")
def service(tmp_path_factory, recording):
    """A service with the user eve, who has a password and an API key."""
    with over_socket(
        tmp_path_factory.mktemp("eve"), wrap=recording, users=(*DEFAULT_USERS, EVE)
    ) as opened:
        yield opened


@pytest.fixture
def connect(service, monkeypatch, tmp_path):
    """Function that sets fields of the default connection; `extra` is merged."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def set_up(conn_id="synapse_default", **fields):
        base = json.loads(service.airflow_connection) | {"password": None}
        extra = base["extra"] | {"cache_dir": str(tmp_path / "cache")} | fields.pop("extra", {})
        connection = json.dumps(base | fields | {"extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection)
        return connection

    return set_up


async def get_user_name(hook):
    """Return the user who acts in the triggerer."""
    session = await hook.async_session()
    try:
        return (await session.call(Call("GET", "/userProfile"))).json["userName"]
    finally:
        await session.close()


def test_connection_with_an_account_password_says_what_is_needed(connect):
    connect(login="eve", password=ACCOUNT_PASSWORD.replace(" ", "-"))
    expected = "is not a personal access token. Synapse does not accept"
    with pytest.raises(SynapseUnauthorizedError, match=expected) as caught:
        _ = SynapseHook().client
    with pytest.raises(SynapseUnauthorizedError, match=expected):
        asyncio.run(get_user_name(SynapseHook()))
    works, message = SynapseHook().test_connection()
    assert not works
    assert expected in message
    assert "Account Settings" in message
    assert "hush" not in f"{message} {caught.value}"


def test_account_password_with_spaces_is_no_token(connect):
    connect(login="eve", password=ACCOUNT_PASSWORD)
    works, message = SynapseHook().test_connection()
    assert not works
    assert "not a personal access token" in message
    assert "hush" not in message


def test_rejected_token_gets_no_advice_on_passwords(connect, service):
    connect(password=f"{service.token('eve')}x")
    with pytest.raises(SynapseUnauthorizedError) as caught:
        _ = SynapseHook().client
    assert "password" not in str(caught.value)


def test_connection_with_an_api_key_signs_in_worker_and_triggerer(connect, service, capsys):
    connect(login="eve", extra={"api_key": API_KEY})
    hook = SynapseHook()
    assert (hook.client.username, hook.client.credentials.noun) == ("eve", "API key")
    assert asyncio.run(get_user_name(SynapseHook())) == "eve"
    assert hook.test_connection() == (True, f"Connected as eve (id {service.owner_id('eve')})")
    assert API_KEY not in "".join(capsys.readouterr())
    assert API_KEY not in repr(hook.settings())


def test_token_of_a_connection_precedes_its_api_key(connect, service):
    connect(password=service.token("alice"), extra={"api_key": API_KEY})
    assert SynapseHook().client.username == "alice"
    assert asyncio.run(get_user_name(SynapseHook())) == "alice"


def test_api_key_needs_a_login(connect):
    connect(extra={"api_key": API_KEY})
    with pytest.raises(SynapseAuthenticationError, match="set the login of the connection"):
        _ = SynapseHook().client


def test_live_service_gets_no_api_key(connect):
    connect(host="https://repo-prod.prod.sagebase.org/repo/v1", login="eve", extra={
        "api_key": API_KEY, "auth_endpoint": None, "file_endpoint": None, "portal_endpoint": None,
    })  # fmt: skip
    for attempt in (
        lambda: SynapseHook().client,
        lambda: asyncio.run(get_user_name(SynapseHook())),
    ):
        with pytest.raises(SynapseAuthenticationError, match="personal access token") as caught:
            attempt()
        assert "the connection 'synapse_default'" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "http://eve:hush@127.0.0.1/repo/v1"}, "repoEndpoint .* contains a user name"),
        ({"host": "ftp://127.0.0.1/repo/v1"}, "repoEndpoint .* is not a URL"),
        ({"extra": {"auth_endpoint": "nonsense"}}, "authEndpoint 'nonsense' is not a URL"),
    ],
)
def test_invalid_endpoint_is_rejected_in_worker_and_triggerer(connect, service, fields, expected):
    connect(password=service.token("alice"), **fields)
    for attempt in (
        lambda: SynapseHook().client,
        lambda: asyncio.run(get_user_name(SynapseHook())),
    ):
        with pytest.raises(SynapseConfigError, match=expected) as caught:
            attempt()
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize("flag", [True, "true", "True"])
@pytest.mark.parametrize("place", ["variable", "file", "profile"])
def test_fallback_names_the_account(
    connect, service, monkeypatch, tmp_path, capsys, caplog, flag, place
):
    token = service.token("bob")
    if place == "variable":
        monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", token)
    elif place == "file":
        (tmp_path / ".synapseConfig").write_text(f"[default]\nauthtoken = {token}\n")
    else:
        (tmp_path / ".synapseConfig").write_text(f"[profile b]\nauthtoken = {token}\n")
        monkeypatch.setenv("SYNAPSE_PROFILE", "b")
        monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", service.token("carol"))
    connect(extra={"env_fallback": flag})
    origin = "the variable SYNAPSE_AUTH_TOKEN"
    if place != "variable":
        origin = str(tmp_path / ".synapseConfig")
    expected = (
        "The connection 'synapse_default' has no token: acting as bob with the token from "
        f"{origin} (env_fallback)"
    )
    assert SynapseHook().client.username == "bob"
    log = "".join(capsys.readouterr()) + caplog.text
    assert expected in log
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(get_user_name(SynapseHook())) == "bob"
    assert caplog.messages.count(expected) >= 1
    works, message = SynapseHook().test_connection()
    assert works
    assert message.endswith(f"with the token from {origin}")
    assert token not in log + caplog.text + message


@pytest.mark.parametrize("flag", [None, False, "false", ""])
def test_there_is_no_fallback_unless_the_connection_allows_it(
    connect, service, monkeypatch, tmp_path, flag
):
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", service.token("bob"))
    (tmp_path / ".synapseConfig").write_text(service.synapse_config("bob"))
    connect(extra={"env_fallback": flag})
    with pytest.raises(SynapseNoCredentialsError, match="'synapse_default' has no token"):
        _ = SynapseHook().client
    with pytest.raises(SynapseNoCredentialsError, match="'synapse_default' has no token"):
        asyncio.run(get_user_name(SynapseHook()))


def test_token_of_the_connection_precedes_the_environment(connect, service, monkeypatch, caplog):
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", service.token("bob"))
    connect(password=service.token("alice"), extra={"env_fallback": True})
    assert SynapseHook().client.username == "alice"
    assert "env_fallback" not in caplog.text


def test_fallback_must_belong_to_the_login_of_the_connection(connect, service, monkeypatch):
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", service.token("bob"))
    connect(login="alice", extra={"env_fallback": True})
    for attempt in (
        lambda: SynapseHook().client,
        lambda: asyncio.run(get_user_name(SynapseHook())),
    ):
        with pytest.raises(SynapseAuthenticationError, match="belongs to bob, not to alice"):
            attempt()


def test_fallback_must_belong_to_the_user_in_the_file(connect, service, tmp_path):
    token = service.token("bob")
    (tmp_path / ".synapseConfig").write_text(f"[default]\nusername=carol\nauthtoken={token}\n")
    connect(extra={"env_fallback": True})
    for attempt in (
        lambda: SynapseHook().client,
        lambda: asyncio.run(get_user_name(SynapseHook())),
    ):
        with pytest.raises(SynapseAuthenticationError, match="belongs to bob, not to carol"):
            attempt()


def test_fallback_without_token_lists_the_places(connect, tmp_path):
    connect(extra={"env_fallback": True})
    with pytest.raises(SynapseNoCredentialsError, match="env_fallback found none") as caught:
        _ = SynapseHook().client
    assert "SYNAPSE_AUTH_TOKEN is not set" in str(caught.value)
    assert str(tmp_path / ".synapseConfig") in str(caught.value)
    (tmp_path / ".synapseConfig").write_text("[default]\nusername=eve\npassword=hush hush\n")
    with pytest.raises(SynapseNoCredentialsError, match="accepts no password") as caught:
        _ = SynapseHook().client
    assert "hush" not in str(caught.value)


def test_invalid_fallback_names_the_connection():
    connection = Connection(conn_id="c", conn_type="synapse", extra='{"env_fallback": "perhaps"}')
    with pytest.raises(
        SynapseConfigError, match="env_fallback in the extra of the connection 'c'"
    ):
        ClientSettings.from_connection(connection)


def test_trigger_verifies_the_login_of_the_connection(connect, service):
    connect(login="bob", password=service.token("alice"))
    trigger = SynapseTableRowsTrigger(
        synapse_conn_id="synapse_default",
        poll_interval=0.1,
        table_id="syn1",
        sql="select 1",
        min_rows=1,
    )

    async def first_event():
        async for event in trigger.run():
            return event.payload
        return None

    assert "belongs to alice, not to bob" in asyncio.run(first_event())["error"]


def test_each_connection_of_a_task_is_one_account(connect, service):
    connections = {
        "one": connect(password=service.token("alice")),
        "two": connect(login="eve", extra={"api_key": API_KEY}),
        "three": connect(conn_type="syn", password=service.token("carol")),
    }
    api = ExecutionApi(connections)
    with DAG("accounts", schedule=None) as dag:

        @task
        def who():
            hooks = [SynapseHook(name) for name in ("one", "two", "three", "one")]
            return [hook.client.getUserProfile()["userName"] for hook in hooks]

        who()
    run = Run(api, dag)
    run.all()
    assert run.value("who") == ["alice", "eve", "carol", "alice"]
    recorded = "".join(body for _, _, body in api.requests)
    secrets = [service.token("alice"), API_KEY, service.token("carol")]
    assert not any(secret in recorded for secret in secrets)
