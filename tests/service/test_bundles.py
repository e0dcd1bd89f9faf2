"""Tests of entity bundles."""

import pytest
from support.entity_api import ALL_RIGHTS, REPO, unique_name
from support.file_api import assert_error, ok

from synapse_workflows.constants import FILE, FOLDER, PROJECT, ZERO_ETAG

FLAGS = [
    "includeEntity", "includeAnnotations", "includePermissions", "includeEntityPath",
    "includeHasChildren", "includeAccessControlList", "includeFileHandles", "includeTableBundle",
    "includeRootWikiId", "includeBenefactorACL", "includeDOIAssociation", "includeFileName",
    "includeThreadCount", "includeRestrictionInformation", "includeActivity",
]  # fmt: skip
ALL_FLAGS = dict.fromkeys(FLAGS, True)


def bundle(user, entity, version=None, **flags):
    path = f"{REPO}/entity/{entity}" + (f"/version/{version}" if version else "")
    return ok(user.post(f"{path}/bundle2", flags))


@pytest.fixture(scope="module")
def file(ann):
    """A file of alice with annotations and an activity, in its second version."""
    created = ann.new_file(ann.new_project()["id"], "one")
    path = f"{REPO}/entity/{created['id']}"
    body = {"etag": created["etag"], "annotations": {"k": {"type": "STRING", "value": ["v"]}}}
    ok(ann.put(f"{path}/annotations2", body))
    ann.change(created["id"], dataFileHandleId=ann.handle("two"))
    activity = ok(ann.post(f"{REPO}/activity", {"name": "made"}))["id"]
    ok(ann.put(f"{path}/generatedBy?generatedBy={activity}"))
    return ann.entity(created["id"])


def test_bundle_without_flags_is_empty(ann, file):
    assert bundle(ann, file["id"]) == {}
    assert bundle(ann, file["id"], includeEntity=False, includeAnnotations=None) == {}


def test_bundle_of_file_has_all_parts(ann, file):
    parts = bundle(ann, file["id"], **ALL_FLAGS)
    assert parts.keys() == {
        "entity", "entityType", "annotations", "permissions", "path", "hasChildren",
        "benefactorAcl", "fileHandles", "fileName", "threadCount", "restrictionInformation",
        "activity",
    }  # fmt: skip
    assert parts["entity"] == file
    assert parts["entityType"] == "file"
    assert parts["annotations"]["annotations"]["k"]["value"] == ["v"]
    assert parts["annotations"]["etag"] == file["etag"]
    assert [each["id"] for each in parts["fileHandles"]] == [file["dataFileHandleId"]]
    assert parts["fileName"] == "data.csv"
    assert parts["benefactorAcl"]["id"] == file["parentId"]
    assert parts["path"]["path"][-1]["id"] == file["id"]
    assert parts["hasChildren"] is False
    assert parts["activity"]["name"] == "made"
    assert parts["restrictionInformation"] == {
        "objectId": int(file["id"].removeprefix("syn")),
        "restrictionLevel": "OPEN",
        "hasUnmetAccessRequirement": False,
    }


def test_bundle_of_project_has_all_parts(ann, file):
    parts = bundle(ann, file["parentId"], **ALL_FLAGS)
    assert parts["entityType"] == "project"
    assert parts["accessControlList"] == parts["benefactorAcl"]
    assert parts["hasChildren"] is True
    assert parts["fileHandles"] == []
    assert not parts.keys() & {"fileName", "activity"}


def test_bundle_has_entity_type(ann, file):
    project = file["parentId"]
    words = {FOLDER: ann.new_folder(project)["id"], "link": ann.new_link(project, "syn1")["id"]}
    assert bundle(ann, words[FOLDER], includeEntity=True)["entityType"] == "folder"
    assert bundle(ann, words["link"], includeEntity=True)["entityType"] == "link"


