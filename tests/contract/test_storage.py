"""Storage locations, project settings, and file handles of objects in own buckets."""

import hashlib

import pytest

from synapse_workflows import File, Folder
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseNotFoundError,
)
from synapse_workflows.constants import MODEL

LOCATIONS = {
    "ExternalObjectStorage": {"endpointUrl": "https://s3.example.org", "bucket": "lab"},
    "ExternalS3Storage": {"bucket": "lab", "baseKey": "data"},
    "ExternalStorage": {"url": "sftp://sftp.example.org/data", "supportsSubfolders": True},
    "ProxyStorage": {"secretKey": "k" * 36, "proxyUrl": "https://proxy.example.org/files"},
}
UPLOAD_TYPES = {"ExternalStorage": "SFTP", "ProxyStorage": "PROXYLOCAL"}


@pytest.fixture
def location(syn):
    """A storage location in an own bucket."""
    return syn.createStorageLocationSetting("ExternalS3Storage", bucket="lab", baseKey="data")


@pytest.mark.parametrize("storage_type", LOCATIONS)
def test_location_is_created_and_read(syn, storage_type):
    properties = LOCATIONS[storage_type] | {"banner": "be nice", "description": "of the lab"}
    made = syn.createStorageLocationSetting(storage_type, **properties)
    assert made["concreteType"].startswith(f"{MODEL}.project.{storage_type}LocationSetting")
    assert made["uploadType"] == UPLOAD_TYPES.get(storage_type, "S3")
    assert {key: made[key] for key in properties} == properties
    assert syn.getMyStorageLocationSetting(made["storageLocationId"]) == made
    again = syn.createStorageLocationSetting(storage_type, **properties)
    assert again["storageLocationId"] == made["storageLocationId"]


@pytest.mark.parametrize("storage_type", ["ExternalStorage"])
def test_optional_properties_have_defaults(syn, storage_type):
    made = syn.createStorageLocationSetting(storage_type, url="sftp://sftp.example.org/x")
    assert not made.get("supportsSubfolders")


def test_unknown_storage_type_raises(syn):
    with pytest.raises(ValueError, match="Unknown storage_type: Tape"):
        syn.createStorageLocationSetting("Tape", bucket="lab")


def test_unknown_property_raises(syn):
    with pytest.raises(TypeError, match="stsEnable; known are bucket"):
        syn.createStorageLocationSetting("ExternalS3Storage", bucket="lab", stsEnable=True)


@pytest.mark.parametrize("storage_type", LOCATIONS)
def test_missing_property_raises(syn, storage_type):
    name = next(iter(LOCATIONS[storage_type]))
    properties = {key: value for key, value in LOCATIONS[storage_type].items() if key != name}
    with pytest.raises(ValueError, match=f"{storage_type} needs {name}"):
        syn.createStorageLocationSetting(storage_type, **properties)


@pytest.mark.parametrize("storage_type", [["Tape"], {"type": "Tape"}, None])
def test_storage_type_that_is_no_text_raises(syn, storage_type):
    with pytest.raises(ValueError, match="Unknown storage_type"):
        syn.createStorageLocationSetting(storage_type, bucket="lab")


def test_property_that_is_no_text_raises(syn):
    with pytest.raises(SynapseBadRequestError, match="bucket"):
        syn.createStorageLocationSetting("ExternalS3Storage", bucket=["lab"])


def test_benefactor_is_an_entity_or_its_id(syn, project):
    properties = LOCATIONS["ProxyStorage"]
    for benefactor in (project, project.id, project.id.removeprefix("syn")):
        made = syn.createStorageLocationSetting(
            "ProxyStorage", **properties, benefactorId=benefactor
        )
        assert made["benefactorId"] == project.id


def test_secret_key_of_a_proxy_is_in_no_error(syn):
    syn.debug = True
    with pytest.raises(SynapseBadRequestError) as caught:
        syn.createStorageLocationSetting(
            "ProxyStorage", secretKey="too-short-secret", proxyUrl="https://proxy.example.org"
        )
    assert "too-short-secret" not in str(caught.value)


def test_location_is_readable_by_its_creator_only(syn, bob, location):
    with pytest.raises(SynapseForbiddenError):
        bob.getMyStorageLocationSetting(location["storageLocationId"])
    with pytest.raises(SynapseNotFoundError):
        syn.getMyStorageLocationSetting(987654321)
    with pytest.raises(ValueError, match="storage location ID 'seven'"):
        syn.getMyStorageLocationSetting("seven")


