"""Tests of reading and replacing annotations, and of the deprecated methods."""

import math
from datetime import UTC, date, datetime

import pytest

from synapse_workflows import Annotations, File
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseStaleError,
)

DEPRECATION = "setAnnotations is deprecated"
VALUES = {
    "text": ["a", "ü"],
    "yes": [True, False],
    "count": [-(2**63), 2**63 - 1],
    "score": [0.1, math.inf],
    "when": [datetime(2021, 7, 5, 12, 34, 56, 789_000, tzinfo=UTC)],
}


def test_set_annotations_round_trips_every_type(syn, folder):
    current = syn.get_annotations(folder)
    assert (current, current.id, current.etag) == ({}, folder.id, folder.etag)
    current.update(VALUES)
    stored = syn.set_annotations(current)
    assert stored == VALUES
    assert stored.etag != current.etag
    assert syn.get_annotations(folder.id) == VALUES
    fetched = syn.get(folder.id)
    assert (fetched.annotations, fetched.etag) == (VALUES, stored.etag)


def test_set_annotations_normalizes_scalars_dates_and_empty_values(syn, folder):
    current = syn.get_annotations(folder)
    current.update(one=1, day=date(2021, 1, 1), none=None, empty=[], nan=float("nan"))
    stored = syn.set_annotations(current)
    assert stored.keys() == {"one", "day"}
    assert stored["day"] == [datetime(2021, 1, 1, tzinfo=UTC)]


def test_set_annotations_deletes_missing_keys(syn, folder):
    syn.set_annotations(Annotations(folder.id, folder.etag, {"a": 1, "b": 2}))
    current = syn.get_annotations(folder)
    del current["a"]
    assert syn.set_annotations(current) == {"b": [2]}


def test_set_annotations_rejects_stale_etag(syn, folder):
    current = syn.get_annotations(folder)
    syn.set_annotations(Annotations(folder.id, current.etag, {"a": 1}))
    with pytest.raises(SynapseStaleError, match="412 PUT"):
        syn.set_annotations(current)


def test_get_annotations_of_a_version(syn, folder, make_file):
    first = syn.store(File(str(make_file()), parent=folder, n=1))
    first.n = 2
    second = syn.store(first)
    assert syn.get_annotations(second) == {"n": [2]}
    assert syn.get_annotations(second.id, version=1) == {"n": [1]}
    old = syn.get_annotations(f"{second.id}.1")
    assert old == {"n": [1]}
    with pytest.raises(SynapseStaleError):
        syn.set_annotations(old)
    with pytest.raises(SynapseNotFoundError):
        syn.get_annotations(second, version="9")


def test_invalid_values_are_rejected_before_any_request(in_process_client, calls):
    for values in ({"k": {}}, {"k": 2**64}, {"two words": 1}):
        with pytest.raises(ValueError, match="Invalid"):
            in_process_client.set_annotations(Annotations("syn1", "etag", values))
    with pytest.raises(TypeError, match="Annotations object"):
        in_process_client.set_annotations({"k": 1})
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        in_process_client.get_annotations("data")
    assert calls() == []


def test_get_annotations_requires_read_access(bob, folder):
    with pytest.raises(SynapseForbiddenError):
        bob.get_annotations(folder.id)


def test_deprecated_methods_work_and_name_their_replacement(syn, folder):
    with pytest.warns(DeprecationWarning, match="setAnnotations is deprecated: use set_ann"):
        assert syn.setAnnotations(folder, {"a": 1}, b="x") == {"a": [1], "b": ["x"]}
    with pytest.warns(DeprecationWarning, match="getAnnotations is deprecated: use get_ann"):
        assert syn.getAnnotations(folder.id) == {"a": [1], "b": ["x"]}


def test_set_annotations_deprecated_uses_etag_of_argument(syn, folder):
    values = {"a": 1}
    with pytest.warns(DeprecationWarning, match=DEPRECATION):
        current = syn.setAnnotations(folder.id, values, b=2)
    assert values == {"a": 1}
    current["c"] = 3
    with pytest.warns(DeprecationWarning, match=DEPRECATION):
        again = syn.setAnnotations(folder.id, current)
    assert again == {"a": [1], "b": [2], "c": [3]}
    with pytest.warns(DeprecationWarning, match=DEPRECATION):
        assert syn.setAnnotations(folder.id, {"d": 4, "etag": again.etag}) == {"d": [4]}
    with pytest.warns(DeprecationWarning, match=DEPRECATION), pytest.raises(SynapseStaleError):
        syn.setAnnotations(folder, {"e": 5})
