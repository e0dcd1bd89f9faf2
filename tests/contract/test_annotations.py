"""Annotations on the wire: read, replaced, of versions, and the deprecated names."""

import math
from datetime import UTC, date, datetime

import pytest

from synapse_workflows import Annotations, File
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseStaleError,
)

OLD = "setAnnotations is deprecated"
VALUES = {
    "text": ["a", "ü"],
    "yes": [True, False],
    "count": [-(2**63), 2**63 - 1],
    "score": [0.1, math.inf],
    "when": [datetime(2021, 7, 5, 12, 34, 56, 789_000, tzinfo=UTC)],
}


def test_every_type_comes_back_as_it_went(syn, folder):
    held = syn.get_annotations(folder)
    assert (held, held.id, held.etag) == ({}, folder.id, folder.etag)
    held.update(VALUES)
    stored = syn.set_annotations(held)
    assert stored == VALUES
    assert stored.etag != held.etag
    assert syn.get_annotations(folder.id) == VALUES
    fetched = syn.get(folder.id)
    assert (fetched.annotations, fetched.etag) == (VALUES, stored.etag)


def test_scalars_dates_and_empty_values_are_written_as_synapse_needs_them(syn, folder):
    held = syn.get_annotations(folder)
    held.update(one=1, day=date(2021, 1, 1), none=None, empty=[], nan=float("nan"))
    stored = syn.set_annotations(held)
    assert stored.keys() == {"one", "day", "nan"}
    assert stored["day"] == [datetime(2021, 1, 1, tzinfo=UTC)]
    assert math.isnan(stored["nan"][0])


def test_keys_left_out_are_deleted(syn, folder):
    syn.set_annotations(Annotations(folder.id, folder.etag, {"a": 1, "b": 2}))
    held = syn.get_annotations(folder)
    del held["a"]
    assert syn.set_annotations(held) == {"b": [2]}


def test_an_old_etag_is_refused(syn, folder):
    held = syn.get_annotations(folder)
    syn.set_annotations(Annotations(folder.id, held.etag, {"a": 1}))
    with pytest.raises(SynapseStaleError, match="412 PUT"):
        syn.set_annotations(held)


def test_versions_have_their_own(syn, folder, make_file):
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


def test_bad_values_are_refused_before_anything_is_asked(in_process_client, calls):
    for values in ({"k": {}}, {"k": 2**64}, {"two words": 1}):
        with pytest.raises(ValueError, match="Invalid"):
            in_process_client.set_annotations(Annotations("syn1", "etag", values))
    with pytest.raises(TypeError, match="Annotations object"):
        in_process_client.set_annotations({"k": 1})
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        in_process_client.get_annotations("data")
    assert calls() == []


def test_only_who_may_reads_them(bob, folder):
    with pytest.raises(SynapseForbiddenError):
        bob.get_annotations(folder.id)


def test_the_old_names_work_and_say_what_to_use(syn, folder):
    with pytest.warns(DeprecationWarning, match="setAnnotations is deprecated: use set_ann"):
        assert syn.setAnnotations(folder, {"a": 1}, b="x") == {"a": [1], "b": ["x"]}
    with pytest.warns(DeprecationWarning, match="getAnnotations is deprecated: use get_ann"):
        assert syn.getAnnotations(folder.id) == {"a": [1], "b": ["x"]}


def test_the_old_setter_takes_the_etag_from_where_it_finds_one(syn, folder):
    mine = {"a": 1}
    with pytest.warns(DeprecationWarning, match=OLD):
        held = syn.setAnnotations(folder.id, mine, b=2)
    assert mine == {"a": 1}
    held["c"] = 3
    with pytest.warns(DeprecationWarning, match=OLD):
        again = syn.setAnnotations(folder.id, held)
    assert again == {"a": [1], "b": [2], "c": [3]}
    with pytest.warns(DeprecationWarning, match=OLD):
        assert syn.setAnnotations(folder.id, {"d": 4, "etag": again.etag}) == {"d": [4]}
    with pytest.warns(DeprecationWarning, match=OLD), pytest.raises(SynapseStaleError):
        syn.setAnnotations(folder, {"e": 5})
