"""Which change makes a version, and how versions are read, listed and deleted."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok

from synapse_workflows.constants import ZERO_ETAG


@pytest.fixture
def file(ann):
    return ann.new_file(ann.new_project()["id"], "one", versionComment="first")


def version(ann, file, number):
    return ok(ann.get(f"{REPO}/entity/{file['id']}/version/{number}"))


def numbers(ann, file):
    history = ok(ann.get(f"{REPO}/entity/{file['id']}/version"))
    return [each["versionNumber"] for each in history["results"]]


def state(entity):
    keys = ("versionNumber", "versionLabel", "versionComment")
    return tuple(entity.get(key) for key in keys)


def test_other_content_makes_a_version_with_label_and_comment_of_its_own(ann, file):
    changed = ann.change(file["id"], dataFileHandleId=ann.handle("two"))
    assert state(changed) == (2, "2", None)
    assert changed["isLatestVersion"] is True


def test_content_of_unknown_md5_makes_a_version(ann, file):
    changed = ann.change(file["id"], dataFileHandleId=ann.handle(None))
    assert state(changed) == (2, "2", None)
    again = ann.change(file["id"], dataFileHandleId=ann.handle(None))
    assert again["versionNumber"] == 3


def test_the_same_content_in_another_handle_is_swapped_in_place(ann, file):
    handle = ann.handle("one")
    changed = ann.change(file["id"], dataFileHandleId=handle)
    assert state(changed) == (1, "1", "first")
    assert changed["dataFileHandleId"] == handle


def test_without_other_content_the_version_is_edited_in_place(ann, file):
    changed = ann.change(file["id"], versionLabel="v1", versionComment="better", description="d")
    assert state(changed) == (1, "v1", "better")
    assert changed["description"] == "d"
    cleared = ann.change(file["id"], versionLabel=None, versionComment=None)
    assert state(cleared) == (1, "1", None)


def test_a_version_is_made_when_asked_for(ann, file):
    asked = "?newVersion=true"
    changed = ann.change(file["id"], asked, versionLabel="two", versionComment="second")
    assert state(changed) == (2, "two", "second")
    assert changed["dataFileHandleId"] == file["dataFileHandleId"]
    plain = ann.change(file["id"], asked, versionLabel=None, versionComment=None)
    assert state(plain) == (3, "3", None)


def test_a_version_is_not_made_when_not_asked_for(ann, file):
    assert ann.change(file["id"], "?newVersion=false")["versionNumber"] == 1
    assert_error(ann.save(ann.entity(file["id"]), "?newVersion=perhaps"), 400, "newVersion")


def test_containers_have_no_versions_to_make(ann):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)
    assert "versionNumber" not in ann.change(folder["id"], "?newVersion=true")
    assert numbers(ann, folder) == [1]


def test_a_label_belongs_to_one_version(ann, file):
    ann.change(file["id"], versionLabel="v1")
    ann.change(file["id"], "?newVersion=true", versionLabel="v2")
    assert_error(ann.save({**ann.entity(file["id"]), "versionLabel": "v1"}), 409, "v1")
    assert_error(ann.save({**ann.entity(file["id"])}, "?newVersion=true"), 409, "v2")
    assert numbers(ann, file) == [2, 1]


def test_reads_of_a_number_hide_the_etag_even_of_the_newest(ann, file):
    read = version(ann, file, 1)
    assert read["etag"] == ZERO_ETAG
    assert {**read, "etag": file["etag"]} == file
    assert_error(ann.save(read), 412)


def test_an_old_version_shows_what_it_was(ann, file):
    ann.change(file["id"], dataFileHandleId=ann.handle("two"), description="new", name="new name")
    old = version(ann, file, 1)
    assert old["dataFileHandleId"] == file["dataFileHandleId"]
    assert old["isLatestVersion"] is False
    assert "description" not in old
    assert old["name"] == "new name"  # names have no versions


@pytest.mark.parametrize("number", ["2", "0", "999999999"])
def test_an_unknown_version_is_not_found(ann, file, number):
    assert_error(
        ann.get(f"{REPO}/entity/{file['id']}/version/{number}"),
        404,
        f"Cannot find a node with id {file['id']} and version {number}",
    )


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 30])
def test_what_is_no_version_number_is_refused(ann, file, number):
    assert_error(ann.get(f"{REPO}/entity/{file['id']}/version/{number}"), 400, number)


def test_annotations_go_over_to_a_new_version_and_part_there(ann, file):
    path = f"{REPO}/entity/{file['id']}"
    one = {"age": {"type": "LONG", "value": ["1"]}}
    two = {"age": {"type": "LONG", "value": ["2"]}}
    ok(ann.put(f"{path}/annotations2", {"etag": file["etag"], "annotations": one}))
    ann.change(file["id"], "?newVersion=true", versionLabel=None)
    read = ok(ann.get(f"{path}/annotations2"))
    assert read["annotations"] == one
    ok(ann.put(f"{path}/annotations2", {**read, "annotations": two}))
    old = ok(ann.get(f"{path}/version/1/annotations2"))
    assert (old["annotations"], old["etag"]) == (one, ZERO_ETAG)
    assert ok(ann.get(f"{path}/version/2/annotations2"))["annotations"] == two


def test_the_activity_does_not_go_over_to_a_new_version(ann, file):
    path = f"{REPO}/entity/{file['id']}"
    first = ok(ann.post(f"{REPO}/activity", {"name": "one"}))["id"]
    second = ok(ann.post(f"{REPO}/activity", {"name": "two"}))["id"]
    ok(ann.put(f"{path}/generatedBy?generatedBy={first}"))
    kept = ann.change(file["id"])
    assert kept["versionNumber"] == 1
    assert ok(ann.get(f"{path}/generatedBy"))["id"] == first
    ann.change(file["id"], "?newVersion=true", versionLabel=None)
    reason = f"Activity for: '{file['id']}', version: '2' does not exist"
    assert_error(ann.get(f"{path}/generatedBy"), 404, reason)
    ann.change(file["id"], f"?newVersion=true&generatedBy={second}", versionLabel=None)
    assert ok(ann.get(f"{path}/generatedBy"))["id"] == second
    assert ok(ann.get(f"{path}/version/1/generatedBy"))["id"] == first


def test_deleted_numbers_are_not_given_again(ann, file):
    path = f"{REPO}/entity/{file['id']}"
    for _ in range(2):
        ann.change(file["id"], "?newVersion=true", versionLabel=None)
    assert ann.delete(f"{path}/version/3").status_code == 204
    assert ann.entity(file["id"])["versionNumber"] == 2
    assert ann.change(file["id"], "?newVersion=true", versionLabel=None)["versionNumber"] == 4
    assert ann.delete(f"{path}/version/1").status_code == 204
    assert numbers(ann, file) == [4, 2]
    assert_error(ann.delete(f"{path}/version/1"), 404)


def test_the_last_version_cannot_be_deleted(ann, file):
    assert_error(ann.delete(f"{REPO}/entity/{file['id']}/version/1"), 400)
    assert numbers(ann, file) == [1]


def test_history_is_newest_first_and_tells_of_the_content(ann, file, rules):
    rules.clock.advance(60)
    ann.change(file["id"], dataFileHandleId=ann.handle("two"))
    history = ok(ann.get(f"{REPO}/entity/{file['id']}/version"))
    newest, oldest = history["results"]
    assert history["totalNumberOfResults"] == 2
    assert oldest == {
        "id": file["id"],
        "versionNumber": 1,
        "versionLabel": "1",
        "versionComment": "first",
        "isLatestVersion": False,
        "modifiedBy": "alice",
        "modifiedByPrincipalId": "3300001",
        "modifiedOn": file["modifiedOn"],
        "contentMd5": "6f6e65".ljust(32, "0"),
        "contentSize": "7",
    }
    assert (newest["versionNumber"], newest["isLatestVersion"]) == (2, True)


def test_history_comes_in_pages(ann, file):
    for _ in range(3):
        ann.change(file["id"], "?newVersion=true", versionLabel=None)
    path = f"{REPO}/entity/{file['id']}/version"

    def page(limit, offset):
        read = ok(ann.get(f"{path}?limit={limit}&offset={offset}"))
        return read["totalNumberOfResults"], [each["versionNumber"] for each in read["results"]]

    assert page(3, 0) == (4, [4, 3, 2])
    assert page(3, 3) == (4, [1])
    assert page(3, 4) == (4, [])
    assert_error(ann.get(f"{path}?limit=-1"), 400, "limit")
    assert_error(ann.get(f"{path}?offset=-1"), 400, "offset")
    assert_error(ann.get(f"{path}?limit=x"), 400, "limit")


def test_a_version_may_take_another_handle_of_the_same_content(ann, ben, file):
    path = f"{REPO}/entity/{file['id']}/version/1/filehandle"
    old, new = file["dataFileHandleId"], ann.handle("one")
    body = {"oldFileHandleId": old, "newFileHandleId": new}
    assert ann.put(path, body).status_code == 200
    assert ann.entity(file["id"])["dataFileHandleId"] == new
    assert_error(ann.put(path, body), 412, old)
    other = {"oldFileHandleId": new, "newFileHandleId": ann.handle("two")}
    assert_error(ann.put(path, other), 400, "MD5")
    foreign = {"oldFileHandleId": new, "newFileHandleId": ben.handle("one")}
    assert_error(ann.put(path, foreign), 403, "FileHandle")


def test_a_new_handle_must_be_the_callers_and_the_old_one_may_be_anybodys(ann, ben, file):
    ann.share(file["parentId"], {ben.id: ["READ", "UPDATE"]})
    assert ben.change(file["id"], description="by bob")["modifiedBy"] == "3300002"
    stolen = {**ben.entity(file["id"]), "dataFileHandleId": ann.handle("two")}
    assert_error(ben.save(stolen), 403, "FileHandle")
    assert ben.change(file["id"], dataFileHandleId=ben.handle("three"))["versionNumber"] == 2
