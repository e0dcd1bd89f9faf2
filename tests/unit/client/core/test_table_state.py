"""What tells one state of a table or view from another: flows driven by hand."""

import pytest

from synapse_workflows.client.core.async_job_flow import Polling
from synapse_workflows.client.core.flows import Call, Reply
from synapse_workflows.client.core.table_state import (
    ContentFingerprint,
    TableState,
    fetch_fingerprint,
    fetch_state,
)

VIEW = {"concreteType": "org.sagebionetworks.repo.model.table.EntityView", "versionNumber": 3}
TABLE = VIEW | {"concreteType": "org.sagebionetworks.repo.model.table.TableEntity"}


class Synapse:
    """Answers a flow: a query by the text of its SQL."""

    def __init__(self, entity, etag="DEFAULT", states=(1, 2, 3), names=("n",)):
        self.entity, self.etag, self.states, self.names = entity, etag, states, names
        self.asked = []

    def answer(self, call: Call) -> object:
        if not call.path.startswith("/entity/syn1/table"):
            return self.entity
        if call.method == "POST":
            self.asked.append(call.body["query"]["sql"])
            return {"token": "7"}
        rows = {"etag": self.etag}
        if self.etag is not None and "count(*)" in self.asked[-1]:
            rows["rows"] = [{"values": [str(value) for value in self.states]}]
        columns = [{"name": name, "columnType": "INTEGER"} for name in self.names]
        return {"queryResult": {"queryResults": rows}, "selectColumns": columns}

    def run(self, flow):
        reply = None
        while True:
            try:
                call = flow.send(reply)
            except StopIteration as done:
                return done.value
            reply = Reply.of(self.answer(call))


def state(entity, **facts):
    return Synapse(entity, **facts).run(fetch_state("syn1", Polling()))


@pytest.mark.parametrize(
    "other",
    [
        {"etag": "another"},
        {"states": (1, 2, 4)},
        {"states": (2, 2, 3)},
        {"names": ("m",)},
    ],
)
def test_a_view_differs_by_what_it_shows_even_where_its_etag_does_not(other):
    assert state(VIEW).differs(state(VIEW, **other))


def test_the_same_view_does_not_differ():
    assert not state(VIEW).differs(state(VIEW))
    assert state(VIEW).content.is_known_to_equal(state(VIEW).content)


def test_another_version_differs():
    assert state(VIEW).differs(state(VIEW | {"versionNumber": 4}))


def test_of_a_table_the_etag_is_enough():
    synapse = Synapse(TABLE, etag="a")
    found = synapse.run(fetch_state("syn1", Polling()))
    assert found == TableState(3, ContentFingerprint("a"))
    assert synapse.asked == ["select * from syn1 limit 1"]


def test_a_snapshot_is_asked_by_its_number():
    synapse = Synapse(VIEW)
    synapse.run(fetch_fingerprint("syn1", 2, Polling(), is_view=True))
    assert all("from syn1.2" in sql for sql in synapse.asked)
    assert len(synapse.asked) == 2


def test_what_has_no_etag_is_never_known_to_be_equal():
    nothing = state(VIEW, etag=None).content
    assert nothing == ContentFingerprint(None)
    assert not nothing.is_known_to_equal(nothing)


def test_a_digest_that_only_one_side_knows_makes_no_difference():
    """As where a query returned the state: it says the etag, and no digest."""
    assert not ContentFingerprint("a", "digest").is_known_to_differ(ContentFingerprint("a"))
    assert ContentFingerprint("a", "digest").is_known_to_differ(ContentFingerprint("b"))