def test_bundle_of_version_has_its_content_and_zero_etag(ann, file):
    parts = bundle(ann, file["id"], 1, **ALL_FLAGS)
    assert parts["entity"]["versionNumber"] == 1
    assert parts["entity"]["etag"] == parts["annotations"]["etag"] == ZERO_ETAG
    assert parts["fileHandles"][0]["contentMd5"] == "6f6e65".ljust(32, "0")
    assert parts["benefactorAcl"]["id"] == file["parentId"]
    assert "activity" not in parts
    newest = bundle(ann, file["id"], 2, includeEntity=True)
    assert newest["entity"] == file


def test_file_handles_are_empty_without_download(ann, ben):
    project = ann.new_project()["id"]
    file = ann.new_file(project)["id"]
    ann.share(project, {ben.id: ["READ"]})
    assert bundle(ben, file, includeFileHandles=True) == {"fileHandles": []}
    ann.share(project, {ben.id: ["READ", "DOWNLOAD"]})
    assert len(bundle(ben, file, includeFileHandles=True)["fileHandles"]) == 1


def test_invalid_request_is_rejected(ann, file):
    path = f"{REPO}/entity/{file['id']}"
    assert_error(ann.post(f"{path}/bundle2", {"includeEntity": "yes"}), 400, "includeEntity")
    assert_error(ann.post(f"{path}/version/9/bundle2", {}), 404, "version 9")
    assert_error(ann.post(f"{REPO}/entity/syn1/bundle2", {}), 404, "syn1")


def test_create_bundle_writes_entity_annotations_and_acl(ann, ben):
    activity = ok(ann.post(f"{REPO}/activity", {}))["id"]
    project = ann.new_project()["id"]
    note = {"k": {"type": "LONG", "value": ["1"]}}
    entries = [{"principalId": 3300001, "accessType": ALL_RIGHTS},
              {"principalId": ben.id, "accessType": ["READ"]}]  # fmt: skip
    body = {
        "entity": {
            "concreteType": FILE,
            "parentId": project,
            "name": "f",
            "dataFileHandleId": ann.handle(),
        },
        "annotations": {"annotations": note},
        "accessControlList": {"resourceAccess": entries},
    }
    response = ann.post(f"{REPO}/entity/bundle2/create?generatedBy={activity}", body)
    assert response.status_code == 201
    created = response.json()
    assert created["annotations"]["annotations"] == note
    assert created["accessControlList"]["resourceAccess"] == entries
    assert ben.entity(created["entity"]["id"]) == created["entity"]
    path = f"{REPO}/entity/{created['entity']['id']}/generatedBy"
    assert ok(ann.get(path))["id"] == activity


def test_failed_create_bundle_writes_nothing(ann):
    name = unique_name()
    body = {
        "entity": {"concreteType": PROJECT, "name": name},
        "annotations": {"annotations": {"k": {"type": "LONG", "value": ["x"]}}},
    }
    assert_error(ann.post(f"{REPO}/entity/bundle2/create", body), 400, "LONG")
    assert_error(ann.post(f"{REPO}/entity/child", {"entityName": name}), 404)
    assert_error(ann.post(f"{REPO}/entity/bundle2/create", {"annotations": {}}), 400, "entity")


def test_update_bundle_writes_entity_annotations_and_acl(ann):
    project = ann.new_project()
    path = f"{REPO}/entity/{project['id']}/bundle2"
    body = {
        "entity": {**project, "description": "d"},
        "annotations": {"annotations": {"k": {"type": "LONG", "value": ["1"]}}},
        "accessControlList": ann.acl(project["id"]),
    }
    changed = ok(ann.put(path, body))
    assert changed["entity"] == ann.entity(project["id"])
    assert changed["entity"]["description"] == "d"
    assert changed["annotations"]["etag"] == changed["entity"]["etag"]
    assert_error(ann.put(path, body), 412)
    annotations = {"annotations": {**changed["annotations"], "annotations": {}}}
    assert ok(ann.put(path, annotations)).keys() == {"annotations"}
    assert_error(ann.put(path, annotations), 412)
