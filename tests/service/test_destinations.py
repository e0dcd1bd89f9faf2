"""Tests of upload destinations."""

import re
from urllib.parse import urlsplit

import pytest
from support.file_api import assert_error, ok
from support.storage_api import (
    EXTERNAL_S3,
    EXTERNAL_STS,
    FILE_MODEL,
    FILES,
    GOOGLE_CLOUD,
    OBJECT_STORE,
    PROXY,
    S3,
    SFTP,
    SYNAPSE_STS,
    create_location,
    destination,
    set_locations,
)

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture
def project(ann):
    return ann.new_project()["id"]


@pytest.mark.parametrize(
    ("body", "kind", "properties"),
    [
        (S3, "S3UploadDestination", {"stsEnabled": False, "uploadType": "S3"}),
        (SYNAPSE_STS, "S3UploadDestination", {"stsEnabled": True}),
        (
            EXTERNAL_S3,
            "ExternalS3UploadDestination",
            {"bucket": "a-bucket", "endpointUrl": "https://s3.amazonaws.com", "stsEnabled": False},
        ),
        (
            {**EXTERNAL_STS, "endpointUrl": "https://s3.example.org"},
            "ExternalS3UploadDestination",
            {"baseKey": "data", "endpointUrl": "https://s3.example.org", "stsEnabled": True},
        ),
        (
            OBJECT_STORE,
            "ExternalObjectStoreUploadDestination",
            {"bucket": "their-bucket", "endpointUrl": "https://s3.example.org"},
        ),
        (SFTP, "ExternalUploadDestination", {"uploadType": "SFTP"}),
        (
            PROXY,
            "ExternalUploadDestination",
            {"uploadType": "PROXYLOCAL", "url": "https://proxy.example.org/store"},
        ),
        (
            GOOGLE_CLOUD,
            "ExternalGoogleCloudUploadDestination",
            {"bucket": "gcs-bucket", "baseKey": "data", "uploadType": "GOOGLECLOUDSTORAGE"},
        ),
    ],
)
def test_destination_of_each_type(ann, project, body, kind, properties):
    location = create_location(ann, body, banner="Read the terms.")
    found = destination(ann, project, location)
    assert found["concreteType"] == f"{FILE_MODEL}.{kind}"
    assert found["storageLocationId"] == location
    assert found["banner"] == "Read the terms."
    assert properties.items() <= found.items()
    assert not {"secretKey", "etag", "createdBy", "description"} & found.keys()


def test_synapse_sts_destination_has_its_base_key(ann, project):
    location = create_location(ann, SYNAPSE_STS)
    assert re.fullmatch(rf"{ann.id}/{UUID}", destination(ann, project, location)["baseKey"])


def test_key_prefix_is_new_each_time(ann, project):
    location = create_location(ann, OBJECT_STORE)
    prefixes = {destination(ann, project, location)["keyPrefixUUID"] for _ in range(3)}
    assert len(prefixes) == 3
    assert all(re.fullmatch(UUID, each) for each in prefixes)


def test_sftp_url_has_the_path_of_the_folder_and_a_random_name(ann):
    project = ann.new_project(name="A project + more")
    folder = ann.new_folder(project["id"], name="Data (raw)")["id"]
    location = create_location(ann, SFTP, url="sftp://sftp.example.org:2222/files/")
    first = destination(ann, folder, location)["url"]
    prefix = "sftp://sftp.example.org:2222/files/A%20project%20%2B%20more/Data%20%28raw%29/"
    assert re.fullmatch(re.escape(prefix) + UUID, first)
    assert destination(ann, folder, location)["url"] != first


def test_url_without_sub_folders_has_only_a_random_name(ann, project):
    location = create_location(
        ann, SFTP, url="https://files.example.org", uploadType="HTTPS", supportsSubfolders=None
    )
    found = destination(ann, project, location)
    assert found["uploadType"] == "HTTPS"
    assert re.fullmatch(f"/{UUID}", urlsplit(found["url"]).path)


def test_first_location_is_the_default_and_all_are_listed(ann, project):
    bucket = create_location(ann, EXTERNAL_S3, description="Our bucket")
    sftp = create_location(ann, SFTP)
    set_locations(ann, project, bucket, 1, sftp)
    assert destination(ann, project)["storageLocationId"] == bucket
    path = f"{FILES}/entity/{project}"
    assert ok(ann.get(f"{path}/uploadDestinationLocations"))["list"] == [
        {"storageLocationId": bucket, "uploadType": "S3", "description": "Our bucket"},
        {"storageLocationId": 1, "uploadType": "S3"},
        {"storageLocationId": sftp, "uploadType": "SFTP"},
    ]
    listed = ok(ann.get(f"{path}/uploadDestinations"))["list"]
    assert [each["storageLocationId"] for each in listed] == [bucket, 1, sftp]


def test_external_url_needs_read(ann, ben, project):
    """The URL has the names of the folders."""
    set_locations(ann, project, create_location(ann, SFTP))
    path = f"{FILES}/entity/{project}/uploadDestination"
    assert_error(ben.get(path), 403, "READ")
    ann.share(project, {ben.id: ["READ"]})
    assert ben.get(path).ok


def test_bucket_needs_no_rights(ann, ben, project):
    set_locations(ann, project, create_location(ann, EXTERNAL_S3))
    assert ben.get(f"{FILES}/entity/{project}/uploadDestination").ok


@pytest.mark.parametrize(("location", "status"), [("99999", 404), ("x", 400), ("-1", 400)])
def test_unknown_location_is_rejected(ann, project, location, status):
    path = f"{FILES}/entity/{project}/uploadDestination/{location}"
    assert_error(ann.get(path), status, location)
