"""Tests of multipart uploads to storage locations, and of multipart copies."""

import re

import pytest
from support.file_api import PART, assert_error, md5, ok
from support.storage_api import (
    EXTERNAL_S3,
    GOOGLE_CLOUD,
    OBJECT_STORE,
    PROXY,
    REPO,
    SFTP,
    create_location,
    set_locations,
    try_create_handle,
)

MULTIPART = "/file/v1/file/multipart"
COPY_TYPE = "org.sagebionetworks.repo.model.file.MultipartUploadCopyRequest"
#: Two parts, the last one short.
DATA = b"a" * PART + b"the end"


@pytest.fixture(scope="module")
def bucket(ann):
    return create_location(ann, EXTERNAL_S3, bucket="uploads", baseKey="base/key")


@pytest.fixture(scope="module")
def source(ann):
    """A file handle in the storage of Synapse."""
    return ann.upload(DATA, fileName="source.txt", contentType="text/csv")


def copy_request(handle, location, **more):
    return {
        "concreteType": COPY_TYPE,
        "partSizeBytes": PART,
        "storageLocationId": location,
        "generatePreview": False,
        "sourceFileHandleAssociation": {
            "fileHandleId": handle,
            "associateObjectId": "syn1",
            "associateObjectType": "FileEntity",
        },
        **more,
    }


def start_copy(user, handle, location, **more):
    return user.post(f"{MULTIPART}?forceRestart=true", copy_request(handle, location, **more))


def signed_parts(user, upload, *numbers):
    path = f"{MULTIPART}/{upload}/presigned/url/batch"
    return ok(user.post(path, {"partNumbers": list(numbers)}))["partPresignedUrls"]


def copy_part(user, part):
    return user.session.put(part["uploadPresignedUrl"], headers=part["signedHeaders"], timeout=30)


def find_etag(response):
    (etag,) = re.findall("<ETag>(.*)</ETag>", response.text)
    return etag.replace("&quot;", "")


def test_upload_to_an_external_bucket(ann, bucket):
    handle = ok(ann.get(f"/file/v1/fileHandle/{ann.upload(b'x', storageLocationId=bucket)}"))
    assert handle["bucketName"] == "uploads"
    assert re.fullmatch(rf"base/key/{ann.id}/[0-9a-f-]{{36}}/data.bin", handle["key"])
    assert handle["storageLocationId"] == bucket
    assert ann.read(handle["id"]).content == b"x"


def test_upload_without_a_location_is_stored_in_the_default_one(ann):
    for location in (None, 1, "1"):
        handle = ann.upload(b"default", storageLocationId=location)
        body = ok(ann.get(f"/file/v1/fileHandle/{handle}"))
        assert (body["storageLocationId"], body["bucketName"]) == (1, "local.synapse.storage")


@pytest.mark.parametrize("body", [OBJECT_STORE, SFTP, PROXY, GOOGLE_CLOUD])
def test_upload_to_a_location_without_a_bucket_of_the_service_is_rejected(ann, body):
    location = create_location(ann, body)
    assert_error(ann.start(b"x", storageLocationId=location), 400, body["concreteType"])


@pytest.mark.parametrize(("location", "status"), [(999999, 404), ("x", 400), (True, 400)])
def test_upload_to_an_unknown_location_is_rejected(ann, location, status):
    assert_error(ann.start(b"x", storageLocationId=location), status)


def test_upload_to_a_foreign_location_needs_create_on_a_container_that_uses_it(ann, ben, admin):
    location = create_location(ann, EXTERNAL_S3, bucket="shared-uploads")
    assert_error(ben.start(b"x", storageLocationId=location), 403, "belongs to another user")
    assert admin.start(b"x", storageLocationId=location).ok
    project = ann.new_project()["id"]
    set_locations(ann, project, 1, location)
    ann.share(project, {ben.id: ["READ", "DOWNLOAD"]})
    assert_error(ben.start(b"x", storageLocationId=location), 403, "CREATE")
    folder = ann.new_folder(project)["id"]
    ann.share(folder, {ben.id: ["READ", "CREATE"]})
    assert ben.start(b"x", storageLocationId=location).ok
    assert ann.delete(f"{REPO}/entity/{project}").ok
    assert_error(ben.start(b"x", storageLocationId=location), 403)


