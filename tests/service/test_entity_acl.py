"""Tests of access control lists of entities."""

import pytest
from support.entity_api import ALL_RIGHTS, REPO
from support.file_api import assert_error, ok

AUTHENTICATED, PUBLIC, ANONYMOUS = 273948, 273949, 273950


def path(entity):
    return f"{REPO}/entity/{entity}/acl"


def entries(*pairs):
    return {"resourceAccess": [{"principalId": who, "accessType": what} for who, what in pairs]}


def benefactor(user, entity):
    return ok(user.get(f"{REPO}/entity/{entity}/benefactor"))["id"]


@pytest.fixture
def tree(ann):
    """IDs of a project, a folder in it, a folder in that, and a file at the bottom."""
    project = ann.new_project()["id"]
    outer = ann.new_folder(project)["id"]
    inner = ann.new_folder(outer)["id"]
    return project, outer, inner, ann.new_file(inner)["id"]


def test_new_project_grants_all_access_to_creator_only(ann):
    project = ann.new_project()
    acl = ann.acl(project["id"])
    assert acl["resourceAccess"] == [{"principalId": 3300001, "accessType": ALL_RIGHTS}]
    assert acl["id"] == project["id"]
    assert acl["creationDate"] == project["createdOn"]


def test_descendants_inherit_acl_of_project(ann, tree):
    project, *below = tree
    for entity in below:
        assert benefactor(ann, entity) == project
        assert_error(ann.get(path(entity)), 404, f"/entity/{project}/acl")


def test_own_acl_applies_to_descendants(ann, ben, tree):
    project, outer, inner, file = tree
    acl = ok(ann.post(path(inner), entries((3300001, ALL_RIGHTS), (ben.id, ["READ"]))))
    assert acl["id"] == inner
    assert [benefactor(ann, each) for each in tree] == [project, project, inner, inner]
    assert ben.entity(file)["id"] == file
    assert_error(ben.get(f"{REPO}/entity/{outer}"), 403)
    ok(ann.post(path(outer), entries((3300001, ALL_RIGHTS))))
    assert [benefactor(ann, each) for each in tree] == [project, outer, inner, inner]


def test_delete_acl_restores_inheritance(ann, ben, tree):
    project, outer, inner, file = tree
    ok(ann.post(path(outer), entries((3300001, ALL_RIGHTS))))
    ok(ann.post(path(inner), entries((3300001, ALL_RIGHTS), (ben.id, ["READ"]))))
    assert ann.delete(path(inner)).status_code == 204
    assert [benefactor(ann, each) for each in tree] == [project, outer, outer, outer]
    assert_error(ben.get(f"{REPO}/entity/{file}"), 403)
    assert ann.delete(path(outer)).status_code == 204
    assert [benefactor(ann, each) for each in tree] == [project] * 4


def test_move_updates_benefactor(ann, tree):
    _, outer, inner, file = tree
    other = ann.new_project()["id"]
    ann.change(inner, parentId=other)
    assert [benefactor(ann, each) for each in (inner, file)] == [other, other]
    ok(ann.post(path(inner), entries((3300001, ALL_RIGHTS))))
    ann.change(inner, parentId=outer)
    assert [benefactor(ann, each) for each in (inner, file)] == [inner, inner]


def test_create_second_acl_is_forbidden(ann, tree):
    project, outer, *_ = tree
    body = entries((3300001, ALL_RIGHTS))
    assert_error(ann.post(path(project), body), 403, "Resource already has an ACL.")
    ok(ann.post(path(outer), body))
    assert_error(ann.post(path(outer), body), 403, "Resource already has an ACL.")


def test_inherited_acl_cannot_be_updated_or_deleted(ann, tree):
    assert_error(ann.put(path(tree[1]), entries((3300001, ALL_RIGHTS))), 403, "inherits")
    assert_error(ann.delete(path(tree[1])), 403, "inherits")


def test_delete_acl_of_project_is_forbidden(ann, admin, tree):
    assert_error(ann.delete(path(tree[0])), 403)
    assert_error(admin.delete(path(tree[0])), 403)


