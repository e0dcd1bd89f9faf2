"""The official client reads evaluations, submissions and teams of our client, and vice versa."""

from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import (
    Evaluation,
    File,
    Project,
    Team,
    from_submission_status_annotations,
    set_privacy,
    to_submission_status_annotations,
)

BOB = 3300002


@pytest.fixture
def official(driven):
    """Run a command of official_submissions.py as a user."""
    return driven("official_submissions.py")


@pytest.fixture
def project(socket_client):
    return socket_client.store(Project(f"peer submissions {uuid4()}"))


def test_official_client_reads_what_our_client_wrote(
    official, socket_client, socket_service, project, tmp_path
):
    syn, bob = socket_client, socket_service.client("bob")
    queue = syn.store(
        Evaluation(
            name=f"queue {uuid4()}", contentSource=project, submissionReceiptMessage="thanks"
        )
    )
    syn.setPermissions(queue, "bob", ["READ", "SUBMIT"])
    team = syn.store(Team(name=f"ants {uuid4()}"))
    syn.invite_to_team(team, "bob")
    bob.restPUT(f"/team/{team.id}/member/{BOB}")
    syn.invite_to_team(team, inviteeEmail="erin@example.org")
    path = tmp_path / "answer.txt"
    path.write_text("42")
    place = bob.store(Project(f"bob's {uuid4()}"))
    file = bob.store(File(str(path), parent=place))
    submission = bob.submit(queue, file, team=team, silent=True)
    status = syn.getSubmissionStatus(submission)
    status.status, status.score = "SCORED", 0.75
    status.submissionAnnotations = {"f1": 0.5, "labels": ["a", "b"]}
    status.annotations = to_submission_status_annotations({"auc": 0.9})
    set_privacy(status.annotations, "auc", is_private=False)
    syn.store(status)

    (tmp_path / "in").mkdir()
    found = {"id": submission.id, "name": queue.name, "team": team.name, "other": BOB}
    shared = {
        "queue": queue.id,
        "receipt": "thanks",
        "team": team.id,
        "status": ["SCORED", 0.75],
        "annotations": {"f1": [0.5], "labels": ["a", "b"]},
        "bundle": [submission.id, "SCORED"],
        "members": ["alice", "bob"],
        "invited": ["erin@example.org"],
    }
    assert official("flat_read", directory=str(tmp_path / "in"), **found) == {
        **shared,
        "rights": ["READ", "SUBMIT"],
        "content": "42",
        "version": 1,
        "alias": team.name,
        "legacy": 0.9,
    }
    assert official("models_read", **found) == {**shared, "entity": [file.id, 1]}
    official("models_annotate", id=submission.id)
    changed = syn.getSubmissionStatus(submission)
    assert changed.status == "VALIDATED"
    assert changed.submissionAnnotations == {"f1": [0.5], "n": [3], "labels": ["a", "b"]}


def test_our_client_reads_what_the_official_client_wrote(
    driven, socket_client, socket_service, project, tmp_path
):
    official, syn = driven("official_evaluations.py"), socket_client
    name = f"queue {uuid4()}"
    queue = official("flat_queue", name=name, project=project.id, other=BOB)["id"]
    path = tmp_path / "answer.txt"
    path.write_text("42")
    place = socket_service.client("bob").store(Project(f"bob's {uuid4()}")).id
    made = official("flat_submit", user="bob", queue=queue, project=place, path=str(path))
    (tmp_path / "in").mkdir()
    official("flat_score", id=made["id"], queue=queue, directory=str(tmp_path / "in"))

    evaluation = syn.getEvaluationByName(name)
    assert (evaluation.id, evaluation.submissionReceiptMessage) == (queue, "thanks")
    assert [one.id for one in syn.getEvaluationByContentSource(project)] == [queue]
    assert sorted(syn.getPermissions(evaluation, "bob")) == ["READ", "SUBMIT"]
    ((submission, status),) = syn.getSubmissionBundles(evaluation, "SCORED")
    assert (submission.id, submission.submitterAlias) == (made["id"], "the others")
    assert (status.status, status.score) == ("SCORED", 0.75)
    assert status.submissionAnnotations == {"f1": [0.8], "labels": ["a", "b"]}
    legacy = from_submission_status_annotations(status.annotations)
    assert {"auc": 0.9, "rank": 1, "team": "red"}.items() <= legacy.items()
    found = syn.getSubmission(made["id"])
    assert Path(found.filePath).read_text() == "42"
    assert found.entity.id == made["entity"]
    stored = syn.store(status)
    assert stored.submissionAnnotations == status.submissionAnnotations
    assert from_submission_status_annotations(stored.annotations) == legacy
