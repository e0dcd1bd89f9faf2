"""Tests of merging records and of the precedence of references."""

import json
from datetime import UTC, datetime, timedelta, timezone

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
def test_merging_is_idempotent_and_has_identity(a):
    assert a | a == a
    assert a | Record() == a
    assert Record() | a == a


@given(records, records)
def test_merge_order_affects_order_only(a, b):
    one, other = a | b, b | a
    assert set(one.used) == set(other.used)
    assert set(one.wrote) == set(other.wrote)
    assert set(one.gaps) == set(other.gaps)


@given(records)
def test_json_round_trip_returns_equal_record(a):
    assert Record.from_json(json.loads(json.dumps(a.to_json()))) == a


@given(records)
def test_inputs_are_unique_and_exclude_outputs(a):
    inputs = a.inputs()
    assert len(inputs) == len(set(inputs))
    for ref in inputs:
        if isinstance(ref, EntityRef):
            assert not any(own.covers(ref) for own in a.wrote)


@given(records)
def test_inputs_include_all_entities_read_but_not_written(a):
    written = {ref.id for ref in a.wrote}
    read = {
        source.ref.id
        for source in a.used
        if source.origin is Origin.READ and isinstance(source.ref, EntityRef)
    }
    counted = {ref.id for ref in a.inputs() if isinstance(ref, EntityRef)}
    assert read - written <= counted


def test_empty_record_is_false_and_has_empty_json():
    assert not Record()
    assert Record().to_json() == {}


def test_read_overrides_inlet_of_other_version():
    record = Record.from_refs(Origin.INLET, used=[SYN1_2]) | Record.from_refs(
        Origin.READ, used=[SYN1_1]
    )
    assert record.inputs() == (SYN1_1,)


@pytest.mark.parametrize("origin", [Origin.INLET, Origin.EVENT])
def test_read_overrides_reference_without_version(origin):
    record = Record.from_refs(origin, used=[SYN1]) | Record.from_refs(Origin.READ, used=[SYN1_1])
    assert record.inputs() == (SYN1_1,)


@pytest.mark.parametrize("origin", [Origin.READ, Origin.LOOKUP, Origin.WROTE, Origin.DECLARED])
def test_a_reference_to_an_announced_file_overrides_all_announced_files(origin):
    files = [EntityRef(f"syn{number}", 1) for number in (1, 2, 3)]
    event = Record.from_refs(Origin.EVENT, used=[EntityRef("syn9", 1)])
    announced = Record.from_refs(Origin.ANNOUNCED, used=files) | event
    assert announced.inputs() == (*files, EntityRef("syn9", 1))
    other = announced | Record.from_refs(origin, used=[EntityRef("syn8", 1)])
    assert set(other.inputs()) == {*files, EntityRef("syn9", 1), EntityRef("syn8", 1)}
    chosen = other | Record.from_refs(origin, used=[SYN1_2])
    assert set(chosen.inputs()) == {SYN1_2, EntityRef("syn9", 1), EntityRef("syn8", 1)}


def test_two_read_versions_are_both_kept():
    record = Record.from_refs(Origin.READ, used=[SYN1_1, SYN1_2])
    assert record.inputs() == (SYN1_1, SYN1_2)


def test_event_with_version_overrides_inlet_without_version():
    record = Record.from_refs(Origin.INLET, used=[SYN1]) | Record.from_refs(
        Origin.EVENT, used=[SYN1_2]
    )
    assert record.inputs() == (SYN1_2,)


def test_declared_version_is_added_to_read_version():
    record = Record.from_refs(Origin.READ, used=[SYN1_1]) | Record.from_refs(
        Origin.DECLARED, used=[SYN1_2]
    )
    assert record.inputs() == (SYN1_1, SYN1_2)


def test_read_overrides_declaration_without_version():
    record = Record.from_refs(Origin.DECLARED, used=[SYN1]) | Record.from_refs(
        Origin.READ, used=[SYN1_2]
    )
    assert record.inputs() == (SYN1_2,)


def test_earlier_version_of_output_is_input():
    record = Record.from_refs(Origin.READ, used=[SYN1_1]) | Record.from_stored(SYN1_2)
    assert record.inputs() == (SYN1_1,)


def test_contribution_is_outputs_or_else_inputs():
    read = Record.from_refs(Origin.READ, used=[SYN1_1])
    assert read.contribution() == read
    stored = read | Record.from_stored(EntityRef("syn9", 1))
    assert stored.contribution().inputs() == (EntityRef("syn9", 1),)
    assert not stored.contribution().wrote


