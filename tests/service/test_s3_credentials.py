"""Temporary credentials: the S3 server itself refuses everything outside of their scope."""

import time
from contextlib import suppress
from dataclasses import replace

import pytest
import requests
from botocore.exceptions import ClientError

from synapse_workflows.constants import StsPermission
from synapse_workflows.local.s3.credentials import CredentialIssuer

BUCKET = "scope-of-credentials"


def error_code(call, **arguments) -> str:
    """Return the error code of a call that must fail."""
    with pytest.raises(ClientError) as failure:
        call(**arguments)
    return failure.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def store(s3_service):
    """The objects of a bucket, as the administrator."""
    store = s3_service.store
    store.create_bucket(BUCKET)
    for key in ("base/read.txt", "base2/read.txt", "other/read.txt", "root.txt"):
        store.put(BUCKET, key, key.encode())
    return store


@pytest.fixture(scope="module")
def reader(s3_service, store):
    """An S3 client that may read below the prefix base."""
    return s3_service.issue(BUCKET, "base", "read_only")


@pytest.fixture(scope="module")
def writer(s3_service, store):
    """An S3 client that may read and write below the prefix base."""
    return s3_service.issue(BUCKET, "base", "read_write")


@pytest.fixture(params=["reader", "writer"])
def client(request):
    return request.getfixturevalue(request.param)


def test_reads_and_lists_below_the_prefix(client):
    assert client.get_object(Bucket=BUCKET, Key="base/read.txt")["Body"].read() == b"base/read.txt"
    assert client.head_object(Bucket=BUCKET, Key="base/read.txt")["ContentLength"] == 13
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix="base/")
    assert "base/read.txt" in [each["Key"] for each in listed["Contents"]]


@pytest.mark.parametrize("key", ["other/read.txt", "base2/read.txt", "root.txt"])
def test_refuses_to_read_outside_of_the_prefix(client, key):
    assert error_code(client.get_object, Bucket=BUCKET, Key=key) == "AccessDenied"
    assert error_code(client.head_object, Bucket=BUCKET, Key=key) == "403"


@pytest.mark.parametrize("prefix", ["", "other/", "base2/", "base2", "b"])
def test_refuses_to_list_outside_of_the_prefix(client, prefix):
    assert error_code(client.list_objects_v2, Bucket=BUCKET, Prefix=prefix) == "AccessDenied"
    assert error_code(client.list_objects, Bucket=BUCKET, Prefix=prefix) == "AccessDenied"


def test_refuses_other_buckets(s3_service, client):
    s3_service.store.create_bucket("another-bucket")
    s3_service.store.put("another-bucket", "base/read.txt", b"secret")
    target = {"Bucket": "another-bucket", "Key": "base/read.txt"}
    assert error_code(client.get_object, **target) == "AccessDenied"
    assert error_code(client.put_object, **target, Body=b"x") == "AccessDenied"
    assert (
        error_code(client.list_objects_v2, Bucket="another-bucket", Prefix="base/")
        == "AccessDenied"
    )


def test_read_only_refuses_to_write(reader, store):
    assert error_code(reader.put_object, Bucket=BUCKET, Key="base/n", Body=b"") == "AccessDenied"
    target = {"Bucket": BUCKET, "Key": "base/read.txt"}
    assert error_code(reader.put_object, **target, Body=b"") == "AccessDenied"
    assert error_code(reader.create_multipart_upload, **target) == "AccessDenied"
    source = {"Bucket": BUCKET, "Key": "base/read.txt"}
    assert (
        error_code(reader.copy_object, Bucket=BUCKET, Key="base/c", CopySource=source)
        == "AccessDenied"
    )
    assert store.head(BUCKET, "base/read.txt").size == 13


def test_read_only_refuses_to_delete(reader, store):
    target = {"Bucket": BUCKET, "Key": "base/read.txt"}
    assert error_code(reader.delete_object, **target) == "AccessDenied"
    with suppress(ClientError):
        reply = reader.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": target["Key"]}]})
        assert "Deleted" not in reply
    assert store.head(BUCKET, "base/read.txt") is not None


def test_read_write_writes_copies_and_deletes_below_the_prefix(writer, store):
    target = {"Bucket": BUCKET, "Key": "base/sub/new.txt"}
    writer.put_object(**target, Body=b"new")
    writer.copy_object(Bucket=BUCKET, Key="base/copy.txt", CopySource=target)
    assert b"".join(store.read(BUCKET, "base/copy.txt")) == b"new"
    writer.delete_object(**target)
    writer.delete_object(Bucket=BUCKET, Key="base/copy.txt")
    assert store.head(BUCKET, "base/sub/new.txt") is None


