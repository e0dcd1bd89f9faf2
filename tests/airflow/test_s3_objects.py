"""MD5s of objects that S3 knows already."""

import base64
import hashlib

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from synapse_workflows.idempotency.s3_objects import describe_s3_error, find_md5

MD5 = hashlib.md5(b"content").hexdigest()
OTHER = hashlib.md5(b"other").hexdigest()
BASE64 = base64.b64encode(bytes.fromhex(MD5)).decode()


def head(etag=OTHER, checksum=None, **values):
    headers = {} if checksum is None else {"x-amz-checksum-md5": checksum}
    return {"ETag": f'"{etag}"', "ResponseMetadata": {"HTTPHeaders": headers}, **values}


@pytest.mark.parametrize(
    ("given", "md5"),
    [
        (head(MD5), MD5),
        (head(MD5, ServerSideEncryption="AES256"), MD5),
        (head(MD5.upper()), MD5),
        (head(f"{MD5}-2"), None),
        (head(MD5, ServerSideEncryption="aws:kms"), None),
        (head(MD5, ServerSideEncryption="aws:kms:dsse"), None),
        (head(MD5, SSECustomerAlgorithm="AES256"), None),
        (head("not-an-md5"), None),
        (head(f"{OTHER}-2", BASE64), MD5),
        (head(f"{OTHER}-2", f"{BASE64}-2"), None),
        (head(f"{OTHER}-2", Metadata={"md5chksum": BASE64}), None),
        (head(f"{OTHER}-2", Metadata={"s3cmd-attrs": f"gid:1/md5:{MD5}/mode:1"}), None),
        (head(MD5, Metadata={"md5": OTHER}), MD5),
    ],
)
def test_md5_of_metadata(given, md5):
    assert find_md5(given, "bucket") == md5


def test_etags_of_directory_buckets_are_random():
    assert find_md5(head(MD5), "name--use1-az4--x-s3") is None


def rejected(status, code, message=""):
    details = {"Code": code, "Message": message}
    response = {"Error": details, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "HeadObject")


@pytest.mark.parametrize(
    ("error", "text", "is_permanent"),
    [
        (rejected(400, "400", "Bad Request"), "SSE-C", True),
        (rejected(403, "403", "Forbidden"), "may not read it", True),
        (rejected(403, "AccessDenied", "Access Denied."), "AccessDenied Access Denied.", True),
        (rejected(400, "ExpiredToken", "expired"), "ExpiredToken", False),
        (rejected(503, "SlowDown"), "SlowDown", False),
        (NoCredentialsError(), "Unable to locate credentials", True),
        (EndpointConnectionError(endpoint_url="http://localhost"), "Could not connect", False),
    ],
)
def test_errors_of_s3(error, text, is_permanent):
    refusal = describe_s3_error(error)
    assert text in refusal.reason
    assert refusal.is_permanent is is_permanent
