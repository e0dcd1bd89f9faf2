"""The variable SYNAPSE_CONNECTION_URI as the connection `synapse_default`."""

import asyncio
import logging
import traceback
from urllib.parse import quote

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import redact
from support.execution_api import ExecutionApi, Run

from synapse_workflows import SynapseHook
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.errors import SynapseConfigError, SynapseNoCredentialsError


@pytest.fixture
def set_uri(socket_service, monkeypatch, tmp_path):
    """Function that sets the variable to a URI with the token of a user; returns the token."""
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CACHE_DIR", str(tmp_path / "cache"))

    def set_up(user="alice", scheme="syn", login=""):
        token = socket_service.token(user)
        host = socket_service.endpoints["repoEndpoint"]
        uri = f"{scheme}://{login}:{quote(token, safe='')}@{quote(host, safe='')}"
        monkeypatch.setenv("SYNAPSE_CONNECTION_URI", uri)
        return token

    return set_up


async def get_user_name(hook):
    """Return the user who acts in the triggerer."""
    session = await hook.async_session()
    try:
        return (await session.call(Call("GET", "/userProfile"))).json["userName"]
    finally:
        await session.close()


@pytest.mark.parametrize("scheme", ["syn", "synapse"])
def test_the_variable_is_the_default_connection(set_uri, caplog, capfd, scheme):
    """The log names the source, and never the token."""
    token = set_uri(scheme=scheme)
    with caplog.at_level(logging.INFO):
        assert SynapseHook().client.username == "alice"
        assert asyncio.run(get_user_name(SynapseHook())) == "alice"
        works, message = SynapseHook().test_connection()
    assert works
    assert "from the connection in SYNAPSE_CONNECTION_URI" in message
    logged = caplog.text + "".join(capfd.readouterr())
    assert "Logged in to Synapse as alice with the connection in SYNAPSE_CONNECTION_URI" in logged
    assert token not in logged + message
    assert quote(token, safe="") not in logged + message


def test_a_task_masks_the_token_in_its_log(set_uri):
    token = set_uri()
    with DAG("variable", schedule=None) as dag:

        @task
        def who():
            name = SynapseHook().client.username
            return [name, redact(f"a token: {token}")]

        who()
    run = Run(ExecutionApi({}), dag).all()
    assert run.value("who") == ["alice", "a token: ***"]


def test_the_connection_of_airflow_precedes_the_variable(
    set_uri, connection, monkeypatch, capfd, caplog
):
    set_uri("bob")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    with caplog.at_level(logging.INFO):
        assert SynapseHook().client.username == "alice"
        assert asyncio.run(get_user_name(SynapseHook())) == "alice"
    logged = caplog.text + "".join(capfd.readouterr())
    assert "as alice with the connection 'synapse_default'" in logged
    assert "SYNAPSE_CONNECTION_URI is not used: Airflow has the connection" in logged


def test_another_missing_connection_is_another_account(set_uri):
    set_uri()
    expected = "SYNAPSE_CONNECTION_URI is used only for the connection 'synapse_default'"
    with pytest.raises(AirflowNotFoundException, match=expected):
        _ = SynapseHook("genie_runner").client
    with pytest.raises(AirflowNotFoundException):
        asyncio.run(get_user_name(SynapseHook("genie_runner")))


def test_an_unreadable_connection_of_airflow_is_not_replaced_by_another_account(
    set_uri, monkeypatch
):
    set_uri("bob")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", "syn://:secret-token")  # without "@"
    with pytest.raises(AirflowNotFoundException, match="cannot read the value") as error:
        _ = SynapseHook().client
    assert "secret-token" not in str(error.value)
    with pytest.raises(AirflowNotFoundException):
        asyncio.run(get_user_name(SynapseHook()))


def test_the_login_of_the_variable_must_be_the_owner(set_uri):
    set_uri("alice", login="bob")
    works, message = SynapseHook().test_connection()
    assert not works
    assert "belongs to alice, not to bob" in message


@pytest.mark.parametrize(
    ("uri", "error", "expected"),
    [
        ("hush-hush", SynapseConfigError, "expected syn://:<token>@"),
        ("https://:hush-hush@host", SynapseConfigError, "neither 'syn' nor 'synapse'"),
        ("syn://:hush-hush@host:hush", SynapseConfigError, "expected syn://:<token>@"),
        ("syn://:hush@hush://x://y", SynapseConfigError, "expected syn://:<token>@"),
        ("syn://hush-hush@", SynapseNoCredentialsError, "in SYNAPSE_CONNECTION_URI has no token"),
        ("syn://:hu#sh-hush@", SynapseConfigError, "expected syn://:<token>@"),
    ],
)
def test_invalid_uri_is_an_error_without_the_uri(monkeypatch, uri, error, expected):
    monkeypatch.setenv("SYNAPSE_CONNECTION_URI", uri)
    for get_account in (lambda: SynapseHook().client, SynapseHook().test_connection):
        try:
            _, text = get_account()
        except error as caught:
            text = "".join(traceback.format_exception(caught))
        assert expected in text
        assert "hush" not in text
    with pytest.raises(error, match="SYNAPSE_CONNECTION_URI"):
        asyncio.run(get_user_name(SynapseHook()))
