"""Access control lists: inheritance, and what they may say."""

import pytest
from support.entity_api import ALL_RIGHTS, REPO
from support.file_api import assert_error, ok

AUTHENTICATED, PUBLIC, ANONYMOUS = 273948, 273949, 273950


def path(entity):
    return f"{REPO}/entity/{entity}/acl"


def entries(*pairs):
    return {"resourceAccess": [{"principalId": who, "accessType": what} for who, what in pairs]}


def benefactor(person, entity):
    return ok(person.get(f"{REPO}/entity/{entity}/benefactor"))["id"]


@pytest.fixture
def tree(ann):
    """Ids of a project, a folder in it, a folder in that, and a file at the bottom."""
    project = ann.new_project()["id"]
    outer = ann.new_folder(project)["id"]
    inner = ann.new_folder(outer)["id"]
    return project, outer, inner, ann.new_file(inner)["id"]


def test_a_project_gives_all_rights_to_its_creator_and_none_to_others(ann):
    project = ann.new_project()
    acl = ann.acl(project["id"])
    assert acl["resourceAccess"] == [{"principalId": 3300001, "accessType": ALL_RIGHTS}]
    assert acl["id"] == project["id"]
    assert acl["creationDate"] == project["createdOn"]


def test_everything_below_inherits(ann, tree):
    project, *below = tree
    for entity in below:
        assert benefactor(ann, entity) == project
        assert_error(ann.get(path(entity)), 404, f"/entity/{project}/acl")


def test_an_acl_of_its_own_holds_for_what_inherits_through_it(ann, ben, tree):
    project, outer, inner, file = tree
    made = ok(ann.post(path(inner), entries((3300001, ALL_RIGHTS), (ben.id, ["READ"]))))
    assert made["id"] == inner
    assert [benefactor(ann, each) for each in tree] == [project, project, inner, inner]
    assert ben.entity(file)["id"] == file
    assert_error(ben.get(f"{REPO}/entity/{outer}"), 403)
    ok(ann.post(path(outer), entries((3300001, ALL_RIGHTS))))
    assert [benefactor(ann, each) for each in tree] == [project, outer, inner, inner]


def test_dropping_it_gives_them_back(ann, ben, tree):
    project, outer, inner, file = tree
    ok(ann.post(path(outer), entries((3300001, ALL_RIGHTS))))
    ok(ann.post(path(inner), entries((3300001, ALL_RIGHTS), (ben.id, ["READ"]))))
    assert ann.delete(path(inner)).status_code == 204
    assert [benefactor(ann, each) for each in tree] == [project, outer, outer, outer]
    assert_error(ben.get(f"{REPO}/entity/{file}"), 403)
    assert ann.delete(path(outer)).status_code == 204
    assert [benefactor(ann, each) for each in tree] == [project] * 4


def test_a_move_derives_the_benefactor_anew(ann, tree):
    _, outer, inner, file = tree
    other = ann.new_project()["id"]
    ann.change(inner, parentId=other)
    assert [benefactor(ann, each) for each in (inner, file)] == [other, other]
    ok(ann.post(path(inner), entries((3300001, ALL_RIGHTS))))
    ann.change(inner, parentId=outer)
    assert [benefactor(ann, each) for each in (inner, file)] == [inner, inner]


def test_only_one_acl_can_be_created(ann, tree):
    project, outer, *_ = tree
    body = entries((3300001, ALL_RIGHTS))
    assert_error(ann.post(path(project), body), 403, "Resource already has an ACL.")
    ok(ann.post(path(outer), body))
    assert_error(ann.post(path(outer), body), 403, "Resource already has an ACL.")


def test_an_inherited_acl_can_be_neither_updated_nor_dropped(ann, tree):
    assert_error(ann.put(path(tree[1]), entries((3300001, ALL_RIGHTS))), 403, "inherits")
    assert_error(ann.delete(path(tree[1])), 403, "inherits")


def test_the_acl_of_a_project_stays(ann, admin, tree):
    assert_error(ann.delete(path(tree[0])), 403)
    assert_error(admin.delete(path(tree[0])), 403)


