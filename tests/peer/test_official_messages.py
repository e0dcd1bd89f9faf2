"""The official client and this package send messages, and read those of the other."""

import json
from uuid import uuid4

import pytest

TEXT = "Grüße\nzweite Zeile"


@pytest.fixture
def official(driven):
    """Run a command of official_messages.py as a user."""
    return driven("official_messages.py")


def test_messages_of_the_official_client_are_readable(official, socket_service):
    subject = f"official {uuid4()}"
    bob, carol = socket_service.owner_id("bob"), socket_service.owner_id("carol")
    sent = official("send", to=[bob, carol], subject=subject, body=TEXT, type="text/html")
    assert sent["recipients"] == [bob, carol]
    for user in ("bob", "carol"):
        (message,) = [each for each in socket_service.inbox(user) if each.subject == subject]
        assert (message.id, message.sender, message.body) == (sent["id"], "alice", TEXT)
        assert message.content_type == "text/html"


def test_official_client_reads_messages_of_this_package(official, socket_service, socket_client):
    subject = f"ours {uuid4()}"
    sent = socket_client.sendMessage([socket_service.owner_id("bob")], subject, TEXT)
    (found,) = official("inbox", user="bob", subject=subject)["messages"]
    assert found == {"message": sent, "text": TEXT, "type": "text/plain"}


def test_message_to_a_team_reaches_its_members(official, socket_service, socket_client):
    subject, name = f"team {uuid4()}", f"Team {uuid4()}"
    team = socket_client.restPOST("/team", json.dumps({"name": name, "canPublicJoin": True}))
    bob = socket_service.owner_id("bob")
    with socket_service.client("bob") as syn:
        syn.restPUT(f"/team/{team['id']}/member/{bob}")
    official("send", to=[team["id"]], subject=subject, body=TEXT, type="text/plain")
    for user, count in (("alice", 1), ("bob", 1), ("carol", 0)):
        assert len(official("inbox", user=user, subject=subject)["messages"]) == count
