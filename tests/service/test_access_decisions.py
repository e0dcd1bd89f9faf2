"""Who may do what to an entity: every row of the decision table, and its sentences."""

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import ALL_RIGHTS, REPO
from support.file_api import assert_error, ok

from synapse_workflows.constants import FOLDER, PROJECT

AUTHENTICATED, PUBLIC = 273948, 273949
TOLD = {
    "READ": "canView",
    "DOWNLOAD": "canDownload",
    "UPDATE": "canEdit",
    "CREATE": "canAddChild",
    "DELETE": "canDelete",
    "CHANGE_PERMISSIONS": "canChangePermissions",
    "CHANGE_SETTINGS": "canChangeSettings",
    "MODERATE": "canModerate",
}
PEOPLE = ["admin", "alice", "bob", "dave", None]


def may(person, entity, right):
    return ok(person.get(f"{REPO}/entity/{entity}/access?accessType={right}"))["result"]


def expected(name, entity, right, held):
    """The table of the rules, written down once more: admin, barriers, then the ACL.

    Args:
        name: who asks; alice created everything.
        entity: `project`, `folder` or `locked`.
        right: what is asked.
        held: whether an entry of the ACL gives the right to the caller.
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
    return held or (name == "alice" and right == "CHANGE_SETTINGS")


@pytest.fixture(scope="module")
def ground(ann):
    """Entities of alice: a project, a folder, and a locked folder, each with an ACL of its own."""
    project = ann.new_project()["id"]
    folder, locked = ann.new_folder(project)["id"], ann.new_folder(project)["id"]
    ok(ann.post(f"{REPO}/entity/{locked}/lockAccessRequirement"))
    found = {"project": project, "folder": folder, "locked": locked}
    for each in found.values():
        ann.share(each, {})
    return found


rights = st.sets(st.sampled_from(ALL_RIGHTS))


@settings(max_examples=40, deadline=None)
@given(
    where=st.sampled_from(["project", "folder", "locked"]),
    own=st.fixed_dictionaries({"alice": rights, "bob": rights, "dave": rights}),
    everybody=rights,
    public=st.booleans(),
)
def test_every_right_of_everybody_follows_the_table(
    admin, author, ground, where, own, everybody, public
):
    people = {name: author(name) for name in PEOPLE}
    grants = {people[name].id: what for name, what in own.items()}
    grants |= {AUTHENTICATED: everybody, PUBLIC: {"READ"} if public else set()}
    put_acl(admin, ground[where], grants)
    for name, person in people.items():
        counted = set(own.get(name, ())) | grants[PUBLIC] | (everybody if name else set())
        told = ok(person.get(f"{REPO}/entity/{ground[where]}/permissions"))
        assert {right: told[key] for right, key in TOLD.items()} == {
            right: expected(name, where, right, right in counted) for right in TOLD
        }, f"{name} on {where}"


def put_acl(admin, entity, grants):
    entries = [
        {"principalId": who, "accessType": sorted(what)} for who, what in grants.items() if what
    ]
    path = f"{REPO}/entity/{entity}/acl"
    ok(admin.put(path, {"etag": admin.acl(entity)["etag"], "resourceAccess": entries}))


@pytest.fixture(scope="module")
def private(ann):
    """A project of alice that nobody else may see, with a folder and a file."""
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    return {"project": project, "folder": folder, "file": ann.new_file(folder)["id"]}


def test_another_user_does_not_read_a_private_project(private, ben, anonymous):
    for person in (ben, anonymous):
        for entity in private.values():
            reason = "You lack READ access to the requested entity."
            assert_error(person.get(f"{REPO}/entity/{entity}"), 403, reason)


@pytest.mark.parametrize(
    "path",
    [
        "", "/version/1", "/annotations2", "/version/1/annotations2", "/type", "/path", "/version",
        "/benefactor", "/acl", "/generatedBy", "/version/1/generatedBy", "/filehandles", "/file",
        "/version/1/file", "/version/1/filehandles", "/accessRequirement",
    ],
)  # fmt: skip
def test_no_way_leads_around_read(private, ben, path):
    reason = "You lack READ access to the requested entity."
    assert_error(ben.get(f"{REPO}/entity/{private['file']}{path}"), 403, reason)


def test_no_bundle_leads_around_read(private, ben):
    for path in ("/bundle2", "/version/1/bundle2"):
        answer = ben.post(f"{REPO}/entity/{private['file']}{path}", {"includeEntity": True})
        assert_error(answer, 403, "You lack READ access to the requested entity.")


def test_a_refusal_names_the_right_that_is_missing(ann, ben):
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


def test_an_anonymous_caller_has_only_read(ann, anonymous):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)
    ann.share(project, {PUBLIC: ["READ"]})
    assert anonymous.entity(folder["id"]) == folder
    reason = "Anonymous users have only READ access permission."
    assert_error(anonymous.save(folder), 403, reason)
    assert_error(anonymous.delete(f"{REPO}/entity/{folder['id']}"), 403, reason)
    assert_error(anonymous.try_make(FOLDER, project), 403, reason)


def test_uncertified_users_do_not_update_but_may_delete(ann, dan):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)
    ann.share(project, {dan.id: ["READ", "UPDATE", "CREATE", "DELETE"]})
    reason = "Only certified users may create or update content in Synapse."
    assert_error(dan.save(folder), 403, reason)
    assert_error(dan.try_make(FOLDER, project), 403, reason)
    assert dan.change(project, description="d")["description"] == "d"
    assert dan.delete(f"{REPO}/entity/{folder['id']}").status_code == 204


def test_moving_needs_create_there_and_change_permissions_here(ann, ben):
    here, there = ann.new_project()["id"], ann.new_project()["id"]
    folder = ann.new_folder(here)
    moved = {**folder, "parentId": there}
    ann.share(here, {ben.id: ["READ", "UPDATE"]})
    assert_error(ben.save(moved), 403, "You lack CHANGE_PERMISSIONS access")
    ann.share(here, {ben.id: ["READ", "UPDATE", "CHANGE_PERMISSIONS"]})
    assert_error(ben.save(moved), 403, "You lack CREATE access")
    ann.share(there, {ben.id: ["CREATE"]})
    assert ok(ben.save(moved))["parentId"] == there


def test_administrators_may_do_all(private, admin):
    for right in ALL_RIGHTS:
        assert may(admin, private["file"], right)


def test_an_unknown_right_is_refused_and_an_unknown_entity_not_found(private, ann):
    path = f"{REPO}/entity/{private['file']}/access"
    assert_error(ann.get(f"{path}?accessType=LOOK"), 400, "LOOK")
    assert_error(ann.get(path), 400, "accessType")
    assert_error(ann.get(f"{REPO}/entity/syn1/access?accessType=READ"), 404, "does not exist")


def test_permissions_tell_a_creator_all(private, ann):
    told = ok(ann.get(f"{REPO}/entity/{private['folder']}/permissions"))
    no = {"canPublicRead", "isEntityOpenData"}
    assert {key for key, value in told.items() if value is False} == no
    assert told["ownerPrincipalId"] == 3300001


def test_permissions_tell_a_stranger_nothing_but_what_they_are(private, ben, anonymous):
    told = ok(ben.get(f"{REPO}/entity/{private['folder']}/permissions"))
    yes = {"isCertifiedUser", "canUpload", "isCertificationRequired"}
    assert {key for key, value in told.items() if value is True} == yes
    told = ok(anonymous.get(f"{REPO}/entity/{private['folder']}/permissions"))
    assert {key for key, value in told.items() if value is True} == {"isCertificationRequired"}


def test_permissions_tell_an_uncertified_user_what_certification_would_give(ann, dan):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    ann.share(project, {dan.id: ["READ", "UPDATE", "CREATE"]})
    told = ok(dan.get(f"{REPO}/entity/{folder}/permissions"))
    assert (told["canEdit"], told["canCertifiedUserEdit"]) == (False, True)
    assert (told["canAddChild"], told["canCertifiedUserAddChild"]) == (False, True)
    assert told["isCertifiedUser"] is False
    told = ok(dan.get(f"{REPO}/entity/{project}/permissions"))
    assert (told["canEdit"], told["canAddChild"]) == (True, False)


def test_each_right_can_be_asked_for_alone(ann, ben):
    project = ann.new_project()["id"]
    ann.share(project, {ben.id: ["READ", "DELETE"]})
    assert [right for right in ALL_RIGHTS if may(ben, project, right)] == ["READ", "DELETE"]


def test_permissions_know_who_may_let_an_entity_inherit(ann, ben):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    ann.share(folder, {ben.id: ["READ", "CHANGE_PERMISSIONS"]})

    def told(person, entity):
        return ok(person.get(f"{REPO}/entity/{entity}/permissions"))["canEnableInheritance"]

    assert told(ann, folder) is True
    assert told(ben, folder) is True
    assert told(ann, project) is False


def test_names_of_ancestors_that_one_may_not_read_are_masked(ann, ben):
    project = ann.new_project()
    folder = ann.new_folder(project["id"])
    ann.share(folder["id"], {ben.id: ["READ"]})
    path = ok(ben.get(f"{REPO}/entity/{folder['id']}/path"))["path"]
    assert [each["id"] for each in path] == ["syn4489", project["id"], folder["id"]]
    assert path[1]["name"] != project["name"]
    assert path[2]["name"] == folder["name"]


def test_a_project_needs_no_right_that_a_logged_in_user_lacks(ben, dan):
    for person in (ben, dan):
        assert person.make(PROJECT)["createdBy"] == str(person.id)
