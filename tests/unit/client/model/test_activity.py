"""Tests of Activity: all forms of used and executed sources."""

import json
import pickle

import pytest
from hypothesis import given, strategies as st

from synapse_workflows.client.errors import SynapseError, SynapseMalformedEntityError
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.entity import File, Project
from synapse_workflows.constants import FILE, USED_ENTITY, USED_URL


def entity(target, version=None, executed=False):
    reference = {"targetId": target}
    if version is not None:
        reference["targetVersionNumber"] = version
    return {"reference": reference, "concreteType": USED_ENTITY, "wasExecuted": executed}


def url(address, name, executed=False):
    return {"url": address, "name": name, "concreteType": USED_URL, "wasExecuted": executed}


STORED = File("a.txt", parent="syn1", id="syn2", versionNumber=4)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("syn2", entity("syn2")),
        ("syn2.4", entity("syn2", 4)),
        (STORED, entity("syn2", 4)),
        (Project("p", id="syn1"), entity("syn1")),
        ({"concreteType": FILE, "id": "syn2", "versionNumber": 4}, entity("syn2", 4)),
        ("https://example.org/a.py", url("https://example.org/a.py", "https://example.org/a.py")),
        ({"url": "https://x.org", "name": "x"}, url("https://x.org", "x")),
        (
            {"url": "https://x.org", "name": "x", "wasExecuted": True},
            url("https://x.org", "x", True),
        ),
        ({"reference": {"targetId": "syn2"}}, entity("syn2")),
        (
            {"reference": {"targetId": "syn2", "targetVersionNumber": 4}, "wasExecuted": True},
            entity("syn2", 4, True),
        ),
        ({"reference": {"target": "syn2", "targetVersion": 4}}, entity("syn2", 4)),
    ],
)
def test_used_accepts_all_forms_of_target(target, expected):
    activity = Activity()
    activity.used(target)
    assert activity["used"] == [expected]
    activity = Activity(used=[target, target])
    assert activity["used"] == [expected, expected]


def test_executed_sets_was_executed():
    activity = Activity(executed=["syn2.1", "https://x.org/a.py", STORED])
    assert [entry["wasExecuted"] for entry in activity["used"]] == [True, True, True]
    activity = Activity()
    activity.executed(url="https://x.org/a.py", name="a.py")
    assert activity["used"] == [url("https://x.org/a.py", "a.py", True)]


def test_was_executed_argument_overrides_dictionary():
    source = {"url": "https://x.org", "name": "x", "wasExecuted": True}
    activity = Activity()
    activity.used(source, wasExecuted=False)
    assert activity["used"] == [url("https://x.org", "x", False)]
    assert source["wasExecuted"] is True


def test_used_accepts_target_version():
    activity = Activity()
    activity.used("syn2", targetVersion=3)
    activity.used("syn2.3", targetVersion="3")
    activity.used(STORED, targetVersion=3)
    assert activity["used"] == [entity("syn2", 3)] * 3
    with pytest.raises(ValueError, match="Conflicting versions of syn2"):
        activity.used("syn2.3", targetVersion=4)


def test_used_accepts_url_and_name():
    activity = Activity()
    activity.used(url="https://x.org/d", name="data")
    activity.used("https://x.org/e", name="else")
    assert activity["used"] == [url("https://x.org/d", "data"), url("https://x.org/e", "else")]


@pytest.mark.parametrize(
    "arguments",
    [
        {"target": ["syn1"], "targetVersion": 1},
        {"target": ["syn1"], "url": "https://x.org"},
        {"target": ["syn1"], "name": "n"},
        {"target": {"reference": {"targetId": "syn1"}}, "targetVersion": 1},
        {"target": {"url": "https://x.org"}, "name": "n"},
        {"target": STORED, "url": "https://x.org"},
        {"target": STORED, "name": "n"},
        {"target": "https://y.org", "url": "https://x.org"},
        {"targetVersion": 1, "url": "https://x.org"},
        {"target": "https://x.org", "targetVersion": 1},
        {"target": "syn1", "name": "n"},
        {"target": {"reference": {"targetId": "syn1", "colour": "blue"}}},
        {"target": Project("not stored")},
    ],
)
def test_used_rejects_mutually_exclusive_arguments(arguments):
    activity = Activity()
    with pytest.raises(SynapseMalformedEntityError):
        activity.used(**arguments)
    assert activity["used"] == []


@pytest.mark.parametrize("text", ["data.csv", "syn12abc", "not an id"])
def test_used_rejects_text_that_is_neither_url_nor_id(text):
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        Activity(used=text)


@pytest.mark.parametrize("target", [7, {"id": "syn1"}, {"foo": "bar"}, object()])
def test_used_rejects_unsupported_types(target):
    with pytest.raises(SynapseError, match=r"Unexpected parameters in call to Activity\.used"):
        Activity(used=[target])


def test_activity_copies_data():
    read = {"id": "5", "etag": "e", "name": "old", "used": [entity("syn1", 1)]}
    activity = Activity(name="new", description="d", used="syn2", data=read)
    assert activity == {
        "id": "5",
        "etag": "e",
        "name": "new",
        "description": "d",
        "used": [entity("syn1", 1), entity("syn2")],
    }
    assert read["used"] == [entity("syn1", 1)]
    assert Activity() == {"used": []}


def test_str_lists_executed_and_used_sources():
    activity = Activity("align", used=["syn1.2", "https://x.org/d"])
    activity.executed(url="https://x.org/a.py", name="a.py")
    assert str(activity) == "align\nExecuted:\n  a.py\nUsed:\n  syn1.2\n  https://x.org/d"


@given(st.lists(st.tuples(st.integers(1, 10**9), st.one_of(st.none(), st.integers(1, 99)))))
def test_activity_is_json_serializable_and_picklable(used):
    ids = [f"syn{number}" + (f".{version}" if version else "") for number, version in used]
    activity = Activity("a", used=ids)
    assert json.loads(json.dumps(activity)) == activity
    assert pickle.loads(pickle.dumps(activity)) == activity  # noqa: S301
    assert [entry["reference"]["targetId"] for entry in activity["used"]] == [
        f"syn{number}" for number, _ in used
    ]