def test_read_write_uploads_in_parts(writer, store):
    target = {"Bucket": BUCKET, "Key": "base/parts.bin"}
    upload = writer.create_multipart_upload(**target)["UploadId"]
    contents = (b"a" * 5 * 1024 * 1024, b"b")
    parts = [
        {
            "PartNumber": number,
            "ETag": writer.upload_part(**target, UploadId=upload, PartNumber=number, Body=content)[
                "ETag"
            ],
        }
        for number, content in enumerate(contents, 1)
    ]
    assert len(writer.list_parts(**target, UploadId=upload)["Parts"]) == 2
    writer.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    assert store.head(BUCKET, "base/parts.bin").size == 5 * 1024 * 1024 + 1
    aborted = writer.create_multipart_upload(**target)["UploadId"]
    writer.abort_multipart_upload(**target, UploadId=aborted)


@pytest.mark.parametrize("key", ["other/new.txt", "base2/new.txt", "new.txt", "base"])
def test_read_write_refuses_to_write_outside_of_the_prefix(writer, store, key):
    target = {"Bucket": BUCKET, "Key": key}
    assert error_code(writer.put_object, **target, Body=b"x") == "AccessDenied"
    assert error_code(writer.create_multipart_upload, **target) == "AccessDenied"
    assert error_code(writer.delete_object, **target) == "AccessDenied"
    assert store.head(BUCKET, key) is None


def test_read_write_refuses_to_copy_from_outside(writer, store):
    source = {"Bucket": BUCKET, "Key": "other/read.txt"}
    target = {"Bucket": BUCKET, "Key": "base/stolen.txt"}
    assert error_code(writer.copy_object, **target, CopySource=source) == "AccessDenied"
    upload = writer.create_multipart_upload(**target)["UploadId"]
    part = {"UploadId": upload, "PartNumber": 1, "CopySource": source}
    assert error_code(writer.upload_part_copy, **target, **part) == "AccessDenied"
    assert store.head(BUCKET, "base/stolen.txt") is None


@pytest.mark.parametrize("permission", ["read_only", "read_write"])
def test_refuses_administration(s3_service, store, permission):
    client = s3_service.issue(BUCKET, "base", permission)
    assert error_code(client.create_bucket, Bucket="one-more-bucket") == "AccessDenied"
    assert error_code(client.delete_bucket, Bucket=BUCKET) == "AccessDenied"
    assert (
        error_code(client.put_bucket_policy, Bucket=BUCKET, Policy='{"Statement": []}')
        == "AccessDenied"
    )
    assert store.has_bucket(BUCKET)


def test_refuses_expired_credentials(s3_service, store):
    client = s3_service.issue(BUCKET, "base", "read_only", seconds=5)
    url = client.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": "base/read.txt"}, ExpiresIn=3600
    )
    assert client.get_object(Bucket=BUCKET, Key="base/read.txt")["ContentLength"] == 13
    assert requests.get(url, timeout=10).status_code == 200
    time.sleep(5.5)
    with pytest.raises(ClientError) as failure:
        client.get_object(Bucket=BUCKET, Key="base/read.txt")
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert requests.get(url, timeout=10).status_code == 403


def test_expires_at_the_announced_time(s3_service):
    issuer = CredentialIssuer(lambda: s3_service.endpoint)
    issued = issuer.issue(BUCKET, "base", StsPermission.READ_ONLY, "a-test")
    assert issued.expiration.timestamp() - time.time() == pytest.approx(12 * 3600, abs=60)


def test_refuses_the_token_of_other_credentials(s3_service, store):
    issuer = CredentialIssuer(lambda: s3_service.endpoint)
    narrow = issuer.issue(BUCKET, "base", StsPermission.READ_ONLY, "a-test")
    wide = issuer.issue(BUCKET, "other", StsPermission.READ_WRITE, "a-test")
    swapped = s3_service.client(replace(narrow, session_token=wide.session_token))
    for key in ("base/read.txt", "other/read.txt"):
        with pytest.raises(ClientError) as failure:
            swapped.get_object(Bucket=BUCKET, Key=key)
        assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_refuses_credentials_without_or_with_a_changed_token(s3_service, store):
    issuer = CredentialIssuer(lambda: s3_service.endpoint)
    issued = issuer.issue(BUCKET, "base", StsPermission.READ_ONLY, "a-test")
    header, claims, signature = issued.session_token.split(".")
    changed = f"{header}.{claims[:-2]}AA.{signature}"
    for token in (None, changed, f"{header}.{claims}."):
        client = s3_service.client(replace(issued, session_token=token))
        with pytest.raises(ClientError) as failure:
            client.get_object(Bucket=BUCKET, Key="base/read.txt")
        assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_refuses_anonymous_requests(s3_service, store):
    url = f"{s3_service.endpoint.url}/{BUCKET}"
    assert requests.get(f"{url}/base/read.txt", timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 403
    assert requests.put(f"{url}/base/new.txt", data=b"x", timeout=10).status_code == 403


def test_does_not_show_credentials(s3_service):
    issuer = CredentialIssuer(lambda: s3_service.endpoint)
    issued = issuer.issue(BUCKET, "base", StsPermission.READ_ONLY, "a-test")
    for secret in (issued.secret_access_key, issued.session_token, issued.access_key_id):
        assert secret not in repr(issued)
    assert s3_service.endpoint.secret_access_key not in repr(s3_service.endpoint)