def test_equal_ids_on_different_sites_are_different_references():
    here, there = (EntityRef("syn1", 1, site) for site in ("https://a", "https://b"))
    assert Record.from_refs(Origin.READ, used=[here, there]).inputs() == (here, there)


def test_url_is_input_once_with_first_name():
    named, unnamed, renamed = (UrlRef("s3://b/k", name) for name in ("k", None, "other"))
    assert Record.from_refs(Origin.READ, used=[unnamed, named, renamed]).inputs() == (named,)


def test_inputs_of_ten_thousand_references():
    many = Record.from_refs(Origin.READ, used=[EntityRef(f"syn{n}", 1) for n in range(10_000)])
    assert len(many.inputs()) == 10_000


def test_entity_ref_parses_versioned_id():
    assert EntityRef.parse("syn12.3") == EntityRef("syn12", 3)
    assert EntityRef.parse("syn12") == EntityRef("syn12")
    assert str(EntityRef("syn12", 3)) == "syn12.3"


@given(
    user=st.text(st.characters(exclude_characters="/@", categories=["L", "N", "P"])),
    place=st.sampled_from(["password", "query", "fragment", "signature"]),
    scheme=st.sampled_from(["https", "s3", "postgres", "jdbc:postgresql", "git+https"]),
    prefix=st.sampled_from(["", "see ", "inlet "]),
)
def test_reference_and_gap_hold_no_secret(user, place, scheme, prefix):
    secret = "q7Zx0000"
    url = {
        "password": f"{scheme}://{user}:{secret}@host/a/b",
        "query": f"{scheme}://host/a/b?{user}={secret}",
        "fragment": f"{scheme}://host/a/b#{secret}",
        "signature": f"{scheme}://host/a/b?X-Amz-Signature={secret}",
    }[place]
    ref = UrlRef(url, f"{prefix}{url}")
    record = Record.from_refs(Origin.INLET, used=[ref], gaps=[f"{prefix}{url}: no event"])
    assert secret not in str(record.to_json())
    assert secret not in str(Record().with_gap(url).to_json())
    assert Record.from_json(record.to_json()) == record


def test_gap_of_an_open_version_has_the_time_and_the_etag_of_the_read():
    time = datetime(2026, 11, 26, 14, 30, 1, 5, timezone(timedelta(hours=2)))
    refs = [EntityRef("syn1", 3).as_open(etag, time) for etag in ("e1", None, "e1")]
    record = Record.from_refs(Origin.READ, used=refs)
    assert record.inputs() == (EntityRef("syn1", 3, is_open=True, etag="e1"),)
    assert record.list_gaps() == (
        "syn1.3 is an open version, not a snapshot: read at 2026-11-26T12:30:01Z, etag e1",
        "syn1.3 is an open version, not a snapshot: read at 2026-11-26T12:30:01Z",
    )
    assert Record.from_json(record.to_json()) == record
    assert Record.from_json(record.to_json()).list_gaps() == record.list_gaps()


def test_same_rows_that_are_read_again_are_one_reference():
    times = [datetime(2026, 11, 26, hour, tzinfo=UTC) for hour in (1, 2)]
    refs = [EntityRef("syn1", 3).as_open("e1", time) for time in times]
    (entry,) = Record.from_refs(Origin.READ, used=refs).used
    assert entry.ref.read_at == "2026-11-26T01:00:00Z"


def test_reads_of_an_open_version_are_limited():
    record = Record()
    for number in range(20):
        read = EntityRef("syn1", 3).as_open(f"e{number}", datetime(2026, 1, 1, tzinfo=UTC))
        other = Record.from_refs(Origin.READ, used=[read], gaps=["other"])
        record = Record(gaps=(record | other).list_gaps())
    start = "syn1.3 is an open version, not a snapshot"
    assert record.gaps[:2] == ("other", f"{start}; earlier reads are not listed")
    assert [gap.rpartition(" ")[2] for gap in record.gaps[2:]] == [
        f"e{number}" for number in range(15, 20)
    ]


def test_open_version_is_a_gap_beside_the_snapshot_of_the_same_number():
    snapshot, current = EntityRef("syn1", 3), EntityRef("syn1", 3, is_open=True)
    for refs in ([snapshot, current], [current, snapshot]):
        record = Record.from_refs(Origin.READ, used=refs)
        assert len(record.inputs()) == 1
        assert record.list_gaps() == ("syn1.3 is an open version, not a snapshot",)
        assert Record.from_json(record.to_json()) == record
    own = Record.from_refs(Origin.READ, used=[current]) | Record.from_stored(snapshot)
    assert own.inputs() == own.list_gaps() == ()
