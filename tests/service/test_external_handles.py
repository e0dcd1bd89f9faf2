"""Tests of file handles of external files, and of their URLs."""

import pytest
from support.file_api import assert_error, ok
from support.storage_api import (
    EXTERNAL_S3,
    EXTERNAL_STS,
    FILE_MODEL,
    OBJECT_STORE,
    PROXY,
    SFTP,
    create_location,
    create_s3_handle,
    set_locations,
    try_create_handle,
)

HANDLE = "/file/v1/fileHandle"
EXTERNAL = "ExternalFileHandle"
OBJECT = "ExternalObjectStoreFileHandle"
PROXIED = "ProxyFileHandle"
REGISTERED = "S3FileHandle"


@pytest.fixture(scope="module")
def store(ann):
    return create_location(ann, OBJECT_STORE)


@pytest.fixture(scope="module")
def bucket(ann):
    return create_location(ann, EXTERNAL_S3)


@pytest.fixture(scope="module")
def proxy(ann):
    return create_location(ann, PROXY)


def batch_result(user, handle, entity="syn1"):
    (result,) = ok(user.batch((handle, entity, "FileEntity")))["requestedFiles"]
    return result


def test_object_store_handle_takes_bucket_and_endpoint_from_its_location(ann, store):
    created = ok(
        try_create_handle(
            ann, OBJECT, store, fileKey="a/b.csv", bucket="other", endpointUrl="https://other.org"
        )
    )
    expected = {
        "concreteType": f"{FILE_MODEL}.{OBJECT}",
        "fileKey": "a/b.csv",
        "bucket": "their-bucket",
        "endpointUrl": "https://s3.example.org",
        "storageLocationId": store,
        "fileName": "data.csv",
        "contentMd5": "0" * 32,
        "contentSize": 7,
        "contentType": "text/csv",
    }
    assert expected.items() <= created.items()
    assert ok(ann.get(f"{HANDLE}/{created['id']}")) == created


def test_object_store_handle_has_no_url(ann, store):
    handle = ok(try_create_handle(ann, OBJECT, store, fileKey="a/b.csv"))["id"]
    result = batch_result(ann, handle)
    assert "preSignedURL" not in result
    assert "failureCode" not in result
    assert result["fileHandle"]["fileKey"] == "a/b.csv"
    reason = assert_error(ann.get(f"{HANDLE}/{handle}/url?redirect=false"), 400)["reason"]
    assert "a/b.csv" in reason
    assert "their-bucket" in reason


@pytest.mark.parametrize(
    "url", ["https://e.org/a?b=c", "sftp://e.org/a", "ftp://e.org/a", "file:///tmp/a.csv"]
)
def test_url_of_an_external_file_is_the_url_itself(ann, url):
    sftp = create_location(ann, SFTP)
    for location in (None, sftp):
        created = ok(try_create_handle(ann, EXTERNAL, location, externalURL=url))
        assert created.get("storageLocationId") == location
        assert batch_result(ann, created["id"])["preSignedURL"] == url
        assert ann.url(created["id"]) == url


def test_proxied_file_has_a_signed_url_of_its_proxy(ann, proxy):
    handle = ok(try_create_handle(ann, PROXIED, proxy, filePath="/dir/data.csv"))
    assert handle["filePath"] == "/dir/data.csv"
    url = batch_result(ann, handle["id"])["preSignedURL"]
    assert url.startswith("https://proxy.example.org/store/proxylocal/dir/data.csv?")
    assert "hmacSignature=" in url
    assert PROXY["secretKey"] not in url


def test_registered_object_of_an_external_bucket(ann, bucket):
    handle = create_s3_handle(ann, bucket, "any/key.csv")
    body = ok(ann.get(f"{HANDLE}/{handle}"))
    expected = {
        "concreteType": f"{FILE_MODEL}.S3FileHandle",
        "bucketName": "a-bucket",
        "key": "any/key.csv",
        "storageLocationId": bucket,
        "contentSize": 7,
    }
    assert expected.items() <= body.items()
    assert "preSignedURL" not in batch_result(ann, handle)  # the service has no S3 server
    assert_error(ann.get(f"{HANDLE}/{handle}/url"), 400, "any/key.csv")


