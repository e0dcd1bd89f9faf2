"""Tests of access checks on entities."""

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import ALL_RIGHTS, REPO
from support.file_api import assert_error, ok

from synapse_workflows.constants import FOLDER, PROJECT

AUTHENTICATED, PUBLIC = 273948, 273949
PERMISSION_FIELDS = {
    "READ": "canView",
    "DOWNLOAD": "canDownload",
    "UPDATE": "canEdit",
    "CREATE": "canAddChild",
    "DELETE": "canDelete",
    "CHANGE_PERMISSIONS": "canChangePermissions",
    "CHANGE_SETTINGS": "canChangeSettings",
    "MODERATE": "canModerate",
}
USERS = ["admin", "alice", "bob", "dave", None]


def get_access(user, entity, right):
    return ok(user.get(f"{REPO}/entity/{entity}/access?accessType={right}"))["result"]


def expected(name, entity, right, is_granted):
    """Return whether access is allowed: administrators, rules before the ACL, then the ACL.

    Args:
        name: User of the request; alice created everything.
        entity: `project`, `folder` or `locked`.
        right: Access type.
        is_granted: Whether the ACL grants the access type to the user.
    """
    if name == "admin":
        return True
    barriers = {
        "DOWNLOAD": name is None or entity == "locked",
        "UPDATE": name is None or (name == "dave" and entity != "project"),
        "CREATE": name in {None, "dave"},
        "CHANGE_SETTINGS": name in {None, "dave"},
    }
    if barriers.get(right, name is None and right != "READ"):
        return False
    return is_granted or (name == "alice" and right == "CHANGE_SETTINGS")


@pytest.fixture(scope="module")
def entities(ann):
    """A project, a folder and a locked folder of alice, each with its own ACL."""
    project = ann.new_project()["id"]
    folder, locked = ann.new_folder(project)["id"], ann.new_folder(project)["id"]
    ok(ann.post(f"{REPO}/entity/{locked}/lockAccessRequirement"))
    entities = {"project": project, "folder": folder, "locked": locked}
    for each in entities.values():
        ann.share(each, {})
    return entities


rights = st.sets(st.sampled_from(ALL_RIGHTS))


@settings(max_examples=40, deadline=None)
@given(
    where=st.sampled_from(["project", "folder", "locked"]),
    own=st.fixed_dictionaries({"alice": rights, "bob": rights, "dave": rights}),
    authenticated=rights,
    public=st.booleans(),
)
def test_access_follows_the_decision_table(
    admin, author, entities, where, own, authenticated, public
):
    users = {name: author(name) for name in USERS}
    grants = {users[name].id: what for name, what in own.items()}
    grants |= {AUTHENTICATED: authenticated, PUBLIC: {"READ"} if public else set()}
    put_acl(admin, entities[where], grants)
    for name, user in users.items():
        granted = set(own.get(name, ())) | grants[PUBLIC] | (authenticated if name else set())
        permissions = ok(user.get(f"{REPO}/entity/{entities[where]}/permissions"))
        assert {right: permissions[key] for right, key in PERMISSION_FIELDS.items()} == {
            right: expected(name, where, right, right in granted) for right in PERMISSION_FIELDS
        }, f"{name} on {where}"


def put_acl(admin, entity, grants):
    entries = [
        {"principalId": who, "accessType": sorted(what)} for who, what in grants.items() if what
    ]
    path = f"{REPO}/entity/{entity}/acl"
    ok(admin.put(path, {"etag": admin.acl(entity)["etag"], "resourceAccess": entries}))


@pytest.fixture(scope="module")
def private(ann):
    """A project of alice without access for other users, with a folder and a file."""
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    return {"project": project, "folder": folder, "file": ann.new_file(folder)["id"]}


def test_get_private_project_of_another_user_is_forbidden(private, ben, anonymous):
    for user in (ben, anonymous):
        for entity in private.values():
            reason = "You lack READ access to the requested entity."
            assert_error(user.get(f"{REPO}/entity/{entity}"), 403, reason)


@pytest.mark.parametrize(
    "path",
    [
        "", "/version/1", "/annotations2", "/version/1/annotations2", "/type", "/path", "/version",
        "/benefactor", "/acl", "/generatedBy", "/version/1/generatedBy", "/filehandles", "/file",
        "/version/1/file", "/version/1/filehandles", "/accessRequirement",
    ],
)  # fmt: skip
def test_every_read_route_requires_read(private, ben, path):
    reason = "You lack READ access to the requested entity."
    assert_error(ben.get(f"{REPO}/entity/{private['file']}{path}"), 403, reason)


def test_bundle_requires_read(private, ben):
    for path in ("/bundle2", "/version/1/bundle2"):
        response = ben.post(f"{REPO}/entity/{private['file']}{path}", {"includeEntity": True})
        assert_error(response, 403, "You lack READ access to the requested entity.")


def test_forbidden_error_names_missing_access_type(ann, ben):
    project = ann.new_project()["id"]
    file = ann.new_file(project)
    ann.share(project, {ben.id: ["READ"]})
    path = f"{REPO}/entity/{file['id']}"
    body = {"etag": file["etag"], "annotations": {}}
    assert_error(ben.save(file), 403, "You lack UPDATE access to the requested entity.")
    assert_error(ben.put(f"{path}/annotations2", body), 403, "You lack UPDATE access")
    assert_error(ben.delete(path), 403, "You lack DELETE access to the requested entity.")
    assert_error(ben.delete(f"{path}/version/1"), 403, "You lack DELETE access")
    assert_error(
        ben.try_make(FOLDER, project), 403, "You lack CREATE access to the requested entity."
    )
    assert_error(ben.get(f"{path}/file"), 403, "You lack DOWNLOAD access to the requested entity.")
    assert_error(ben.delete(f"{path}/generatedBy"), 403, "You lack UPDATE access")
    assert_error(
        ben.post(f"{path}/acl", {"resourceAccess": []}), 403, "You lack CHANGE_PERMISSIONS"
    )
    assert_error(ben.post(f"{path}/lockAccessRequirement"), 403, "You lack UPDATE access")


