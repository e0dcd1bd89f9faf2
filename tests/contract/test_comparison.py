"""Comparison of real entity versions."""

import pytest

from synapse_workflows import Activity, File
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.provenance.comparison import compare_provenance, format_comparison

PAGE = "https://github.com/org/repo/blob/{}/flow.py"
OLD, NEW = "0123456789abcdef0123456789abcdef01234567", "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture
def service(socket_service):
    """The service over a socket only."""
    return socket_service


@pytest.fixture
def store(syn, folder, make_file):
    """Return a function that stores a version of a file; returns its ID with the version."""

    def make(name, used=(), executed=(), text=None, content=None):
        sources = list(used), list(executed)
        activity = Activity("flow.store", text, *sources) if any(sources) else None
        path = str(make_file(f"{name}.txt", content))
        stored = syn.store(File(path, parent=folder, name=name), activity=activity)
        return f"{stored.id}.{stored.versionNumber}"

    return make


def found(differences):
    return {each.subject: (each.change, each.first, each.second) for each in differences}


def test_changes_of_inputs_code_parameters_and_content(syn, store):
    raw, kept, dropped, fresh = (store(name) for name in ("raw", "kept", "dropped", "fresh"))
    newer = store("raw")
    raw_id = raw.partition(".")[0]
    old_text = 'Airflow run 1\nParameters: {"alpha": 0.1, "old": true}\nNot pinned: host'
    new_text = 'Airflow run 2\nParameters: {"alpha": 0.2}\nRun conf: {"day": "x"}'
    first = store("result", [raw, kept, dropped], [PAGE.format(OLD)], old_text)
    second = store("result", [newer, kept, fresh, "https://host/a"], [PAGE.format(NEW)], new_text)
    comparison = compare_provenance(syn, first, second)
    assert found(comparison.inputs) == {
        f"raw ({raw_id})": ("changed", ("1",), ("2",)),
        f"kept ({kept[:-2]})": ("same", ("1",), ("1",)),
        f"dropped ({dropped[:-2]})": ("removed", ("1",), ()),
        f"fresh ({fresh[:-2]})": ("added", (), ("1",)),
        "https://host/a": ("added", (), ("no version",)),
    }
    assert found(comparison.code) == {
        "github.com/org/repo/flow.py": ("changed", (OLD,), (NEW,)),
    }
    assert found(comparison.parameters) == {
        "alpha": ("changed", (0.1,), (0.2,)),
        "old": ("removed", (True,), ()),
        "conf.day": ("added", (), ("x",)),
    }
    assert found(comparison.gaps) == {"host": ("removed", (), ())}
    md5s = tuple(
        syn.get(one, downloadFile=False)._file_handle["contentMd5"] for one in (first, second)
    )
    assert (
        comparison.content.change,
        (*comparison.content.first, *comparison.content.second),
    ) == (
        "changed",
        md5s,
    )
    assert comparison.has_differences
    assert format_comparison(comparison) == "\n".join(
        [
            f"result ({first}) -> result ({second})",
            "",
            "Content:",
            f"  ~ MD5: {md5s[0]} -> {md5s[1]}",
            "",
            "Inputs (1 unchanged):",
            f"  ~ raw ({raw_id}): 1 -> 2",
            f"  - dropped ({dropped[:-2]}): 1",
            f"  + fresh ({fresh[:-2]}): 1",
            "  + https://host/a",
            "",
            "Code:",
            f"  ~ github.com/org/repo/flow.py: {OLD} -> {NEW}",
            "",
            "Parameters:",
            "  ~ alpha: 0.1 -> 0.2",
            "  - old: True",
            "  + conf.day: x",
            "",
            "Gaps:",
            "  - host",
            "",
            "Description:",
            "  - Airflow run 1",
            "  + Airflow run 2",
        ]
    )


def test_comparison_as_json(syn, store):
    raw = store("raw")
    first, second = store("one", [raw], content="same"), store("two", [raw], content="same")
    values = compare_provenance(syn, first, second).to_json()
    assert values["has_differences"] is False
    assert values["content"]["change"] == "same"
    assert [one["name"] for one in (values["first"], values["second"])] == ["one", "two"]
    assert values["inputs"] == [
        {"subject": f"raw ({raw[:-2]})", "change": "same", "first": ["1"], "second": ["1"]}
    ]
    assert [one["name"] for one in values["activities"]] == ["flow.store", "flow.store"]


def test_same_versions_have_no_differences(syn, store):
    result = store("result", ["https://host/a"], [PAGE.format(OLD)])
    comparison = compare_provenance(syn, result, result)
    assert not comparison.has_differences
    assert format_comparison(comparison).splitlines() == [
        f"result ({result}) -> result ({result})",
        "",
        "Content: unchanged",
        "",
        "Inputs: unchanged",
        "",
        "Code: unchanged",
    ]


def test_version_without_activity_is_a_difference(syn, store):
    first, second = store("one", content="x"), store("two", ["https://host/a"], content="x")
    comparison = compare_provenance(syn, first, second)
    assert comparison.has_differences
    assert f"one ({first}) has no Activity." in format_comparison(comparison).splitlines()
    assert comparison.to_json()["activities"][0] is None


def test_two_versions_of_one_input_are_compared_together(syn, store):
    raw, newer = store("raw"), store("raw")
    first, second = store("one", [raw, newer]), store("two", [newer])
    (change,) = compare_provenance(syn, first, second).inputs
    assert (change.change, change.first, change.second) == ("changed", ("1", "2"), ("2",))


def test_current_versions_are_compared_without_numbers(syn, store):
    store("one")
    newer, other = store("one"), store("two")
    comparison = compare_provenance(
        syn, newer.partition(".")[0], syn.get(other, downloadFile=False)
    )
    assert str(comparison.first.ref) == newer
    assert str(comparison.second.ref) == other


def test_content_without_md5_is_unknown(syn, store, project):
    comparison = compare_provenance(syn, project.id, store("one"))
    assert comparison.content.change == "unknown"
    assert "Content (unknown MD5)" in format_comparison(comparison)


def test_missing_version_is_an_error(syn, store):
    with pytest.raises(SynapseNotFoundError):
        compare_provenance(syn, store("one"), "syn999999999.1")
    with pytest.raises(ValueError, match="Invalid Synapse ID 'nonsense'"):
        compare_provenance(syn, "nonsense", "syn1")