def test_an_update_replaces_all_under_an_etag_of_its_own(ann, ben, tree):
    project = tree[0]
    entity = ann.entity(project)
    before = ann.acl(project)
    wanted = [{"principalId": 3300001, "accessType": ALL_RIGHTS},
              {"principalId": ben.id, "accessType": ["READ"]}]  # fmt: skip
    after = ok(ann.put(path(project), {**before, "resourceAccess": wanted}))
    assert after["resourceAccess"] == wanted
    assert after["etag"] != before["etag"]
    assert after["creationDate"] == before["creationDate"]
    assert ann.entity(project) == entity
    assert_error(ann.put(path(project), before), 412, "was updated since you last fetched it")
    assert_error(ann.put(path(project), {**after, "etag": None}), 412)
    assert ann.acl(project) == after


def test_the_id_in_the_path_wins(ann):
    one, two = ann.new_project()["id"], ann.new_project()["id"]
    assert ok(ann.put(path(one), {**ann.acl(one), "id": two}))["id"] == one


def test_entries_of_one_principal_add_up(ann, ben, tree):
    body = entries((3300001, ALL_RIGHTS), (ben.id, ["READ"]), (ben.id, ["DOWNLOAD", "READ"]))
    made = ok(ann.post(path(tree[1]), body))
    assert made["resourceAccess"][1] == {"principalId": ben.id, "accessType": ["READ", "DOWNLOAD"]}


MINE = (3300001, ALL_RIGHTS)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (entries(MINE, (ANONYMOUS, ["READ"])), 400, "Cannot assign permissions to anonymous."),
        (
            entries(MINE, (PUBLIC, ["READ", "DOWNLOAD"])),
            400,
            "Only READ permissions can be assigned to the public group",
        ),
        (entries(MINE, (None, ["READ"])), 400, "null"),
        (entries(MINE, (3300002, [])), 400, "access types"),
        (entries(MINE, (3300002, None)), 400, "access types"),
        (entries(MINE, (3300002, ["LOOK"])), 400, "LOOK"),
        (entries(MINE, (123456, ["READ"])), 400, "123456"),
        (entries(MINE, ("bob", ["READ"])), 400, "principalId"),
        (entries(MINE, (10**30, ["READ"])), 400, "principalId"),
        ({"resourceAccess": "all"}, 400, "resourceAccess"),
        ({"resourceAccess": [None]}, 400, "resourceAccess"),
    ],
)
def test_what_an_acl_may_not_say(ann, tree, body, status, words):
    assert_error(ann.post(path(tree[1]), body), status, words)
    present = ann.acl(tree[0])
    assert_error(ann.put(path(tree[0]), {**body, "etag": present["etag"]}), status, words)
    assert ann.acl(tree[0]) == present
    assert_error(ann.get(path(tree[1])), 404)


def test_only_certified_users_let_everybody_download(ann, dan):
    body = (AUTHENTICATED, ["READ", "DOWNLOAD"])
    project = dan.new_project()["id"]
    mine = (dan.id, ALL_RIGHTS)
    answer = dan.put(path(project), {**dan.acl(project), **entries(mine, body)})
    assert assert_error(answer, 403)["errorCode"] == "USER_CERTIFICATION_REQUIRED"
    reading = entries(mine, (AUTHENTICATED, ["READ"]))
    ok(dan.put(path(project), {**dan.acl(project), **reading}))
    project = ann.new_project()["id"]
    ok(ann.put(path(project), {**ann.acl(project), **entries(MINE, body)}))


def test_nobody_shuts_themselves_out_but_the_creator(ann, ben, tree):
    project, outer, *_ = tree
    ann.share(outer, {ben.id: ["READ", "CHANGE_PERMISSIONS"]})
    without = {**ann.acl(outer), **entries((ben.id, ["READ"]), MINE)}
    reason = "Caller is trying to revoke their own ACL editing permissions."
    assert_error(ben.put(path(outer), without), 400, reason)
    by_group = {**ann.acl(outer), **entries((AUTHENTICATED, ["CHANGE_PERMISSIONS"]))}
    ok(ben.put(path(outer), by_group))
    own = {**ann.acl(project), **entries((ben.id, ["READ"]))}
    ok(ann.put(path(project), own))
    assert_error(ann.get(path(project)), 403, "You lack READ access")


def test_an_acl_is_given_with_its_principals_as_numbers_and_taken_with_text(ann, ben, tree):
    made = ok(ann.post(path(tree[1]), entries(("3300001", ALL_RIGHTS), (str(ben.id), ["READ"]))))
    assert [each["principalId"] for each in made["resourceAccess"]] == [3300001, ben.id]
