"""Multipart uploads to storage locations in buckets: the S3 server has the parts."""

import io
import os
import signal
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests
from support.entity_api import Author
from support.file_api import PART, assert_error, md5, multipart_request, ok, start_service
from support.storage_api import (
    EXTERNAL_S3,
    EXTERNAL_STS,
    SYNAPSE_STS,
    create_location,
    set_locations,
)

from synapse_workflows.local.s3.credentials import TemporaryCredentials
from synapse_workflows.local.s3.endpoint import S3Endpoint

BUCKET = "uploaded-files"
BIG = bytes(range(256)) * (PART // 256) + b"the end"


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
    return create_location(alice, EXTERNAL_S3, bucket=BUCKET, baseKey="base")


def get_object(user, handle) -> tuple[str, str]:
    """Return the bucket and the key of a file handle."""
    found = ok(user.get(f"/file/v1/fileHandle/{handle}"))
    return found["bucketName"], found["key"]


def to_credentials(issued) -> TemporaryCredentials:
    return TemporaryCredentials(
        access_key_id=issued["accessKeyId"],
        secret_access_key=issued["secretAccessKey"],
        session_token=issued["sessionToken"],
        expiration=datetime.fromisoformat(issued["expiration"]),
    )


def parse_url(url: str) -> tuple[str, str, str]:
    """Return the bucket, the key and the upload ID of the URL of a part."""
    parts = urlsplit(url)
    bucket, key = unquote(parts.path)[1:].split("/", 1)
    return bucket, key, parse_qs(parts.query)["uploadId"][0]


def read(store, user, handle) -> bytes:
    return b"".join(store.read(*get_object(user, handle)))


@pytest.mark.parametrize("data", [b"small", BIG], ids=["one part", "two parts"])
def test_an_upload_goes_to_the_bucket(s3_service, alice, store, location, data):
    handle = alice.upload(data, storageLocationId=location, fileName="a + b (1).bin")
    found = ok(alice.get(f"/file/v1/fileHandle/{handle}"))
    assert found["bucketName"] == BUCKET
    assert found["key"].startswith(f"base/{alice.id}/")
    assert found["key"].endswith("/a + b (1).bin")
    assert (found["contentMd5"], found["contentSize"]) == (md5(data), len(data))
    assert read(store, alice, handle) == data
    assert store.head(BUCKET, found["key"]).content_type == "text/plain"


def test_urls_lead_to_the_s3_server(s3_service, alice, location):
    upload = ok(alice.start(b"where", storageLocationId=location))["uploadId"]
    server = urlsplit(s3_service.endpoint.url).netloc
    assert urlsplit(alice.part_url(upload)).netloc == server
    handle = alice.upload(b"where", storageLocationId=location)
    assert urlsplit(alice.url(handle)).netloc == server
    assert alice.read(handle, Range="bytes=1-2").content == b"he"


def test_a_download_url_is_valid_for_30_seconds_and_one_object(alice, location):
    handle = alice.upload(b"short", storageLocationId=location)
    url = alice.url(handle)
    assert "X-Amz-Expires=30&" in url
    assert requests.get(url.replace("Expires=30&", "Expires=90&"), timeout=10).status_code == 403
    assert requests.get(url, timeout=10).content == b"short"


@pytest.mark.parametrize(
    ("body", "bucket"),
    [(EXTERNAL_STS, BUCKET), (SYNAPSE_STS, "local.synapse.storage")],
    ids=["external", "Synapse"],
)
def test_credentials_of_a_folder_read_its_uploads(s3_service, alice, body, bucket):
    if body is EXTERNAL_STS:
        body = {**body, "bucket": bucket, "baseKey": "sts-uploads"}
    sts = create_location(alice, body)
    folder = alice.folder("f", alice.project(f"p{uuid.uuid4()}"))
    set_locations(alice, folder, sts)
    handle = alice.upload(b"in an STS folder", storageLocationId=sts)
    alice.file("file", folder, handle)
    issued = ok(alice.get(f"/repo/v1/entity/{folder}/sts?permission=read_only"))
    assert issued["endpointUrl"] == s3_service.endpoint.url
    client = s3_service.client(to_credentials(issued))
    key = get_object(alice, handle)[1]
    assert key.startswith(f"{issued['baseKey']}/")
    assert client.get_object(Bucket=issued["bucket"], Key=key)["Body"].read() == (
        b"in an STS folder"
    )


def test_a_part_with_another_md5_is_not_added(alice, location):
    upload = ok(alice.start(b"content", storageLocationId=location))["uploadId"]
    assert alice.add(upload, 1, md5(b"content"))["addPartState"] == "ADD_FAILED"
    assert alice.put_part(upload, 1, b"other!!").status_code == 200
    added = alice.add(upload, 1, md5(b"content"))
    assert (added["addPartState"], "re-upload" in added["errorMessage"]) == ("ADD_FAILED", True)
    assert_error(alice.complete(upload), 400, "Missing 1 part")
    assert alice.put_part(upload, 1, b"content").status_code == 200
    assert alice.add(upload, 1, md5(b"content"))["addPartState"] == "ADD_SUCCESS"
    assert ok(alice.complete(upload))["state"] == "COMPLETED"


def test_a_part_that_was_replaced_after_it_was_added_does_not_get_into_the_file(
    alice, store, location
):
    upload = ok(alice.start(b"replaced", storageLocationId=location))["uploadId"]
    alice.put_part(upload, 1, b"replaced")
    alice.add(upload, 1, md5(b"replaced"))
    alice.put_part(upload, 1, b"by-other")
    handle = ok(alice.complete(upload))["resultFileHandleId"]
    assert read(store, alice, handle) == b"replaced"


def test_a_part_that_the_server_lost_is_named(alice, store, location):
    upload = ok(alice.start(b"lost", storageLocationId=location))["uploadId"]
    target = parse_url(alice.part_url(upload))
    alice.put_part(upload, 1, b"lost")
    alice.add(upload, 1, md5(b"lost"))
    store.abort_upload(*target)
    assert_error(alice.complete(upload), 400, "forceRestart")
    restarted = alice.start(b"lost", storageLocationId=location, restart=True)
    assert ok(restarted)["partsState"] == "0"


def test_an_upload_is_resumed(alice, store, location):
    data = BIG + b"resumed"
    first = ok(alice.start(data, storageLocationId=location))
    alice.put_part(first["uploadId"], 1, data[:PART])
    alice.add(first["uploadId"], 1, md5(data[:PART]))
    again = ok(alice.start(data, storageLocationId=location))
    assert (again["uploadId"], again["partsState"]) == (first["uploadId"], "10")
    alice.put_part(first["uploadId"], 2, data[PART:])
    alice.add(first["uploadId"], 2, md5(data[PART:]))
    done = ok(alice.complete(first["uploadId"]))
    assert ok(alice.complete(first["uploadId"])) == done
    assert alice.add(first["uploadId"], 2, md5(data[PART:]))["addPartState"] == "ADD_SUCCESS"
    assert read(store, alice, done["resultFileHandleId"]) == data


def test_a_restart_deletes_the_parts(alice, location):
    first = ok(alice.start(b"restarted", storageLocationId=location))["uploadId"]
    url = alice.part_url(first)
    assert requests.put(url, data=b"restarted", timeout=10).status_code == 200
    second = ok(alice.start(b"restarted", storageLocationId=location, restart=True))["uploadId"]
    assert second != first
    assert requests.put(url, data=b"restarted", timeout=10).status_code == 404
    assert alice.upload(b"restarted", storageLocationId=location)


def test_a_completion_that_was_interrupted_is_repeated(alice, store, location):
    upload = ok(alice.start(b"interrupted", storageLocationId=location))["uploadId"]
    target = parse_url(alice.part_url(upload))
    alice.put_part(upload, 1, b"interrupted")
    alice.add(upload, 1, md5(b"interrupted"))
    store.complete_upload(*target, store.list_parts(*target))
    handle = ok(alice.complete(upload))["resultFileHandleId"]
    assert read(store, alice, handle) == b"interrupted"


def test_part_urls_of_other_users_and_other_parts_are_refused(alice, bob, location):
    upload = ok(alice.start(BIG + b"x", storageLocationId=location))["uploadId"]
    path = f"/file/v1/file/multipart/{upload}/presigned/url/batch"
    body = {"uploadId": upload, "partNumbers": [1]}
    assert_error(bob.post(path, body), 403, "Only the user")
    assert_error(alice.post(path, {**body, "partNumbers": [3]}), 400, "part number 3")
    changed = alice.part_url(upload).replace("partNumber=1", "partNumber=2")
    assert requests.put(changed, data=b"x", timeout=10).status_code == 403
    assert_error(bob.start(b"x", storageLocationId=location), 403, "belongs to another user")


def test_files_of_other_locations_stay_in_the_service(s3_service, alice):
    handle = alice.upload(b"in the default location")
    assert alice.url(handle).startswith(s3_service.service.endpoints["repoEndpoint"][:20])
    assert alice.read(handle).content == b"in the default location"


def copy(user, handle, entity, location, part=PART) -> str:
    """Copy a file to a storage location with a multipart copy; return the new file handle."""
    body = {
        "concreteType": "org.sagebionetworks.repo.model.file.MultipartUploadCopyRequest",
        "sourceFileHandleAssociation": {
            "fileHandleId": handle,
            "associateObjectId": entity,
            "associateObjectType": "FileEntity",
        },
        "partSizeBytes": part,
        "storageLocationId": location,
        "generatePreview": False,
    }
    status = ok(user.post("/file/v1/file/multipart/copy", body))
    upload = status["uploadId"]
    for number in range(1, len(status["partsState"]) + 1):
        path = f"/file/v1/file/multipart/{upload}/presigned/url/batch"
        signed = ok(user.post(path, {"uploadId": upload, "partNumbers": [number]}))
        target = signed["partPresignedUrls"][0]
        reply = user.session.put(
            target["uploadPresignedUrl"], headers=target["signedHeaders"], timeout=30
        )
        assert reply.status_code == 200, reply.text
        etag = reply.text.partition("<ETag>&quot;")[2].partition("&quot;")[0]
        assert user.add(upload, number, etag)["addPartState"] == "ADD_SUCCESS"
    return ok(user.complete(upload))["resultFileHandleId"]


def test_copies_between_the_service_and_buckets(alice, store, location):
    project = alice.project(f"p{uuid.uuid4()}")
    other = create_location(alice, EXTERNAL_S3, bucket="copies-of-files")
    original = alice.upload(BIG, fileName="copied.bin")
    entity = alice.file("original", project, original)
    in_bucket = copy(alice, original, entity, location)
    assert get_object(alice, in_bucket)[0] == BUCKET
    assert read(store, alice, in_bucket) == BIG
    entity = alice.file("in a bucket", project, in_bucket)
    in_other = copy(alice, in_bucket, entity, other)
    assert get_object(alice, in_other)[0] == "copies-of-files"
    assert read(store, alice, in_other) == BIG


def test_a_stopped_server_is_named(tmp_path, alice):
    endpoint = S3Endpoint(url="http://127.0.0.1:9", access_key_id="k", secret_access_key="s")
    with start_service(tmp_path, s3=lambda: endpoint) as rest:
        user = Author(rest, "alice")
        assert_error(
            user.post("/repo/v1/storageLocation", {**EXTERNAL_S3, "bucket": "some-bucket"}),
            503,
            "http://127.0.0.1:9 does not respond",
        )
        assert user.upload(b"everything else works")


def test_uploads_survive_a_restart_of_the_s3_server(s3_service, alice, store, location):
    data = BIG + b"restart of the server"
    upload = ok(alice.start(data, storageLocationId=location))["uploadId"]
    alice.put_part(upload, 1, data[:PART])
    url = alice.part_url(upload, 2)
    pid = s3_service.server.pid
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(requests.ConnectionError):
        requests.put(url, data=data[PART:], timeout=10)
    deadline = time.monotonic() + 60
    while s3_service.server.pid in {None, pid} or not _is_accepted(url, data[PART:]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for number, piece in ((1, data[:PART]), (2, data[PART:])):
        assert alice.add(upload, number, md5(piece))["addPartState"] == "ADD_SUCCESS"
    handle = ok(alice.complete(upload))["resultFileHandleId"]
    assert read(store, alice, handle) == data


def _is_accepted(url: str, data: bytes) -> bool:
    try:
        return requests.put(url, data=data, timeout=10).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def test_equal_requests_at_once_start_one_upload(alice, location):
    body = multipart_request(b"at once", storageLocationId=location)
    with ThreadPoolExecutor(4) as pool:
        replies = pool.map(lambda _: alice.post("/file/v1/file/multipart", body), range(4))
        assert len({ok(each)["uploadId"] for each in replies}) == 1


def test_bulk_download_has_files_of_buckets(alice, location):
    handle = alice.upload(b"packed", storageLocationId=location, fileName="packed.bin")
    entity = alice.file("packed", alice.project(f"p{uuid.uuid4()}"), handle)
    association = {
        "fileHandleId": handle,
        "associateObjectId": entity,
        "associateObjectType": "FileEntity",
    }
    body = {
        "concreteType": "org.sagebionetworks.repo.model.file.BulkFileDownloadRequest",
        "requestedFiles": [association],
    }
    path = "/file/v1/file/bulk/async"
    job = ok(alice.post(f"{path}/start", body))["token"]
    reply = alice.get(f"{path}/get/{job}")
    while reply.status_code == 202:
        reply = alice.get(f"{path}/get/{job}")
    done = ok(reply)
    assert done["fileSummary"][0]["status"] == "SUCCESS"
    archive = zipfile.ZipFile(io.BytesIO(alice.read(done["resultZipFileHandleId"]).content))
    assert [archive.read(each) for each in archive.namelist()] == [b"packed"]
