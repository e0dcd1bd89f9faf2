"""Upload of a text to Synapse as a flow, for the blocking and the asynchronous session."""

import hashlib
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call, Flow
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseUploadFailedException,
)
from synapse_workflows.constants import MiB

#: Minimum size of a part in bytes. A text is always one part.
_PART_SIZE: Final = 8 * MiB
_MAX_ATTEMPTS: Final = 3
#: Errors that occur if another client completed the same upload, or if the storage rejected an
#: expired URL.
_TEMPORARY_ERRORS: Final = (SynapseBadRequestError, SynapseForbiddenError, SynapseNotFoundError)


def upload_text(text: str, file_name: str, content_type: str) -> Flow[str]:
    """Upload a text in UTF-8 and return the ID of its file handle.

    An upload of the same text by the same user with the same name and content type has the same
    file handle.

    Args:
        text: The text.
        file_name: Name of the file.
        content_type: MIME type, for example ``text/plain``.

    Raises:
        ValueError: The text is empty.
        SynapseHTTPError: Synapse refused the upload.
        SynapseUploadFailedException: The storage did not receive the text.

    Source:
        POST /file/multipart of the file service, and the requests below this path
        https://rest-docs.synapse.org/rest/POST/file/multipart.html
    """
    content = text.encode()
    if not content:
        raise ValueError("Cannot upload an empty text: Synapse stores files of at least one byte.")
    request = {
        "concreteType": constants.MULTIPART_UPLOAD_REQUEST,
        "contentMD5Hex": hashlib.md5(content).hexdigest(),
        "contentType": content_type,
        "fileName": file_name,
        "fileSizeBytes": len(content),
        "generatePreview": True,
        "partSizeBytes": max(_PART_SIZE, len(content)),
        "storageLocationId": None,
    }
    reason: Any = None
    for _ in range(_MAX_ATTEMPTS):
        status = yield from _start(request)
        if status["state"] == "COMPLETED":
            return str(status["resultFileHandleId"])
        try:
            status = yield from _send_part(str(status["uploadId"]), content)
        except _TEMPORARY_ERRORS as error:
            reason = error
            continue
        if status.get("state") == "COMPLETED":
            return str(status["resultFileHandleId"])
        reason = status.get("errorMessage") or status
    raise SynapseUploadFailedException(
        f"{file_name} could not be uploaded in {_MAX_ATTEMPTS} attempts: {reason}"
    )


def _start(request: dict[str, Any]) -> Flow[dict[str, Any]]:
    params = {"forceRestart": False}
    call = Call("POST", "/file/multipart", "file", params, request, repeatable=True)
    return (yield from flows.send(call)).object


def _send_part(upload_id: str, content: bytes) -> Flow[dict[str, Any]]:
    """Send the content and complete the upload.

    Returns:
        The status of the upload, or the AddPartResponse of a rejected part.
    """
    path = f"/file/multipart/{upload_id}"
    body = {"uploadId": upload_id, "partNumbers": [1]}
    call = Call("POST", f"{path}/presigned/url/batch", "file", body=body, repeatable=True)
    (part,) = (yield from flows.send(call)).object["partPresignedUrls"]
    headers = part.get("signedHeaders") or {}
    yield from flows.send(Call("PUT", part["uploadPresignedUrl"], body=content, headers=headers))
    params = {"partMD5Hex": hashlib.md5(content).hexdigest()}
    added = (yield from flows.send(Call("PUT", f"{path}/add/1", "file", params))).object
    if added.get("addPartState") != "ADD_SUCCESS":
        return added
    return (yield from flows.send(Call("PUT", f"{path}/complete", "file"))).object
