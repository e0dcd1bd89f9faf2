"""Accumulation of records."""

import time

from hypothesis import given, strategies as st

from synapse_workflows.provenance.record import EntityRef, Origin, Record
from synapse_workflows.provenance.record_builder import RecordBuilder

refs = st.builds(EntityRef, st.sampled_from(["syn1", "syn2"]), st.sampled_from([None, 1, 2]))
records = st.one_of(
    st.builds(lambda ref: Record.from_refs(Origin.READ, used=[ref]), refs),
    st.builds(lambda ref: Record.from_refs(Origin.CODE, ran=[ref]), refs),
    st.builds(Record.from_stored, refs),
    st.builds(lambda: Record().with_gap("gap")),
)


@given(st.lists(records))
def test_builder_equals_merge(parts):
    builder = RecordBuilder()
    for part in parts:
        builder.add(part)
    assert builder.record == Record.merge(parts)


def test_ten_thousand_additions_are_fast():
    builder, start = RecordBuilder(), time.process_time()
    for number in range(10_000):
        builder.add(Record.from_refs(Origin.READ, used=[EntityRef(f"syn{number}", 1)]))
    assert len(builder.record.used) == 10_000
    assert time.process_time() - start < 2
