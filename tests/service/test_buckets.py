"""Tests of storage locations whose buckets are in the S3 server of the service."""

import pytest
import requests
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.storage_api import (
    EXTERNAL_S3,
    OBJECT_STORE,
    SYNAPSE_STS,
    create_location,
    create_s3_handle,
    destination,
    try_create_handle,
    try_create_location,
)

from synapse_workflows.local.s3.endpoint import S3ConfigurationError

BUCKET = "registered-objects"


@pytest.fixture(scope="module")
def alice(s3_rest):
    return Author(s3_rest, "alice")


@pytest.fixture(scope="module")
def bob(s3_rest):
    return Author(s3_rest, "bob")


@pytest.fixture(scope="module")
def store(s3_service):
    return s3_service.store


@pytest.fixture(scope="module")
def location(alice):
    return create_location(alice, EXTERNAL_S3, bucket=BUCKET)


def test_bucket_is_created_with_its_location(alice, store):
    for bucket, body in (("new-bucket", EXTERNAL_S3), ("local.synapse.storage", SYNAPSE_STS)):
        create_location(alice, {**body, **({"bucket": bucket} if body is EXTERNAL_S3 else {})})
        assert store.has_bucket(bucket)


def test_bucket_of_another_server_is_left_alone(alice, store):
    for body in (OBJECT_STORE, EXTERNAL_S3):
        create_location(alice, body, bucket="elsewhere", endpointUrl="https://s3.example.org")
    assert not store.has_bucket("elsewhere")


def test_bucket_without_a_name_of_s3_is_not_in_the_server(alice):
    location = create_location(alice, EXTERNAL_S3, bucket="B")
    handle = alice.upload(b"x", storageLocationId=location)
    assert alice.read(handle).content == b"x"


def test_anonymous_users_create_no_buckets(s3_rest, store):
    response = try_create_location(Author(s3_rest, None), EXTERNAL_S3, bucket="anonymous-bucket")
    assert_error(response, 403, "log in")
    assert not store.has_bucket("anonymous-bucket")


def test_storage_of_synapse_is_no_external_bucket(alice):
    response = try_create_location(alice, EXTERNAL_S3, bucket="local.synapse.storage")
    assert_error(response, 400, "storage of Synapse")


@pytest.mark.parametrize("base_key", [None, "a/b"])
def test_owner_file_lists_the_users_of_a_bucket(alice, bob, store, base_key):
    store.create_bucket("owned-bucket")
    key = "owner.txt" if base_key is None else f"{base_key}/owner.txt"
    store.put("owned-bucket", key, f"{alice.id}\r\n 4711\n".encode())
    body = {**EXTERNAL_S3, "bucket": "owned-bucket", "baseKey": base_key}
    assert create_location(alice, body)
    assert_error(try_create_location(bob, body), 403, f"your ID {bob.id}")
    team = ok(bob.post(f"{REPO}/team", {"name": f"Owners of {base_key}"}))["id"]
    store.put("owned-bucket", key, team.encode())
    assert create_location(bob, body)
    assert_error(try_create_location(alice, body), 403, "owned-bucket")


@pytest.mark.parametrize("endpoint", [None, "https://s3.amazonaws.com"])
def test_s3_server_stands_for_aws(alice, s3_service, endpoint):
    number = create_location(alice, EXTERNAL_S3, bucket="as-in-aws", endpointUrl=endpoint)
    project = alice.new_project()["id"]
    assert destination(alice, project, number)["endpointUrl"] == s3_service.endpoint.url
    assert s3_service.store.has_bucket("as-in-aws")


def test_registered_object_is_downloaded_from_the_s3_server(alice, bob, store, location):
    key = "dir/an object+%.csv"
    store.put(BUCKET, key, b"content")
    handle = create_s3_handle(alice, location, key, BUCKET)
    url = alice.url(handle)
    assert url.startswith(store.endpoint.url)
    response = requests.get(url, timeout=30)
    assert response.content == b"content"
    assert response.headers["Content-Type"] == "text/csv"
    assert "data.csv" in response.headers["Content-Disposition"]
    assert requests.get(url, headers={"Range": "bytes=2-3"}, timeout=30).content == b"nt"
    project = alice.new_project()["id"]
    file = alice.file("data", project, handle)
    alice.share(project, {bob.id: ["READ", "DOWNLOAD"]})
    (result,) = ok(bob.batch((handle, file, "FileEntity")))["requestedFiles"]
    assert requests.get(result["preSignedURL"], timeout=30).content == b"content"


def test_registered_object_must_exist_with_its_size(alice, store, location):
    store.put(BUCKET, "seven", b"7 bytes")
    for change, words in (({"key": "missing"}, "missing"), ({"contentSize": 8}, "has 7 bytes")):
        body = {"key": "seven", "bucketName": BUCKET, **change}
        assert_error(try_create_handle(alice, "S3FileHandle", location, **body), 400, words)
    assert create_s3_handle(alice, location, "seven", BUCKET)


def test_service_works_without_the_s3_server_that_did_not_start(tmp_path):
    def fail():
        raise S3ConfigurationError("The S3 server did not start.")

    with start_service(tmp_path, s3=fail) as opened:
        alice = Author(opened, "alice")
        location = create_location(alice, EXTERNAL_S3)
        project = alice.new_project()["id"]
        assert destination(alice, project, location)["endpointUrl"] == "https://s3.amazonaws.com"
        handle = alice.upload(b"x", storageLocationId=location)
        assert alice.read(handle).content == b"x"
        assert create_s3_handle(alice, location, "any")
