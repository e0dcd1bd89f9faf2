"""Tests of creating, reading, listing and deleting versions."""

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


def test_new_content_creates_version_with_default_label(ann, file):
    changed = ann.change(file["id"], dataFileHandleId=ann.handle("two"))
    assert state(changed) == (2, "2", None)
    assert changed["isLatestVersion"] is True


def test_content_without_md5_creates_version(ann, file):
    changed = ann.change(file["id"], dataFileHandleId=ann.handle(None))
    assert state(changed) == (2, "2", None)
    again = ann.change(file["id"], dataFileHandleId=ann.handle(None))
    assert again["versionNumber"] == 3


def test_equal_content_keeps_version(ann, file):
    handle = ann.handle("one")
    changed = ann.change(file["id"], dataFileHandleId=handle)
    assert state(changed) == (1, "1", "first")
    assert changed["dataFileHandleId"] == handle


def test_update_without_new_content_keeps_version(ann, file):
    changed = ann.change(file["id"], versionLabel="v1", versionComment="better", description="d")
    assert state(changed) == (1, "v1", "better")
    assert changed["description"] == "d"
    cleared = ann.change(file["id"], versionLabel=None, versionComment=None)
    assert state(cleared) == (1, "1", None)


def test_new_version_parameter_creates_version(ann, file):
    query = "?newVersion=true"
    changed = ann.change(file["id"], query, versionLabel="two", versionComment="second")
    assert state(changed) == (2, "two", "second")
    assert changed["dataFileHandleId"] == file["dataFileHandleId"]
    plain = ann.change(file["id"], query, versionLabel=None, versionComment=None)
    assert state(plain) == (3, "3", None)


def test_new_version_parameter_false_keeps_version(ann, file):
    assert ann.change(file["id"], "?newVersion=false")["versionNumber"] == 1
    assert_error(ann.save(ann.entity(file["id"]), "?newVersion=perhaps"), 400, "newVersion")


def test_new_version_parameter_is_ignored_for_containers(ann):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)
    assert "versionNumber" not in ann.change(folder["id"], "?newVersion=true")
    assert numbers(ann, folder) == [1]


def test_version_labels_are_unique(ann, file):
    ann.change(file["id"], versionLabel="v1")
    ann.change(file["id"], "?newVersion=true", versionLabel="v2")
    assert_error(ann.save({**ann.entity(file["id"]), "versionLabel": "v1"}), 409, "v1")
    assert_error(ann.save({**ann.entity(file["id"])}, "?newVersion=true"), 409, "v2")
    assert numbers(ann, file) == [2, 1]


def test_get_old_version_returns_its_content(ann, file):
    ann.change(file["id"], dataFileHandleId=ann.handle("two"), description="new", name="new name")
    old = version(ann, file, 1)
    assert old["dataFileHandleId"] == file["dataFileHandleId"]
    assert old["isLatestVersion"] is False
    assert "description" not in old
    assert old["name"] == "new name"  # names have no versions


@pytest.mark.parametrize("number", ["2", "0", "999999999"])
def test_unknown_version_is_not_found(ann, file, number):
    assert_error(
        ann.get(f"{REPO}/entity/{file['id']}/version/{number}"),
        404,
        f"Cannot find a node with id {file['id']} and version {number}",
    )


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 30])
def test_invalid_version_number_is_rejected(ann, file, number):
    assert_error(ann.get(f"{REPO}/entity/{file['id']}/version/{number}"), 400, number)


def test_new_version_copies_annotations(ann, file):
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


def test_new_version_has_no_activity(ann, file):
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


def test_deleted_version_numbers_are_not_reused(ann, file):
    path = f"{REPO}/entity/{file['id']}"
    for _ in range(2):
        ann.change(file["id"], "?newVersion=true", versionLabel=None)
    assert ann.delete(f"{path}/version/3").status_code == 204
    assert ann.entity(file["id"])["versionNumber"] == 2
    assert ann.change(file["id"], "?newVersion=true", versionLabel=None)["versionNumber"] == 4
    assert ann.delete(f"{path}/version/1").status_code == 204
    assert numbers(ann, file) == [4, 2]
    assert_error(ann.delete(f"{path}/version/1"), 404)


def test_delete_of_only_version_is_rejected(ann, file):
    assert_error(ann.delete(f"{REPO}/entity/{file['id']}/version/1"), 400)
    assert numbers(ann, file) == [1]


def test_list_versions_returns_newest_first(ann, file, rules):
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


def test_list_versions_is_paginated(ann, file):
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


def test_replace_file_handle_requires_equal_content(ann, ben, file):
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


def test_replace_file_handle_requires_own_new_handle(ann, ben, file):
    ann.share(file["parentId"], {ben.id: ["READ", "UPDATE"]})
    assert ben.change(file["id"], description="by bob")["modifiedBy"] == "3300002"
    stolen = {**ben.entity(file["id"]), "dataFileHandleId": ann.handle("two")}
    assert_error(ben.save(stolen), 403, "FileHandle")
    assert ben.change(file["id"], dataFileHandleId=ben.handle("three"))["versionNumber"] == 2


def test_current_version_read_by_number_has_the_etag_of_the_entity(ann, file):
    etag = ann.change(file["id"], "?newVersion=true", versionLabel=None)["etag"]
    assert [version(ann, file, number)["etag"] for number in (1, 2)] == [ZERO_ETAG, etag]
    body = {"includeEntity": True, "includeAnnotations": True}
    bundles = [
        ok(ann.post(f"{REPO}/entity/{file['id']}/version/{number}/bundle2", body))
        for number in (1, 2)
    ]
    assert [each["entity"]["etag"] for each in bundles] == [ZERO_ETAG, etag]
    assert [each["annotations"]["etag"] for each in bundles] == [ZERO_ETAG, ZERO_ETAG]


def test_current_version_read_by_number_can_be_stored_again(ann, file):
    ann.change(file["id"], "?newVersion=true", versionLabel=None)
    stored = ok(ann.save({**version(ann, file, 2), "description": "again"}))
    assert (stored["versionNumber"], stored["description"]) == (2, "again")
    assert_error(ann.save(version(ann, file, 1)), 412)


@pytest.mark.parametrize("number", [1, 2])
def test_annotations_of_a_version_have_the_zero_etag(ann, file, number):
    ann.change(file["id"], "?newVersion=true", versionLabel=None)
    path = f"{REPO}/entity/{file['id']}/version/{number}/annotations2"
    assert ok(ann.get(path))["etag"] == ZERO_ETAG
