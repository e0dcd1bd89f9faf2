"""Limit of the number of sources in an Activity."""

import pytest

from synapse_workflows.provenance.activity import build_activity, get_source_key
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef
from synapse_workflows.provenance.source_limit import (
    MAX_GAPS,
    MAX_SOURCES,
    add_sources,
    count_left_out,
    limit_listed_gaps,
    limit_sources,
)


def create_activity(*numbers, urls=0):
    refs = [EntityRef(f"syn{number}", 1) for number in numbers]
    refs += [UrlRef(f"s3://bucket/{number}") for number in range(urls)]
    record = Record.from_refs(Origin.READ, used=refs)
    record |= Record.from_refs(Origin.CODE, ran=[UrlRef("https://example.org/code.py")])
    return build_activity(record, "name", "text")


def test_few_sources_are_kept():
    activity = create_activity(1, 2)
    assert limit_sources(activity, 3) == (activity, [])
    assert count_left_out(activity) == 0


def test_left_out_sources_are_counted_and_described():
    limited, left_out = limit_sources(create_activity(*range(100, 110), urls=2), 5)
    assert len(limited["used"]) == 5
    assert len(left_out) == 8
    assert any(item["wasExecuted"] for item in limited["used"])
    line = limited["description"].splitlines()[-1]
    assert line.startswith("Left out: 8 sources, because an Activity lists at most 5: ")
    assert count_left_out(limited) == 8


def test_choice_does_not_depend_on_the_order():
    activity = create_activity(*range(50), urls=5)
    first = limit_sources(activity, 10)[0]
    reversed_order = {**activity, "used": activity["used"][::-1]}
    second = limit_sources(reversed_order, 10)[0]
    assert set(map(get_source_key, first["used"])) == set(map(get_source_key, second["used"]))
    assert first["description"] == second["description"]


def test_preferred_sources_are_left_out_last():
    activity = create_activity(*range(50))
    limited, _ = limit_sources(activity, 5, preferred={("syn3", 1, False)})
    assert ("syn3", 1, False) in set(map(get_source_key, limited["used"]))


def test_sources_left_out_before_are_counted():
    limited, _ = limit_sources(create_activity(*range(10)), 5, left_out_before=100)
    assert "at least 106 sources" in limited["description"]
    assert count_left_out(limited) == 106


def test_summary_is_short():
    limited, _ = limit_sources(create_activity(*range(0, 10_000, 2)), 10)
    assert len(limited["description"]) < 1000


@pytest.mark.parametrize("repeats", [1, 2])
def test_gaps_are_limited(repeats):
    gaps = tuple(f"gap {number}" for number in range(MAX_GAPS + 7))
    for _ in range(repeats):
        limited = limit_listed_gaps(gaps)
    assert len(limited) == MAX_GAPS + 1
    assert limited[-1] == "7 more, listed in the log of the task"
    assert limit_listed_gaps(limited) == limited[:-1]


def test_added_sources_are_bounded_and_added_once():
    def create(name, start, number, description=""):
        used = [
            {"reference": {"targetId": f"syn{one}", "targetVersionNumber": 1}}
            for one in range(start, start + number)
        ]
        return {"name": name, "description": description, "used": used}

    stored = create("stored", 1, MAX_SOURCES - 1, "by hand\nNot pinned: a")
    other = create("other", 10_000, 3, "run 1\nNot pinned: a\nNot pinned: b")
    merged, added = add_sources(stored, other)
    assert (merged["name"], len(merged["used"]), added) == ("stored", MAX_SOURCES, 4)
    lines = merged["description"].splitlines()
    assert lines[:4] == ["by hand", "Not pinned: a", "Sources added later: other", "Not pinned: b"]
    assert lines[4].startswith("Left out: 2 sources")
    assert add_sources(merged, other)[1] == 0
    assert add_sources(stored, create("x", 1, 5))[1] == 0
