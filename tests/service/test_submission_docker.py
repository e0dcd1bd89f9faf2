"""Submissions of Docker repositories."""

import json

import pytest
from support.entity_api import REPO
from support.evaluation_api import SUBMISSION
from support.file_api import assert_error, ok

from synapse_workflows.constants import DOCKER_REPOSITORY, SUBMISSION_VIEW

FIRST, SECOND = f"sha256:{'a1' * 32}", f"sha256:{'b2' * 32}"


@pytest.fixture(scope="module")
def queue(organiser):
    return organiser.create_evaluation()["id"]


def commit(author, repository, digest, tag="latest"):
    body = {"tag": tag, "digest": digest}
    response = author.post(f"{REPO}/entity/{repository['id']}/dockerCommit", body)
    assert response.status_code == 204
    return author.entity(repository["id"])


@pytest.fixture
def repository(ann):
    """A Docker repository of Alice with one commit."""
    project = ann.new_project()["id"]
    made = ann.make(DOCKER_REPOSITORY, project, repositoryName="quay.io/ant/hill")
    return commit(ann, made, FIRST)


def test_submission_records_repository_and_digest(organiser, queue, repository):
    created = organiser.submit(
        queue, repository, dockerDigest=FIRST, dockerRepositoryName="quay.io/another/name"
    )
    assert created["dockerRepositoryName"] == "quay.io/ant/hill"
    assert created["dockerDigest"] == FIRST
    assert created["versionNumber"] == 1
    assert ok(organiser.author.get(f"{SUBMISSION}/{created['id']}")) == created
    bundle = json.loads(created["entityBundleJSON"])
    assert bundle["entity"] == repository
    assert bundle["entityType"] == "dockerrepo"
    assert bundle["fileHandles"] == []


def test_digest_must_be_a_commit_of_the_repository(organiser, ann, queue, repository):
    assert_error(organiser.try_submit(queue, repository), 400, "dockerDigest is required")
    response = organiser.try_submit(queue, repository, dockerDigest="")
    assert_error(response, 400, "dockerDigest is required")
    other = ann.make(DOCKER_REPOSITORY, repository["parentId"], repositoryName="quay.io/b/c")
    commit(ann, other, SECOND)
    response = organiser.try_submit(queue, repository, dockerDigest=SECOND)
    assert_error(response, 400, f"{repository['id']} has no commit with the digest '{SECOND}'")
    assert_error(organiser.try_submit(queue, repository, dockerDigest="latest"), 400, "latest")


def test_digest_of_an_earlier_commit_of_a_tag_can_be_submitted(organiser, ann, queue, repository):
    current = commit(ann, repository, SECOND)
    assert organiser.submit(queue, current, dockerDigest=FIRST)["dockerDigest"] == FIRST
    assert organiser.submit(queue, current, dockerDigest=SECOND)["dockerDigest"] == SECOND


def test_submission_with_an_etag_before_the_commit_is_rejected(organiser, ann, queue, repository):
    commit(ann, repository, SECOND)
    response = organiser.try_submit(queue, repository, dockerDigest=SECOND)
    assert_error(response, 400, "The supplied eTag is out of date")


def test_submission_view_shows_repository_and_digest(organiser, ann, tables, repository):
    queue = organiser.create_evaluation()["id"]
    created = organiser.submit(queue, repository, dockerDigest=FIRST)["id"]
    file = organiser.submit(queue, ann.new_file(repository["parentId"]))["id"]
    path = f"{REPO}/column/tableview/defaults?viewEntityType=submissionview"
    columns = [each["id"] for each in ok(ann.get(path))["list"]]
    body = {"scopeIds": [queue], "columnIds": columns}
    view = ann.make(SUBMISSION_VIEW, tables.project, **body)["id"]
    found = tables.row_set(
        f"select id, dockerrepositoryname, dockerdigest from {view} order by id"
    )["rows"]
    assert [each["values"] for each in found] == [
        [created, "quay.io/ant/hill", FIRST],
        [file, None, None],
    ]
