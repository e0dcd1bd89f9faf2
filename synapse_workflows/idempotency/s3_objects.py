"""Objects of an S3 bucket: listing, metadata, and the MD5 of their content."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from synapse_workflows.constants import MiB
from synapse_workflows.idempotency.object_paths import S3Object
from synapse_workflows.idempotency.refusals import Refusal

_CHUNK: Final = 1 * MiB
#: Interruptions of one download, one after the other and without progress, before it fails.
_MAX_INTERRUPTIONS: Final = 5
_HEX_MD5: Final = re.compile(r"[0-9a-f]{32}")
_MD5_BYTES: Final = 16
#: End of the names of directory buckets, whose etags are random.
_DIRECTORY_BUCKET: Final = "--x-s3"
#: What a rejected request for the metadata of an object, which has no error message, may mean.
_ADVICE: Final = {
    HTTPStatus.BAD_REQUEST: "It may be encrypted with a key of the customer (SSE-C), which the "
    "index cannot read: exclude it",
    HTTPStatus.FORBIDDEN: "The credentials may not read it: permit it, or exclude it",
}
_GENERIC_TYPES: Final = frozenset({"", "binary/octet-stream", "application/octet-stream"})


class ObjectChangedError(Exception):
    """The object was changed, or deleted, since its metadata was read."""


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """Metadata of one state of an object.

    Args:
        key: Key in the bucket.
        size: Size in bytes.
        etag: Etag without quotation marks.
        content_type: Content type; None if the object has only a generic type.
        md5: MD5 of the content in hex; None if S3 does not know it.
    """

    key: str
    size: int
    etag: str
    content_type: str | None
    md5: str | None


class S3Bucket:
    """Objects of a bucket.

    Args:
        client: S3 client of boto3. It may be used by several threads.
        name: Name of the bucket.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def list_objects(self, prefix: str) -> Iterator[S3Object]:
        """Yield the objects whose keys start with a prefix; of each, the current version.

        Raises:
            AirflowFailException: The credentials do not permit to list the objects, or the bucket
                does not exist.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        try:
            for page in pages:
                for one in page.get("Contents", ()):
                    etag = one["ETag"].strip('"')
                    yield S3Object(one["Key"], int(one["Size"]), etag, one.get("LastModified"))
        except (BotoCoreError, ClientError) as error:
            refusal = describe_s3_error(error)
            message = f"Cannot list s3://{self.name}/{prefix}: {refusal.reason}"
            raise _error_type(refusal)(message) from error

    def read_metadata(self, key: str) -> ObjectMetadata | None:
        """Return the metadata of an object; None if the object does not exist.

        Raises:
            ClientError: S3 rejected the request.
        """
        from botocore.exceptions import ClientError

        try:
            head = self._client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if _status_of(error) == HTTPStatus.NOT_FOUND:
                return None
            raise
        content_type = head.get("ContentType") or ""
        return ObjectMetadata(
            key,
            int(head["ContentLength"]),
            head["ETag"].strip('"'),
            None if content_type in _GENERIC_TYPES else content_type,
            find_md5(head, self.name),
        )

    def may_have(self, key: str) -> bool:
        """Return whether an object exists, or may exist because the user may not read it.

        Raises:
            ClientError: S3 rejected the request for another reason.
        """
        from botocore.exceptions import ClientError

        try:
            return self.read_metadata(key) is not None
        except ClientError as error:
            if _status_of(error) == HTTPStatus.FORBIDDEN:
                return True
            raise

    def compute_md5(self, metadata: ObjectMetadata, advance: Callable[[int], object]) -> str:
        """Compute the MD5 of an object by reading it, in constant memory.

        An interrupted download continues where it stopped.

        Args:
            metadata: The state of the object to read.
            advance: Called with the number of bytes that were read.

        Raises:
            ObjectChangedError: The object has changed.
            ClientError: S3 rejected a request, for example because the object is archived.
            BotoCoreError: The download is interrupted again and again.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        digest, position, interruptions = hashlib.md5(), 0, 0
        while position < metadata.size:
            try:
                for chunk in self._read_from(metadata, position):
                    digest.update(chunk)
                    position += len(chunk)
                    interruptions = 0
                    advance(len(chunk))
            except ClientError as error:
                if _status_of(error) in (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_FOUND):
                    raise ObjectChangedError(metadata.key) from error
                raise
            except BotoCoreError:
                interruptions += 1
                if interruptions >= _MAX_INTERRUPTIONS:
                    raise
        return digest.hexdigest()

    def _read_from(self, metadata: ObjectMetadata, position: int) -> Iterator[bytes]:
        etag = f'"{metadata.etag}"'
        span = f"bytes={position}-{metadata.size - 1}"
        reply = self._client.get_object(
            Bucket=self.name, Key=metadata.key, IfMatch=etag, Range=span
        )
        body = reply["Body"]
        try:
            if reply["ETag"] != etag:
                raise ObjectChangedError(metadata.key)
            yield from iter(partial(body.read, _CHUNK), b"")
        finally:
            body.close()


def find_md5(head: Mapping[str, Any], bucket: str) -> str | None:
    """Return the MD5 of an object's content in hex, if S3 has computed it.

    The MD5 is in a checksum of the object; or is its etag, unless the object was uploaded in
    parts (`<hex>-<parts>`) or is encrypted with a key of KMS or of the customer. An MD5 in the
    metadata of an upload program is not used: S3 does not check it, and copies may keep it.

    Args:
        head: Response of `head_object`.
        bucket: Name of the bucket.
    """
    headers = head.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    candidates = [headers.get("x-amz-checksum-md5")]
    encryption = head.get("ServerSideEncryption") or ""
    is_random = encryption.startswith("aws:kms") or head.get("SSECustomerAlgorithm")
    if not is_random and not bucket.endswith(_DIRECTORY_BUCKET):
        candidates.append(head["ETag"].strip('"'))
    return next(filter(None, map(_parse_md5, candidates)), None)


def describe_s3_error(error: Exception) -> Refusal:
    """Return the refusal for an error of one S3 request, without its parameters."""
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

    if not isinstance(error, ClientError):
        has_credentials = not isinstance(error, NoCredentialsError | PartialCredentialsError)
        return Refusal(f"{type(error).__name__}: {error}", is_permanent=not has_credentials)
    status, details = _status_of(error), error.response.get("Error", {})
    is_expired = details.get("Code") in ("ExpiredToken", "RequestTimeout", "SlowDown")
    text = " ".join(filter(None, (details.get("Code"), details.get("Message"))))
    if details.get("Code") == str(status) and status in _ADVICE:
        text += f". {_ADVICE[HTTPStatus(status)]}"
    is_permanent = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    is_throttled = status == HTTPStatus.TOO_MANY_REQUESTS
    return Refusal(f"S3: {text}", is_permanent and not is_expired and not is_throttled)


def _error_type(refusal: Refusal) -> type[AirflowException]:
    return AirflowFailException if refusal.is_permanent else AirflowException


def _status_of(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _parse_md5(text: str | None) -> str | None:
    """Return an MD5 in hex from hex or base64; None for any other text."""
    if not text:
        return None
    text = text.strip().strip('"')
    if _HEX_MD5.fullmatch(text.lower()):
        return text.lower()
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded.hex() if len(decoded) == _MD5_BYTES else None
