"""Synapse's multipart upload: what is missing is sent, until the service has the whole file.

The service knows an upload by its request, so a second try, even days later and from another
process, finds the parts that are there already, or the finished file.
"""

import time
from threading import Lock
from typing import Any, Final

from synapse_workflows.client.core.retry import Outcome
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConnectionError,
    SynapseHTTPError,
    SynapseNotFoundError,
    SynapseUploadFailedException,
)
from synapse_workflows.client.transfer import executor, part_plan, presigned_urls
from synapse_workflows.client.transfer.executor import Halt, Patience
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.presigned_urls import Lease, PartAddresses
from synapse_workflows.client.transfer.progress import Progress
from synapse_workflows.client.transfer.upload_source import PartBody, Source

#: How often an upload begins, each time with what the service has by then.
ATTEMPTS: Final = 7
#: How often a part is sent whose bytes arrive wrong.
REJECTIONS: Final = 3
#: How often the service is asked anew what it has, after it refused parts or their end.
LOOKS: Final = 3
#: What is said to one whose upload another one, with the same request, completed or restarted.
OVERTAKEN: Final = (SynapseBadRequestError, SynapseNotFoundError)


class AttemptFailedError(Exception):
    """Another attempt, with what the service has by now, may do better."""


class MultipartUpload:
    """One file on its way up.

    Args:
        syn: Whose upload it is.
        source: The file.
        request: What the service is asked to start; it also identifies the upload.
        shown: Is told of each block.
    """

    def __init__(
        self, syn: Session, source: Source, request: dict[str, Any], shown: Progress
    ) -> None:
        self._syn = syn
        self._source = source
        self._request = request
        self._tally = _Tally(shown)
        self._restarted = False
        self._looks = 0

    def run(self) -> str:
        """Upload, in as many attempts as are granted.

        Returns:
            The id of the file handle.

        Raises:
            SynapseUploadFailedException: None of them went through, or the file changed.
            SynapseHTTPError: The service refuses the upload, whatever it has of it.
        """
        failed: Exception | None = None
        for number in range(1, ATTEMPTS + 1):
            try:
                return self._attempt()
            except (AttemptFailedError, *executor.PASSING) as error:
                failed = error
            self._syn.logger.debug("%s: attempt %d: %s", self._source.path, number, failed)
            if number < ATTEMPTS:
                time.sleep(self._syn.retry.pause(number, Outcome()))
        raise SynapseUploadFailedException(
            f"{self._source.path} could not be uploaded in {ATTEMPTS} attempts: {failed}"
        ) from failed

    def _attempt(self, *, restart: bool = False) -> str:
        status = self._start(restart=restart)
        if status["state"] == "COMPLETED":
            self._tally.set(self._source.size)
            return str(status["resultFileHandleId"])
        upload_id = str(status["uploadId"])
        parts = part_plan.parts(self._source.size, self._request["partSizeBytes"])
        todo = part_plan.outstanding(parts, status.get("partsState") or "")
        self._tally.set(self._source.size - sum(part.size for part in todo))
        sending = _Sending(self._syn, self._source, upload_id, todo, self._tally)
        threads = self._syn.max_threads
        try:
            executor.of(self._syn).run(todo, sending.send, sending.halt, threads=threads)
        except OVERTAKEN as error:
            return self._look_again(error)
        self._source.require_unchanged()
        return self._complete(upload_id)

    def _start(self, *, restart: bool) -> dict[str, Any]:
        reply = self._syn.call(
            "POST",
            "/file/multipart",
            endpoint="file",
            params={"forceRestart": restart},
            json=self._request,
            repeatable=True,
        )
        status: dict[str, Any] = reply.json
        return status

    def _complete(self, upload_id: str) -> str:
        path = f"/file/multipart/{upload_id}/complete"
        try:
            status = self._syn.call("PUT", path, endpoint="file").json
        except SynapseBadRequestError as error:
            if "missing" in error.reason.lower():
                raise AttemptFailedError(str(error)) from error
            return self._over_again(upload_id, error)
        except SynapseNotFoundError as error:
            return self._look_again(error)
        if status["state"] != "COMPLETED":
            raise AttemptFailedError(f"the service left the upload in state {status['state']}")
        return str(status["resultFileHandleId"])

    def _look_again(self, error: SynapseHTTPError) -> str:
        """Go on with what the service has by now: another one may have finished this upload."""
        self._looks += 1
        if self._looks > LOOKS:
            raise error
        if self._looks > 1:
            time.sleep(self._syn.retry.pause(self._looks - 1, Outcome()))
        return self._attempt()

    def _over_again(self, upload_id: str, error: SynapseBadRequestError) -> str:
        """Forget parts that do not make the file, as they were sent while it was another."""
        status = self._start(restart=False)
        if status["state"] == "COMPLETED" or str(status["uploadId"]) != upload_id:
            return self._look_again(error)
        if self._restarted:
            raise SynapseUploadFailedException(
                f"{self._source.path} could not be uploaded: {error}"
            ) from error
        self._restarted = True
        return self._attempt(restart=True)