def test_location_is_set_replaced_and_reset(syn, project, location):
    number = location["storageLocationId"]
    assert syn.getProjectSetting(project, "upload") is None
    setting = syn.setStorageLocation(project, number)
    assert (setting["locations"], setting["settingsType"]) == ([number], "upload")
    assert syn.getProjectSetting(project.id, "upload") == setting
    assert syn.setStorageLocation(project, [number, 1])["locations"] == [number, 1]
    assert syn.setStorageLocation(project, str(number))["locations"] == [number]
    assert syn.setStorageLocation(project, location)["locations"] == [number]
    assert syn.setStorageLocation(project, None)["locations"] == [1]


def test_setting_of_a_parent_is_not_returned(syn, project, folder, location):
    syn.setStorageLocation(project, location["storageLocationId"])
    assert syn.getProjectSetting(folder, "upload") is None


@pytest.mark.parametrize("value", [[], "", "x", b"1", 1.5, True, {"id": 1}, [1, None], [[1]]])
def test_invalid_location_id_raises(syn, project, value):
    with pytest.raises(ValueError, match=r"storage.location"):
        syn.setStorageLocation(project, value)
    assert syn.getProjectSetting(project, "upload") is None


def test_equal_setting_is_not_written_again(syn, project, location):
    first = syn.setStorageLocation(project, location["storageLocationId"])
    assert syn.setStorageLocation(project, location["storageLocationId"]) == first


def test_concurrent_settings_do_not_fail(in_parallel, syn, project):
    numbers = [
        syn.createStorageLocationSetting("ExternalS3Storage", bucket=f"lab-{number}")
        for number in range(6)
    ]
    settings = in_parallel(
        lambda client, index: client.setStorageLocation(project.id, numbers[index]), count=6
    )
    assert {setting["id"] for setting in settings} == {
        syn.getProjectSetting(project, "upload")["id"]
    }


@pytest.mark.parametrize("setting_type", ["external_sync", "requester_pays"])
def test_withdrawn_settings_are_none(verbose_client, log_messages, project, setting_type):
    assert verbose_client.getProjectSetting(project, setting_type) is None
    assert setting_type in log_messages[-1]


def test_unknown_setting_type_raises(syn, project):
    with pytest.raises(ValueError, match="Invalid project_type: uploads"):
        syn.getProjectSetting(project, "uploads")


def test_storage_of_synapse_for_a_new_and_an_existing_folder(syn, project):
    folder, location, setting = syn.create_s3_storage_location(parent=project, folder_name="raw")
    assert (folder.name, folder.parentId) == ("raw", project.id)
    assert location["concreteType"] == f"{MODEL}.project.S3StorageLocationSetting"
    assert setting["locations"] == [location["storageLocationId"]]
    again = syn.create_s3_storage_location(parent=project, folder_name="raw")
    assert (again[0].id, again[1], again[2]) == (folder.id, location, setting)
    same, *rest = syn.create_s3_storage_location(folder=folder.id)
    assert (same, rest) == (folder.id, [location, setting])


def test_own_bucket_with_sts(syn, project):
    folder = syn.store(Folder("own", project))
    result, location, setting = syn.create_s3_storage_location(
        folder=folder, bucket_name="lab", base_key="data/own", sts_enabled=True
    )
    assert result is folder
    assert location["concreteType"] == f"{MODEL}.project.ExternalS3StorageLocationSetting"
    assert [location[key] for key in ("bucket", "baseKey", "stsEnabled")] == [
        "lab", "data/own", True,
    ]  # fmt: skip
    assert setting["projectId"] == folder.id


def test_repeated_call_for_a_filled_sts_folder_succeeds(syn, project, make_file):
    arguments = {
        "parent": project,
        "folder_name": "sts",
        "bucket_name": "lab",
        "sts_enabled": True,
    }
    arguments["base_key"] = "sts-data"
    folder, location, setting = syn.create_s3_storage_location(**arguments)
    handle = syn.create_external_s3_file_handle(
        "lab", "sts-data/data.txt", make_file(), parent=folder
    )
    syn.store(File(name="data.txt", parent=folder, dataFileHandleId=handle["id"]))
    assert syn.create_s3_storage_location(**arguments)[1:] == (location, setting)


def test_repeated_call_for_sts_in_synapse_storage_keeps_the_location(syn, project, bob):
    arguments = {"parent": project, "folder_name": "sts", "sts_enabled": True}
    folder, location, setting = syn.create_s3_storage_location(**arguments)
    assert location["stsEnabled"]
    syn.store(Folder("filled", parent=folder))
    again = syn.create_s3_storage_location(**arguments)
    assert (again[0].id, *again[1:]) == (folder.id, location, setting)
    other = syn.create_s3_storage_location(**{**arguments, "folder_name": "other"})
    assert other[1]["storageLocationId"] != location["storageLocationId"]
    owner = bob.getUserProfile()["ownerId"]
    syn.setPermissions(project, owner, ["READ", "CREATE", "UPDATE"], warn_if_inherits=False)
    assert bob.create_s3_storage_location(
        folder=other[0], sts_enabled=True
    )[1]["storageLocationId"] not in {
        location["storageLocationId"], other[1]["storageLocationId"],
    }  # fmt: skip