@pytest.mark.parametrize(
    ("kind", "change", "status", "words"),
    [
        (OBJECT, {"fileKey": None}, 400, "fileKey"),
        (OBJECT, {"fileName": None}, 400, "fileName"),
        (OBJECT, {"contentMd5": None}, 400, "contentMd5"),
        (OBJECT, {"contentMd5": "no md5"}, 400, "contentMd5"),
        (OBJECT, {"contentSize": None}, 400, "contentSize"),
        (OBJECT, {"contentSize": -1}, 400, "contentSize"),
        (OBJECT, {"storageLocationId": None}, 400, "storageLocationId"),
        (OBJECT, {"storageLocationId": 1}, 400, "S3StorageLocationSetting"),
        (OBJECT, {"storageLocationId": 99999}, 404, "99999"),
        (PROXIED, {"filePath": None}, 400, "filePath"),
        (PROXIED, {"storageLocationId": 1}, 400, "S3StorageLocationSetting"),
        (REGISTERED, {"key": None}, 400, "key"),
        (REGISTERED, {"bucketName": "other"}, 400, "other"),
        (REGISTERED, {"bucketName": None}, 400, "bucketName"),
        (REGISTERED, {"contentMd5": None}, 400, "contentMd5"),
        (REGISTERED, {"contentSize": None}, 400, "contentSize"),
        (REGISTERED, {"storageLocationId": None}, 400, "storageLocationId"),
        (REGISTERED, {"storageLocationId": 1}, 400, "S3StorageLocationSetting"),
        (REGISTERED, {"concreteType": f"{FILE_MODEL}.{EXTERNAL}"}, 400, "concreteType"),
        (EXTERNAL, {"externalURL": None}, 400, "externalURL"),
        (EXTERNAL, {"externalURL": "nowhere"}, 400, "nowhere"),
        (EXTERNAL, {"storageLocationId": "x"}, 400, "storageLocationId"),
        (EXTERNAL, {"concreteType": None}, 400, "concreteType"),
        (EXTERNAL, {"concreteType": f"{FILE_MODEL}.S3FileHandle"}, 400, "S3FileHandle"),
    ],
)
def test_invalid_handle_is_rejected(ann, store, proxy, bucket, kind, change, status, words):
    locations = {OBJECT: store, PROXIED: proxy, REGISTERED: bucket, EXTERNAL: None}
    valid = {
        "fileKey": "k",
        "filePath": "p",
        "key": "k",
        "bucketName": "a-bucket",
        "externalURL": "https://e.org/a",
    }
    response = try_create_handle(ann, kind, locations[kind], **{**valid, **change})
    assert_error(response, status, words)


def test_key_of_an_sts_location_is_below_its_base_key(ann):
    location = create_location(ann, EXTERNAL_STS)
    assert create_s3_handle(ann, location, "data/a.csv")
    for key in ("a.csv", "data", "database/a.csv", "/data/a.csv", "data/../b.csv", "data/./b"):
        response = try_create_handle(ann, REGISTERED, location, key=key, bucketName="a-bucket")
        assert_error(response, 400, key)


def test_sts_location_has_no_external_urls(ann):
    location = create_location(ann, EXTERNAL_STS)
    response = try_create_handle(ann, EXTERNAL, location, externalURL="https://e.org/a")
    assert_error(response, 400, "STS-enabled")


def test_foreign_bucket_is_registered_by_its_owner_only(ann, ben, admin, bucket):
    project = ann.new_project()["id"]
    set_locations(ann, project, bucket)
    ann.share(project, {ben.id: ["READ", "CREATE"]})
    for user in (ben, admin):
        response = try_create_handle(user, REGISTERED, bucket, key="k", bucketName="a-bucket")
        assert_error(response, 403, "creator")


def test_foreign_object_store_needs_create_on_a_container_that_uses_it(ann, ben):
    store = create_location(ann, OBJECT_STORE, bucket="shared-store")
    assert_error(try_create_handle(ben, OBJECT, store, fileKey="k"), 403, "another user")
    project = ann.new_project()["id"]
    set_locations(ann, project, store)
    ann.share(project, {ben.id: ["READ", "CREATE"]})
    assert try_create_handle(ben, OBJECT, store, fileKey="k").ok


def test_foreign_proxy_needs_create_on_its_benefactor(ann, ben):
    project = ann.new_project()["id"]
    proxy = create_location(ann, PROXY, benefactorId=project)
    assert_error(try_create_handle(ben, PROXIED, proxy, filePath="p"), 403, "another user")
    ann.share(project, {ben.id: ["READ", "CREATE"]})
    assert try_create_handle(ben, PROXIED, proxy, filePath="p").ok


def test_anonymous_users_create_no_handles(anonymous, store):
    for kind in (EXTERNAL, OBJECT, PROXIED, REGISTERED):
        assert_error(try_create_handle(anonymous, kind, store), 403, "log in")


def test_file_of_an_object_store_is_found_by_readers(ann, ben, store):
    handle = ok(try_create_handle(ann, OBJECT, store, fileKey="shared/b.csv"))["id"]
    project = ann.new_project()["id"]
    file = ann.file("data", project, handle)
    assert batch_result(ben, handle, file)["failureCode"] == "UNAUTHORIZED"
    ann.share(project, {ben.id: ["READ", "DOWNLOAD"]})
    assert batch_result(ben, handle, file)["fileHandle"]["fileKey"] == "shared/b.csv"
    assert_error(ben.get(f"/repo/v1/entity/{file}/file?redirect=false"), 400, "shared/b.csv")
