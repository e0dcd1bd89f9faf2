"""Objects of an S3-compatible server: read, write, list, copy, pre-signed URLs."""

import builtins
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final
from urllib.parse import quote

from synapse_workflows.local.s3.clients import S3Clients
from synapse_workflows.local.s3.endpoint import EndpointProvider, S3Endpoint
from synapse_workflows.local.s3.errors import S3Error, translate_errors

#: Number of bytes that are read at once.
_CHUNK_SIZE: Final = 1 << 19
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket"})


@dataclass(frozen=True, kw_only=True)
class S3Object:
    """An object in a bucket.

    Args:
        key: Key of the object.
        size: Size in bytes.
        etag: ETag without quotation marks. For objects that were uploaded in one part, it is the
            MD5 on most servers; for others, it ends with `-` and the number of parts.
        last_modified: Time of the last change.
        content_type: MIME type; None in lists.
    """

    key: str
    size: int
    etag: str
    last_modified: datetime
    content_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class UploadedPart:
    """A part of a multipart upload: its number from 1, its size in bytes and its ETag."""

    number: int
    size: int
    etag: str


class ObjectStore:
    """The objects of an S3-compatible server. Methods may be called from several threads.

    All methods except `presign_get` and `presign_part` raise `S3Error` if the server refuses the
    request, and `ServiceUnavailable` if it does not respond.

    Args:
        get_endpoint: Returns the server, with the credentials of its administrator. It is called
            at the first use.
        timeout: Maximum time in seconds to wait for bytes of a response.
        attempts: Maximum number of attempts of a request.
    """

    def __init__(
        self, get_endpoint: EndpointProvider, *, timeout: float = 60, attempts: int = 4
    ) -> None:
        self._clients = S3Clients(get_endpoint, timeout, attempts)
        self._known_buckets: set[str] = set()

    @property
    def endpoint(self) -> S3Endpoint:
        """The server.

        Raises:
            BadRequest: The server did not start.
        """
        return self._clients.endpoint

    @property
    def _client(self) -> Any:
        return self._clients.get("s3")

    def create_bucket(self, bucket: str) -> None:
        """Create a bucket unless it exists."""
        with translate_errors(self.endpoint.url):
            try:
                self._client.create_bucket(Bucket=bucket)
            except (
                self._client.exceptions.BucketAlreadyExists,
                self._client.exceptions.BucketAlreadyOwnedByYou,
            ):
                return

    def ensure_bucket(self, bucket: str) -> None:
        """Create a bucket unless it exists, if the service started the server.

        Raises:
            S3Error: The bucket of an external server does not exist, or the name is invalid.
            ServiceUnavailable: The server does not respond.
        """
        if bucket in self._known_buckets:
            return
        if self.endpoint.can_create_buckets:
            self.create_bucket(bucket)
        elif not self.has_bucket(bucket):
            raise S3Error(
                "NoSuchBucket",
                f"The S3 server at {self.endpoint.url} has no bucket '{bucket}'. Create it there.",
            )
        self._known_buckets.add(bucket)

    def list_buckets(self) -> list[str]:
        """Return the names of all buckets."""
        with translate_errors(self.endpoint.url):
            return [each["Name"] for each in self._client.list_buckets()["Buckets"]]

    def has_bucket(self, bucket: str) -> bool:
        """Return whether a bucket exists."""
        try:
            with translate_errors(self.endpoint.url):
                self._client.head_bucket(Bucket=bucket)
        except S3Error as error:
            if error.code in _MISSING:
                return False
            raise
        return True

    def head(self, bucket: str, key: str) -> S3Object | None:
        """Return the properties of an object; None if there is no such object."""
        try:
            with translate_errors(self.endpoint.url):
                reply = self._client.head_object(Bucket=bucket, Key=key)
        except S3Error as error:
            if error.code in _MISSING:
                return None
            raise
        return S3Object(
            key=key,
            size=reply["ContentLength"],
            etag=reply["ETag"].strip('"'),
            last_modified=reply["LastModified"],
            content_type=reply.get("ContentType"),
        )

    def read(
        self, bucket: str, key: str, first: int = 0, last: int | None = None
    ) -> Iterator[bytes]:
        """Read an object in chunks.

        Args:
            bucket: Name of the bucket.
            key: Key of the object.
            first: Offset of the first byte.
            last: Offset of the last byte, inclusive; None to read to the end.
        """
        options = {}
        if first or last is not None:
            options["Range"] = f"bytes={first}-{'' if last is None else last}"
        with translate_errors(self.endpoint.url):
            reply = self._client.get_object(Bucket=bucket, Key=key, **options)
            with closing(reply["Body"]) as body:
                yield from body.iter_chunks(_CHUNK_SIZE)

    def put(self, bucket: str, key: str, content: bytes, content_type: str | None = None) -> str:
        """Store an object and return its ETag."""
        options = {} if content_type is None else {"ContentType": content_type}
        with translate_errors(self.endpoint.url):
            reply = self._client.put_object(Bucket=bucket, Key=key, Body=content, **options)
        return str(reply["ETag"]).strip('"')

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; a missing object is ignored."""
        with translate_errors(self.endpoint.url):
            self._client.delete_object(Bucket=bucket, Key=key)

    def list(self, bucket: str, prefix: str = "") -> Iterator[S3Object]:
        """List the objects whose keys start with a prefix, in the order of their keys."""
        pages = self._client.get_paginator("list_objects_v2")
        with translate_errors(self.endpoint.url):
            for page in pages.paginate(Bucket=bucket, Prefix=prefix):
                for each in page.get("Contents", ()):
                    yield S3Object(
                        key=each["Key"],
                        size=each["Size"],
                        etag=each["ETag"].strip('"'),
                        last_modified=each["LastModified"],
                    )

    def presign_get(
        self,
        bucket: str,
        key: str,
        seconds: int,
        *,
        file_name: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Return a URL that downloads an object, without a request.

        Args:
            bucket: Name of the bucket.
            key: Key of the object.
            seconds: Validity of the URL in seconds.
            file_name: File name in the Content-Disposition header of the response.
            content_type: Content-Type header of the response.
        """
        options: dict[str, Any] = {"Bucket": bucket, "Key": key}
        if file_name is not None:
            name = quote(file_name, safe="")
            options["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{name}"
        if content_type is not None:
            options["ResponseContentType"] = content_type
        return self._presign("get_object", options, seconds)

    def create_upload(self, bucket: str, key: str, content_type: str | None = None) -> str:
        """Start a multipart upload and return its ID."""
        options = {} if content_type is None else {"ContentType": content_type}
        with translate_errors(self.endpoint.url):
            reply = self._client.create_multipart_upload(Bucket=bucket, Key=key, **options)
        return str(reply["UploadId"])

    def presign_part(
        self, bucket: str, key: str, upload_id: str, number: int, seconds: int
    ) -> str:
        """Return a URL that uploads a part, without a request.

        Args:
            bucket: Name of the bucket.
            key: Key of the object.
            upload_id: ID of the multipart upload.
            number: Part number, from 1.
            seconds: Validity of the URL in seconds.
        """
        options = {"Bucket": bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
        return self._presign("upload_part", options, seconds)

    def put_part(
        self, bucket: str, key: str, upload_id: str, number: int, content: IO[bytes]
    ) -> str:
        """Upload a part from a seekable file and return its ETag."""
        with translate_errors(self.endpoint.url):
            reply = self._client.upload_part(
                Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=content
            )
        return str(reply["ETag"]).strip('"')

    def list_part(
        self, bucket: str, key: str, upload_id: str, number: int
    ) -> builtins.list[UploadedPart]:
        """List the contents of one part of a multipart upload.

        Returns:
            At most one, except on servers that keep all contents of a part that was uploaded
            repeatedly, until the upload is completed.
        """
        with translate_errors(self.endpoint.url):
            reply = self._client.list_parts(
                Bucket=bucket, Key=key, UploadId=upload_id, PartNumberMarker=number - 1
            )
        parts = map(_to_part, reply.get("Parts", ()))
        return [each for each in parts if each.number == number]

    def list_parts(self, bucket: str, key: str, upload_id: str) -> Iterator[UploadedPart]:
        """List the uploaded parts of a multipart upload, in the order of their numbers."""
        pages = self._client.get_paginator("list_parts")
        with translate_errors(self.endpoint.url):
            for page in pages.paginate(Bucket=bucket, Key=key, UploadId=upload_id):
                for each in page.get("Parts", ()):
                    yield _to_part(each)

    def copy_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: tuple[str, str],
        byte_range: tuple[int, int],
    ) -> str:
        """Copy a range of an object to a part of a multipart upload.

        Args:
            bucket: Name of the bucket.
            key: Key of the new object.
            upload_id: ID of the multipart upload.
            number: Part number, from 1.
            source: Bucket and key of the source.
            byte_range: Offsets of the first and the last byte, inclusive.

        Returns:
            The ETag of the part.
        """
        with translate_errors(self.endpoint.url):
            reply = self._client.upload_part_copy(
                Bucket=bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": source[0], "Key": source[1]},
                CopySourceRange=f"bytes={byte_range[0]}-{byte_range[1]}",
            )
        return str(reply["CopyPartResult"]["ETag"]).strip('"')

    def complete_upload(
        self, bucket: str, key: str, upload_id: str, parts: Iterable[UploadedPart]
    ) -> str:
        """Create the object of a multipart upload from its parts, and return its ETag."""
        listed = [{"PartNumber": each.number, "ETag": each.etag} for each in parts]
        with translate_errors(self.endpoint.url):
            reply = self._client.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )
        return str(reply["ETag"]).strip('"')

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Delete a multipart upload and its parts; a missing upload is ignored."""
        try:
            with translate_errors(self.endpoint.url):
                self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        except S3Error as error:
            if error.code not in {*_MISSING, "NoSuchUpload"}:
                raise

    def _presign(self, operation: str, parameters: dict[str, Any], seconds: int) -> str:
        url: str = self._client.generate_presigned_url(
            operation, Params=parameters, ExpiresIn=seconds
        )
        return url


def _to_part(listed: Mapping[str, Any]) -> UploadedPart:
    return UploadedPart(
        number=listed["PartNumber"], size=listed["Size"], etag=listed["ETag"].strip('"')
    )
