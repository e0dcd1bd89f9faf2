"""Tests of the validation and replacement of annotations."""

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import REPO
from support.file_api import assert_error, ok


def path(entity):
    return f"{REPO}/entity/{entity}/annotations2"


def put(user, entity, annotations):
    etag = ok(user.get(path(entity)))["etag"]
    return user.put(path(entity), {"etag": etag, "annotations": annotations})


@pytest.fixture(scope="module")
def project(ann):
    return ann.new_project()["id"]


def test_new_entity_has_no_annotations_and_same_etag(ann):
    project = ann.new_project()
    read = ok(ann.get(path(project["id"])))
    assert read == {"id": project["id"], "etag": project["etag"], "annotations": {}}


def test_replace_removes_other_keys_and_changes_entity_etag(ann):
    project = ann.new_project()
    first = ok(put(ann, project["id"], {"a": {"type": "STRING", "value": ["x"]}}))
    second = ok(put(ann, project["id"], {"b": {"type": "LONG", "value": ["1"]}}))
    assert second["annotations"] == {"b": {"type": "LONG", "value": ["1"]}}
    assert len({project["etag"], first["etag"], second["etag"]}) == 3
    assert ann.entity(project["id"])["etag"] == second["etag"]
    assert ok(put(ann, project["id"], {}))["annotations"] == {}


def test_replace_requires_current_etag(ann):
    project = ann.new_project()
    for etag in ("x", None):
        response = ann.put(path(project["id"]), {"etag": etag, "annotations": {}})
        assert_error(
            response, 412, f"Object: {project['id']} was updated since you last fetched it"
        )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
longs = st.integers(-(2**63), 2**63 - 1).map(str)
doubles = st.floats().map(repr) | st.sampled_from(["NaN", "Infinity", "-Infinity", "INF", "1e5"])
values = st.one_of(
    st.tuples(st.just("STRING"), st.lists(texts, min_size=1, max_size=10)),
    st.tuples(st.just("LONG"), st.lists(longs, min_size=1, max_size=100)),
    st.tuples(st.just("DOUBLE"), st.lists(doubles, min_size=1, max_size=100)),
    st.tuples(
        st.just("BOOLEAN"), st.lists(st.sampled_from(["true", "False", "TRUE"]), min_size=1)
    ),
    st.tuples(st.just("TIMESTAMP_MS"), st.lists(longs, min_size=1, max_size=5)),
)
keys = st.text("abcXYZ019_.,", min_size=1, max_size=30).filter(
    lambda key: key not in {"id", "name", "etag"}
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(keys, values, max_size=20))
def test_valid_annotations_are_stored_unchanged(ann, project, annotations):
    annotations = {
        key: {"type": kind, "value": list(value)} for key, (kind, value) in annotations.items()
    }
    written = ok(put(ann, project, annotations))
    assert written["annotations"] == annotations
    assert ok(ann.get(path(project))) == written


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"type": "LONG", "value": [1, "2"]}, ["1", "2"]),
        ({"type": "DOUBLE", "value": [1.5]}, ["1.5"]),
        ({"type": "STRING", "value": [7]}, ["7"]),
        ({"type": "BOOLEAN", "value": [True]}, ["true"]),
    ],
)
def test_numbers_are_stored_as_text(ann, project, value, read):
    assert ok(put(ann, project, {"k": value}))["annotations"]["k"]["value"] == read


INVALID_ANNOTATIONS = [
    ({"type": "LONG", "value": ["1.5"]}, "k"),
    ({"type": "LONG", "value": ["9223372036854775808"]}, "LONG"),
    ({"type": "LONG", "value": ["9" * 5000]}, "LONG"),
    ({"type": "LONG", "value": [""]}, "LONG"),
    ({"type": "DOUBLE", "value": ["1_0"]}, "DOUBLE"),
    ({"type": "DOUBLE", "value": ["one"]}, "DOUBLE"),
    ({"type": "BOOLEAN", "value": ["yes"]}, "BOOLEAN"),
    ({"type": "TIMESTAMP_MS", "value": ["2026-01-01"]}, "TIMESTAMP_MS"),
    ({"type": "DATE", "value": ["1"]}, "DATE"),
    ({"value": ["1"]}, "type"),
    ({"type": "STRING"}, "no values"),
    ({"type": "STRING", "value": []}, "no values"),
    ({"type": "STRING", "value": None}, "no values"),
    ({"type": "STRING", "value": [None]}, "null"),
    ({"type": "STRING", "value": [["x"]]}, "text"),
    ({"type": "STRING", "value": "x"}, "array"),
    ({"type": "STRING", "value": ["x"] * 101}, "100"),
    ({"type": "STRING", "value": ["x" * 251, "y" * 250]}, "500"),
    (["x"], "type and a value"),
    (None, "type and a value"),
]


@pytest.mark.parametrize(("value", "words"), INVALID_ANNOTATIONS)
def test_invalid_annotations_are_rejected(ann, project, value, words):
    before = ok(ann.get(path(project)))
    assert_error(put(ann, project, {"k": value}), 400, words)
    assert ok(ann.get(path(project))) == before


@pytest.mark.parametrize("key", ["", "a b", "é", "a-b", "a/b", "_accessRequirementIds", "name"])
def test_invalid_and_reserved_keys_are_rejected(ann, project, key):
    assert_error(put(ann, project, {key: {"type": "STRING", "value": ["x"]}}), 400, f"'{key}'")


def test_fields_of_other_entity_types_are_valid_keys(ann, project):
    ok(put(ann, project, {"dataFileHandleId": {"type": "STRING", "value": ["x"]}}))
    file = ann.new_file(project)["id"]
    taken = {"dataFileHandleId": {"type": "STRING", "value": ["x"]}}
    assert_error(put(ann, file, taken), 400, "dataFileHandleId")


def test_more_than_100_keys_are_rejected(ann, project):
    one = {"type": "STRING", "value": ["x" * 500]}
    ok(put(ann, project, {f"k{number}": one for number in range(100)}))
    assert_error(put(ann, project, {f"k{number}": one for number in range(101)}), 400, "100")


def test_annotations_must_be_an_object(ann, project):
    etag = ok(ann.get(path(project)))["etag"]
    assert_error(ann.put(path(project), {"etag": etag, "annotations": []}), 400, "object")


def test_sizes_of_annotations_and_descriptions_count_utf16_units(ann):
    project = ann.new_project()
    path = f"{REPO}/entity/{project['id']}/annotations2"
    found = ok(ann.get(path))
    found["annotations"] = {"k": {"type": "STRING", "value": ["😀" * 250]}}
    assert_error(
        ann.put(path, {**found, "annotations": {"k": {"type": "STRING", "value": ["😀" * 251]}}}),
        400,
        "502 characters",
    )
    ok(ann.put(path, found))
    ann.change(project["id"], description="😀" * 500)
    assert_error(ann.save({**ann.entity(project["id"]), "description": "😀" * 501}), 400, "1002")
