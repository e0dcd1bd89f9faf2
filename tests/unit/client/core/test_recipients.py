"""Recipients of messages: the forms of users and teams, and their lookup."""

import pytest

from synapse_workflows import UserProfile
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.recipients import (
    RecipientError,
    parse_recipients,
    resolve_recipients,
)

ALICE = {"ownerId": "5", "userName": "alice", "isIndividual": True}
TEAM = {"ownerId": "7", "userName": "My Team", "isIndividual": False}
PRINCIPALS = (ALICE, TEAM)


def texts(to):
    return [str(each) for each in parse_recipients(to)]


def answer(call):
    """Answer the lookup of principals."""
    if call.path.endswith("/batch"):
        ids = call.params["ids"].split(",")
        return Reply.of({"children": [each for each in PRINCIPALS if each["ownerId"] in ids]})
    (name,) = call.body["list"]
    found = [each for each in PRINCIPALS if each["userName"].lower() == name.lower()]
    return Reply.of({"list": PRINCIPALS if name == "twins" else found})


def resolve(to):
    """Resolve recipients without a service; return the IDs and the number of requests."""
    flow = resolve_recipients(parse_recipients(to))
    step, count = None, 0
    try:
        step = next(flow)
        while True:
            count += 1
            step = flow.send(answer(step))
    except StopIteration as done:
        return done.value, count


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("alice", ["alice"]),
        (" alice ", ["alice"]),
        (5, ["5"]),
        ("5", ["5"]),
        ("team:7", ["team:7"]),
        ("Team: My Team", ["team:My Team"]),
        ("user:alice", ["user:alice"]),
        ("alice, team:7; 5", ["alice", "team:7", "5"]),
        (["alice", 5, ["team:7", "alice"]], ["alice", "5", "team:7"]),
        ("['alice', 5]", ["alice", "5"]),
        (("alice",), ["alice"]),
        (UserProfile(ownerId="5"), ["5"]),
        ({"id": "7", "name": "My Team"}, ["7"]),
        (iter(["alice", 5]), ["alice", "5"]),
    ],
)
def test_forms_of_recipients(to, expected):
    assert texts(to) == expected


@pytest.mark.parametrize(
    "to", [None, "", " ", [], True, 1.5, b"alice", {}, "mail:a", "team:", "None", -1, "9" * 19]
)
def test_malformed_recipients_are_named(to):
    with pytest.raises(RecipientError, match=r"'team:My Team'") as error:
        parse_recipients(to)
    assert repr(to) in str(error.value)


def test_recipients_have_principal_ids_without_duplicates():
    assert resolve(["alice", 5, "user:5", "team:7", "my team"]) == (["5", "7"], 3)
    assert resolve("5") == (["5"], 1)


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("nobody", "Unknown recipient 'nobody': no user or team has this name"),
        (["alice", 99], "Unknown recipient '99': no user or team has this ID"),
        ("team:ghosts", "Unknown recipient 'team:ghosts': no team has this name"),
        ("team:alice", "'alice' is a user. Pass 'user:alice'"),
        ("user:7", "'7' is a team. Pass 'team:7'"),
        ("twins", r"Ambiguous recipient 'twins': .* \(5, 7\)"),
    ],
)
def test_unknown_and_ambiguous_recipients_are_named(to, message):
    with pytest.raises(RecipientError, match=message):
        resolve(to)


def test_prefix_selects_one_of_two_principals_with_a_name():
    assert resolve("team:twins") == (["7"], 1)
