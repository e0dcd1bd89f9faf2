"""Flows are driven by hand: no HTTP, no clock."""

import pytest

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call, Pause, Reply
from synapse_workflows.client.errors import SynapseError, SynapseNotFoundError


def drive(flow, *answers):
    """Send the answers in turn; return what was yielded and the result."""
    steps, answer = [], None
    queue = list(answers)
    while True:
        try:
            steps.append(flow.send(answer))
        except StopIteration as done:
            assert not queue
            return steps, done.value
        answer = queue.pop(0)


def test_offset_pages_go_on_by_what_came_until_an_empty_page():
    call = flows.from_offset(Call("GET", "/teams", params={"fragment": "x"}), limit=2)
    steps, items = drive(
        flows.every(call),
        Reply.of({"results": [1, 2]}),
        Reply.of({"results": [3]}),
        Reply.of({"results": []}),
    )
    assert items == [1, 2, 3]
    assert [step.params for step in steps] == [
        {"fragment": "x", "limit": 2, "offset": 0},
        {"fragment": "x", "limit": 2, "offset": 2},
        {"fragment": "x", "limit": 2, "offset": 3},
    ]


def test_offset_pages_also_read_children():
    call = flows.from_offset(Call("GET", "/x"), offset=5)
    _, page = drive(flows.offset_page(call), Reply.of({"children": ["a"]}))
    assert page.items == ["a"]
    assert page.following.params["offset"] == 6


def test_token_pages_of_a_post_carry_the_token_in_the_body():
    call = Call("POST", "/entity/children", body={"parentId": "syn1"})
    steps, items = drive(
        flows.every(call, flows.token_page),
        Reply.of({"page": [1], "nextPageToken": "t"}),
        Reply.of({"page": [2]}),
    )
    assert items == [1, 2]
    assert steps[1].body == {"parentId": "syn1", "nextPageToken": "t"}


def test_an_empty_page_with_a_token_is_not_the_last():
    _, items = drive(
        flows.every(Call("POST", "/entity/children"), flows.token_page),
        Reply.of({"page": [], "nextPageToken": "t"}),
        Reply.of({"page": [9]}),
    )
    assert items == [9]


def test_token_pages_of_a_get_carry_the_token_in_the_query():
    steps, _ = drive(
        flows.every(Call("GET", "/x"), flows.token_page),
        Reply.of({"list": [1], "nextPageToken": "t"}),
        Reply.of({"list": []}),
    )
    assert steps[1].params == {"nextPageToken": "t"}


def test_a_call_must_be_answered():
    flow = flows.ask(Call("GET", "/x"))
    next(flow)
    with pytest.raises(TypeError, match="answered by a Reply"):
        flow.send(None)


def test_an_error_is_thrown_into_the_flow_where_it_waits():
    def existing():
        try:
            reply = yield from flows.ask(Call("GET", "/entity/syn1"))
        except SynapseNotFoundError:
            return None
        return reply.json

    flow = existing()
    flows.advance(flow)
    with pytest.raises(StopIteration) as done:
        flows.advance(flow, error=SynapseNotFoundError(404, "no", "GET /entity/syn1"))
    assert done.value.value is None


def test_a_pause_waits_between_calls(syn, http):
    def twice():
        first = yield from flows.ask(Call("GET", "/version"))
        yield Pause(0.001)
        second = yield from flows.ask(Call("GET", "/version"))
        return [first.json, second.json]

    http.get("https://repo.example.org/repo/v1/version", json=1)
    http.get("https://repo.example.org/repo/v1/version", json=2)
    assert syn.run(twice()) == [1, 2]


def test_items_of_later_pages_are_not_fetched_before_they_are_reached(syn, http):
    page = http.get("https://repo.example.org/repo/v1/teams", json={"results": [1, 2]})
    items = syn.each(flows.from_offset(Call("GET", "/teams"), limit=2))
    assert [next(items), next(items)] == [1, 2]
    assert page.call_count == 1
    next(items)
    assert page.call_count == 2


@pytest.mark.parametrize(
    ("content", "kind", "value"),
    [
        (b'{"a": 1}', "application/json", {"a": 1}),
        (b'{"a": 1}', "Application/JSON; charset=UTF-8", {"a": 1}),
        (b'{"a": 1}', "text/plain", '{"a": 1}'),
        (b"", "application/json", ""),
        (b"", "", ""),
    ],
)
def test_the_value_of_a_reply_follows_its_content_type(content, kind, value):
    assert Reply(200, {"Content-Type": kind}, content).value == value


def test_json_that_is_none_is_an_error_that_names_the_likely_cause():
    with pytest.raises(SynapseError, match="endpoint really a Synapse"):
        _ = Reply(200, {"Content-Type": "text/html"}, b"<html>").json


def test_an_empty_body_is_no_json_and_no_error():
    assert Reply(200).json is None
