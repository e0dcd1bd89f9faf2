"""Multipart upload to Synapse: sends missing parts until the service has the whole file.

The content is a local file, or a file in Synapse whose parts the storage copies.

The service identifies an upload by the body of its start request. A later upload of the same file
reuses the parts or the file handle that the service already has, even if another process uploaded
them.
"""

import time
from threading import Lock
from typing import Any, Final

from requests.auth import AuthBase

from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConnectionError,
    SynapseHTTPError,
    SynapseNotFoundError,
    SynapseUploadFailedException,
)
from synapse_workflows.client.transfer import executor, part_plan, presigned_urls
from synapse_workflows.client.transfer.executor import REQUEST_ERRORS, Backoff, CancelToken
from synapse_workflows.client.transfer.multipart_content import (
    AttemptFailedError,
    MultipartContent,
)
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.presigned_urls import PartUrls, PresignedUrl
from synapse_workflows.client.transfer.progress import Progress

#: Maximum number of attempts; each one sends the parts that are still missing.
MAX_ATTEMPTS: Final = 7
#: Maximum number of times to send a part, if the service receives it with a wrong MD5.
MAX_PART_ATTEMPTS: Final = 3
#: Maximum number of status checks after the service rejected parts or the completion.
MAX_STATUS_CHECKS: Final = 3
#: Errors that occur if another client completed or restarted an upload with the same request.
CONCURRENT_UPLOAD_ERRORS: Final = (SynapseBadRequestError, SynapseNotFoundError)


class PartsLostError(Exception):
    """The storage does not know the upload, for example because it deleted incomplete uploads.

    Args:
        error: Response of the storage.
    """

    def __init__(self, error: SynapseNotFoundError) -> None:
        super().__init__(str(error))
        self.error = error


class MultipartUpload:
    """Multipart upload of one file.

    Args:
        syn: Session of the upload.
        content: The content.
        request: Body of the start request, which also identifies the upload.
        progress: Receives the number of bytes of each block.
    """

    def __init__(
        self,
        syn: Session,
        content: MultipartContent,
        request: dict[str, Any],
        progress: Progress,
    ) -> None:
        self._syn = syn
        self._content = content
        self._request = request
        self._progress = _UploadProgress(progress)
        self._was_restarted = False
        self._status_checks = 0

    def run(self) -> str:
        """Upload the file, with up to `MAX_ATTEMPTS` attempts.

        Returns:
            The ID of the file handle.

        Raises:
            SynapseUploadFailedException: All attempts failed, or the file changed.
            SynapseHTTPError: The service rejected the upload.
        """
        last_error: Exception | None = None
        for number in range(1, MAX_ATTEMPTS + 1):
            try:
                return self._attempt()
            except AttemptFailedError as error:
                last_error = error
            except REQUEST_ERRORS as error:
                if not error.retry_category.can_repeat_request:
                    raise
                last_error = error
            self._syn.logger.debug("%s: attempt %d: %s", self._content.label, number, last_error)
            if number < MAX_ATTEMPTS:
                time.sleep(self._syn.retry.delay(number))
        raise SynapseUploadFailedException(
            f"{self._content.label} could not be uploaded in {MAX_ATTEMPTS} attempts: {last_error}"
        ) from last_error

    def _attempt(self, *, restart: bool = False) -> str:
        status = self._start(restart=restart)
        if status["state"] == "COMPLETED":
            self._progress.set(self._content.size)
            return str(status["resultFileHandleId"])
        upload_id = str(status["uploadId"])
        parts_state = status.get("partsState") or ""
        parts = self._content.list_parts(len(parts_state))
        missing = part_plan.missing_parts(parts, parts_state)
        self._progress.set(self._content.size - sum(part.size for part in missing))
        uploader = _PartUploader(self._syn, self._content, upload_id, missing, self._progress)
        try:
            if len(missing) == 1:
                uploader.upload(missing[0])
            else:
                executor.get_executor(self._syn).run(
                    missing, uploader.upload, uploader.cancel_token, threads=self._syn.max_threads
                )
        except PartsLostError as lost:
            return self._restart(upload_id, lost.error)
        except CONCURRENT_UPLOAD_ERRORS as error:
            return self._check_status_again(error)
        self._content.require_unchanged()
        return self._complete(upload_id)

    def _start(self, *, restart: bool) -> dict[str, Any]:
        reply = self._syn.call(
            "POST",
            self._content.start_path,
            endpoint="file",
            params={"forceRestart": restart},
            json=self._request,
            repeatable=True,
        )
        return reply.object

    def _complete(self, upload_id: str) -> str:
        path = f"/file/multipart/{upload_id}/complete"
        try:
            status = self._syn.call("PUT", path, endpoint="file").object
        except SynapseBadRequestError as error:
            if "missing" in error.reason.lower():
                raise AttemptFailedError(str(error)) from error
            return self._restart(upload_id, error)
        except SynapseNotFoundError as error:
            return self._check_status_again(error)
        if status["state"] != "COMPLETED":
            raise AttemptFailedError(f"the service left the upload in state {status['state']}")
        return str(status["resultFileHandleId"])

    def _check_status_again(self, error: SynapseHTTPError) -> str:
        """Continue from the current status. Another client may have completed the upload."""
        self._status_checks += 1
        if self._status_checks > MAX_STATUS_CHECKS:
            raise error
        if self._status_checks > 1:
            time.sleep(self._syn.retry.delay(self._status_checks - 1))
        return self._attempt()

    def _restart(self, upload_id: str, error: SynapseHTTPError) -> str:
        """Start the upload again without the parts that the service has.

        Either the content of the parts does not match the file, or the storage lost the parts.
        """
        status = self._start(restart=False)
        if status["state"] == "COMPLETED" or str(status["uploadId"]) != upload_id:
            return self._check_status_again(error)
        if self._was_restarted:
            raise SynapseUploadFailedException(
                f"{self._content.label} could not be uploaded: {error}"
            ) from error
        self._was_restarted = True
        return self._attempt(restart=True)


