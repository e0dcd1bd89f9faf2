"""Submissions and statuses as values: required keys, annotations, copies and JSON."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

from synapse_workflows import Annotations, Submission, SubmissionStatus


def pickle_and_load(obj):
    return pickle.loads(pickle.dumps(obj))  # noqa: S301 - our own bytes


def status(**more):
    return SubmissionStatus(id="1", etag="e", status="RECEIVED", **more)


@pytest.mark.parametrize("missing", ["evaluationId", "entityId", "versionNumber"])
def test_submission_requires_its_keys(missing):
    keys = {"evaluationId": "2", "entityId": "syn3", "versionNumber": 1}
    assert Submission(**keys, name="a").name == "a"
    with pytest.raises(KeyError, match=missing):
        Submission(**{key: value for key, value in keys.items() if key != missing})


@pytest.mark.parametrize(
    "values",
    [
        {"auc": [0.5], "names": ["a", "b"]},
        Annotations("1", "e", {"auc": [0.5], "names": ["a", "b"]}),
        {
            "id": "1",
            "etag": "e",
            "annotations": {
                "auc": {"type": "DOUBLE", "value": ["0.5"]},
                "names": {"type": "STRING", "value": ["a", "b"]},
            },
        },
    ],
)
def test_annotations_are_values_by_name(values):
    made = status(submissionAnnotations=values)
    assert isinstance(made.submissionAnnotations, Annotations)
    assert made.submissionAnnotations == {"auc": [0.5], "names": ["a", "b"]}
    assert (made.submissionAnnotations.id, made.submissionAnnotations.etag) == ("1", "e")


def test_annotation_may_be_called_annotations():
    """Only the exact keys of the REST API are its JSON form."""
    made = status(submissionAnnotations={"annotations": "x", "auc": 0.5})
    assert made.submissionAnnotations == {"annotations": "x", "auc": 0.5}


@pytest.mark.parametrize("absent", [{}, {"submissionAnnotations": None}])
def test_status_without_annotations(absent):
    assert status(**absent).submissionAnnotations == {}


def test_json_is_the_form_of_the_rest_api():
    made = status(submissionAnnotations={"n": np.int64(3), "p": np.float64(0.5), "q": math.nan})
    body = json.loads(made.json())
    assert body["submissionAnnotations"] == {
        "id": "1",
        "etag": "e",
        "annotations": {
            "n": {"type": "LONG", "value": ["3"]},
            "p": {"type": "DOUBLE", "value": ["0.5"]},
            "q": {"type": "DOUBLE", "value": ["NaN"]},
        },
    }
    assert (body["status"], body["id"]) == ("RECEIVED", "1")


def test_empty_list_removes_an_annotation():
    made = status(submissionAnnotations={"a": [], "b": None, "c": "x"})
    assert set(made.to_json()["submissionAnnotations"]["annotations"]) == {"c"}


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, SubmissionStatus.copy, pickle_and_load]
)
def test_copies_are_equal_and_of_the_same_class(duplicate):
    made = status(submissionAnnotations={"auc": [0.5]}, score=0.5)
    made.submissionAnnotations["n"] = 1
    other = duplicate(made)
    assert type(other) is SubmissionStatus
    assert other == made
    assert other.submissionAnnotations.etag == "e"
    other.score = 1
    assert made.score == 0.5
