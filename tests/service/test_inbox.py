"""Tests of the command `inbox` and the reader of messages in a data directory."""

import json

import pytest
from support.entity_api import OWNER_IDS, REPO, Author
from support.file_api import ok, start_service
from typer.testing import CliRunner

from synapse_workflows.cli import app
from synapse_workflows.local.inbox import InboxError, read_inbox

BOB = str(OWNER_IDS["bob"])


def send(sender, subject, body, content_type="text/plain"):
    handle = sender.upload(body, fileName="message.txt", contentType=content_type)
    message = {"recipients": [BOB], "subject": subject, "fileHandleId": handle}
    return ok(sender.post(f"{REPO}/message", message))


def run(*arguments):
    return CliRunner().invoke(app, ["inbox", *map(str, arguments)])


@pytest.fixture
def data_dir(tmp_path):
    """Data directory of a stopped service with two messages of alice to bob."""
    with start_service(tmp_path) as service:
        alice = Author(service, "alice")
        send(alice, "First", b"one line")
        service.clock.advance(61)
        send(alice, None, "Gr\xfc\xdfe".encode("latin-1"), "text/html; charset=iso-8859-1")
    return tmp_path


def test_messages_are_newest_first(data_dir):
    newest, oldest = read_inbox(data_dir, "bob")
    assert (newest.subject, newest.body) == ("", "Grüße")
    assert newest.content_type == "text/html; charset=iso-8859-1"
    assert (oldest.sender, oldest.subject, oldest.body) == ("alice", "First", "one line")
    assert oldest.date == "2026-03-04T05:06:07.890Z"
    assert newest.date > oldest.date
    assert {oldest.status, newest.status} == {"UNREAD"}
    assert read_inbox(data_dir, BOB) == read_inbox(data_dir, "Bob") == [newest, oldest]


def test_inbox_of_a_running_service_is_readable(tmp_path):
    with start_service(tmp_path) as service:
        bob, sent = Author(service, "bob"), send(Author(service, "alice"), "Now", b"text")
        ok_status = {"messageId": sent["id"], "status": "READ"}
        assert bob.put(f"{REPO}/message/status", ok_status).ok
        (message,) = read_inbox(tmp_path, "bob")
        assert (message.subject, message.status) == ("Now", "READ")
        assert read_inbox(tmp_path, "alice") == []


def test_body_outside_the_service_is_shown_as_its_url(tmp_path):
    with start_service(tmp_path) as service:
        alice = Author(service, "alice")
        body = {"recipients": [BOB], "fileHandleId": alice.handle()}
        ok(alice.post(f"{REPO}/message", body))
        assert read_inbox(tmp_path, "bob")[0].body == "https://example.org/data.csv"


def test_command_prints_text_and_json(data_dir):
    output = run("bob", "--data", data_dir).output
    assert (
        "From:    alice\nDate:    2026-03-04T05:06:07.890Z\nSubject: First\n\none line" in output
    )
    assert output.index("Grüße") < output.index("one line")
    messages = json.loads(run("bob", "--data", data_dir, "--json").output)
    assert [each["subject"] for each in messages] == ["", "First"]
    assert run("carol", "--data", data_dir).output == "No messages.\n"
    assert json.loads(run("carol", "--data", data_dir, "--json").output) == []


@pytest.mark.parametrize("user", ["nobody", "9" * 30, "12345", "", "CertifiedUsers", "anonymous"])
def test_unknown_user_is_an_error(data_dir, user):
    with pytest.raises(InboxError, match=r"The users are: admin, alice, bob, carol, dave\."):
        read_inbox(data_dir, user)
    result = run(user, "--data", data_dir)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: The user {user!r} ")


def test_directory_without_a_service_is_an_error(tmp_path):
    result = run("bob", "--data", tmp_path / "missing")
    assert result.exit_code == 1
    assert "is not the data directory of a local Synapse" in result.output
    assert not (tmp_path / "missing").exists()