class _PartUploader:
    """Uploads the parts of one attempt.

    Args:
        syn: Session of the upload.
        content: The content.
        upload_id: ID of the upload in the service.
        missing: The missing parts.
        progress: Receives the number of bytes of each block.
    """

    def __init__(
        self,
        syn: Session,
        content: MultipartContent,
        upload_id: str,
        missing: tuple[Part, ...],
        progress: "_UploadProgress",
    ) -> None:
        self.cancel_token = CancelToken()
        self._syn = syn
        self._content = content
        self._path = f"/file/multipart/{upload_id}"
        self._upload_id = upload_id
        self._urls = PartUrls(self._request_urls, (part.number for part in missing))
        self._progress = progress

    def upload(self, part: Part) -> None:
        """Upload one part, and repeat the upload until the service confirms the MD5.

        Raises:
            AttemptFailedError: The MD5 was wrong each time, or the storage rejected the part.
        """
        reason = ""
        for _ in range(MAX_PART_ATTEMPTS):
            self.cancel_token.raise_if_cancelled()
            self._content.require_unchanged()
            with self._content.open_body(part, self.cancel_token, self._progress.advance) as body:
                reply = self._put(part, body)
            result = self._add(part, self._content.get_md5(part, reply))
            if result.get("addPartState") == "ADD_SUCCESS":
                self._urls.complete(part.number)
                return
            self._progress.advance(-part.size)
            reason = result.get("errorMessage") or result.get("addPartState") or "no reason given"
        raise AttemptFailedError(
            f"part {part.number} was rejected {MAX_PART_ATTEMPTS} times: {reason}"
        )

    def _put(self, part: Part, body: AuthBase | None) -> Reply:
        backoff = Backoff(self._syn.retry, self.cancel_token)
        rejections = 0
        while True:
            url = self._urls.get(part.number)
            try:
                return self._syn.call(
                    "PUT", url.url, headers=url.headers, auth=body, retry=executor.NO_RETRY
                )
            except REQUEST_ERRORS as error:
                if error.retry_category.can_repeat_request:
                    backoff.wait_after(error)
                    if isinstance(error, SynapseConnectionError):
                        # Some storages close the connection of an expired URL without a response.
                        self._urls.invalidate(part.number, url)
                    continue
                if isinstance(error, SynapseNotFoundError):
                    raise PartsLostError(error) from error
                if not presigned_urls.is_rejection(error):
                    raise
                rejections += 1
                if rejections > presigned_urls.MAX_REJECTIONS:
                    raise AttemptFailedError(str(error)) from error
                self._urls.invalidate(part.number, url)

    def _add(self, part: Part, md5: str) -> dict[str, Any]:
        reply = self._syn.call(
            "PUT",
            f"{self._path}/add/{part.number}",
            endpoint="file",
            params={"partMD5Hex": md5},
        )
        return reply.object

    def _request_urls(self, numbers: list[int]) -> dict[int, PresignedUrl]:
        """Request the URLs of parts.

        Source:
            POST /file/multipart/{uploadId}/presigned/url/batch of the file service
        """
        reply = self._syn.call(
            "POST",
            f"{self._path}/presigned/url/batch",
            endpoint="file",
            json={"uploadId": self._upload_id, "partNumbers": numbers},
            repeatable=True,
        )
        return {
            each["partNumber"]: presigned_urls.parse_presigned_url(
                each["uploadPresignedUrl"], each.get("signedHeaders")
            )
            for each in reply.object["partPresignedUrls"]
        }


class _UploadProgress:
    """Progress that can be corrected when an attempt starts.

    Args:
        progress: Progress display.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = Lock()
        self._count = 0

    def advance(self, size: int) -> None:
        with self._lock:
            self._count += size
        self._progress.advance(size)

    def set(self, count: int) -> None:
        self.advance(count - self._count)
