"""Profiles of the configuration file and session tokens, with the official client."""

import pytest

from synapse_workflows import Synapse
from synapse_workflows.client.errors import SynapseAuthenticationError
from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed
from synapse_workflows.testing import over_socket


@pytest.fixture
def official_logins(driven):
    """Run a command of official_logins.py."""
    return driven("official_logins.py")


@pytest.mark.parametrize("older", ["authentication", "default"])
def test_both_clients_select_the_same_profile(official_logins, socket_service, tmp_path, older):
    token = socket_service.token
    endpoints = socket_service.synapse_config("alice").partition("[authentication]")[0]
    settings = (
        f"{endpoints}[{older}]\nusername = alice\nauthtoken = {token('alice')}\n"
        f"[profile bob]\nusername = bob\nauthtoken = {token('bob')}\n"
        f"[profile two words]\nauthtoken = {token('carol')}\n"
        f"[profile wrong]\nusername = bob\nauthtoken = {token('carol')}\n"
    )
    names = [None, "default", "bob", "two words", "wrong", "missing"]
    theirs = official_logins("profiles", settings=settings, profiles=names)
    path = tmp_path / "synapse.ini"
    path.write_text(settings)
    ours = {}
    with Synapse(configPath=str(path), silent=True) as syn:
        for name in names:
            try:
                syn.login(profile=name)
                ours[str(name)] = syn.username
            except SynapseAuthenticationError as error:
                ours[str(name)] = str(error)
    users = {"None": "alice", "default": "alice", "bob": "bob", "two words": "carol"}
    for found in (theirs, ours):
        assert users.items() <= found.items()
        assert "does not match token profile" in found["wrong"]
        assert found["missing"].startswith(
            "Profile 'missing' does not exist in the configuration file."
        )


def test_official_client_uses_session_tokens(driven, tmp_path, recording):
    eve = UserSeed(user_name="eve", password="open sesame")
    with over_socket(tmp_path, wrap=recording, users=(*DEFAULT_USERS, eve)) as service:
        result = driven("official_logins.py", service)(
            "sessions", email="eve", password="open sesame"
        )
    assert result == {
        "profile": "eve", "header": "eve", "key": True, "terms": "UP_TO_DATE", "token": "eve",
    }  # fmt: skip
