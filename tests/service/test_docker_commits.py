"""Docker repositories: commits, tags and the lookup by repository name."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import RestService, assert_error, ok, start_service

from synapse_workflows.constants import DOCKER_REPOSITORY

FIRST, SECOND = f"sha256:{'a1' * 32}", f"sha256:{'b2' * 32}"
_names = iter(range(1000))


def make_repository(author, project=None, name=None):
    name = name or f"quay.io/ant/hill{next(_names)}"
    project = project or author.new_project()["id"]
    return author.make(DOCKER_REPOSITORY, project, repositoryName=name)


def commit(author, repository, tag, digest, **more):
    body = {"digest": digest, **more} | ({} if tag is None else {"tag": tag})
    return author.post(f"{REPO}/entity/{repository['id']}/dockerCommit", body)


def list_tags(author, repository, query=""):
    return ok(author.get(f"{REPO}/entity/{repository['id']}/dockerTag{query}"))["results"]


@pytest.fixture
def repository(ann):
    """A Docker repository of Alice."""
    return make_repository(ann)


@pytest.fixture(scope="module")
def ticking(tmp_path_factory, recording):
    """A service whose clock a test advances."""
    with start_service(tmp_path_factory.mktemp("docker"), recording) as rest_service:
        yield rest_service


def test_new_repository_has_no_tags(ann, repository):
    page = ok(ann.get(f"{REPO}/entity/{repository['id']}/dockerTag"))
    assert page == {"totalNumberOfResults": 0, "results": []}


def test_tag_has_the_digest_of_its_latest_commit(ann, repository):
    for tag, digest in (("latest", FIRST), ("v1", FIRST), ("latest", SECOND)):
        response = commit(ann, repository, tag, digest, createdOn="2001-01-01T00:00:00.000Z")
        assert (response.status_code, response.content) == (204, b"")
    tags = list_tags(ann, repository)
    assert [(each["tag"], each["digest"]) for each in tags] == [("latest", SECOND), ("v1", FIRST)]
    assert all(each["createdOn"] > "2002" for each in tags)


def test_commit_without_a_tag_is_not_listed(ann, repository):
    assert commit(ann, repository, None, FIRST).status_code == 204
    assert list_tags(ann, repository) == []


def test_commit_changes_the_etag_of_the_repository(ann, repository):
    assert commit(ann, repository, "latest", FIRST).status_code == 204
    current = ann.entity(repository["id"])
    assert current.pop("etag") != repository.pop("etag")
    assert current == repository


def test_tags_are_sorted_and_paged(ticking: RestService):
    ann = Author(ticking, "alice")
    repository = make_repository(ann)
    for tag in ("b", "c", "a"):
        ticking.clock.advance(1)
        assert commit(ann, repository, tag, FIRST).status_code == 204

    def list_names(query):
        return "".join(each["tag"] for each in list_tags(ann, repository, query))

    assert list_names("") == "acb"
    assert list_names("?sortBy=CREATED_ON&ascending=true") == "bca"
    assert list_names("?sortBy=TAG") == "cba"
    assert list_names("?sortBy=TAG&ascending=true") == "abc"
    assert list_names("?limit=2") == "ac"
    assert list_names("?limit=2&offset=2") == "b"
    path = f"{REPO}/entity/{repository['id']}/dockerTag"
    assert ok(ann.get(f"{path}?limit=2"))["totalNumberOfResults"] == 3
    assert_error(ann.get(f"{path}?sortBy=SIZE"), 400, "No enum constant 'SIZE'")
    assert_error(ann.get(f"{path}?limit=-1"), 400, "limit")
    assert_error(ann.get(f"{path}?ascending=maybe"), 400, "ascending")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"tag": "latest"}, "digest is required"),
        ({"tag": "latest", "digest": ""}, "digest"),
        ({"tag": "latest", "digest": "nonsense"}, "Invalid digest 'nonsense'"),
        ({"tag": "latest", "digest": "sha256:xyz"}, "Invalid digest"),
        ({"tag": "latest", "digest": f"sha256:{'a' * 200}"}, "Invalid digest"),
        ({"tag": "", "digest": FIRST}, "Invalid tag ''"),
        ({"tag": "a tag", "digest": FIRST}, "Invalid tag 'a tag'"),
        ({"tag": ".hidden", "digest": FIRST}, "Invalid tag"),
        ({"tag": "t" * 129, "digest": FIRST}, "Invalid tag"),
        ({"tag": ["latest"], "digest": FIRST}, "tag must be text"),
    ],
)
def test_invalid_commit_returns_400(ann, repository, body, message):
    response = ann.post(f"{REPO}/entity/{repository['id']}/dockerCommit", body)
    assert_error(response, 400, message)
    assert ann.entity(repository["id"]) == repository


def test_only_docker_repositories_have_tags(ann):
    project = ann.new_project()
    assert_error(commit(ann, project, "latest", FIRST), 400, "is not a Docker repository")
    response = ann.get(f"{REPO}/entity/{project['id']}/dockerTag")
    assert_error(response, 400, "is not a Docker repository")
    assert_error(commit(ann, {"id": "syn999"}, "latest", FIRST), 404)
    assert_error(ann.get(f"{REPO}/entity/syn999/dockerTag"), 404)


def test_commit_requires_update_and_tags_require_read(ann, ben, anonymous):
    project = ann.new_project()["id"]
    repository = make_repository(ann, project)
    path = f"{REPO}/entity/{repository['id']}/dockerTag"
    assert_error(ben.get(path), 403, "READ")
    ann.share(project, {ben.id: ["READ"]})
    assert ok(ben.get(path))["results"] == []
    assert_error(commit(ben, repository, "latest", FIRST), 403, "UPDATE")
    assert_error(commit(anonymous, repository, "latest", FIRST), 403, "Anonymous")
    ann.share(project, {ben.id: ["READ", "UPDATE"]})
    assert commit(ben, repository, "latest", FIRST).status_code == 204
    assert ann.entity(repository["id"])["modifiedBy"] == str(ben.id)


def test_commits_of_a_deleted_repository_are_gone(ann, repository):
    assert commit(ann, repository, "latest", FIRST).status_code == 204
    assert ann.delete(f"{REPO}/entity/{repository['id']}").status_code == 204
    assert_error(ann.get(f"{REPO}/entity/{repository['id']}/dockerTag"), 404, "trash can")
    assert ann.put(f"{REPO}/trashcan/restore/{repository['id']}").status_code == 200
    assert len(list_tags(ann, repository)) == 1
    assert ann.delete(f"{REPO}/entity/{repository['id']}").status_code == 204
    assert ann.put(f"{REPO}/trashcan/purge/{repository['id']}").status_code == 200
    assert_error(ann.get(f"{REPO}/entity/{repository['id']}/dockerTag"), 404)


def test_repository_is_found_by_its_name(ann, ben):
    project = ann.new_project()["id"]
    repository = make_repository(ann, project, "quay.io/ant/found")
    path = f"{REPO}/entity/dockerRepo/id?repositoryName="
    assert ok(ann.get(f"{path}quay.io%2Fant%2Ffound")) == {"id": repository["id"]}
    assert_error(ben.get(f"{path}quay.io/ant/found"), 404, "quay.io/ant/found")
    assert_error(ann.get(f"{path}quay.io/ant/lost"), 404, "quay.io/ant/lost")
    assert_error(ann.get(f"{REPO}/entity/dockerRepo/id"), 400, "repositoryName")
    assert ann.delete(f"{REPO}/entity/{repository['id']}").status_code == 204
    assert_error(ann.get(f"{path}quay.io/ant/found"), 404)
