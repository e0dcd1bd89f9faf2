"""Tests of submissions: list, get with files, statuses and their annotations."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from synapse_workflows import (
    Evaluation,
    File,
    Folder,
    Submission,
    SubmissionStatus,
    from_submission_status_annotations,
    set_privacy,
    to_submission_status_annotations,
)
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseProvenanceError,
    SynapseStaleError,
)
from synapse_workflows.constants import FILE


@pytest.fixture
def evaluation(syn, project):
    """A queue of alice."""
    return syn.store(Evaluation(name=f"queue {uuid4()}", contentSource=project.id))


@pytest.fixture
def submit(syn, evaluation, project, make_file):
    """Return a function that submits a new file of alice, or another entity."""

    def submit_entity(entity=None, **properties):
        entity = entity or syn.store(File(make_file(f"{uuid4()}.csv"), parent=project))
        body = {
            "evaluationId": evaluation.id,
            "entityId": entity.id,
            "versionNumber": entity.get("versionNumber", 1),
            **properties,
        }
        return Submission(**syn.restPOST(f"/evaluation/submission?etag={entity.etag}", body))

    return submit_entity


def test_list_of_submissions_has_all_pages(syn, evaluation, submit):
    expected = [submit().id for _ in range(5)]
    assert [one.id for one in syn.getSubmissions(evaluation, limit=2)] == expected
    assert [one.id for one in syn.getSubmissions(evaluation.id, offset=3)] == expected[3:]
    bundles = list(syn.getSubmissionBundles(int(evaluation.id), limit=np.int64(3)))
    assert [one.id for one, _ in bundles] == [status.id for _, status in bundles] == expected
    assert {type(one) for pair in bundles for one in pair} == {Submission, SubmissionStatus}
    assert {status.status for _, status in bundles} == {"RECEIVED"}


def test_statuses_may_be_changed_in_loop_over_status(syn, evaluation, submit):
    """Pages are fetched by offset, which moves when statuses change."""
    expected = [submit().id for _ in range(5)]
    seen = []
    for submission, status in syn.getSubmissionBundles(evaluation, "RECEIVED", limit=2):
        status.status = "VALIDATED"
        syn.store(status)
        seen.append(submission.id)
    assert seen == expected
    assert list(syn.getSubmissions(evaluation, "RECEIVED")) == []
    assert [one.id for one in syn.getSubmissions(evaluation, status="VALIDATED")] == expected


def test_own_submissions_are_selected_by_status(syn, evaluation, submit):
    """Synapse ignores the status in the lists of own submissions."""
    first, second, third = (submit() for _ in range(3))
    for one in (first, third):
        status = syn.getSubmissionStatus(one)
        status.status = "SCORED"
        syn.store(status)
    own = syn.getSubmissions(evaluation, myOwn=True, limit=1)
    assert [one.id for one in own] == [first.id, second.id, third.id]
    assert [one.id for one in syn.getSubmissions(evaluation, "SCORED", True, 1)] == [
        first.id,
        third.id,
    ]
    found = syn.getSubmissionBundles(evaluation, "SCORED", myOwn=True, offset=1)
    assert [status.id for _, status in found] == [third.id]


def test_own_submissions_require_no_access(syn, bob, evaluation, submit):
    submission = submit()
    with pytest.raises(SynapseForbiddenError):
        list(bob.getSubmissions(evaluation))
    assert list(bob.getSubmissions(evaluation, myOwn=True)) == []
    with pytest.raises(SynapseForbiddenError):
        bob.getSubmission(submission)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"limit": 0}, ValueError, "limit=0"),
        ({"offset": -1}, ValueError, "offset=-1"),
        ({"limit": None}, ValueError, "limit=None"),
        ({"limit": True}, ValueError, "limit=True"),
        ({"offset": "5"}, ValueError, "offset='5'"),
        ({"status": ""}, ValueError, "Invalid status ''"),
        ({"status": 0}, ValueError, "Invalid status 0"),
        ({"status": "", "myOwn": True}, ValueError, "Invalid status ''"),
        ({"limit": 101}, SynapseBadRequestError, "limit must be between 0 and 100"),
        ({"status": "DONE"}, SynapseBadRequestError, "DONE"),
        ({"status": "DONE", "myOwn": True}, ValueError, "DONE"),
    ],
)
def test_invalid_lists_are_rejected(syn, evaluation, arguments, error, message):
    for function in (syn.getSubmissions, syn.getSubmissionBundles):
        with pytest.raises(error, match=message):
            list(function(evaluation, **arguments))


def test_submission_is_the_submitted_version(syn, project, submit, make_file, tmp_path):
    """The entity was changed after it was submitted."""
    first = File(make_file("predictions.csv", "id,p\n1,0.5\n"), parent=project, model=["a"])
    stored = syn.store(first)
    submission = submit(stored)
    stored.path = str(make_file("predictions.csv", "id,p\n1,0.9\n"))
    stored.model = ["b"]
    assert syn.store(stored).versionNumber == 2
    found = syn.getSubmission(submission.id, downloadLocation=str(tmp_path / "download"))
    assert found.entityId == stored.id
    assert found.versionNumber == found.entity.versionNumber == 1
    assert found.entity.model == ["a"]
    assert found.filePath == found.entity.path == str(tmp_path / "download/predictions.csv")
    assert Path(found.filePath).read_text() == "id,p\n1,0.5\n"


def test_organiser_reads_file_of_submitter(syn, bob, evaluation, submit, make_file):
    """The submission gives access to the file, not the permissions on the entity."""
    syn.setPermissions(evaluation, "bob", ["READ", "READ_PRIVATE_SUBMISSION"])
    submission = submit()
    with pytest.raises(SynapseForbiddenError):
        bob.get(submission.entityId)
    assert bob.getSubmission(submission).filePath


def test_submission_without_download(syn, submit, project):
    submission = syn.getSubmission(submit(), downloadFile=False)
    assert submission.filePath is None
    assert submission.entity.path is None
    folder = syn.getSubmission(submit(syn.store(Folder("results", parent=project))))
    assert (folder.entity.name, folder.filePath) == ("results", None)


def test_get_submission_emits_read_of_submitted_version(syn, submit, project, make_file, events):
    stored = syn.store(File(make_file("a.csv"), parent=project))
    submission = submit(stored)
    stored.path = str(make_file("a.csv"))
    syn.store(stored)
    events.clear()
    syn.getSubmission(submission)
    syn.getSubmission(submission, downloadFile=False)
    read = Read(stored.id, 1, "a.csv", FILE, how="getSubmission")
    assert events == [read, Read(**{**vars(read), "is_lookup": True})]


@pytest.mark.parametrize("invalid", ["syn123", "", "1.2", None, {"name": "x"}])
def test_invalid_submission_id_is_rejected(syn, invalid):
    with pytest.raises(ValueError, match=r"submission|couldn't find id"):
        syn.getSubmission(invalid)
    with pytest.raises(ValueError, match=r"submission|couldn't find id"):
        syn.getSubmissionStatus(invalid)


def test_unknown_submission_or_keyword_is_rejected(syn, submit):
    with pytest.raises(SynapseNotFoundError):
        syn.getSubmission(987654321)
    with pytest.raises(TypeError, match="version_number"):
        syn.getSubmission(submit(), version_number=1)
    with pytest.raises(TypeError, match="version is the submitted one"):
        syn.getSubmission(submit(), version=1)


def test_store_status_with_score_and_annotations(syn, submit):
    submission = submit()
    status = syn.getSubmissionStatus(submission)
    status.status = "SCORED"
    status.score = 0.75
    day = datetime(2026, 1, 2, tzinfo=UTC)
    status.submissionAnnotations["auc"] = 0.75
    status.submissionAnnotations.update(names=["a", "b"], ranks=[1, 2], day=day, passed=True)
    stored = syn.store(status)
    assert isinstance(stored, SubmissionStatus)
    assert stored.etag != status.etag
    found = syn.getSubmissionStatus(submission.id)
    assert found == stored
    assert (found.status, found.score, found.statusVersion) == ("SCORED", 0.75, 1)
    assert found.submissionAnnotations == {
        "auc": [0.75], "names": ["a", "b"], "ranks": [1, 2], "day": [day], "passed": [True],
    }  # fmt: skip
    assert found.submissionAnnotations.id == submission.id
    assert json.loads(found.json())["submissionAnnotations"]["annotations"]["auc"] == {
        "type": "DOUBLE",
        "value": ["0.75"],
    }
    found.submissionAnnotations = {"auc": 0.5}
    assert syn.store(found).submissionAnnotations == {"auc": [0.5]}


def test_nan_in_annotations_is_kept(syn, submit):
    status = syn.getSubmissionStatus(submit())
    status.submissionAnnotations = {"auc": math.nan, "folds": [0.5, math.nan, math.inf]}
    status.annotations = to_submission_status_annotations({"auc": math.nan, "max": math.inf})
    stored = syn.store(syn.store(status))
    assert math.isnan(stored.submissionAnnotations["auc"][0])
    assert str(stored.submissionAnnotations["folds"]) == "[0.5, nan, inf]"
    legacy = from_submission_status_annotations(stored.annotations)
    assert math.isnan(legacy["auc"])
    assert legacy["max"] == math.inf


def test_outdated_status_is_rejected(syn, submit):
    submission = submit()
    first, second = (syn.getSubmissionStatus(submission) for _ in range(2))
    first.status, second.status = "VALIDATED", "INVALID"
    syn.store(first)
    with pytest.raises(SynapseStaleError):
        syn.store(second)
    assert syn.getSubmissionStatus(submission).status == "VALIDATED"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"submissionAnnotations": {"a b": 1}}, "Invalid annotation name 'a b'"),
        ({"submissionAnnotations": {"a": b"x"}}, "'a'"),
        ({"submissionAnnotations": {"a": [1, None]}}, "'a' has the missing value None"),
        ({"submissionAnnotations": {"a": 2**70}}, "limited to 64 bits"),
        ({"submissionAnnotations": "auc"}, "Invalid submissionAnnotations 'auc'"),
        ({"submissionAnnotations": [1]}, "Invalid submissionAnnotations"),
        (
            {"annotations": {"longAnnos": [{"key": "n", "value": 2**63}]}},
            f"Invalid value {2**63} of annotation 'n'",
        ),
        ({"annotations": {"auc": 0.5}}, "to_submission_status_annotations"),
        ({"score": math.nan}, "Invalid score nan"),
        ({"score": 1.5}, "between 0 and 1"),
        ({"status": "DONE"}, "DONE"),
    ],
)
def test_invalid_status_is_rejected(syn, submit, changes, message):
    submission = submit()
    status = syn.getSubmissionStatus(submission)
    with pytest.raises(ValueError, match=message):
        syn.store(SubmissionStatus(**{**status, **changes}))
    changed = syn.getSubmissionStatus(submission)
    changed.update(changes)
    with pytest.raises(ValueError, match=message):
        syn.store(changed)
    assert syn.getSubmissionStatus(submission) == status


def test_annotations_of_rest_api_are_assigned(syn, submit):
    status = syn.getSubmissionStatus(submit())
    values = {"auc": {"type": "DOUBLE", "value": ["0.5"]}}
    status.submissionAnnotations = {"id": "1", "etag": "x", "annotations": values}
    assert syn.store(status).submissionAnnotations == {"auc": [0.5]}


def test_legacy_annotations_are_private_or_public(syn, bob, evaluation, submit):
    syn.setPermissions(evaluation, "bob", ["READ"])
    submission = submit()
    status = syn.getSubmissionStatus(submission)
    day = datetime(2026, 1, 2, tzinfo=UTC)
    values = {"auc": 0.5, "rank": 3, "note": "good", "passed": True, "day": day}
    status.annotations = to_submission_status_annotations(values)
    set_privacy(status.annotations, "auc", is_private=False)
    status.submissionAnnotations = {"secret": "x"}
    stored = syn.store(status)
    assert from_submission_status_annotations(stored.annotations) == {
        "auc": 0.5, "rank": 3, "note": "good", "passed": "true", "day": 1767312000000,
        "objectId": submission.id, "scopeId": evaluation.id,
    }  # fmt: skip
    public = bob.getSubmissionStatus(submission)
    assert {"auc": 0.5}.items() <= from_submission_status_annotations(public.annotations).items()
    assert public.submissionAnnotations == {}
    assert "good" not in str(public)


def test_deleted_submission_is_gone(syn, bob, evaluation, submit):
    submission = submit()
    syn.setPermissions(evaluation, "bob", ["READ"])
    with pytest.raises(SynapseForbiddenError):
        bob.delete(submission)
    syn.delete(submission)
    with pytest.raises(SynapseNotFoundError):
        syn.getSubmission(submission)
    assert list(syn.getSubmissions(evaluation)) == []


def test_operations_that_synapse_does_not_have_are_rejected(syn, submit):
    submission = submit()
    with pytest.raises(SynapseError, match=r"use submit\(\)"):
        syn.store(submission)
    status = syn.getSubmissionStatus(submission)
    with pytest.raises(SynapseError, match="Can't delete a"):
        syn.delete(status)
    with pytest.raises(SynapseProvenanceError, match="neither provenance"):
        syn.store(status, used="syn1")


def test_download_directory_keeps_its_files(syn, submit, tmp_path):
    submission = submit()
    directory = tmp_path / "download"
    first = syn.getSubmission(submission.id, downloadLocation=str(directory))
    Path(first.filePath).write_text("own")
    kept = syn.getSubmission(
        submission.id, downloadLocation=str(directory), ifcollision="keep.local"
    )
    assert kept.filePath is None
    assert Path(first.filePath).read_text() == "own"
