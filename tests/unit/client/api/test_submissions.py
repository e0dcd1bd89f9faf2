"""Bundles of old submissions, which the local service does not have."""

import json
from datetime import UTC, datetime

import pytest

from synapse_workflows.client.errors import SynapseResponseError

SUBMISSION = {"id": "1", "evaluationId": "2", "entityId": "syn3", "versionNumber": 4}
ENTITY = {
    "id": "syn3",
    "name": "a.csv",
    "concreteType": "org.sagebionetworks.repo.model.FileEntity",
    "etag": "e",
    "versionNumber": 4,
    "dataFileHandleId": "5",
}


@pytest.fixture
def serve(http, repo_url):
    """Return a function that adds a submission with a bundle to the mocked responses."""

    def add(bundle, **properties):
        text = bundle if bundle is None or isinstance(bundle, str) else json.dumps(bundle)
        body = {**SUBMISSION, "entityBundleJSON": text, **properties}
        http.get(f"{repo_url}/evaluation/submission/1", json=body)

    return add


def test_annotations_of_old_bundles_are_converted(syn, serve):
    annotations = {
        "id": "syn3",
        "etag": "e",
        "stringAnnotations": {"tissue": ["brain", "liver"]},
        "longAnnotations": {"n": [3]},
        "doubleAnnotations": {"p": [0.5]},
        "dateAnnotations": {"day": [1767312000000]},
        "blobAnnotations": {},
    }
    serve({"entity": ENTITY, "annotations": annotations, "fileHandles": []})
    entity = syn.getSubmission(1, downloadFile=False).entity
    assert entity.annotations == {
        "tissue": ["brain", "liver"],
        "n": [3],
        "p": [0.5],
        "day": [datetime(2026, 1, 2, tzinfo=UTC)],
    }


@pytest.mark.parametrize("annotations", [None, {"id": "syn3", "etag": "e", "annotations": {}}])
def test_bundle_without_annotations(syn, serve, annotations):
    serve({"entity": ENTITY, "annotations": annotations, "fileHandles": []})
    submission = syn.getSubmission("1")
    assert dict(submission.entity.annotations) == {}
    assert submission.filePath is None  # the submitter had no DOWNLOAD access to the file


@pytest.mark.parametrize("bundle", [None, "", "{", "[]", "{}"])
def test_invalid_bundle_is_rejected(syn, serve, bundle):
    serve(bundle)
    with pytest.raises(SynapseResponseError, match="entityBundleJSON of submission 1"):
        syn.getSubmission(1)


def test_submission_without_entity(syn, serve):
    serve(None, entityId=None)
    submission = syn.getSubmission(1)
    assert (submission.entity, submission.filePath) == (None, None)


@pytest.mark.parametrize(
    ("route", "wrap", "read"),
    [
        ("all", lambda one: one, lambda syn: list(syn.getSubmissions(2, "RECEIVED", limit=2))),
        (
            "bundle/all",
            lambda one: {"submission": one, "submissionStatus": {"id": one["id"], "etag": "e"}},
            lambda syn: [one for one, _ in syn.getSubmissionBundles(2, "RECEIVED", limit=2)],
        ),
    ],
)
def test_submission_that_two_pages_contain_is_returned_once(
    syn, http, repo_url, route, wrap, read
):
    """An earlier submission gets the status after the first page was read."""
    for page in (["5", "7"], ["7", "8"], []):
        results = [wrap({**SUBMISSION, "id": one}) for one in page]
        http.get(f"{repo_url}/evaluation/2/submission/{route}", json={"results": results})
    assert [one.id for one in read(syn)] == ["5", "7", "8"]
