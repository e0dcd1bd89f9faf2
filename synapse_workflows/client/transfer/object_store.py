"""Objects in S3 buckets that the client reads and writes itself, with boto3.

Uploads use the transfer manager of boto3. Downloads use URLs that the client signs itself, so that
they are resumed, verified and cancelled like all other downloads.
"""

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from synapse_workflows.client.core import http_errors
from synapse_workflows.client.core.redaction import redact, redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConfigError,
    SynapseConnectionError,
    SynapseDownloadError,
    SynapseError,
    SynapseHTTPError,
    SynapseTimeoutError,
    SynapseTransferError,
    SynapseUploadFailedException,
)
from synapse_workflows.client.transfer import part_plan, progress, s3_clients, s3_interruption
from synapse_workflows.client.transfer.executor import TransferCancelledError
from synapse_workflows.client.transfer.file_handles import FileDescription
from synapse_workflows.client.transfer.progress import Progress
from synapse_workflows.client.transfer.upload_source import UploadSource

#: Validity of URLs for downloads, in seconds. The credentials may expire earlier.
_URL_VALIDITY: Final = 3600
_CREDENTIALS_ADVICE: Final = (
    "Check the credentials for this bucket: profile_name in section [endpoint/bucket] of the "
    "configuration file and this AWS profile, or the permission and the prefix of the STS token."
)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in an S3 bucket.

    Attributes:
        client: S3 client of boto3.
        bucket: Name of the bucket.
        key: Key of the object.
    """

    client: Any = field(repr=False)
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key} ({redact_url(self.client.meta.endpoint_url)})"

    @property
    def parameters(self) -> dict[str, str]:
        """Arguments of the requests of boto3."""
        return {"Bucket": self.bucket, "Key": self.key}


def upload_object(
    syn: Session,
    source: UploadSource,
    content: FileDescription,
    target: StoredObject,
    settings: Mapping[str, str] | None = None,
) -> None:
    """Upload a file.

    Args:
        syn: Session whose threads, progress display and timeouts are used.
        source: The file.
        content: MD5 and MIME type of the file.
        target: The object to create.
        settings: Further settings of the object, in the form of boto3's `ExtraArgs`.

    Raises:
        SynapseUploadFailedException: The upload failed, or the file changed. The object was
            deleted.
        SynapseHTTPError: The storage rejected the upload.
        SynapseConfigError: There are no credentials.
    """
    name = source.path.name
    extra = {"ContentType": content.content_type} if content.content_type else {}
    try:
        with (
            progress.show_progress(
                syn, f"Uploading {name}", f"Uploaded {name}", source.size
            ) as shown,
            raising_storage_errors("PUT", target),
        ):
            _send(syn, source, target, {**extra, **(settings or {})}, shown)
        _verify_upload(target, source, content)
    except BaseException as error:
        is_rejected = isinstance(error, SynapseError)
        if not is_rejected or isinstance(error, SynapseUploadFailedException):
            delete_object(syn, target)
        raise


def _send(
    syn: Session,
    source: UploadSource,
    target: StoredObject,
    settings: Mapping[str, str],
    shown: Progress,
) -> None:
    """Upload a file with the transfer manager of boto3, interruptibly."""
    from boto3.s3.transfer import ProgressCallbackInvoker, TransferConfig
    from s3transfer.manager import TransferManager
    from s3transfer.subscribers import BaseSubscriber

    done = threading.Event()

    class Done(BaseSubscriber):  # type: ignore[misc]
        def on_done(self, **_: Any) -> None:
            done.set()

    config = TransferConfig(
        multipart_threshold=part_plan.DEFAULT_PART_SIZE,
        multipart_chunksize=part_plan.choose_part_size(source.size),
        max_concurrency=syn.max_threads if syn.multi_threaded else 1,
    )
    interruption = s3_interruption.Interruption()
    with (
        interruption.active(),
        TransferManager(
            target.client, config, executor_cls=s3_interruption.ContextExecutor
        ) as manager,
    ):
        try:
            future = manager.upload(
                str(source.path),
                target.bucket,
                target.key,
                dict(settings),
                [ProgressCallbackInvoker(shown.advance), Done()],
            )
            done.wait()
        except BaseException:
            interruption.interrupt()
            raise
        future.result()


def owner_access(endpoint_url: str | None) -> dict[str, str]:
    """Return the settings that give the owner of a bucket access to new objects.

    Synapse's temporary credentials belong to another AWS account than the bucket. S3-compatible
    servers do not need this setting, and may reject it.
    """
    return {"ACL": "bucket-owner-full-control"} if s3_clients.is_amazon(endpoint_url) else {}


def delete_object(syn: Session, target: StoredObject) -> None:
    """Delete an object that nothing refers to; log a warning if this fails."""
    try:
        with s3_interruption.limited_cleanup(), raising_storage_errors("DELETE", target):
            target.client.delete_object(**target.parameters)
    except (SynapseError, TransferCancelledError) as error:
        syn.logger.warning("Could not delete the unused object %s: %s", target, error)


def sign_download(target: StoredObject, size: int | None) -> str:
    """Return a URL for the download of an object, after checking that it exists.

    Args:
        target: The object.
        size: Size in bytes that is recorded in Synapse; None if unknown.

    Raises:
        SynapseHTTPError: The object does not exist, or access is denied.
        SynapseDownloadError: The object has another size.
        SynapseConfigError: There are no credentials.
    """
    with raising_storage_errors("HEAD", target):
        found = target.client.head_object(**target.parameters)["ContentLength"]
        if size not in {None, found}:
            raise SynapseDownloadError(
                f"{target} has {found} bytes, but {size} bytes are recorded in Synapse: the "
                "object was replaced. Ask its owner to upload the file again."
            )
        url: str = target.client.generate_presigned_url(
            "get_object", Params=target.parameters, ExpiresIn=_URL_VALIDITY
        )
    return url


@contextmanager
def raising_storage_errors(method: str, target: StoredObject) -> Generator[None]:
    """Convert errors of boto3 to errors of this client, without the original request.

    Args:
        method: HTTP method, for the error message.
        target: The object.
    """
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
    )

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise _convert_error(error, f"{method} {target}") from None


def _convert_error(error: BaseException, call: str) -> Exception:
    from botocore import exceptions as botocore_errors

    reason = redact(str(error))
    if isinstance(error, botocore_errors.ClientError):
        return _convert_response(error.response, call)
    if isinstance(
        error,
        botocore_errors.NoCredentialsError
        | botocore_errors.PartialCredentialsError
        | botocore_errors.CredentialRetrievalError,
    ):
        return SynapseConfigError(f"{call}: {reason}\n{_CREDENTIALS_ADVICE}")
    if isinstance(error, botocore_errors.ConnectTimeoutError | botocore_errors.ReadTimeoutError):
        return SynapseTimeoutError(f"{call}: {reason}")
    if isinstance(error, botocore_errors.ConnectionError | botocore_errors.HTTPClientError):
        return SynapseConnectionError(f"{call}: {reason}")
    return SynapseTransferError(f"{call}: {reason}")


def _convert_response(response: Mapping[str, Any], call: str) -> SynapseHTTPError:
    """Convert an error response of S3, which has a code and a message."""
    details = response.get("Error") or {}
    status = int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    code, message = str(details.get("Code") or ""), str(details.get("Message") or "")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        advice: str | None = _CREDENTIALS_ADVICE
    else:
        advice = None if code == "NoSuchBucket" else http_errors.STORAGE_ADVICE.get(status)
    return SynapseHTTPError.of(
        status or HTTPStatus.BAD_GATEWAY,
        redact(": ".join(filter(None, (code, message))) or "no reason given"),
        call,
        error_code=code or None,
        advice=advice,
    )


def _verify_upload(target: StoredObject, source: UploadSource, content: FileDescription) -> None:
    """Check that the file did not change, and that the object has its size."""
    source.require_content(content.md5)
    with raising_storage_errors("HEAD", target):
        found = target.client.head_object(**target.parameters)["ContentLength"]
    if found != source.size:
        raise SynapseUploadFailedException(
            f"{target} has {found} bytes, but {source.path} has {source.size} bytes. Upload the "
            "file again."
        )
