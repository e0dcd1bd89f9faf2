"""Limit of the size of a published record."""

from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef
from synapse_workflows.provenance.record_limit import limit_record


def create_record(count, outputs=0):
    used = [EntityRef(f"syn{number}", 1) for number in range(count)]
    record = Record.from_refs(Origin.READ, used=[*used, UrlRef("https://example.org/a")])
    return record | Record.from_stored(*(EntityRef(f"syn9{n}", 1) for n in range(outputs)))


def test_small_record_is_unchanged():
    record = create_record(3)
    assert limit_record(record, "d.t", 4) is record


def test_inputs_beyond_the_limit_are_counted():
    limited = limit_record(create_record(100), "d.t", 10)
    assert len(limited.used) == 10
    assert limited.gaps == (
        "not listed: 91 inputs and 0 outputs of d.t, which the log of that task names",
    )
    assert limited.contribution().gaps == limited.gaps


def test_choice_does_not_depend_on_the_order():
    record = create_record(100)
    reverse = Record(used=record.used[::-1])
    first, second = limit_record(record, "d.t", 10), limit_record(reverse, "d.t", 10)
    assert set(first.used) == set(second.used)


def test_downstream_tasks_inherit_the_count_of_outputs():
    limited = limit_record(create_record(1, outputs=30), "d.t", 10)
    contributed = limited.contribution()
    assert len(contributed.used) == 10
    assert "20 outputs" in contributed.gaps[0]
