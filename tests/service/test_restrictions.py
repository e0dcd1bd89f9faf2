"""Tests of access requirements."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok


@pytest.fixture
def tree(ann):
    """IDs of a folder and a file of alice, in a project that all users can download from."""
    project = ann.new_project()["id"]
    ann.share(project, {273948: ["READ", "DOWNLOAD"]})
    folder = ann.new_folder(project)["id"]
    return folder, ann.new_file(folder)["id"]


def create_lock(user, entity):
    return user.post(f"{REPO}/entity/{entity}/lockAccessRequirement")


def list_requirements(user, entity, query=""):
    return ok(user.get(f"{REPO}/entity/{entity}/accessRequirement{query}"))


def test_new_entity_has_no_requirements(ann, tree):
    page = list_requirements(ann, tree[1], "?offset=0&limit=1")
    assert page == {"totalNumberOfResults": 0, "results": []}


def test_create_lock_returns_requirement(ann, tree):
    response = create_lock(ann, tree[0])
    assert response.status_code == 201
    requirement = response.json()
    assert requirement["concreteType"].endswith(".LockAccessRequirement")
    assert requirement["accessType"] == "DOWNLOAD"
    assert requirement["subjectIds"] == [{"id": tree[0], "type": "ENTITY"}]
    for entity in tree:
        assert list_requirements(ann, entity)["results"] == [requirement]


def test_restriction_information_accepts_empty_body(ann, tree):
    response = ann.post(f"{REPO}/entity/{tree[0]}/lockAccessRequirement", "")
    assert response.status_code == 201


def test_lock_restricts_download_to_administrators(ann, ben, admin, tree):
    folder, file = tree
    assert len(get_bundle(ben, file)["fileHandles"]) == 1
    ok(create_lock(ann, folder))
    for user in (ann, ben):
        assert_error(user.get(f"{REPO}/entity/{file}/file"), 403, "unmet access requirements")
        assert get_bundle(user, file)["fileHandles"] == []
        information = get_bundle(user, file)["restrictionInformation"]
        assert information["restrictionLevel"] == "CONTROLLED_BY_ACT"
        assert information["hasUnmetAccessRequirement"] is True
        assert user.entity(file)["id"] == file
    assert len(get_bundle(admin, file)["fileHandles"]) == 1
    assert get_bundle(admin, file)["restrictionInformation"]["hasUnmetAccessRequirement"] is False


def get_bundle(user, file):
    flags = {"includeFileHandles": True, "includeRestrictionInformation": True}
    return ok(user.post(f"{REPO}/entity/{file}/bundle2", flags))


def test_second_lock_is_rejected(ann, tree):
    folder, file = tree
    ok(create_lock(ann, folder))
    assert_error(create_lock(ann, folder), 400, f"Entity {folder} is already restricted.")
    assert_error(create_lock(ann, file), 400, f"Entity {file} is already restricted.")


def test_create_lock_requires_create_and_update(ann, ben, anonymous, tree):
    folder, _ = tree
    assert_error(create_lock(ben, folder), 403, "You lack UPDATE access")
    ann.share(folder, {ben.id: ["READ", "UPDATE"]})
    assert_error(create_lock(ben, folder), 403, "You lack CREATE access")
    assert_error(create_lock(anonymous, folder), 403)
    ann.share(folder, {ben.id: ["READ", "UPDATE", "CREATE"]})
    assert create_lock(ben, folder).status_code == 201


def test_page_size_of_requirements_is_limited(ann, tree):
    path = f"{REPO}/entity/{tree[0]}/accessRequirement"
    for limit in (0, 51):
        assert_error(ann.get(f"{path}?limit={limit}"), 400, "limit must be between 1 and 50")


def test_file_route_returns_redirect_or_text(ann, tree):
    path = f"{REPO}/entity/{tree[1]}"
    for way in ("/file", "/version/1/file"):
        response = ann.get(path + way)
        assert response.status_code == 307
        assert response.headers["Location"] == "https://example.org/data.csv"
        response = ann.get(f"{path}{way}?redirect=false")
        assert (response.status_code, response.text) == (200, "https://example.org/data.csv")
        assert response.headers["Content-Type"].startswith("text/plain")
    assert_error(ann.get(f"{REPO}/entity/{tree[0]}/file"), 404, "file")
    for way in ("/filehandles", "/version/1/filehandles"):
        assert [each["fileName"] for each in ok(ann.get(path + way))["list"]] == ["data.csv"]
