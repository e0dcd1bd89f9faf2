"""Tests of storage locations."""

import pytest
from support.file_api import assert_error, ok
from support.storage_api import (
    ALL_TYPES,
    EXTERNAL_S3,
    EXTERNAL_STS,
    GOOGLE_CLOUD,
    OBJECT_STORE,
    PROXY,
    REPO,
    S3,
    SFTP,
    SYNAPSE_STS,
    create_location,
    try_create_location,
)


def names(body):
    return body["concreteType"].rpartition(".")[2] + ("-sts" if body.get("stsEnabled") else "")


@pytest.mark.parametrize("body", ALL_TYPES, ids=names)
def test_creator_reads_what_was_created(ann, body):
    created = ok(try_create_location(ann, body, banner="Hello", description="A place"))
    assert body.items() <= created.items()
    assert created["banner"] == "Hello"
    assert created["description"] == "A place"
    assert created["createdBy"] == ann.id
    assert created["etag"]
    assert isinstance(created["storageLocationId"], int)
    assert created["storageLocationId"] > 1
    path = f"{REPO}/storageLocation/{created['storageLocationId']}"
    assert ok(ann.get(path)) == created
    assert created in ok(ann.get(f"{REPO}/storageLocation"))["list"]


def test_only_the_creator_reads_a_location(ann, ben, admin):
    number = create_location(ann, EXTERNAL_S3, bucket="private-bucket")
    for user in (ben, admin):
        assert_error(user.get(f"{REPO}/storageLocation/{number}"), 403, "creator")
    assert_error(ann.get(f"{REPO}/storageLocation/1"), 403, "creator")
    assert_error(ann.get(f"{REPO}/storageLocation/999999"), 404, "999999")
    assert number not in [
        each["storageLocationId"] for each in ok(ben.get(f"{REPO}/storageLocation"))["list"]
    ]


@pytest.mark.parametrize("body", [each for each in ALL_TYPES if each != SYNAPSE_STS], ids=names)
def test_equal_content_of_one_user_is_one_location(ann, ben, body):
    first = create_location(ann, body)
    assert create_location(ann, body) == first
    assert create_location(ann, body, etag="any", createdBy=7, storageLocationId=77) == first
    assert create_location(ann, body, banner="other") != first
    assert create_location(ben, body) != first


def test_each_sts_location_of_synapse_storage_has_its_own_base_key(ann):
    first = ok(try_create_location(ann, SYNAPSE_STS))
    second = ok(try_create_location(ann, SYNAPSE_STS))
    assert first["storageLocationId"] != second["storageLocationId"]
    assert first["baseKey"] != second["baseKey"]
    assert first["baseKey"].startswith(f"{ann.id}/")


def test_base_key_has_no_surrounding_slashes(ann):
    created = ok(try_create_location(ann, EXTERNAL_S3, baseKey=" /a/b// "))
    assert created["baseKey"] == "a/b"
    assert "baseKey" not in ok(try_create_location(ann, EXTERNAL_S3, baseKey=" / "))


def test_upload_type_is_none_by_default(ann):
    assert ok(try_create_location(ann, EXTERNAL_S3, uploadType=None))["uploadType"] == "NONE"


@pytest.mark.parametrize(
    ("body", "change", "words"),
    [
        (S3, {"baseKey": "x"}, "baseKey"),
        (S3, {"concreteType": None}, "concreteType"),
        (S3, {"concreteType": "org.example.Location"}, "org.example.Location"),
        (S3, {"uploadType": "FTP"}, "FTP"),
        (S3, {"banner": "x" * 5001}, "banner"),
        (S3, {"stsEnabled": "yes"}, "stsEnabled"),
        (EXTERNAL_S3, {"bucket": None}, "bucket"),
        (EXTERNAL_S3, {"bucket": "a/b"}, "a/b"),
        (EXTERNAL_S3, {"endpointUrl": "nowhere"}, "endpointUrl"),
        (EXTERNAL_S3, {"endpointUrl": "https://user:hunter2@e.org"}, "password"),
        (EXTERNAL_STS, {"baseKey": "data*"}, "baseKey"),
        (EXTERNAL_STS, {"baseKey": "data/../other"}, "data/../other"),
        (EXTERNAL_STS, {"baseKey": "./data"}, "./data"),
        (EXTERNAL_STS, {"baseKey": "data//own"}, "data//own"),
        (EXTERNAL_STS, {"baseKey": "da\nta"}, "baseKey"),
        (OBJECT_STORE, {"endpointUrl": None}, "endpointUrl"),
        (OBJECT_STORE, {"endpointUrl": "ftp://e.org"}, "ftp://e.org"),
        (OBJECT_STORE, {"endpointUrl": "https://user:hunter2@e.org"}, "password"),
        (OBJECT_STORE, {"bucket": ""}, "bucket"),
        (SFTP, {"url": None}, "url"),
        (SFTP, {"url": "sftp:/files"}, "sftp:/files"),
        (SFTP, {"url": "sftp://e.org:port/"}, "url"),
        (SFTP, {"url": "http://e.org/"}, "http://e.org/"),
        (SFTP, {"supportsSubfolders": 1}, "supportsSubfolders"),
        (PROXY, {"secretKey": "k" * 35}, "36 characters"),
        (PROXY, {"proxyUrl": "http://proxy.example.org"}, "https"),
        (PROXY, {"proxyUrl": "https://user:hunter2@e.org"}, "password"),
        (PROXY, {"benefactorId": "nonsense"}, "nonsense"),
        (GOOGLE_CLOUD, {"bucket": None}, "bucket"),
    ],
)
def test_invalid_location_is_rejected(ann, body, change, words):
    assert_error(try_create_location(ann, {**body, **change}), 400, words)


def test_error_of_an_sftp_url_does_not_repeat_its_password(ann):
    response = try_create_location(ann, SFTP, url="sftp://user:hunter2@sftp.example.org/files")
    assert "hunter2" not in assert_error(response, 400, "password")["reason"]


def test_benefactor_of_a_proxy_is_a_container(ann):
    project = ann.new_project()["id"]
    created = ok(try_create_location(ann, PROXY, benefactorId=project.removeprefix("syn")))
    assert created["benefactorId"] == project
    file = ann.new_file(project)["id"]
    assert_error(try_create_location(ann, PROXY, benefactorId=file), 400, file)
    assert_error(try_create_location(ann, PROXY, benefactorId="syn99999999"), 404)


def test_anonymous_users_create_no_locations(anonymous):
    assert_error(try_create_location(anonymous, S3), 403, "log in")


def test_creation_needs_the_scopes_view_and_modify(ann, author):
    token = ann.create_token(scope=["view"])
    assert_error(try_create_location(author("alice", token), S3), 403, "modify")
