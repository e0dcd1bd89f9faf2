"""Tests of the trash can."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok

from synapse_workflows.constants import FOLDER

TRASH = f"{REPO}/trashcan"


@pytest.fixture
def tree(ann):
    """IDs of a project, a folder and a file of alice."""
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    return project, folder, ann.new_file(folder)["id"]


def delete_entity(user, entity, query=""):
    assert user.delete(f"{REPO}/entity/{entity}{query}").status_code == 204


def restore_entity(user, *ids):
    return user.put(f"{TRASH}/restore/{'/'.join(ids)}")


def list_trashed(user):
    return ok(user.get(f"{TRASH}/view?limit=1000"))["results"]


def test_delete_moves_subtree_to_trash_can(ann, admin, tree):
    _, folder, file = tree
    delete_entity(ann, folder)
    for entity in (folder, file):
        for user in (ann, admin):
            for path in ("", "/version/1", "/annotations2", "/type", "/acl", "/permissions"):
                response = user.get(f"{REPO}/entity/{entity}{path}")
                assert_error(response, 404, f"Entity {entity} is in trash can.")


def test_delete_is_idempotent(ann, tree):
    _, folder, file = tree
    delete_entity(ann, folder)
    delete_entity(ann, folder)
    delete_entity(ann, file)
    assert restore_entity(ann, folder).status_code == 200
    assert ann.entity(file)["parentId"] == folder


def test_delete_unknown_entity_is_not_found(ann):
    assert_error(ann.delete(f"{REPO}/entity/syn1"), 404, "Resource: 'syn1' does not exist")


def test_deleted_entity_cannot_be_changed(ann, tree):
    project, folder, file = tree
    before = ann.entity(folder), ann.entity(file)
    delete_entity(ann, folder)
    for each in before:
        assert_error(ann.save(each), 404, "is in trash can.")
    body = {"etag": before[0]["etag"], "annotations": {}}
    assert_error(ann.put(f"{REPO}/entity/{folder}/annotations2", body), 404, "is in trash can.")
    assert_error(ann.delete(f"{REPO}/entity/{file}/version/1"), 404, "is in trash can.")
    assert_error(ann.try_make(FOLDER, folder), 403, "trash")
    assert_error(ann.save({**ann.entity(project), "parentId": "syn1681355"}), 403, "trash")


def test_name_of_deleted_entity_is_available(ann, tree):
    project, folder, _ = tree
    name = ann.entity(folder)["name"]
    delete_entity(ann, folder)
    ann.new_folder(project, name=name)
    assert_error(restore_entity(ann, folder), 409, "already exists with a parentId")


def test_restore_returns_name_parent_and_content(ann, tree):
    project, folder, file = tree
    before = ann.entity(folder)
    delete_entity(ann, folder)
    assert restore_entity(ann, folder).status_code == 200
    after = ann.entity(folder)
    assert {**after, "etag": 0} == {**before, "etag": 0}
    assert ann.entity(file)["parentId"] == folder
    assert ok(ann.get(f"{REPO}/entity/{file}/benefactor"))["id"] == project
    assert_error(restore_entity(ann, folder), 404, "not in the trash can")


def test_restore_to_another_parent(ann, tree):
    _, folder, file = tree
    other = ann.new_project()["id"]
    delete_entity(ann, folder)
    assert restore_entity(ann, folder, other).status_code == 200
    assert ann.entity(folder)["parentId"] == other
    assert ok(ann.get(f"{REPO}/entity/{file}/benefactor"))["id"] == other


def test_delete_removes_acls_of_subtree(ann, ben, tree):
    project, folder, file = tree
    ann.share(folder, {ben.id: ["READ"]})
    ann.share(file, {ben.id: ["READ"]})
    delete_entity(ann, folder)
    assert restore_entity(ann, folder).status_code == 200
    assert ok(ann.get(f"{REPO}/entity/{file}/benefactor"))["id"] == project
    assert_error(ben.get(f"{REPO}/entity/{file}"), 403)


def test_restored_project_is_owned_by_caller(ann, ben, tree):
    project, _, file = tree
    delete_entity(ann, project)
    assert restore_entity(ann, project).status_code == 200
    assert ann.entity(file)["id"] == file
    assert [each["principalId"] for each in ann.acl(project)["resourceAccess"]] == [ann.id]
    assert_error(ben.get(f"{REPO}/entity/{project}"), 403)


def test_restore_to_deleted_container_is_forbidden(ann, tree):
    project, folder, file = tree
    delete_entity(ann, file)
    delete_entity(ann, folder)
    assert_error(restore_entity(ann, file), 403, "trash")
    assert restore_entity(ann, file, project).status_code == 200


def test_only_the_deleting_user_can_restore(ann, ben, tree):
    delete_entity(ann, tree[1])
    assert_error(restore_entity(ben, tree[1]), 403)
    assert_error(ben.put(f"{TRASH}/purge/{tree[1]}"), 403)


def test_list_trashed_returns_entities_deleted_by_caller(ann, ben, tree):
    project, folder, _ = tree
    name = ann.entity(folder)["name"]
    delete_entity(ann, folder)
    trashed_entity = list_trashed(ann)[0]
    assert trashed_entity.pop("deletedOn").endswith("Z")
    assert trashed_entity == {
        "entityId": folder,
        "entityName": name,
        "entityType": "folder",
        "deletedByPrincipalId": "3300001",
        "originalParentId": project,
    }
    assert folder not in [each["entityId"] for each in list_trashed(ben)]


@pytest.mark.parametrize("how", ["purge", "skip"])
def test_purged_entity_is_not_found(ann, tree, how):
    project, folder, file = tree
    if how == "skip":
        delete_entity(ann, folder, "?skipTrashCan=true")
    else:
        assert ann.put(f"{TRASH}/trash/{folder}").status_code == 200
        assert ann.put(f"{TRASH}/purge/{folder}").status_code == 200
    for entity in (folder, file):
        assert_error(
            ann.get(f"{REPO}/entity/{entity}"), 404, f"Resource: '{entity}' does not exist"
        )
    assert_error(restore_entity(ann, folder), 404)
    body = {"parentId": project, "includeTypes": ["folder"]}
    assert ok(ann.post(f"{REPO}/entity/children", body))["page"] == []


def test_ids_are_not_reused(ann, tree):
    folder = tree[1]
    delete_entity(ann, folder, "?skipTrashCan=true")
    assert int(ann.new_project()["id"][3:]) > int(folder[3:])
