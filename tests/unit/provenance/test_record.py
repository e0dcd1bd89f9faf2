"""The algebra of records, and what counts in one."""

import json

import pytest
from hypothesis import given, strategies as st

from synapse_workflows.provenance.record import EntityRef, Origin, Record, RecordEntry, UrlRef

entities = st.builds(
    EntityRef,
    id=st.integers(1, 4).map("syn{}".format),
    version=st.none() | st.integers(1, 3),
    site=st.none() | st.sampled_from(["https://one/repo/v1", "https://two/repo/v1"]),
)
urls = st.builds(
    UrlRef,
    url=st.sampled_from(["s3://bucket/a", "https://host/b"]),
    name=st.none() | st.sampled_from(["a", "b"]),
)
sources = st.builds(RecordEntry, ref=entities | urls, origin=st.sampled_from(Origin))
records = st.builds(
    lambda *parts: Record(*(tuple(dict.fromkeys(part)) for part in parts)),
    st.lists(sources, max_size=6),
    st.lists(sources, max_size=3),
    st.lists(entities, max_size=3),
    st.lists(st.sampled_from(["gap a", "gap b"]), max_size=2),
)

SYN1 = EntityRef("syn1")
SYN1_1 = EntityRef("syn1", 1)
SYN1_2 = EntityRef("syn1", 2)


@given(records, records, records)
def test_merging_is_associative(a, b, c):
    assert (a | b) | c == a | (b | c)


@given(records)
def test_merging_with_itself_or_with_nothing_changes_nothing(a):
    assert a | a == a
    assert a | Record() == a
    assert Record() | a == a


@given(records, records)
def test_the_order_of_merging_decides_the_order_only(a, b):
    one, other = a | b, b | a
    assert set(one.used) == set(other.used)
    assert set(one.wrote) == set(other.wrote)
    assert set(one.gaps) == set(other.gaps)


@given(records)
def test_a_record_survives_json(a):
    assert Record.from_json(json.loads(json.dumps(a.to_json()))) == a


@given(records)
def test_inputs_are_never_own_outputs_and_never_twice(a):
    inputs = a.inputs()
    assert len(inputs) == len(set(inputs))
    for ref in inputs:
        if isinstance(ref, EntityRef):
            assert not any(own.covers(ref) for own in a.wrote)


@given(records)
def test_every_entity_that_was_read_and_not_written_is_an_input(a):
    written = {ref.id for ref in a.wrote}
    read = {
        source.ref.id
        for source in a.used
        if source.origin is Origin.READ and isinstance(source.ref, EntityRef)
    }
    counted = {ref.id for ref in a.inputs() if isinstance(ref, EntityRef)}
    assert read - written <= counted


def test_an_empty_record_says_nothing():
    assert not Record()
    assert Record().to_json() == {}


def test_what_was_read_wins_over_an_inlet_of_another_version():
    record = Record.from_refs(Origin.INLET, used=[SYN1_2]) | Record.from_refs(
        Origin.READ, used=[SYN1_1]
    )
    assert record.inputs() == (SYN1_1,)


@pytest.mark.parametrize("origin", [Origin.INLET, Origin.EVENT])
def test_what_was_read_wins_over_what_was_said_without_a_version(origin):
    record = Record.from_refs(origin, used=[SYN1]) | Record.from_refs(Origin.READ, used=[SYN1_1])
    assert record.inputs() == (SYN1_1,)


def test_two_versions_that_were_both_read_are_both_kept():
    record = Record.from_refs(Origin.READ, used=[SYN1_1, SYN1_2])
    assert record.inputs() == (SYN1_1, SYN1_2)


def test_an_event_with_a_version_wins_over_an_inlet_without_one():
    record = Record.from_refs(Origin.INLET, used=[SYN1]) | Record.from_refs(
        Origin.EVENT, used=[SYN1_2]
    )
    assert record.inputs() == (SYN1_2,)


def test_what_was_declared_is_added_to_what_was_read():
    record = Record.from_refs(Origin.READ, used=[SYN1_1]) | Record.from_refs(
        Origin.DECLARED, used=[SYN1_2]
    )
    assert record.inputs() == (SYN1_1, SYN1_2)


def test_a_declaration_without_a_version_is_met_by_the_read():
    record = Record.from_refs(Origin.DECLARED, used=[SYN1]) | Record.from_refs(
        Origin.READ, used=[SYN1_2]
    )
    assert record.inputs() == (SYN1_2,)


def test_an_earlier_version_of_the_output_is_an_input():
    record = Record.from_refs(Origin.READ, used=[SYN1_1]) | Record.from_stored(SYN1_2)
    assert record.inputs() == (SYN1_1,)


def test_a_task_hands_on_what_it_stored_else_what_it_used():
    read = Record.from_refs(Origin.READ, used=[SYN1_1])
    assert read.contribution() == read
    stored = read | Record.from_stored(EntityRef("syn9", 1))
    assert stored.contribution().inputs() == (EntityRef("syn9", 1),)
    assert not stored.contribution().wrote


def test_one_entity_in_two_places_is_two_things():
    here, there = (EntityRef("syn1", 1, site) for site in ("https://a", "https://b"))
    assert Record.from_refs(Origin.READ, used=[here, there]).inputs() == (here, there)


def test_a_url_is_counted_once_under_its_first_name():
    named, unnamed, renamed = (UrlRef("s3://b/k", name) for name in ("k", None, "other"))
    assert Record.from_refs(Origin.READ, used=[unnamed, named, renamed]).inputs() == (named,)


def test_many_inputs_are_no_burden():
    many = Record.from_refs(Origin.READ, used=[EntityRef(f"syn{n}", 1) for n in range(10_000)])
    assert len(many.inputs()) == 10_000


def test_reads_versioned_ids():
    assert EntityRef.parse("syn12.3") == EntityRef("syn12", 3)
    assert EntityRef.parse("syn12") == EntityRef("syn12")
    assert str(EntityRef("syn12", 3)) == "syn12.3"