def test_anonymous_caller_has_only_read(ann, anonymous):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)
    ann.share(project, {PUBLIC: ["READ"]})
    assert anonymous.entity(folder["id"]) == folder
    reason = "Anonymous users have only READ access permission."
    assert_error(anonymous.save(folder), 403, reason)
    assert_error(anonymous.delete(f"{REPO}/entity/{folder['id']}"), 403, reason)
    assert_error(anonymous.try_make(FOLDER, project), 403, reason)


def test_uncertified_user_can_delete_but_not_update(ann, dan):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)
    ann.share(project, {dan.id: ["READ", "UPDATE", "CREATE", "DELETE"]})
    reason = "Only certified users may create or update content in Synapse."
    assert_error(dan.save(folder), 403, reason)
    assert_error(dan.try_make(FOLDER, project), 403, reason)
    assert dan.change(project, description="d")["description"] == "d"
    assert dan.delete(f"{REPO}/entity/{folder['id']}").status_code == 204


def test_move_requires_create_on_target_and_change_permissions(ann, ben):
    here, there = ann.new_project()["id"], ann.new_project()["id"]
    folder = ann.new_folder(here)
    moved = {**folder, "parentId": there}
    ann.share(here, {ben.id: ["READ", "UPDATE"]})
    assert_error(ben.save(moved), 403, "You lack CHANGE_PERMISSIONS access")
    ann.share(here, {ben.id: ["READ", "UPDATE", "CHANGE_PERMISSIONS"]})
    assert_error(ben.save(moved), 403, "You lack CREATE access")
    ann.share(there, {ben.id: ["CREATE"]})
    assert ok(ben.save(moved))["parentId"] == there


def test_administrator_has_all_access(private, admin):
    for right in ALL_RIGHTS:
        assert get_access(admin, private["file"], right)


def test_access_check_rejects_unknown_access_type_and_entity(private, ann):
    path = f"{REPO}/entity/{private['file']}/access"
    assert_error(ann.get(f"{path}?accessType=LOOK"), 400, "LOOK")
    assert_error(ann.get(path), 400, "accessType")
    assert_error(ann.get(f"{REPO}/entity/syn1/access?accessType=READ"), 404, "does not exist")


def test_permissions_of_creator(private, ann):
    permissions = ok(ann.get(f"{REPO}/entity/{private['folder']}/permissions"))
    no = {"canPublicRead", "isEntityOpenData"}
    assert {key for key, value in permissions.items() if value is False} == no
    assert permissions["ownerPrincipalId"] == 3300001


def test_permissions_of_user_without_access(private, ben, anonymous):
    permissions = ok(ben.get(f"{REPO}/entity/{private['folder']}/permissions"))
    yes = {"isCertifiedUser", "canUpload", "isCertificationRequired"}
    assert {key for key, value in permissions.items() if value is True} == yes
    permissions = ok(anonymous.get(f"{REPO}/entity/{private['folder']}/permissions"))
    assert {key for key, value in permissions.items() if value is True} == {
        "isCertificationRequired"
    }


def test_permissions_of_uncertified_user(ann, dan):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    ann.share(project, {dan.id: ["READ", "UPDATE", "CREATE"]})
    permissions = ok(dan.get(f"{REPO}/entity/{folder}/permissions"))
    assert (permissions["canEdit"], permissions["canCertifiedUserEdit"]) == (False, True)
    assert (permissions["canAddChild"], permissions["canCertifiedUserAddChild"]) == (False, True)
    assert permissions["isCertifiedUser"] is False
    permissions = ok(dan.get(f"{REPO}/entity/{project}/permissions"))
    assert (permissions["canEdit"], permissions["canAddChild"]) == (True, False)


def test_access_route_returns_one_access_type(ann, ben):
    project = ann.new_project()["id"]
    ann.share(project, {ben.id: ["READ", "DELETE"]})
    assert [right for right in ALL_RIGHTS if get_access(ben, project, right)] == ["READ", "DELETE"]


def test_can_enable_inheritance_requires_change_permissions(ann, ben):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    ann.share(folder, {ben.id: ["READ", "CHANGE_PERMISSIONS"]})

    def permissions(user, entity):
        return ok(user.get(f"{REPO}/entity/{entity}/permissions"))["canEnableInheritance"]

    assert permissions(ann, folder) is True
    assert permissions(ben, folder) is True
    assert permissions(ann, project) is False


def test_path_masks_names_of_unreadable_ancestors(ann, ben):
    project = ann.new_project()
    folder = ann.new_folder(project["id"])
    ann.share(folder["id"], {ben.id: ["READ"]})
    path = ok(ben.get(f"{REPO}/entity/{folder['id']}/path"))["path"]
    assert [each["id"] for each in path] == ["syn4489", project["id"], folder["id"]]
    assert path[1]["name"] != project["name"]
    assert path[2]["name"] == folder["name"]


def test_every_user_can_create_projects(ben, dan):
    for user in (ben, dan):
        assert user.make(PROJECT)["createdBy"] == str(user.id)
