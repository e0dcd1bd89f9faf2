"""Tests of messages: recipients, inbox and outbox, the body, and the rate limit."""

import pytest
from support.entity_api import OWNER_IDS, REPO, Author, unique_name
from support.file_api import assert_error, ok, start_service

from synapse_workflows.local.settings import Throttle, UserSeed

MESSAGE = f"{REPO}/message"
RATE_LIMIT = "Please slow down.  You may send a maximum of 10 message(s) every 60 second(s)"
BOB, CAROL = str(OWNER_IDS["bob"]), str(OWNER_IDS["carol"])


@pytest.fixture
def carol(author):
    return author("carol")


def try_send(sender, *recipients, subject="a subject", body=b"a body", **more):
    handle = sender.upload(body, fileName="message.txt", contentType="text/plain")
    message = {"recipients": list(recipients), "subject": subject, "fileHandleId": handle}
    return sender.post(MESSAGE, message | more)


def send(sender, *recipients, **more):
    return ok(try_send(sender, *recipients, **more))


def inbox(user, query="limit=100"):
    return ok(user.get(f"{MESSAGE}/inbox?{query}"))["results"]


def find(user, sent, query="limit=100"):
    """Return the bundle of a message in an inbox; None if it is not there."""
    found = [each for each in inbox(user, query) if each["message"]["id"] == sent["id"]]
    return found[0] if found else None


def test_message_is_in_the_inbox_of_each_recipient_and_in_the_outbox(ann, ben, carol, rules):
    response = try_send(ann, BOB, CAROL)
    assert response.status_code == 201
    sent = response.json()
    assert {"subject", "fileHandleId", "id", "createdOn"} <= sent.keys()
    assert sent["recipients"] == [BOB, CAROL]
    assert sent["createdBy"] == str(ann.id)
    assert sent["inReplyToRoot"] == sent["id"]
    assert "inReplyTo" not in sent
    for reader in (ben, carol):
        bundle = find(reader, sent)
        assert bundle["message"] == sent
        assert bundle["status"] == {
            "messageId": sent["id"],
            "recipientId": str(reader.id),
            "status": "UNREAD",
        }
    outbox = ok(ann.get(f"{MESSAGE}/outbox?limit=1"))
    assert outbox["results"] == [sent]
    assert find(ann, sent) is None


def test_repeated_recipients_receive_one_message(ann, ben):
    sent = send(ann, BOB, BOB, f" {BOB} ")
    assert sent["recipients"] == [BOB]
    assert [each["message"]["id"] for each in inbox(ben)].count(sent["id"]) == 1


def test_subject_is_optional(ann, ben):
    sent = send(ann, BOB, subject=None)
    assert "subject" not in sent
    assert "subject" not in find(ben, sent)["message"]


def test_message_to_oneself_is_in_both_boxes(ann):
    sent = send(ann, str(ann.id))
    assert find(ann, sent)


def test_sender_and_recipients_read_a_message_and_its_body(ann, ben, carol, admin):
    sent = send(ann, BOB, body=b"only for Bob")
    association = (sent["fileHandleId"], sent["id"], "MessageAttachment")
    for reader in (ann, ben, admin):
        assert ok(reader.get(f"{MESSAGE}/{sent['id']}")) == sent
        result = ok(reader.batch(association))["requestedFiles"][0]
        url = result["preSignedURL"]
        assert reader.session.get(url, timeout=30).content == b"only for Bob"
    assert_error(carol.get(f"{MESSAGE}/{sent['id']}"), 403, "sender or receiver")
    result = ok(carol.batch(association))["requestedFiles"][0]
    assert result["failureCode"] == "UNAUTHORIZED"
    other = send(ann, BOB, body=b"another text")
    foreign = (sent["fileHandleId"], other["id"], "MessageAttachment")
    assert ok(ben.batch(foreign))["requestedFiles"][0]["failureCode"] == "UNAUTHORIZED"


def test_body_of_a_message_cannot_be_deleted(ann, ben):
    sent = send(ann, BOB, body=b"kept")
    assert_error(ann.delete(f"/file/v1/fileHandle/{sent['fileHandleId']}"), 409, "in use")


