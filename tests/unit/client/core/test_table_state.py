"""States of tables and views, from flows executed step by step."""

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
    """Replies to the calls of a flow, to a query by its SQL."""

    def __init__(self, entity, etag="DEFAULT", states=(1, 2, 3), names=("n",)):
        self.entity, self.etag, self.states, self.names = entity, etag, states, names
        self.queries = []

    def reply_to(self, call: Call) -> object:
        if not call.path.startswith("/entity/syn1/table"):
            return self.entity
        if call.method == "POST":
            self.queries.append(call.body["query"]["sql"])
            return {"token": "7"}
        rows = {"etag": self.etag}
        if self.etag is not None and "count(*)" in self.queries[-1]:
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
            reply = Reply.of(self.reply_to(call))


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
def test_view_state_differs_if_its_rows_differ(other):
    assert state(VIEW).differs(state(VIEW, **other))


def test_state_of_an_unchanged_view_does_not_differ():
    assert not state(VIEW).differs(state(VIEW))
    assert state(VIEW).content.is_known_to_equal(state(VIEW).content)


def test_state_differs_with_the_version():
    assert state(VIEW).differs(state(VIEW | {"versionNumber": 4}))


def test_table_state_requires_one_query():
    synapse = Synapse(TABLE, etag="a")
    found = synapse.run(fetch_state("syn1", Polling()))
    assert found == TableState(3, ContentFingerprint("a"))
    assert synapse.queries == ["select * from syn1 limit 1"]


def test_fingerprint_of_a_snapshot_queries_its_version():
    synapse = Synapse(VIEW)
    synapse.run(fetch_fingerprint("syn1", 2, Polling(), VIEW["concreteType"]))
    assert all("from syn1.2" in sql for sql in synapse.queries)
    assert len(synapse.queries) == 2


def test_fingerprints_without_etag_are_not_known_to_be_equal():
    nothing = state(VIEW, etag=None).content
    assert nothing == ContentFingerprint(None)
    assert not nothing.is_known_to_equal(nothing)


def test_digest_is_compared_only_if_both_have_one():
    """A fingerprint from a query has an etag and no digest."""
    assert not ContentFingerprint("a", "digest").is_known_to_differ(ContentFingerprint("a"))
    assert ContentFingerprint("a", "digest").is_known_to_differ(ContentFingerprint("b"))
