"""Flow that lists submissions: pages, and lists that change meanwhile."""

import pytest

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.submission_lists import (
    MAX_IDS,
    describe_submissions,
    fetch_submission_ids,
)
from synapse_workflows.client.errors import SynapseResponseError


def run(flow, pages):
    """Run the flow with the given pages of IDs; return its calls and its result."""
    calls, reply = [], None
    pages = iter(pages)
    while True:
        try:
            call = flows.advance(flow, reply)
        except StopIteration as done:
            return calls, done.value
        calls.append(call)
        results = [{"id": str(one), "status": "RECEIVED"} for one in next(pages)]
        reply = Reply.of({"results": results})


@pytest.mark.parametrize(
    ("pages", "number"),
    [([[]], 0), ([range(7)], 7), ([range(100), []], 100), ([range(100), range(100, 130)], 130)],
)
def test_all_pages_are_listed_with_the_fewest_requests(pages, number):
    calls, ids = run(fetch_submission_ids("9", "RECEIVED"), pages)
    assert ids == [str(one) for one in range(number)]
    assert [call.path for call in calls] == ["/evaluation/9/submission/status/all"] * len(pages)
    assert [call.params for call in calls] == [
        {"status": "RECEIVED", "limit": 100, "offset": 100 * n} for n in range(len(pages))
    ]


def test_an_item_that_moves_to_the_next_page_is_listed_once():
    _, ids = run(fetch_submission_ids("9", "RECEIVED"), [range(100), range(99, 120)])
    assert ids == [str(one) for one in range(120)]


def test_a_list_that_does_not_end_is_an_error():
    with pytest.raises(SynapseResponseError, match="does not end"):
        run(fetch_submission_ids("9", "RECEIVED"), [range(100)] * 3)


def test_a_description_has_all_submissions_but_a_bounded_number_of_ids():
    found = describe_submissions([str(one) for one in range(MAX_IDS + 3)])
    assert found["submissions"] == MAX_IDS + 3
    assert found["submission_ids"] == [str(one) for one in range(MAX_IDS)]
