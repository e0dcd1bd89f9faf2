"""Tests of the conversion between records and Activities."""

import pytest

from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.entity import File
from synapse_workflows.constants import USED_ENTITY, USED_URL
from synapse_workflows.provenance.activity import (
    build_activity,
    have_same_sources,
    iter_unpinned,
    parse_activity,
    parse_declared,
)
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef

HERE, THERE = "https://here.org/repo/v1", "https://there.org/repo/v1"


def test_activity_contains_versions_and_concrete_types():
    record = Record.from_refs(Origin.READ, used=[EntityRef("syn1", 3)]) | Record.from_refs(
        Origin.CODE, ran=[UrlRef("https://host/flow.py", "flow.py")]
    )
    assert build_activity(record, "flow.store", "a run") == {
        "name": "flow.store",
        "description": "a run",
        "used": [
            {
                "concreteType": USED_ENTITY,
                "wasExecuted": False,
                "reference": {"targetId": "syn1", "targetVersionNumber": 3},
            },
            {
                "concreteType": USED_URL,
                "wasExecuted": True,
                "url": "https://host/flow.py",
                "name": "flow.py",
            },
        ],
    }


def test_entity_of_another_synapse_becomes_url():
    record = Record.from_refs(
        Origin.READ, used=[EntityRef("syn1", 3, THERE), EntityRef("syn2", 1, HERE)]
    )
    foreign, own = build_activity(record, "n", "d", site=HERE)["used"]
    assert foreign["url"] == "https://there.org/repo/v1/entity/syn1/version/3"
    assert foreign["name"] == "syn1.3 at there.org"
    assert own["reference"] == {"targetId": "syn2", "targetVersionNumber": 1}


def test_iter_unpinned_returns_entities_without_version():
    record = Record.from_refs(
        Origin.INLET,
        used=[EntityRef("syn1"), EntityRef("syn2", 1), EntityRef("syn3", None, THERE)],
    )
    assert list(iter_unpinned(record, HERE)) == [EntityRef("syn1")]


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ("syn1", EntityRef("syn1")),
        ("syn1.2", EntityRef("syn1", 2)),
        (["syn1.2"], EntityRef("syn1", 2)),
        ("https://host/data", UrlRef("https://host/data", "https://host/data")),
        ({"url": "s3://b/k", "name": "k"}, UrlRef("s3://b/k", "k")),
        ({"reference": {"targetId": "syn1", "targetVersionNumber": 2}}, EntityRef("syn1", 2)),
        (File(id="syn1", parent="syn2", versionNumber=2), EntityRef("syn1", 2)),
        ({"id": "syn1", "version": 2, "synapse_conn_id": "x", "path": "p"}, EntityRef("syn1", 2)),
    ],
)
def test_parse_declared_accepts_all_forms(used, expected):
    assert parse_declared(used=used).inputs() == (expected,)
    assert parse_declared(executed=used).executed() == (expected,)


@pytest.mark.parametrize("invalid", ["not an id", 3.5, object()])
def test_parse_declared_rejects_invalid_sources(invalid):
    with pytest.raises((SynapseError, ValueError)):
        parse_declared(used=invalid)


def test_have_same_sources_ignores_order_and_labels():
    one = build_activity(
        parse_declared(used=["syn1.2", "syn3.4"], executed="https://h/c"), "a", "b"
    )
    other = build_activity(
        parse_declared(used=["syn3.4", "syn1.2"], executed={"url": "https://h/c", "name": "c"}),
        "c",
        "d",
    )
    assert have_same_sources(one, other)
    assert not have_same_sources(
        one, build_activity(parse_declared(used=["syn1.2", "syn3.4"]), "a", "b")
    )
    assert not have_same_sources(
        build_activity(parse_declared(used="syn1.2"), "a", "b"),
        build_activity(parse_declared(executed="syn1.2"), "a", "b"),
    )


def test_parse_activity_returns_original_record():
    record = parse_declared(used=["syn1.2"], executed=["syn5.1"])
    assert parse_activity(build_activity(record, "n", "d"), Origin.DECLARED) == record
