"""Tests of project settings and the storage locations that apply to a container."""

import pytest
from support.file_api import assert_error, ok
from support.storage_api import (
    EXTERNAL_S3,
    OBJECT_STORE,
    REPO,
    S3,
    SFTP,
    create_location,
    destination,
    find_setting,
    set_locations,
    setting_body,
    try_set_locations,
)

SETTINGS = f"{REPO}/projectSettings"


@pytest.fixture
def project(ann):
    return ann.new_project()["id"]


@pytest.fixture(scope="module")
def bucket(ann):
    return create_location(ann, EXTERNAL_S3)


@pytest.fixture(scope="module")
def sftp(ann):
    return create_location(ann, SFTP)


def test_setting_is_read_by_id_and_by_type(ann, project, bucket):
    assert find_setting(ann, project).text == ""
    assert find_setting(ann, project).status_code == 200
    setting = set_locations(ann, project, bucket, 1)
    assert setting["projectId"] == project
    assert setting["locations"] == [bucket, 1]
    assert ok(find_setting(ann, project)) == setting
    assert ok(find_setting(ann, project.removeprefix("syn"))) == setting
    assert ok(ann.get(f"{SETTINGS}/{setting['id']}")) == setting


def test_nearest_setting_applies(ann, project, bucket, sftp):
    folder = ann.new_folder(project)["id"]
    below = ann.new_folder(folder)["id"]
    assert destination(ann, below)["storageLocationId"] == 1
    set_locations(ann, project, bucket)
    assert destination(ann, below)["storageLocationId"] == bucket
    setting = set_locations(ann, folder, sftp, 1)
    assert destination(ann, below)["storageLocationId"] == sftp
    assert destination(ann, project)["storageLocationId"] == bucket
    assert find_setting(ann, below).text == ""  # no inheritance
    assert ann.delete(f"{SETTINGS}/{setting['id']}").status_code == 204
    assert destination(ann, below)["storageLocationId"] == bucket


def test_update_replaces_the_locations(ann, project, bucket, sftp):
    setting = set_locations(ann, project, bucket)
    response = ann.put(SETTINGS, {**setting, "locations": [sftp, bucket]})
    assert (response.status_code, response.text) == (200, "")
    updated = ok(find_setting(ann, project))
    assert updated["locations"] == [sftp, bucket]
    assert updated["etag"] != setting["etag"]
    assert_error(ann.put(SETTINGS, setting), 412, "was updated since you last fetched it")
    assert_error(ann.put(SETTINGS, {**updated, "etag": None}), 412)


def test_update_keeps_project_and_type(ann, project, bucket):
    setting = set_locations(ann, project, bucket)
    other = ann.new_project()["id"]
    assert_error(ann.put(SETTINGS, {**setting, "projectId": other}), 400, "cannot be changed")
    assert_error(ann.put(SETTINGS, {**setting, "settingsType": "requester_pays"}), 400)
    assert_error(ann.put(SETTINGS, {**setting, "id": "99999"}), 404)


def test_second_setting_of_a_container_is_rejected(ann, project):
    set_locations(ann, project, 1)
    number = project.removeprefix("syn")
    assert_error(
        try_set_locations(ann, project, 1),
        400,
        f"A project setting of type 'upload' for project {number} already exists.",
    )


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"locations": []}, 400, "locations"),
        ({"locations": None}, 400, "locations"),
        ({"locations": [1] * 11}, 400, "10"),
        ({"locations": [987654]}, 400, "987654"),
        ({"locations": ["x"]}, 400, "'x'"),
        ({"locations": 1}, 400, "locations"),
        ({"settingsType": "external_sync"}, 400, "No enum constant"),
        ({"settingsType": None}, 400, "settingsType"),
        ({"concreteType": None}, 400, "concreteType"),
        ({"concreteType": "org.example.Setting"}, 400, "concreteType"),
        ({"projectId": None}, 400, "projectId"),
        ({"projectId": "nonsense"}, 400, "nonsense"),
        ({"projectId": "syn99999999"}, 404, "syn99999999"),
    ],
)
def test_invalid_setting_is_rejected(ann, project, change, status, words):
    assert_error(ann.post(SETTINGS, {**setting_body(project, [1]), **change}), status, words)


def test_setting_is_for_projects_and_folders_only(ann, project):
    file = ann.new_file(project)["id"]
    assert_error(try_set_locations(ann, file, 1), 400, "not the id of a project or folder")


def test_unknown_type_is_rejected(ann, project):
    for name in ("external_sync", "requester_pays", "download"):
        assert_error(find_setting(ann, project, name), 400, name)


def test_external_bucket_is_set_by_its_owner_only(ann, ben, bucket):
    project = ben.new_project()["id"]
    assert_error(try_set_locations(ben, project, bucket), 403, "creator")
    store = create_location(ann, OBJECT_STORE)
    assert set_locations(ben, project, store)["locations"] == [store]


def test_rights(ann, ben, anonymous, bucket):
    project = ann.new_project()["id"]
    setting = set_locations(ann, project, bucket)
    path = f"{SETTINGS}/{setting['id']}"
    own = create_location(ben, EXTERNAL_S3)
    for user in (ben, anonymous):
        assert_error(user.get(path), 403)
        assert_error(find_setting(user, project), 403)
    ann.share(project, {ben.id: ["READ"]})
    assert ok(ben.get(path)) == setting
    assert ok(find_setting(ben, project)) == setting
    assert_error(ben.put(SETTINGS, {**setting, "locations": [own]}), 403, "UPDATE")
    assert_error(ben.delete(path), 403, "DELETE")
    ann.share(project, {ben.id: ["READ", "UPDATE"]})
    assert ben.put(SETTINGS, {**setting, "locations": [own]}).ok
    folder = ann.new_folder(project)["id"]
    assert_error(try_set_locations(ben, folder, own), 403, "CREATE")
    ann.share(project, {ben.id: ["READ", "CREATE", "DELETE"]})
    assert set_locations(ben, folder, own)
    assert ben.delete(path).status_code == 204
    assert_error(ben.get(path), 404)


def test_setting_ends_with_its_container(ann, project, bucket):
    folder = ann.new_folder(project)["id"]
    setting = set_locations(ann, folder, bucket)
    assert ann.delete(f"{REPO}/entity/{folder}").ok
    assert_error(ann.get(f"{SETTINGS}/{setting['id']}"), 404, "trash")
    assert ann.put(f"{REPO}/trashcan/restore/{folder}").ok
    assert ok(find_setting(ann, folder)) == setting
    assert ann.delete(f"{REPO}/entity/{folder}?skipTrashCan=true").ok
    assert_error(ann.get(f"{SETTINGS}/{setting['id']}"), 404)


def test_default_location_can_be_set(ann, project):
    set_locations(ann, project, 1)
    assert destination(ann, project)["concreteType"].endswith("S3UploadDestination")
    plain = create_location(ann, S3, description="again the storage of Synapse")
    assert set_locations(ann, ann.new_folder(project)["id"], plain)
