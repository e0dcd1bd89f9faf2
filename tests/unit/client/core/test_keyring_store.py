"""Keyring: storing and deleting secrets with real backends, and machines without a keyring."""

import json
import os
import subprocess
import sys

import keyring
import pytest
from keyring.backend import get_all_keyring
from keyring.backends import fail, null
from keyring.backends.chainer import ChainerBackend
from keyring.errors import KeyringLocked
from keyrings.alt.file import PlaintextKeyring

from synapse_workflows.client.core import keyring_store
from synapse_workflows.client.core.keyring_store import (
    API_KEY_SERVICE,
    TOKEN_SERVICE,
    KeyringUnavailableError,
)

REPO = "https://repo.example.org/repo/v1"


@pytest.fixture
def select(monkeypatch, tmp_path):
    """Function that selects a keyring; files of keyrings are in a temporary directory."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


@pytest.fixture
def file_keyring(select):
    """Keyring in a file, which the user has selected."""
    backend = PlaintextKeyring()
    select(backend)
    return backend


@pytest.fixture
def profile_of_alice(http):
    for path in ("userProfile", "userProfile/"):
        http.get(f"{REPO}/{path}", json={"ownerId": "7", "userName": "alice"})


def detected(kind):
    """Return the keyring of a class that `keyring` can select without the user."""
    return next(one for one in get_all_keyring() if type(one) is kind)


def test_remember_me_and_forget_me(file_keyring, make, profile_of_alice, home):
    file_keyring.set_password(TOKEN_SERVICE, "alice", "token-old-alice")
    file_keyring.set_password(API_KEY_SERVICE, "alice", "b2xkIGtleQ==")
    syn = make()
    syn.login(authToken="token-alice", rememberMe=True)
    assert file_keyring.get_password("SYNAPSE.ORG_CLIENT_AUTH_TOKEN", "alice") == "token-alice"
    assert file_keyring.get_password("SYNAPSE.ORG_CLIENT", "alice") is None
    session = home / ".synapseSession"
    assert json.loads(session.read_text()) == {"<mostRecent>": "alice"}
    again = make()
    again.login()
    assert again.username == "alice"
    again.logout()
    assert again.credentials is None
    assert file_keyring.get_password(TOKEN_SERVICE, "alice") == "token-alice"
    syn.logout(forgetMe=True)
    assert file_keyring.get_password(TOKEN_SERVICE, "alice") is None
    assert session.exists()


def test_api_key_is_remembered_under_its_service(file_keyring, make, profile_of_alice):
    syn = make()
    syn.login("alice", apiKey="b2xkIGtleQ==", rememberMe=True)
    assert file_keyring.get_password("SYNAPSE.ORG_CLIENT", "alice") == "b2xkIGtleQ=="
    assert file_keyring.get_password(TOKEN_SERVICE, "alice") is None
    again = make()
    again.login()
    assert (again.username, again.credentials.noun) == ("alice", "API key")
    file_keyring.set_password(TOKEN_SERVICE, "alice", "token-alice")
    again.login()
    assert again.credentials.noun == "token"
    again.logout(forgetMe=True)
    assert file_keyring.get_password(API_KEY_SERVICE, "alice") is None


def test_login_without_remember_me_stores_nothing(memory_keyring, make, profile_of_alice, home):
    make().login(authToken="token-alice")
    assert memory_keyring.passwords == {}
    assert not (home / ".synapseSession").exists()


@pytest.mark.parametrize("silent", [None, True])
def test_selected_plain_text_keyring_logs_a_warning(
    file_keyring, make, profile_of_alice, caplog, silent
):
    make(silent=silent).login(authToken="token-alice", rememberMe=True)
    assert "Stored the token, but the keyring keyrings.alt.file.PlaintextKeyring" in caplog.text
    assert "plain text" in caplog.text
    assert "token-alice" not in caplog.text


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        (fail.Keyring(), "this machine has no keyring"),
        (null.Keyring(), "the keyring is disabled"),
        (detected(PlaintextKeyring), "stores secrets in plain text"),
    ],
)
def test_machine_without_a_safe_keyring_stores_nothing(
    backend, reason, select, make, profile_of_alice, caplog, home, tmp_path
):
    select(backend)
    syn = make(silent=True)
    syn.login(authToken="token-alice", rememberMe=True)
    assert syn.username == "alice"
    assert f"Could not store the token: {reason}" in caplog.text.replace(
        "the only keyring of this machine, keyrings.alt.file.PlaintextKeyring, ", ""
    )
    assert "SYNAPSE_AUTH_TOKEN" in caplog.text
    assert not (home / ".synapseSession").exists()
    assert not any(
        b"token-alice" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


def test_chain_that_starts_with_a_plain_text_keyring_is_refused(select, monkeypatch):
    plain = detected(PlaintextKeyring)
    monkeypatch.setattr(ChainerBackend, "backends", [plain])
    select(ChainerBackend())
    with pytest.raises(KeyringUnavailableError, match="plain text"):
        keyring_store.store_secret(TOKEN_SERVICE, "alice", "token-alice")
    monkeypatch.setattr(ChainerBackend, "backends", [])
    with pytest.raises(KeyringUnavailableError, match="no keyring"):
        keyring_store.store_secret(TOKEN_SERVICE, "alice", "token-alice")


def test_selection_of_keyring_itself_is_refused_on_a_headless_machine(tmp_path):
    """The process has neither a desktop session nor a setting for `keyring`."""
    code = (
        "from synapse_workflows.client.core import keyring_store as k\n"
        "try:\n    print(k.store_secret(k.TOKEN_SERVICE, 'alice', 'token-alice'))\n"
        "except k.KeyringUnavailableError as error:\n    print('REFUSED', error)\n"
    )
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("REFUSED"), done.stdout
    assert not any(
        b"token-alice" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("operation", ["set_password", "get_password"])
def test_failing_keyring_is_reported_without_its_message(
    operation, memory_keyring, make, profile_of_alice, caplog, monkeypatch
):
    def broken(*_):
        raise RuntimeError("token-alice")

    monkeypatch.setattr(memory_keyring, operation, broken)
    make().login(authToken="token-alice", rememberMe=True)
    assert "Could not store the token: the keyring failed (RuntimeError)" in caplog.text
    assert "token-alice" not in caplog.text


def test_invalid_setting_of_keyring_is_reported(make, profile_of_alice, caplog, monkeypatch):
    monkeypatch.setattr(keyring, "get_keyring", lambda: (_ for _ in ()).throw(ImportError("x")))
    make().login(authToken="token-alice", rememberMe=True)
    assert "Could not store the token: the keyring failed (ImportError)" in caplog.text


def test_read_only_home_is_reported(memory_keyring, make, profile_of_alice, caplog, home):
    (home / ".synapseSession").mkdir()
    make().login(authToken="token-alice", rememberMe=True)
    assert ".synapseSession cannot be written" in caplog.text
    again = make()
    again.login("alice")
    assert again.username == "alice"


def test_forgetting_with_a_locked_keyring_is_reported(
    memory_keyring, make, profile_of_alice, caplog, monkeypatch
):
    def locked(*_):
        raise KeyringLocked("token-alice")

    syn = make()
    syn.login(authToken="token-alice", rememberMe=True)
    for operation in ("get_password", "delete_password"):
        monkeypatch.setattr(memory_keyring, operation, locked)
    syn.logout(forgetMe=True)
    assert "Could not delete the credentials of alice: the keyring is locked." in caplog.text
    assert "token-alice" not in caplog.text


def test_secret_that_cannot_be_deleted_is_reported(
    memory_keyring, make, profile_of_alice, caplog, monkeypatch
):
    syn = make()
    syn.login(authToken="token-alice", rememberMe=True)
    monkeypatch.setattr(memory_keyring, "delete_password", lambda *_: None)
    syn.logout(forgetMe=True)
    assert "Could not delete the credentials of alice" in caplog.text
    assert syn.credentials is None
