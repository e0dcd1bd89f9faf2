"""Tests of `submit`: versions, names, receipts and rejected submissions."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from synapse_workflows import DockerRepository, Evaluation, File, Folder, Project, Team
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseError,
    SynapseForbiddenError,
    SynapseNotFoundError,
)

LATEST, FIRST = f"sha256:{'a1' * 32}", f"sha256:{'b2' * 32}"


@pytest.fixture
def evaluation(syn, project):
    """An evaluation of alice."""
    message = "Thank you."
    return syn.store(
        Evaluation(
            name=f"queue {uuid4()}", contentSource=project.id, submissionReceiptMessage=message
        )
    )


@pytest.fixture
def file(syn, project, make_file):
    """A file of alice with two versions."""
    stored = syn.store(File(make_file("predictions.csv"), parent=project))
    stored.path = str(make_file("predictions.csv"))
    return syn.store(stored)


def test_submit_entity_or_its_id(syn, evaluation, file):
    for entity in (file, file.id, f"{file.id}.2", dict(file.properties)):
        submission = syn.submit(evaluation, entity)
        assert (submission.entityId, submission.versionNumber) == (file.id, 2)
        assert submission.name == "predictions.csv"
        assert submission.evaluationId == evaluation.id
        owner = syn.getUserProfile().ownerId
        assert submission.userId == owner
        assert [one["principalId"] for one in submission.contributors] == [owner]
        assert submission.get("teamId") is None


def test_submit_older_version(syn, evaluation, file):
    """The etag of older versions is not valid; the current one is sent."""
    references = ({"id": file.id, key: 1} for key in ("versionNumber", "version"))
    for entity in (f"{file.id}.1", syn.get(file.id, version=1), *references):
        submission = syn.submit(evaluation.id, entity, name="first try", submitterAlias="A-team")
        assert (submission.versionNumber, submission.name) == (1, "first try")
        assert submission.submitterAlias == "A-team"
        assert syn.getSubmission(submission, downloadFile=False).entity.versionNumber == 1


def test_submit_entity_without_versions(syn, evaluation, project):
    folder = syn.store(Folder("results", parent=project))
    assert syn.submit(evaluation, folder).versionNumber == 1
    assert syn.submit(evaluation, folder.id).entityId == folder.id


def test_changed_entity_is_rejected(syn, evaluation, file, make_file):
    stale = syn.get(file.id, downloadFile=False)
    file.path = str(make_file("predictions.csv"))
    syn.store(file)
    with pytest.raises(SynapseBadRequestError, match="eTag is out of date"):
        syn.submit(evaluation, stale)
    assert list(syn.getSubmissions(evaluation)) == []
    assert syn.submit(evaluation, stale.id).versionNumber == 3


def test_team_name_is_a_deprecated_alias(syn, evaluation, file):
    with pytest.warns(DeprecationWarning, match="use submitterAlias"):
        assert syn.submit(evaluation, file, teamName="A").submitterAlias == "A"
    with pytest.warns(DeprecationWarning, match="use submitterAlias"):
        assert syn.submit(evaluation, file, None, None, True, "B", "A").submitterAlias == "B"


def test_receipt_is_logged(verbose_client, log_messages, evaluation, file):
    verbose_client.submit(evaluation, file, silent=True)
    assert "Thank you." not in log_messages
    for receiver in (evaluation, evaluation.id):
        verbose_client.submit(receiver, file)
        assert log_messages[-1] == "Thank you."


def test_submitter_needs_no_other_access(syn, bob, evaluation, make_file, caplog):
    """A submitter who cannot read the evaluation gets the submission, but no receipt."""
    syn.setPermissions(evaluation, "bob", ["SUBMIT"])
    project = bob.store(Project(f"bob {uuid4()}"))
    entity = bob.store(File(make_file("b.csv"), parent=project))
    submission = bob.submit(evaluation.id, entity)
    assert [one.id for one in bob.getSubmissions(evaluation, myOwn=True)] == [submission.id]
    assert syn.getSubmission(submission).entity.name == "b.csv"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, "syn1"), "Must specify both evaluation and entity"),
        ((1, None), "Must specify both evaluation and entity"),
        (("queue name", "syn1"), "Invalid evaluation ID 'queue name'"),
    ],
)
def test_missing_arguments_are_rejected(syn, arguments, message):
    with pytest.raises(ValueError, match=message):
        syn.submit(*arguments)


def test_submit_requires_access(syn, bob, evaluation, file):
    with pytest.raises(SynapseForbiddenError):
        bob.submit(evaluation, file.id)
    with pytest.raises(SynapseNotFoundError):
        syn.submit(987654321, file)
    with pytest.raises(ValueError, match="Can't find team"):
        syn.submit(evaluation, file, team=f"unknown {uuid4()}")
    assert list(syn.getSubmissions(evaluation)) == []


def test_submit_is_not_a_read(syn, evaluation, file, events):
    events.clear()
    syn.submit(evaluation, file.id)
    assert events == []


def test_calls_of_submissions(in_process_client, calls, make_file):
    """Source: traces.md; recorded paths have no query."""
    syn = in_process_client
    project = syn.store(Project(f"calls {uuid4()}"))
    file = syn.store(File(make_file("a.csv"), parent=project))
    queue = syn.store(Evaluation(name=f"queue {uuid4()}", contentSource=project.id))
    calls()
    submission = syn.submit(queue, file.id)
    assert calls() == [f"POST /entity/{file.id}/bundle2 200", "POST /evaluation/submission 201"]
    syn.submit(queue.id, file)
    assert calls() == ["POST /evaluation/submission 201", f"GET /evaluation/{queue.id} 200"]
    syn.getSubmission(submission.id, downloadFile=False)
    assert calls() == [f"GET /evaluation/submission/{submission.id} 200"]
    list(syn.getSubmissions(queue, status="RECEIVED", limit=1))
    assert calls() == [f"GET /evaluation/{queue.id}/submission/all 200"] * 3
    list(syn.getSubmissions(queue, myOwn=True))
    assert calls() == [f"GET /evaluation/{queue.id}/submission 200"] * 2
    list(syn.getSubmissionBundles(queue))
    assert calls() == [f"GET /evaluation/{queue.id}/submission/bundle/all 200"] * 2
    syn.store(syn.getSubmissionStatus(submission))
    path = f"/evaluation/submission/{submission.id}/status 200"
    assert calls() == [f"GET {path}", f"PUT {path}"]


@pytest.fixture
def team(syn, bob, evaluation):
    """A team of alice and bob, who may submit."""
    team = syn.store(Team(name=f"team {uuid4()}"))
    syn.invite_to_team(team, "bob")
    bob.restPUT(f"/team/{team.id}/member/{bob.getUserProfile().ownerId}")
    syn.setPermissions(evaluation, "bob", ["READ", "SUBMIT"])
    return team


@pytest.mark.parametrize("by", ["team", "id", "name"])
def test_submit_for_a_team(syn, bob, evaluation, file, team, by):
    submission = syn.submit(
        evaluation, file, team={"team": team, "id": int(team.id), "name": team.name}[by]
    )
    assert submission.teamId == team.id
    assert submission.submitterAlias == team.name
    members = {client.getUserProfile().ownerId for client in (syn, bob)}
    assert {one["principalId"] for one in submission.contributors} == members
    assert syn.submit(evaluation, file, team=team, submitterAlias="B").submitterAlias == "B"


@pytest.fixture
def limited(syn, project):
    """An evaluation with one submission per round."""
    name = f"queue {uuid4()}"
    quota = {"submissionLimit": 1, "numberOfRounds": 1, "roundDurationMillis": 86400000}
    start = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S.000Z}"
    return syn.store(
        Evaluation(name=name, contentSource=project, quota={**quota, "firstRoundStart": start})
    )


def test_full_quota_of_a_team_is_reported(syn, bob, limited, file, team):
    syn.setPermissions(limited, "bob", ["READ", "SUBMIT"])
    assert syn.submit(limited, file, team=team)
    message = f'Team "{team.name}" has already submitted the full quota of submissions.'
    with pytest.raises(SynapseError, match=message):
        syn.submit(limited, file, team=team)
    assert len(list(syn.getSubmissions(limited))) == 1


def test_member_with_own_submission_is_not_a_contributor(syn, bob, limited, make_file, team):
    """A user contributes to one team in a round, or submits alone."""
    syn.setPermissions(limited, "bob", ["READ", "SUBMIT"])
    project = bob.store(Project(f"bob {uuid4()}"))
    bob.submit(limited, bob.store(File(make_file("b.csv"), parent=project)))
    entity = syn.store(File(make_file("a.csv"), parent=limited.contentSource))
    submission = syn.submit(limited, entity, team=team)
    alice = syn.getUserProfile().ownerId
    assert [one["principalId"] for one in submission.contributors] == [alice]


def test_submit_for_a_foreign_team_is_rejected(syn, bob, evaluation, file):
    team = bob.store(Team(name=f"team {uuid4()}"))
    with pytest.raises(SynapseForbiddenError):
        syn.submit(evaluation, file, team=team)


def test_concurrent_submissions_of_a_team_are_all_made(
    syn, client_of, evaluation, file, team, in_parallel
):
    """The eligibility of the team changes with each submission and is read again."""
    made = in_parallel(
        lambda client, index: client.submit(evaluation, file.id, f"{index}", team.id), count=6
    )
    assert {one.id for one in made} == {one.id for one in syn.getSubmissions(evaluation)}
    assert len(made) == 6


@pytest.fixture
def repository(syn, project):
    """A Docker repository with two tags."""
    stored = syn.store(DockerRepository(f"example.org/{uuid4()}", parent=project))
    for tag, digest in (("latest", LATEST), ("v1", FIRST)):
        syn.restPOST(f"/entity/{stored.id}/dockerCommit", {"tag": tag, "digest": digest})
    return syn.get(stored)


def test_submit_image_by_its_tag(syn, evaluation, repository):
    latest = syn.submit(evaluation, repository)
    assert (latest.dockerDigest, latest.dockerRepositoryName) == (
        LATEST,
        repository.repositoryName,
    )
    assert syn.submit(evaluation, repository.id, dockerTag="v1").dockerDigest == FIRST
    found = syn.getSubmission(latest)
    assert (found.filePath, found.dockerDigest) == (None, LATEST)
    assert found.entity.repositoryName == repository.repositoryName


def test_read_of_an_image_is_not_a_lookup(syn, evaluation, repository, events):
    """The image is the content of the submission, although it is not downloaded."""
    submission = syn.submit(evaluation, repository)
    events.clear()
    syn.getSubmission(submission)
    entity, image = events
    assert (entity.entity_id, entity.is_lookup) == (repository.id, False)
    assert (image.entity_id, image.is_lookup) == (None, False)
    assert image.url.endswith(f"/manifests/{submission['dockerDigest']}")


def test_unknown_docker_tag_is_rejected(syn, evaluation, repository):
    with pytest.raises(ValueError, match=r"Docker tag v2 not found.* there are: latest, v1\."):
        syn.submit(evaluation, repository, dockerTag="v2")
    with pytest.raises(ValueError, match="A dockerTag is required"):
        syn.submit(evaluation, repository.id, dockerTag=None)
    assert list(syn.getSubmissions(evaluation)) == []
