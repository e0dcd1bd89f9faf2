"""Deleting, bringing back, and removing for good."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok

from synapse_workflows.constants import FOLDER

CAN = f"{REPO}/trashcan"


@pytest.fixture
def tree(ann):
    """Ids of a project, a folder and a file of alice."""
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    return project, folder, ann.new_file(folder)["id"]


def delete(person, entity, query=""):
    assert person.delete(f"{REPO}/entity/{entity}{query}").status_code == 204


def restore(person, *ids):
    return person.put(f"{CAN}/restore/{'/'.join(ids)}")


def trashed(person):
    return ok(person.get(f"{CAN}/view?limit=1000"))["results"]


def test_what_is_deleted_is_gone_with_all_below_it(ann, admin, tree):
    _, folder, file = tree
    delete(ann, folder)
    for entity in (folder, file):
        for person in (ann, admin):
            for path in ("", "/version/1", "/annotations2", "/type", "/acl", "/permissions"):
                answer = person.get(f"{REPO}/entity/{entity}{path}")
                assert_error(answer, 404, f"Entity {entity} is in trash can.")


def test_deleting_again_changes_nothing(ann, tree):
    _, folder, file = tree
    delete(ann, folder)
    delete(ann, folder)
    delete(ann, file)
    assert restore(ann, folder).status_code == 200
    assert ann.entity(file)["parentId"] == folder


def test_an_unknown_entity_cannot_be_deleted(ann):
    assert_error(ann.delete(f"{REPO}/entity/syn1"), 404, "Resource: 'syn1' does not exist")


def test_nothing_is_written_to_what_is_deleted(ann, tree):
    project, folder, file = tree
    before = ann.entity(folder), ann.entity(file)
    delete(ann, folder)
    for each in before:
        assert_error(ann.save(each), 404, "is in trash can.")
    body = {"etag": before[0]["etag"], "annotations": {}}
    assert_error(ann.put(f"{REPO}/entity/{folder}/annotations2", body), 404, "is in trash can.")
    assert_error(ann.delete(f"{REPO}/entity/{file}/version/1"), 404, "is in trash can.")
    assert_error(ann.try_make(FOLDER, folder), 403, "trash")
    assert_error(ann.save({**ann.entity(project), "parentId": "syn1681355"}), 403, "trash")


def test_the_name_is_free_again(ann, tree):
    project, folder, _ = tree
    name = ann.entity(folder)["name"]
    delete(ann, folder)
    ann.new_folder(project, name=name)
    assert_error(restore(ann, folder), 409, "already exists with a parentId")


def test_restoring_brings_back_name_place_and_content(ann, tree):
    project, folder, file = tree
    before = ann.entity(folder)
    delete(ann, folder)
    assert restore(ann, folder).status_code == 200
    after = ann.entity(folder)
    assert {**after, "etag": 0} == {**before, "etag": 0}
    assert ann.entity(file)["parentId"] == folder
    assert ok(ann.get(f"{REPO}/entity/{file}/benefactor"))["id"] == project
    assert_error(restore(ann, folder), 404, "not in the trash can")


def test_restoring_to_another_place(ann, tree):
    _, folder, file = tree
    other = ann.new_project()["id"]
    delete(ann, folder)
    assert restore(ann, folder, other).status_code == 200
    assert ann.entity(folder)["parentId"] == other
    assert ok(ann.get(f"{REPO}/entity/{file}/benefactor"))["id"] == other


def test_acls_of_the_subtree_are_dropped(ann, ben, tree):
    project, folder, file = tree
    ann.share(folder, {ben.id: ["READ"]})
    ann.share(file, {ben.id: ["READ"]})
    delete(ann, folder)
    assert restore(ann, folder).status_code == 200
    assert ok(ann.get(f"{REPO}/entity/{file}/benefactor"))["id"] == project
    assert_error(ben.get(f"{REPO}/entity/{file}"), 403)


def test_a_project_comes_back_to_the_one_who_deleted_it(ann, ben, tree):
    project, _, file = tree
    delete(ann, project)
    assert restore(ann, project).status_code == 200
    assert ann.entity(file)["id"] == file
    assert [each["principalId"] for each in ann.acl(project)["resourceAccess"]] == [ann.id]
    assert_error(ben.get(f"{REPO}/entity/{project}"), 403)


def test_a_container_in_the_trash_takes_nothing_back(ann, tree):
    project, folder, file = tree
    delete(ann, file)
    delete(ann, folder)
    assert_error(restore(ann, file), 403, "trash")
    assert restore(ann, file, project).status_code == 200


def test_only_the_one_who_deleted_it_brings_it_back(ann, ben, tree):
    delete(ann, tree[1])
    assert_error(restore(ben, tree[1]), 403)
    assert_error(ben.put(f"{CAN}/purge/{tree[1]}"), 403)


def test_the_can_shows_what_oneself_deleted(ann, ben, tree):
    project, folder, _ = tree
    name = ann.entity(folder)["name"]
    delete(ann, folder)
    shown = trashed(ann)[0]
    assert shown.pop("deletedOn").endswith("Z")
    assert shown == {
        "entityId": folder,
        "entityName": name,
        "entityType": "folder",
        "deletedByPrincipalId": "3300001",
        "originalParentId": project,
    }
    assert folder not in [each["entityId"] for each in trashed(ben)]


@pytest.mark.parametrize("how", ["purge", "skip"])
def test_what_is_removed_for_good_never_was(ann, tree, how):
    project, folder, file = tree
    if how == "skip":
        delete(ann, folder, "?skipTrashCan=true")
    else:
        assert ann.put(f"{CAN}/trash/{folder}").status_code == 200
        assert ann.put(f"{CAN}/purge/{folder}").status_code == 200
    for entity in (folder, file):
        assert_error(
            ann.get(f"{REPO}/entity/{entity}"), 404, f"Resource: '{entity}' does not exist"
        )
    assert_error(restore(ann, folder), 404)
    body = {"parentId": project, "includeTypes": ["folder"]}
    assert ok(ann.post(f"{REPO}/entity/children", body))["page"] == []


def test_ids_are_never_given_again(ann, tree):
    folder = tree[1]
    delete(ann, folder, "?skipTrashCan=true")
    assert int(ann.new_project()["id"][3:]) > int(folder[3:])
