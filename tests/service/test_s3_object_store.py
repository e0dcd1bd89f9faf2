"""Objects of the S3 server."""

import pytest
import requests

from synapse_workflows.constants import MiB
from synapse_workflows.local.s3.errors import S3Error

BUCKET = "objects-of-a-test"
PART = 5 * MiB


@pytest.fixture(scope="module")
def store(s3_service):
    s3_service.store.create_bucket(BUCKET)
    return s3_service.store


def read(store, key, *positions) -> bytes:
    return b"".join(store.read(BUCKET, key, *positions))


def test_creates_a_bucket_once(store):
    store.create_bucket(BUCKET)
    assert store.has_bucket(BUCKET)
    assert not store.has_bucket("missing-bucket")
    assert BUCKET in store.list_buckets()


def test_puts_reads_and_deletes_an_object(store):
    etag = store.put(BUCKET, "a/ü & +.txt", b"0123456789", "text/plain")
    found = store.head(BUCKET, "a/ü & +.txt")
    assert (found.size, found.etag, found.content_type) == (10, etag, "text/plain")
    assert read(store, "a/ü & +.txt") == b"0123456789"
    assert read(store, "a/ü & +.txt", 3) == b"3456789"
    assert read(store, "a/ü & +.txt", 3, 5) == b"345"
    store.delete(BUCKET, "a/ü & +.txt")
    assert store.head(BUCKET, "a/ü & +.txt") is None
    store.delete(BUCKET, "a/ü & +.txt")


def test_names_what_is_missing(store):
    assert store.head("missing-bucket", "key") is None
    with pytest.raises(S3Error, match="NoSuchKey"):
        read(store, "missing")
    with pytest.raises(S3Error, match="NoSuchBucket"):
        store.put("missing-bucket", "key", b"")
    with pytest.raises(S3Error, match="InvalidBucketName"):
        store.create_bucket("A_b")


def test_lists_a_prefix(store):
    for key in ("list/1", "list/2/3", "list2/4"):
        store.put(BUCKET, key, b"x")
    assert [each.key for each in store.list(BUCKET, "list/")] == ["list/1", "list/2/3"]


def test_signs_urls_for_downloads(store):
    store.put(BUCKET, "download.bin", b"content")
    url = store.presign_get(
        BUCKET, "download.bin", 30, file_name='"ü".txt', content_type="text/csv"
    )
    reply = requests.get(url, timeout=10)
    assert (reply.content, reply.headers["Content-Type"]) == (b"content", "text/csv")
    assert "filename*=UTF-8''%22%C3%BC%22.txt" in reply.headers["Content-Disposition"]
    part = requests.get(url, headers={"Range": "bytes=1-2"}, timeout=10)
    assert (part.status_code, part.content) == (206, b"on")


def test_refuses_changed_urls(store):
    store.put(BUCKET, "base/a.bin", b"a")
    store.put(BUCKET, "base/b.bin", b"b")
    url = store.presign_get(BUCKET, "base/a.bin", 30)
    changed = [
        url.replace("a.bin", "b.bin"),
        url.replace("X-Amz-Expires=30", "X-Amz-Expires=3000"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url + "&versionId=1",
        url.partition("?")[0],
    ]
    assert [requests.get(each, timeout=10).status_code for each in changed] == [403] * 5
    assert requests.put(url, data=b"x", timeout=10).status_code == 403
    assert requests.delete(url, timeout=10).status_code == 403
    assert requests.get(url, timeout=10).content == b"a"


def test_uploads_in_parts(store):
    upload = store.create_upload(BUCKET, "parts.bin", "text/plain")
    for number, content in ((2, b"end"), (1, b"x" * PART)):
        url = store.presign_part(BUCKET, "parts.bin", upload, number, 30)
        assert requests.put(url, data=content, timeout=30).status_code == 200
    other = store.presign_part(BUCKET, "parts.bin", upload, 3, 30)
    changed = other.replace("partNumber=3", "partNumber=1")
    assert requests.put(changed, data=b"x", timeout=10).status_code == 403
    parts = list(store.list_parts(BUCKET, "parts.bin", upload))
    assert [(each.number, each.size) for each in parts] == [(1, PART), (2, 3)]
    assert store.head(BUCKET, "parts.bin") is None
    store.complete_upload(BUCKET, "parts.bin", upload, parts)
    found = store.head(BUCKET, "parts.bin")
    assert (found.size, found.content_type) == (PART + 3, "text/plain")
    assert read(store, "parts.bin", PART - 1) == b"xend"


def test_copies_parts(store):
    store.put(BUCKET, "source.bin", b"y" * PART + b"rest")
    upload = store.create_upload(BUCKET, "copy.bin")
    source = (BUCKET, "source.bin")
    store.copy_part(BUCKET, "copy.bin", upload, 1, source, (0, PART - 1))
    store.copy_part(BUCKET, "copy.bin", upload, 2, source, (PART, PART + 3))
    store.complete_upload(BUCKET, "copy.bin", upload, store.list_parts(BUCKET, "copy.bin", upload))
    assert read(store, "copy.bin") == b"y" * PART + b"rest"


def test_aborts_an_upload(store):
    upload = store.create_upload(BUCKET, "aborted.bin")
    store.abort_upload(BUCKET, "aborted.bin", upload)
    store.abort_upload(BUCKET, "aborted.bin", upload)
    with pytest.raises(S3Error, match="NoSuchUpload"):
        list(store.list_parts(BUCKET, "aborted.bin", upload))