def test_unknown_message_is_not_found(ann):
    assert_error(ann.get(f"{MESSAGE}/987654"), 404, "987654")


def new_team(owner, *members):
    """Create a team of an owner with more members, and return it."""
    team = ok(owner.post(f"{REPO}/team", {"name": unique_name("Team"), "canPublicJoin": True}))
    for member in members:
        assert member.put(f"{REPO}/team/{team['id']}/member/{member.id}").ok
    return team


def test_message_to_a_team_reaches_each_member_once(ann, ben, carol):
    team = new_team(ann, ben)
    sent = send(carol, team["id"], BOB)
    assert sent["recipients"] == [team["id"], BOB]
    for member in (ann, ben):
        assert [each["message"]["id"] for each in inbox(member)].count(sent["id"]) == 1
        assert find(member, sent)["status"]["recipientId"] == str(member.id)
        assert ok(member.get(f"{MESSAGE}/{sent['id']}")) == sent
    assert find(carol, sent) is None


def test_later_members_of_a_team_do_not_receive_earlier_messages(ann, ben):
    team = new_team(ann)
    sent = send(ann, team["id"])
    assert ben.put(f"{REPO}/team/{team['id']}/member/{ben.id}").ok
    assert find(ann, sent)
    assert find(ben, sent) is None
    assert ben.get(f"{MESSAGE}/{sent['id']}").status_code == 403


def test_message_to_a_team_requires_permission(ann, ben, carol, admin):
    team = new_team(ann, ben)
    acl = ok(ann.get(f"{REPO}/team/{team['id']}/acl"))
    acl["resourceAccess"] = [
        entry for entry in acl["resourceAccess"] if entry["principalId"] != 273948
    ]
    ok(ann.put(f"{REPO}/team/acl", acl))
    assert_error(try_send(carol, BOB, team["id"]), 403, "SEND_MESSAGE")
    for sender in (ann, ben, admin):
        assert find(ben, send(sender, team["id"]))


def test_administrator_sends_a_message_to_all_users(ann, ben, anonymous, admin):
    assert_error(try_send(ann, "273948"), 403, "SEND_MESSAGE")
    sent = send(admin, "273948")
    assert all(find(user, sent) for user in (ann, ben, admin))


@pytest.mark.parametrize(
    ("recipients", "status", "reason"),
    [
        ([], 400, "at least one recipient"),
        (["12345"], 400, "One or more of the following IDs are not recognized: [12345]"),
        ([BOB, "12345"], 400, f"are not recognized: [{BOB}, 12345]"),
        (["bob"], 400, "'bob' is not a valid id"),
        ([str(10**20)], 400, "is not a valid id"),
        (["3"], 403, "SEND_MESSAGE"),
    ],
)
def test_invalid_recipients_are_rejected(ann, ben, recipients, status, reason):
    before = len(inbox(ben, "limit=1000"))
    assert_error(try_send(ann, *recipients), status, reason)
    assert len(inbox(ben, "limit=1000")) == before


def test_file_handle_must_belong_to_the_sender(ann, ben):
    handle = ben.upload(b"a body", fileName="message.txt")
    body = {"recipients": [BOB], "fileHandleId": handle}
    assert_error(ann.post(MESSAGE, body), 403, "creator")
    assert_error(ann.post(MESSAGE, {"recipients": [BOB]}), 400, "fileHandleId")
    assert_error(ann.post(MESSAGE, body | {"fileHandleId": "987654"}), 404, "987654")


def test_anonymous_users_have_no_messages(anonymous):
    body = {"recipients": [BOB], "fileHandleId": "1"}
    assert_error(anonymous.post(MESSAGE, body), 401, "logged in")
    for path in ("inbox", "outbox", "1"):
        assert_error(anonymous.get(f"{MESSAGE}/{path}"), 401, "logged in")


