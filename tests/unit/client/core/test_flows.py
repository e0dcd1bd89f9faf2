"""Flows executed step by step, without HTTP and clock."""

import itertools
import json

import pytest

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call, Pause, Reply
from synapse_workflows.client.errors import SynapseError, SynapseNotFoundError


def execute(flow, *replies):
    """Send the replies in order; return the yielded steps and the result."""
    steps, reply = [], None
    queue = list(replies)
    while True:
        try:
            steps.append(flow.send(reply))
        except StopIteration as done:
            assert not queue
            return steps, done.value
        reply = queue.pop(0)


def test_offset_pages_continue_until_an_empty_page():
    call = flows.with_offset(Call("GET", "/teams", params={"fragment": "x"}), limit=2)
    steps, items = execute(
        flows.collect_items(call),
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


def test_offset_page_reads_items_from_children():
    call = flows.with_offset(Call("GET", "/x"), offset=5)
    _, page = execute(flows.fetch_offset_page(call), Reply.of({"children": ["a"]}))
    assert page.items == ["a"]
    assert page.next_call.params["offset"] == 6


def test_token_page_of_a_post_sends_the_token_in_the_body():
    call = Call("POST", "/entity/children", body={"parentId": "syn1"})
    steps, items = execute(
        flows.collect_items(call, flows.fetch_token_page),
        Reply.of({"page": [1], "nextPageToken": "t"}),
        Reply.of({"page": [2]}),
    )
    assert items == [1, 2]
    assert steps[1].body == {"parentId": "syn1", "nextPageToken": "t"}


def test_empty_page_with_a_token_is_not_the_last():
    _, items = execute(
        flows.collect_items(Call("POST", "/entity/children"), flows.fetch_token_page),
        Reply.of({"page": [], "nextPageToken": "t"}),
        Reply.of({"page": [9]}),
    )
    assert items == [9]


def test_token_page_of_a_get_sends_the_token_in_the_query():
    steps, _ = execute(
        flows.collect_items(Call("GET", "/x"), flows.fetch_token_page),
        Reply.of({"list": [1], "nextPageToken": "t"}),
        Reply.of({"list": []}),
    )
    assert steps[1].params == {"nextPageToken": "t"}


def test_send_raises_type_error_without_a_reply():
    flow = flows.send(Call("GET", "/x"))
    next(flow)
    with pytest.raises(TypeError, match="must be sent a Reply"):
        flow.send(None)


def test_error_is_raised_at_the_yield_of_the_flow():
    def existing():
        try:
            reply = yield from flows.send(Call("GET", "/entity/syn1"))
        except SynapseNotFoundError:
            return None
        return reply.json

    flow = existing()
    flows.advance(flow)
    with pytest.raises(StopIteration) as done:
        flows.advance(flow, error=SynapseNotFoundError(404, "no", "GET /entity/syn1"))
    assert done.value.value is None


def test_session_runs_a_flow_with_a_pause(syn, http):
    def twice():
        first = yield from flows.send(Call("GET", "/version"))
        yield Pause(0.001)
        second = yield from flows.send(Call("GET", "/version"))
        return [first.json, second.json]

    http.get("https://repo.example.org/repo/v1/version", json=1)
    http.get("https://repo.example.org/repo/v1/version", json=2)
    assert syn.run(twice()) == [1, 2]


@pytest.mark.parametrize(
    "bodies",
    [
        lambda n: {"page": [n], "nextPageToken": "same"},
        lambda n: {"page": [n], "nextPageToken": f"token {n % 2}"},
        lambda n: {"page": [], "nextPageToken": f"token {n}"},
    ],
    ids=["repeated", "alternating", "empty"],
)
def test_repeated_page_tokens_raise(bodies):
    flow = flows.collect_items(Call("POST", "/x"), flows.fetch_token_page)
    with pytest.raises(SynapseError, match="POST /x: the list does not end"):
        execute(flow, *(Reply.of(bodies(number)) for number in range(1000)))


def test_offset_that_is_ignored_raises():
    flow = flows.collect_items(flows.with_offset(Call("GET", "/x")))
    with pytest.raises(SynapseError, match="does not end"):
        execute(flow, *[Reply.of({"results": [1, 2]})] * 1000)


@pytest.mark.parametrize("body", [[1], "text", {"results": {}}, {"results": 7}])
def test_page_of_another_form_raises(body):
    flow = flows.collect_items(flows.with_offset(Call("GET", "/x")))
    flow.send(None)
    with pytest.raises(SynapseError):
        flow.send(Reply.of(body))


def test_iter_items_fetches_pages_lazily(syn, http):
    numbers = itertools.count(1)

    def answer(request):
        return 200, {}, json.dumps({"results": [next(numbers), next(numbers)]})

    http.add_callback("GET", "https://repo.example.org/repo/v1/teams", callback=answer)
    items = syn.iter_items(flows.with_offset(Call("GET", "/teams"), limit=2))
    assert [next(items), next(items)] == [1, 2]
    assert len(http.calls) == 1
    assert next(items) == 3
    assert len(http.calls) == 2


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
def test_reply_value_depends_on_the_content_type(content, kind, value):
    assert Reply(200, {"Content-Type": kind}, content).value == value


def test_reply_json_raises_for_other_content():
    with pytest.raises(SynapseError, match="endpoint is a Synapse service"):
        _ = Reply(200, {"Content-Type": "text/html"}, b"<html>").json


def test_reply_json_is_none_for_an_empty_body():
    assert Reply(200).json is None
