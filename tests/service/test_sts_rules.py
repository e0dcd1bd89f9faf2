"""Tests of the rules of STS-enabled folders."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.storage_api import (
    EXTERNAL_S3,
    EXTERNAL_STS,
    SYNAPSE_STS,
    create_location,
    create_s3_handle,
    find_setting,
    set_locations,
    try_set_locations,
)

from synapse_workflows.constants import FILE, FOLDER, LINK, TABLE

SETTINGS = f"{REPO}/projectSettings"
ENABLE = "Can't enable STS in a non-empty folder"
DISABLE = "Can't disable STS in a non-empty folder"
SAME_LOCATION = "same storage location"


@pytest.fixture(scope="module")
def location(ann):
    """An STS-enabled location of alice."""
    return create_location(ann, EXTERNAL_STS)


@pytest.fixture(scope="module")
def other_location(ann):
    return create_location(ann, EXTERNAL_STS, baseKey="other")


@pytest.fixture
def project(ann):
    return ann.new_project()["id"]


@pytest.fixture
def sts_folder(ann, project, location):
    """An empty STS-enabled folder."""
    folder = ann.new_folder(project)["id"]
    set_locations(ann, folder, location)
    return folder


@pytest.fixture
def sts_file(ann, sts_folder, location):
    """A file in `sts_folder`."""
    return new_sts_file(ann, sts_folder, location)


def new_sts_file(user, folder, location, key="data/x"):
    return user.make(FILE, folder, dataFileHandleId=create_s3_handle(user, location, key))["id"]


def move(user, entity, parent):
    return user.save({**user.entity(entity), "parentId": parent})


def try_share(user, entity):
    body = {"resourceAccess": [{"principalId": user.id, "accessType": ["CHANGE_PERMISSIONS"]}]}
    return user.post(f"{REPO}/entity/{entity}/acl", body)


@pytest.mark.parametrize("body", [SYNAPSE_STS, EXTERNAL_STS])
def test_sts_location_is_for_empty_folders_only(ann, project, body):
    location = create_location(ann, body)
    assert_error(try_set_locations(ann, project, location), 400, "Can only enable STS on a folder")
    folder = ann.new_folder(project)["id"]
    assert_error(try_set_locations(ann, folder, location, 1), 400, "other upload locations")
    assert_error(try_set_locations(ann, folder, 1, location), 400, "other upload locations")
    child = ann.new_folder(folder)["id"]
    assert_error(try_set_locations(ann, folder, location), 400, ENABLE)
    assert ann.delete(f"{REPO}/entity/{child}").ok
    assert_error(try_set_locations(ann, folder, location), 400, ENABLE)  # in the trash can
    assert ann.put(f"{REPO}/trashcan/purge/{child}").ok
    assert set_locations(ann, folder, location)["locations"] == [location]


def test_update_to_an_sts_location_needs_an_empty_folder(ann, project, location):
    folder = ann.new_folder(project)["id"]
    setting = set_locations(ann, folder, 1)
    file = ann.new_file(folder)["id"]
    changed = {**setting, "locations": [location]}
    assert_error(ann.put(SETTINGS, changed), 400, ENABLE)
    assert ann.delete(f"{REPO}/entity/{file}?skipTrashCan=true").ok
    assert ann.put(SETTINGS, changed).ok


def test_sts_location_is_removed_from_empty_folders_only(ann, sts_folder, sts_file, location):
    setting = ok(find_setting(ann, sts_folder))
    path = f"{SETTINGS}/{setting['id']}"
    other = create_location(ann, EXTERNAL_STS, bucket="other-sts")
    assert_error(ann.delete(path), 400, DISABLE)
    assert_error(ann.put(SETTINGS, {**setting, "locations": [1]}), 400, DISABLE)
    assert_error(ann.put(SETTINGS, {**setting, "locations": [other]}), 400, ENABLE)
    assert ann.put(SETTINGS, setting).ok  # unchanged
    assert ann.delete(f"{REPO}/entity/{sts_file}").ok
    assert_error(ann.delete(path), 400, DISABLE)
    assert ann.put(f"{REPO}/trashcan/purge/{sts_file}").ok
    assert ann.delete(path).status_code == 204


def test_foreign_sts_location_is_rejected(ann, ben):
    """Credentials of the folder would give access to the files of another user."""
    location = create_location(ann, SYNAPSE_STS)
    folder = ben.new_folder(ben.new_project()["id"])["id"]
    assert_error(try_set_locations(ben, folder, location), 403, "creator")


def test_folders_below_have_no_settings(ann, sts_folder, location):
    below = ann.new_folder(sts_folder)["id"]
    for number in (1, location):
        assert_error(try_set_locations(ann, below, number), 400, "Can't override project settings")


def test_folder_may_have_an_acl_but_not_its_content(ann, sts_folder, sts_file):
    below = ann.new_folder(sts_folder)["id"]
    ann.share(sts_folder, {})
    for entity in (below, sts_file):
        assert_error(try_share(ann, entity), 400, "Cannot override ACLs in a child")


def test_content_of_the_folder_is_not_restricted(ann, sts_folder, sts_file):
    path = f"{REPO}/entity/{sts_file}/lockAccessRequirement"
    assert_error(ann.post(path), 400, "Cannot add access requirements in a child")
    assert ann.post(f"{REPO}/entity/{sts_folder}/lockAccessRequirement").ok


def test_only_files_and_folders_are_created_below(ann, project, sts_folder):
    below = ann.new_folder(sts_folder)["id"]
    for parent in (sts_folder, below):
        assert_error(ann.try_make(TABLE, parent, columnIds=[]), 400, "Can only create Files and")
        link = ann.try_make(LINK, parent, linksTo={"targetId": project})
        assert_error(link, 400, "Can only create Files and Folders")


def test_files_below_use_the_location_of_the_folder(ann, sts_folder, location, other_location):
    below = ann.new_folder(sts_folder)["id"]
    for handle in (
        ann.handle(),
        ann.upload(b"x"),
        create_s3_handle(ann, other_location, "other/x"),
    ):
        for parent in (sts_folder, below):
            response = ann.try_make(FILE, parent, dataFileHandleId=handle)
            assert_error(response, 400, SAME_LOCATION)
    assert new_sts_file(ann, below, location)


def test_files_of_the_location_are_only_in_its_folders(ann, project, location, sts_folder):
    handle = create_s3_handle(ann, location, "data/y")
    for parent in (project, ann.new_folder(project)["id"]):
        assert_error(ann.try_make(FILE, parent, dataFileHandleId=handle), 400, SAME_LOCATION)


def test_new_version_keeps_the_location(ann, project, sts_file, location):
    body = ann.entity(sts_file)
    for query in ("", "?newVersion=true"):
        response = ann.save({**body, "dataFileHandleId": ann.handle()}, query)
        assert_error(response, 400, SAME_LOCATION)
    handle = create_s3_handle(ann, location, "data/new")
    changed = {**body, "dataFileHandleId": handle, "versionLabel": None}
    assert ann.save(changed, "?newVersion=true").ok
    outside = ann.new_file(project)
    changed = {**outside, "dataFileHandleId": create_s3_handle(ann, location, "data/z")}
    assert_error(ann.save(changed), 400, SAME_LOCATION)


def test_replaced_handle_keeps_the_location(ann, sts_file):
    handle = ann.entity(sts_file)["dataFileHandleId"]
    path = f"{REPO}/entity/{sts_file}/version/1/filehandle"
    other = ann.handle("\0")
    assert ok(ann.get(f"/file/v1/fileHandle/{other}"))["contentMd5"] == "0" * 32  # the same
    body = {"oldFileHandleId": handle, "newFileHandleId": other}
    assert_error(ann.put(path, body), 400, SAME_LOCATION)


def test_file_moves_only_within_its_location(ann, project, sts_folder, sts_file, location):
    assert_error(move(ann, sts_file, project), 400, SAME_LOCATION)
    assert_error(move(ann, ann.new_file(project)["id"], sts_folder), 400, SAME_LOCATION)
    below = ann.new_folder(sts_folder)["id"]
    assert move(ann, sts_file, below).ok
    twin = ann.new_folder(project)["id"]
    set_locations(ann, twin, location)
    assert move(ann, sts_file, twin).ok


def test_all_versions_of_a_moved_file_are_checked(ann, project, sts_folder, location):
    """Move a file whose old version, or whose new one, is not in the location."""
    file = ann.new_file(project)
    handle = create_s3_handle(ann, location, "data/v2")
    body = {**file, "dataFileHandleId": handle, "parentId": sts_folder}
    for query in ("", "?newVersion=true"):
        assert_error(ann.save(body, query), 400, SAME_LOCATION)


def test_folder_with_files_moves_only_within_its_location(ann, project, sts_folder, location):
    below = ann.new_folder(sts_folder)["id"]
    new_sts_file(ann, ann.new_folder(below)["id"], location)
    assert_error(move(ann, below, project), 400, SAME_LOCATION)
    outside = ann.new_folder(project)["id"]
    ann.new_file(ann.new_folder(outside)["id"])
    assert_error(move(ann, outside, sts_folder), 400, SAME_LOCATION)
    with_link = ann.new_folder(project)["id"]
    ann.new_link(with_link, project)
    assert_error(move(ann, with_link, sts_folder), 400, "Can only create Files and Folders")


def test_sts_folder_moves_with_its_content_but_not_into_another(
    ann, project, sts_folder, sts_file, location
):
    elsewhere = ann.new_folder(project)["id"]
    assert move(ann, sts_folder, elsewhere).ok
    twin = ann.new_folder(project)["id"]
    set_locations(ann, twin, location)
    assert_error(move(ann, sts_folder, twin), 400, "storage locations")
    assert_error(move(ann, elsewhere, twin), 400, "storage locations")


def test_entities_with_their_own_rules_are_not_moved_below(ann, project, sts_folder):
    shared, restricted = (ann.new_folder(project)["id"] for _ in range(2))
    ann.share(ann.new_folder(shared)["id"], {})
    assert_error(move(ann, shared, sts_folder), 400, "sharing settings")
    assert ann.post(f"{REPO}/entity/{restricted}/lockAccessRequirement").ok
    assert_error(move(ann, restricted, sts_folder), 400, "access requirements")
    assert move(ann, ann.new_folder(project)["id"], sts_folder).ok


def test_file_is_restored_only_within_its_location(ann, project, sts_folder, sts_file, location):
    assert ann.delete(f"{REPO}/entity/{sts_file}").ok
    restore = f"{REPO}/trashcan/restore/{sts_file}"
    assert_error(ann.put(f"{restore}/{project}"), 400, SAME_LOCATION)
    assert ann.put(restore).ok
    outside = ann.new_file(project)["id"]
    assert ann.delete(f"{REPO}/entity/{outside}").ok
    assert_error(ann.put(f"{REPO}/trashcan/restore/{outside}/{sts_folder}"), 400, SAME_LOCATION)


def test_bundle_of_a_file_below_has_no_acl(ann, sts_folder, location):
    handle = create_s3_handle(ann, location, "data/bundle")
    entity = {"concreteType": FILE, "parentId": sts_folder, "dataFileHandleId": handle}
    acl = {"resourceAccess": [{"principalId": ann.id, "accessType": ["CHANGE_PERMISSIONS"]}]}
    path = f"{REPO}/entity/bundle2/create"
    response = ann.post(path, {"entity": entity, "accessControlList": acl})
    assert_error(response, 400, "Cannot override ACLs in a child")


def test_locations_without_sts_have_no_rules(ann, project):
    bucket = create_location(ann, EXTERNAL_S3)
    folder = ann.new_folder(project)["id"]
    ann.new_file(folder)
    setting = set_locations(ann, folder, bucket, 1)
    assert ann.new_link(folder, project)
    assert try_share(ann, ann.new_folder(folder)["id"]).ok
    handle = create_s3_handle(ann, bucket, "k")
    assert ann.make(FILE, project, dataFileHandleId=handle)
    assert ann.make(FOLDER, folder)
    assert ann.delete(f"{SETTINGS}/{setting['id']}").status_code == 204