@pytest.mark.parametrize("path", [MULTIPART, f"{MULTIPART}/copy"])
def test_copy_has_the_content_of_its_source(ann, source, bucket, path):
    request = copy_request(source, bucket, fileName=f"copy {len(path)}.csv")
    if path.endswith("copy"):
        del request["concreteType"]
    status = ok(ann.post(path, request))
    assert (status["state"], status["partsState"]) == ("UPLOADING", "00")
    upload = status["uploadId"]
    parts = signed_parts(ann, upload, 1, 2)
    ranges = [each["signedHeaders"]["x-amz-copy-source-range"] for each in parts]
    assert ranges == [f"bytes=0-{PART - 1}", f"bytes={PART}-{len(DATA) - 1}"]
    source_key = ok(ann.get(f"/file/v1/fileHandle/{source}"))["key"]
    copy_source = parts[0]["signedHeaders"]["x-amz-copy-source"]
    assert copy_source == f"local.synapse.storage/{source_key}"
    for part in parts:
        number = part["partNumber"]
        etag = find_etag(copy_part(ann, part))
        assert etag == md5(DATA[(number - 1) * PART : number * PART])
        assert ann.add(upload, number, etag)["addPartState"] == "ADD_SUCCESS"
    handle = ok(ann.complete(upload))["resultFileHandleId"]
    body = ok(ann.get(f"/file/v1/fileHandle/{handle}"))
    assert body["fileName"] == f"copy {len(path)}.csv"
    assert body["contentMd5"] == md5(DATA)
    assert body["contentSize"] == len(DATA)
    assert body["contentType"] == "text/csv"
    assert (body["bucketName"], body["storageLocationId"]) == ("uploads", bucket)
    assert ann.read(handle).content == DATA
    assert ok(ann.post(path, request))["resultFileHandleId"] == handle


def test_copy_keeps_the_name_of_its_source(ann, source, bucket):
    upload = ok(start_copy(ann, source, bucket))["uploadId"]
    for part in signed_parts(ann, upload, 1, 2):
        ann.add(upload, part["partNumber"], find_etag(copy_part(ann, part)))
    handle = ok(ann.complete(upload))["resultFileHandleId"]
    assert ok(ann.get(f"/file/v1/fileHandle/{handle}"))["fileName"] == "source.txt"


def test_copied_part_needs_the_signed_headers(ann, source, bucket):
    upload = ok(start_copy(ann, source, bucket))["uploadId"]
    (part,) = signed_parts(ann, upload, 1)
    url, headers = part["uploadPresignedUrl"], part["signedHeaders"]
    assert ann.session.put(url, data=b"other bytes", timeout=30).status_code == 403
    changed = {**headers, "x-amz-copy-source": "local.synapse.storage/other"}
    assert ann.session.put(url, headers=changed, timeout=30).status_code == 403


def test_upload_ignores_no_copy_header(ann, source):
    upload = ok(ann.start(b"mine", restart=True))["uploadId"]
    headers = {"x-amz-copy-source": "local.synapse.storage/other"}
    response = ann.session.put(ann.part_url(upload), data=b"mine", headers=headers, timeout=30)
    assert (response.status_code, "copies no file" in response.text) == (404, True)


def test_copy_of_a_deleted_file_is_not_found(ann, bucket):
    handle = ann.upload(b"short-lived", fileName="short.txt")
    upload = ok(start_copy(ann, handle, bucket))["uploadId"]
    (part,) = signed_parts(ann, upload, 1)
    assert ann.delete(f"/file/v1/fileHandle/{handle}").ok
    assert copy_part(ann, part).status_code == 404
    path = f"{MULTIPART}/{upload}/presigned/url/batch"
    assert_error(ann.post(path, {"partNumbers": [1]}), 404, handle)


def test_copy_needs_download_of_the_source_and_ownership_of_the_location(ann, ben, source, bucket):
    own = create_location(ben, EXTERNAL_S3, bucket="own-uploads")
    assert_error(start_copy(ben, source, own), 403, "DOWNLOAD")
    assert_error(start_copy(ben, ben.upload(b"y"), bucket), 403, "creator")
    assert_error(start_copy(ann, source, None), 403, "creator")
    project = ann.new_project()["id"]
    file = ann.file("data", project, source)
    ann.share(project, {ben.id: ["READ", "DOWNLOAD"]})
    request = copy_request(source, own)
    request["sourceFileHandleAssociation"]["associateObjectId"] = file
    assert ben.post(MULTIPART, request).ok


def test_copy_needs_a_stored_source_in_another_location(ann, source, bucket):
    external = ann.handle()
    assert_error(start_copy(ann, external, bucket), 400, "does not store its content")
    there = ann.upload(b"there", storageLocationId=bucket)
    assert_error(start_copy(ann, there, bucket), 400, "already in the storage location")
    assert_error(start_copy(ann, "999999999", bucket), 404)
    assert_error(start_copy(ann, source, bucket, partSizeBytes=1), 400, "partSizeBytes")
    assert_error(start_copy(ann, source, bucket, fileName="a/b"), 400, "Invalid Name")
    assert_error(
        start_copy(ann, source, bucket, sourceFileHandleAssociation=None), 400, "Association"
    )


def test_registered_object_of_a_bucket_has_no_content_to_copy(ann):
    location = create_location(ann, EXTERNAL_S3, bucket="registered")
    handle = ok(
        try_create_handle(ann, "S3FileHandle", location, key="k", bucketName="registered")
    )["id"]
    other = create_location(ann, EXTERNAL_S3, bucket="other-registered")
    assert_error(start_copy(ann, handle, other), 400, "does not store its content")