def test_reply_belongs_to_the_conversation(ann, ben, carol):
    first = send(ann, BOB)
    reply = send(ben, str(ann.id), inReplyTo=first["id"])
    again = send(ann, BOB, inReplyTo=reply["id"])
    assert (reply["inReplyTo"], reply["inReplyToRoot"]) == (first["id"], first["id"])
    assert (again["inReplyTo"], again["inReplyToRoot"]) == (reply["id"], first["id"])
    assert_error(try_send(carol, BOB, inReplyTo=first["id"]), 403, "receiver")


def test_status_moves_a_message_between_filters(ann, ben, carol):
    sent = send(ann, BOB)
    status = {"messageId": sent["id"], "recipientId": BOB, "status": "READ"}
    assert ben.put(f"{MESSAGE}/status", status).status_code == 200
    assert find(ben, sent) is None
    assert find(ben, sent, "limit=100&inboxFilter=READ")["status"]["status"] == "READ"
    assert find(ben, sent, "limit=100&inboxFilter=UNREAD,READ,ARCHIVED")
    assert_error(carol.put(f"{MESSAGE}/status", status), 403, "own inbox")
    assert_error(carol.put(f"{MESSAGE}/status", status | {"recipientId": CAROL}), 404, "inbox")
    assert_error(
        ben.put(f"{MESSAGE}/status", status | {"status": "GONE"}), 400, "No enum constant"
    )
    assert_error(ben.get(f"{MESSAGE}/inbox?inboxFilter=GONE"), 400, "No enum constant")


def test_boxes_are_sorted_and_paged(tmp_path):
    with start_service(tmp_path) as service:
        ann, ben = Author(service, "alice"), Author(service, "bob")
        for subject in ("b", "c", "a"):
            service.clock.advance(1)
            send(ann, BOB, subject=subject)

        def subjects(user, box, query=""):
            results = ok(user.get(f"{MESSAGE}/{box}?{query}"))["results"]
            return "".join(each.get("message", each)["subject"] for each in results)

        for user, box in ((ben, "inbox"), (ann, "outbox")):
            assert subjects(user, box) == "acb"
            assert subjects(user, box, "descending=false") == "bca"
            assert subjects(user, box, "orderBy=SUBJECT&descending=false") == "abc"
            assert subjects(user, box, "limit=2") == "ac"
            assert subjects(user, box, "limit=2&offset=2") == "b"
            assert_error(user.get(f"{MESSAGE}/{box}?orderBy=SIZE"), 400, "No enum constant")
        first = ok(ben.get(f"{MESSAGE}/inbox?limit=2"))
        assert first["totalNumberOfResults"] == 3


def crowd(count):
    return tuple(UserSeed(user_name=f"member{number}") for number in range(count))


def test_message_has_at_most_50_recipients(tmp_path):
    users = (UserSeed(user_name="admin", admin=True, owner_id=1), *crowd(52))
    with start_service(tmp_path, users=users) as service:
        admin, sender = Author(service, "admin"), Author(service, "member0")
        ids = [str(3300001 + number) for number in range(51)]
        assert_error(try_send(sender, *ids), 400, "at most 50")
        assert len(send(sender, *ids[:50], ids[0])["recipients"]) == 50
        assert len(send(admin, *ids)["recipients"]) == 51


def test_rate_limit_of_messages(tmp_path):
    with start_service(tmp_path, throttle=Throttle(concurrent=100)) as service:
        ann, ben, admin = (Author(service, name) for name in ("alice", "bob", "admin"))
        for _ in range(10):
            send(ann, BOB)
            assert try_send(ann).status_code in (400, 429)  # rejected messages do not count
        response = try_send(ann, BOB)
        assert_error(response, 429, RATE_LIMIT)
        assert response.json()["reason"] == RATE_LIMIT
        send(ben, BOB)
        for _ in range(11):
            send(admin, BOB)
        service.clock.advance(60)
        send(ann, BOB)


def test_without_throttle_there_is_no_rate_limit(tmp_path):
    with start_service(tmp_path) as service:
        ann = Author(service, "alice")
        for _ in range(12):
            send(ann, BOB)