def test_concurrent_calls_for_sts_in_synapse_storage_agree(in_parallel, syn, project):
    found = in_parallel(
        lambda client, _index: client.create_s3_storage_location(
            parent=project.id, folder_name="sts", sts_enabled=True
        ),
        count=6,
    )
    assert {each[2]["id"]: each[1]["storageLocationId"] for each in found} == {
        found[0][2]["id"]: found[0][2]["locations"][0]
    }
    assert {each[1]["baseKey"] for each in found} == {found[0][1]["baseKey"]}


def test_sts_in_a_filled_folder_raises(syn, folder, make_file):
    syn.store(File(str(make_file()), folder))
    with pytest.raises(SynapseBadRequestError, match="non-empty folder"):
        syn.create_s3_storage_location(folder=folder, sts_enabled=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either folder or folder_name should be required"),
        ({"folder_name": "raw"}, "either folder or folder_name.*also needs parent"),
        ({"parent": "syn1"}, "either folder or folder_name"),
        ({"parent": "syn1", "folder_name": "raw", "folder": "syn2"}, "mutually exclusive"),
        ({"folder": "syn2", "base_key": "data"}, "base_key 'data' needs bucket_name"),
    ],
)
def test_invalid_arguments_of_s3_locations_raise(syn, arguments, message):
    with pytest.raises(ValueError, match=message):
        syn.create_s3_storage_location(**arguments)


@pytest.mark.parametrize("place", ["parent", "storage_location_id", "storage location"])
def test_object_in_an_own_bucket_is_described(syn, folder, location, make_file, place):
    syn.setStorageLocation(folder, location["storageLocationId"])
    path = make_file("table.csv", "a,b\n")
    argument = {
        "parent": {"parent": folder},
        "storage_location_id": {"storage_location_id": location["storageLocationId"]},
        "storage location": {"storage_location_id": location},
    }[place]
    handle = syn.create_external_s3_file_handle("lab", "data/x.csv", path, **argument)
    assert handle["concreteType"] == f"{MODEL}.file.S3FileHandle"
    assert [handle[key] for key in ("bucketName", "key", "fileName", "contentType")] == [
        "lab", "data/x.csv", "table.csv", "text/csv",
    ]  # fmt: skip
    assert handle["contentMd5"] == hashlib.md5(b"a,b\n").hexdigest()
    assert (handle["contentSize"], handle["storageLocationId"]) == (
        4,
        location["storageLocationId"],
    )
    assert syn.cache.contains(handle["id"], path)


def test_content_type_can_be_given(syn, location, make_file):
    handle = syn.create_external_s3_file_handle(
        "lab",
        "data/x",
        make_file("noending"),
        storage_location_id=location["storageLocationId"],
        mimetype="application/x-lab",
    )
    assert handle["contentType"] == "application/x-lab"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"parent": "syn1", "storage_location_id": 7}, "not both"),
        ({}, "One of parent or storage_location_id is required"),
    ],
)
def test_location_of_an_object_is_given_once(syn, make_file, place, message):
    with pytest.raises(ValueError, match=message):
        syn.create_external_s3_file_handle("lab", "x", make_file(), **place)


def test_object_of_a_foreign_location_raises(bob, location, make_file):
    with pytest.raises(SynapseForbiddenError):
        bob.create_external_s3_file_handle(
            "lab", "data/x", make_file(), storage_location_id=location["storageLocationId"]
        )


def test_object_in_another_bucket_raises(syn, location, make_file):
    with pytest.raises(SynapseBadRequestError, match="other"):
        syn.create_external_s3_file_handle(
            "other", "data/x", make_file(), storage_location_id=location["storageLocationId"]
        )


def test_token_without_an_sts_location_raises(syn, folder):
    with pytest.raises(SynapseBadRequestError, match="must have an STS-enabled storage location"):
        syn.get_sts_storage_token(folder, "read_only")


def test_temporary_credentials_are_a_property_of_the_location(syn):
    made = syn.createStorageLocationSetting("ExternalS3Storage", bucket="lab", stsEnabled=True)
    assert syn.getMyStorageLocationSetting(made)["stsEnabled"] is True
