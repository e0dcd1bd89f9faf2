"""Messages: sendMessage, and the flow that finds a message whose response was lost."""

import re
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from support import fault_proxy

from synapse_workflows.client.core import message_flow
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseServerError,
    SynapseTooManyRequestsError,
)
from synapse_workflows.client.transfer.text_upload import upload_text
from synapse_workflows.local.settings import Throttle
from synapse_workflows.testing import in_process

MESSAGE = "/repo/v1/message$"


@pytest.fixture
def bob_id(service):
    return service.owner_id("bob")


def find(service, user, subject):
    return [each for each in service.inbox(user) if each.subject == subject]


def post(syn, recipients, subject, text="a text"):
    """Send a message with a file handle of its own."""
    handle = syn.run(upload_text(text, f"message-{uuid4()}.txt", "text/plain"))
    return syn.run(message_flow.post_message(recipients, subject, handle))


def test_message_arrives_with_its_text(syn, service, bob_id):
    subject = f"subject {uuid4()}"
    sent = syn.sendMessage([bob_id], subject, "Grüße 🧬\nzwei Zeilen")
    assert sent["recipients"] == [bob_id]
    assert sent["inReplyToRoot"] == sent["id"]
    (message,) = find(service, "bob", subject)
    assert (message.id, message.sender) == (sent["id"], "alice")
    assert message.body == "Grüße 🧬\nzwei Zeilen"
    assert message.content_type == "text/plain"


def test_requests_of_a_message(in_process_client, in_process_service, calls):
    calls()
    in_process_client.sendMessage([in_process_service.owner_id("bob")], "subj", f"{uuid4()}")
    assert [re.sub(r"multipart/\d+", "multipart/5", call) for call in calls()] == [
        "POST file:/file/multipart 201",
        "POST file:/file/multipart/5/presigned/url/batch 201",
        "PUT file:/file/multipart/5/add/1 201",
        "PUT file:/file/multipart/5/complete 201",
        "POST /message 201",
    ]


def test_content_type_and_missing_subject(syn, service, bob_id):
    sent = syn.sendMessage([bob_id], None, "<b>bold</b>", contentType="text/html")
    assert "subject" not in sent
    (message,) = [each for each in service.inbox("bob") if each.id == sent["id"]]
    assert (message.subject, message.content_type) == ("", "text/html")


def test_equal_messages_are_two_messages(syn, service, bob_id):
    subject = f"twice {uuid4()}"
    first, second = (syn.sendMessage([bob_id], subject, "the same") for _ in range(2))
    assert first["fileHandleId"] == second["fileHandleId"]
    assert len(find(service, "bob", subject)) == 2


def test_equal_messages_at_the_same_time(in_parallel, service, bob_id):
    subject = f"parallel {uuid4()}"
    in_parallel(lambda syn, _: syn.sendMessage([bob_id], subject, f"text of {subject}"), 8)
    assert len(find(service, "bob", subject)) == 8


def test_large_message(syn, service, bob_id):
    subject = f"large {uuid4()}"
    syn.sendMessage([bob_id], subject, "x" * (9 * 1024 * 1024))
    (message,) = find(service, "bob", subject)
    assert len(message.body) == 9 * 1024 * 1024


@pytest.mark.parametrize("body", ["", None, 5, b"text"])
def test_body_that_is_not_text_is_an_error(syn, bob_id, body):
    with pytest.raises(ValueError, match=r"Invalid messageBody.* not empty"):
        syn.sendMessage([bob_id], "subject", body)


@pytest.mark.parametrize("content_type", ["", None, 5, "html", "text/", "text/plain\r\nX: y"])
def test_invalid_content_type_is_an_error(syn, bob_id, content_type):
    with pytest.raises(ValueError, match="Invalid contentType"):
        syn.sendMessage([bob_id], "subject", "text", contentType=content_type)


def test_recipients_of_any_iterable(syn, bob):
    profile = bob.getUserProfile()
    owner = profile.ownerId
    for recipients in ((owner,), {owner}, iter([int(owner)]), [profile]):
        assert syn.sendMessage(recipients, "subject", "text")["recipients"] == [owner]


@pytest.mark.parametrize("recipients", ["3300002", 3300002, None, b"33", {"a": 1}, [None]])
def test_recipients_that_are_not_a_list(syn, recipients):
    with pytest.raises(ValueError, match=r"Invalid userIds|couldn't find id"):
        syn.sendMessage(recipients, "subject", "text")


@pytest.mark.parametrize(
    ("recipients", "error", "reason"),
    [
        ([], SynapseBadRequestError, "at least one recipient"),
        (["12345"], SynapseBadRequestError, r"not recognized: \[12345\]"),
        (["3"], SynapseForbiddenError, "SEND_MESSAGE"),
    ],
)
def test_invalid_recipients(syn, recipients, error, reason):
    with pytest.raises(error, match=reason):
        syn.sendMessage(recipients, "subject", "text")


def test_rate_limit_is_retried_and_then_an_error(tmp_path):
    with in_process(tmp_path, throttle=Throttle(concurrent=9, messages=2)) as service:
        with service.client("alice") as syn:
            bob = service.owner_id("bob")
            for _ in range(2):
                syn.sendMessage([bob], "subject", "text")
            with pytest.raises(SynapseTooManyRequestsError, match="maximum of 2 message"):
                syn.sendMessage([bob], "subject", "text")
        assert len(service.inbox("bob")) == 2


def test_lost_response_sends_no_second_message(proxied, socket_service, proxy):
    syn, bob = proxied(), socket_service.owner_id("bob")
    subject = f"lost {uuid4()}"
    proxy.fail("POST", MESSAGE, fault_proxy.lose_response)
    sent = post(syn, [bob], subject)
    (message,) = find(socket_service, "bob", subject)
    assert message.id == sent["id"]


def test_message_that_did_not_arrive_is_an_error(proxied, socket_service, proxy):
    syn, bob = proxied(), socket_service.owner_id("bob")
    subject = f"refused {uuid4()}"
    proxy.fail("POST", MESSAGE, fault_proxy.respond(502))
    with pytest.raises(SynapseServerError, match="POST /message"):
        post(syn, [bob], subject)
    assert find(socket_service, "bob", subject) == []


def test_sent_message_is_found_among_many(syn, bob_id):
    handle = syn.run(upload_text("first", f"message-{uuid4()}.txt", "text/plain"))
    assert syn.run(message_flow.find_sent_message(handle)) is None
    sent = syn.run(message_flow.post_message([bob_id], "first", handle))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: post(syn, [bob_id], f"{number}"), range(60)))
    assert syn.run(message_flow.find_sent_message(handle)) == sent