def test_update_replaces_entries_and_checks_acl_etag(ann, ben, tree):
    project = tree[0]
    entity = ann.entity(project)
    before = ann.acl(project)
    expected = [{"principalId": 3300001, "accessType": ALL_RIGHTS},
              {"principalId": ben.id, "accessType": ["READ"]}]  # fmt: skip
    after = ok(ann.put(path(project), {**before, "resourceAccess": expected}))
    assert after["resourceAccess"] == expected
    assert after["etag"] != before["etag"]
    assert after["creationDate"] == before["creationDate"]
    assert ann.entity(project) == entity
    assert_error(ann.put(path(project), before), 412, "was updated since you last fetched it")
    assert_error(ann.put(path(project), {**after, "etag": None}), 412)
    assert ann.acl(project) == after


def test_update_uses_id_in_path(ann):
    one, two = ann.new_project()["id"], ann.new_project()["id"]
    assert ok(ann.put(path(one), {**ann.acl(one), "id": two}))["id"] == one


def test_entries_of_one_principal_are_merged(ann, ben, tree):
    body = entries((3300001, ALL_RIGHTS), (ben.id, ["READ"]), (ben.id, ["DOWNLOAD", "READ"]))
    acl = ok(ann.post(path(tree[1]), body))
    assert acl["resourceAccess"][1] == {"principalId": ben.id, "accessType": ["READ", "DOWNLOAD"]}


OWN_ENTRY = (3300001, ALL_RIGHTS)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (
            entries(OWN_ENTRY, (ANONYMOUS, ["READ"])),
            400,
            "Cannot assign permissions to anonymous.",
        ),
        (
            entries(OWN_ENTRY, (PUBLIC, ["READ", "DOWNLOAD"])),
            400,
            "Only READ permissions can be assigned to the public group",
        ),
        (entries(OWN_ENTRY, (None, ["READ"])), 400, "null"),
        (entries(OWN_ENTRY, (3300002, [])), 400, "access types"),
        (entries(OWN_ENTRY, (3300002, None)), 400, "access types"),
        (entries(OWN_ENTRY, (3300002, ["LOOK"])), 400, "LOOK"),
        (entries(OWN_ENTRY, (123456, ["READ"])), 400, "123456"),
        (entries(OWN_ENTRY, ("bob", ["READ"])), 400, "principalId"),
        (entries(OWN_ENTRY, (10**30, ["READ"])), 400, "principalId"),
        ({"resourceAccess": "all"}, 400, "resourceAccess"),
        ({"resourceAccess": [None]}, 400, "resourceAccess"),
    ],
)
def test_invalid_acl_is_rejected(ann, tree, body, status, words):
    assert_error(ann.post(path(tree[1]), body), status, words)
    present = ann.acl(tree[0])
    assert_error(ann.put(path(tree[0]), {**body, "etag": present["etag"]}), status, words)
    assert ann.acl(tree[0]) == present
    assert_error(ann.get(path(tree[1])), 404)


def test_granting_download_to_all_users_requires_certification(ann, dan):
    body = (AUTHENTICATED, ["READ", "DOWNLOAD"])
    project = dan.new_project()["id"]
    own_entry = (dan.id, ALL_RIGHTS)
    response = dan.put(path(project), {**dan.acl(project), **entries(own_entry, body)})
    assert assert_error(response, 403)["errorCode"] == "USER_CERTIFICATION_REQUIRED"
    reading = entries(own_entry, (AUTHENTICATED, ["READ"]))
    ok(dan.put(path(project), {**dan.acl(project), **reading}))
    project = ann.new_project()["id"]
    ok(ann.put(path(project), {**ann.acl(project), **entries(OWN_ENTRY, body)}))


def test_only_creator_can_revoke_own_change_permissions(ann, ben, tree):
    project, outer, *_ = tree
    ann.share(outer, {ben.id: ["READ", "CHANGE_PERMISSIONS"]})
    without = {**ann.acl(outer), **entries((ben.id, ["READ"]), OWN_ENTRY)}
    reason = "Caller is trying to revoke their own ACL editing permissions."
    assert_error(ben.put(path(outer), without), 400, reason)
    by_group = {**ann.acl(outer), **entries((AUTHENTICATED, ["CHANGE_PERMISSIONS"]))}
    ok(ben.put(path(outer), by_group))
    own = {**ann.acl(project), **entries((ben.id, ["READ"]))}
    ok(ann.put(path(project), own))
    assert_error(ann.get(path(project)), 403, "You lack READ access")


def test_principal_ids_are_returned_as_numbers_and_accepted_as_text(ann, ben, tree):
    acl = ok(ann.post(path(tree[1]), entries(("3300001", ALL_RIGHTS), (str(ben.id), ["READ"]))))
    assert [each["principalId"] for each in acl["resourceAccess"]] == [3300001, ben.id]
