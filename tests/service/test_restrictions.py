"""Locks on data: who can set them, and who is kept out."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok


@pytest.fixture
def tree(ann):
    """Ids of a folder and a file of alice, in a project that everybody may download from."""
    project = ann.new_project()["id"]
    ann.share(project, {273948: ["READ", "DOWNLOAD"]})
    folder = ann.new_folder(project)["id"]
    return folder, ann.new_file(folder)["id"]


def lock(person, entity):
    return person.post(f"{REPO}/entity/{entity}/lockAccessRequirement")


def requirements(person, entity, query=""):
    return ok(person.get(f"{REPO}/entity/{entity}/accessRequirement{query}"))


def test_an_entity_has_no_requirements_at_first(ann, tree):
    page = requirements(ann, tree[1], "?offset=0&limit=1")
    assert page == {"totalNumberOfResults": 0, "results": []}


def test_a_lock_tells_what_it_locks(ann, tree):
    answer = lock(ann, tree[0])
    assert answer.status_code == 201
    made = answer.json()
    assert made["concreteType"].endswith(".LockAccessRequirement")
    assert made["accessType"] == "DOWNLOAD"
    assert made["subjectIds"] == [{"id": tree[0], "type": "ENTITY"}]
    for entity in tree:
        assert requirements(ann, entity)["results"] == [made]


def test_the_official_way_to_ask_sends_an_empty_text(ann, tree):
    answer = ann.post(f"{REPO}/entity/{tree[0]}/lockAccessRequirement", "")
    assert answer.status_code == 201


def test_nobody_but_administrators_downloads_what_is_locked(ann, ben, admin, tree):
    folder, file = tree
    assert len(parts(ben, file)["fileHandles"]) == 1
    ok(lock(ann, folder))
    for person in (ann, ben):
        assert_error(person.get(f"{REPO}/entity/{file}/file"), 403, "unmet access requirements")
        assert parts(person, file)["fileHandles"] == []
        told = parts(person, file)["restrictionInformation"]
        assert told["restrictionLevel"] == "CONTROLLED_BY_ACT"
        assert told["hasUnmetAccessRequirement"] is True
        assert person.entity(file)["id"] == file
    assert len(parts(admin, file)["fileHandles"]) == 1
    assert parts(admin, file)["restrictionInformation"]["hasUnmetAccessRequirement"] is False


def parts(person, file):
    flags = {"includeFileHandles": True, "includeRestrictionInformation": True}
    return ok(person.post(f"{REPO}/entity/{file}/bundle2", flags))


def test_nothing_is_locked_twice(ann, tree):
    folder, file = tree
    ok(lock(ann, folder))
    assert_error(lock(ann, folder), 400, f"Entity {folder} is already restricted.")
    assert_error(lock(ann, file), 400, f"Entity {file} is already restricted.")


def test_locking_needs_create_and_update(ann, ben, anonymous, tree):
    folder, _ = tree
    assert_error(lock(ben, folder), 403, "You lack UPDATE access")
    ann.share(folder, {ben.id: ["READ", "UPDATE"]})
    assert_error(lock(ben, folder), 403, "You lack CREATE access")
    assert_error(lock(anonymous, folder), 403)
    ann.share(folder, {ben.id: ["READ", "UPDATE", "CREATE"]})
    assert lock(ben, folder).status_code == 201


def test_a_page_of_requirements_has_1_to_50(ann, tree):
    path = f"{REPO}/entity/{tree[0]}/accessRequirement"
    for limit in (0, 51):
        assert_error(ann.get(f"{path}?limit={limit}"), 400, "limit must be between 1 and 50")


def test_a_file_is_reached_by_a_redirect_or_a_text(ann, tree):
    path = f"{REPO}/entity/{tree[1]}"
    for way in ("/file", "/version/1/file"):
        answer = ann.get(path + way)
        assert answer.status_code == 307
        assert answer.headers["Location"] == "https://example.org/data.csv"
        answer = ann.get(f"{path}{way}?redirect=false")
        assert (answer.status_code, answer.text) == (200, "https://example.org/data.csv")
        assert answer.headers["Content-Type"].startswith("text/plain")
    assert_error(ann.get(f"{REPO}/entity/{tree[0]}/file"), 404, "file")
    for way in ("/filehandles", "/version/1/filehandles"):
        assert [each["fileName"] for each in ok(ann.get(path + way))["list"]] == ["data.csv"]