class _Sending:
    """The parts of one attempt, and what they share.

    Args:
        syn: Whose upload it is.
        source: The file.
        upload_id: The service's name of the upload.
        todo: The parts that are missing.
        tally: Is told of each block.
    """

    def __init__(
        self, syn: Session, source: Source, upload_id: str, todo: tuple[Part, ...], tally: "_Tally"
    ) -> None:
        self.halt = Halt()
        self._syn = syn
        self._source = source
        self._path = f"/file/multipart/{upload_id}"
        self._upload_id = upload_id
        self._addresses = PartAddresses(self._ask, (part.number for part in todo))
        self._tally = tally

    def send(self, part: Part) -> None:
        """Send one part, until the service says that its bytes are right.

        Raises:
            AttemptFailedError: They never were, or the storage refuses them.
        """
        said = ""
        for _ in range(REJECTIONS):
            self.halt.check()
            self._source.require_unchanged()
            with PartBody(self._source, part, self.halt, self._tally.moved) as body:
                self._put(part, body)
                answer = self._add(part, body.md5)
                if answer.get("addPartState") == "ADD_SUCCESS":
                    self._addresses.done(part.number)
                    return
                body.undo()
            said = answer.get("errorMessage") or answer.get("addPartState") or "no reason given"
        raise AttemptFailedError(f"part {part.number} arrived wrong {REJECTIONS} times: {said}")

    def _put(self, part: Part, body: PartBody) -> None:
        patience = Patience(self._syn.retry, self.halt)
        refusals = 0
        while True:
            lease = self._addresses.lease(part.number)
            try:
                self._syn.call(
                    "PUT",
                    lease.url,
                    headers=lease.headers,
                    auth=body,
                    retry=executor.ONCE,
                )
            except executor.PASSING as error:
                patience.after(error)
                if isinstance(error, SynapseConnectionError):
                    # A storage that refuses a URL may hang up before it has said so.
                    self._addresses.refused(part.number, lease)
            except SynapseHTTPError as error:
                if error.status not in presigned_urls.EXPIRED:
                    raise
                refusals += 1
                if refusals > presigned_urls.REFUSALS:
                    raise AttemptFailedError(str(error)) from error
                self._addresses.refused(part.number, lease)
            else:
                return

    def _add(self, part: Part, md5: str) -> dict[str, Any]:
        reply = self._syn.call(
            "PUT",
            f"{self._path}/add/{part.number}",
            endpoint="file",
            params={"partMD5Hex": md5},
        )
        answer: dict[str, Any] = reply.json
        return answer

    def _ask(self, numbers: list[int]) -> dict[int, Lease]:
        """Ask for the URLs of parts.

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
            each["partNumber"]: presigned_urls.lease(
                each["uploadPresignedUrl"], each.get("signedHeaders")
            )
            for each in reply.json["partPresignedUrls"]
        }


class _Tally:
    """Progress that can be set right when an attempt begins.

    Args:
        shown: What a person sees.
    """

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._guard = Lock()
        self._count = 0

    def moved(self, size: int) -> None:
        with self._guard:
            self._count += size
        self._shown.moved(size)

    def set(self, count: int) -> None:
        self.moved(count - self._count)
