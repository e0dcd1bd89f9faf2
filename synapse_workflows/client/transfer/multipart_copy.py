"""Copy of a file to another storage location; the storage copies the bytes."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseUploadAbortedException
from synapse_workflows.client.transfer.executor import CancelToken
from synapse_workflows.client.transfer.multipart import MultipartUpload
from synapse_workflows.client.transfer.multipart_content import (
    AttemptFailedError,
    MultipartContent,
)
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.progress import NoProgress
from synapse_workflows.constants import MiB

#: Size of a part in bytes, as recommended by Synapse. It allows files of up to 1000 GiB.
DEFAULT_PART_SIZE: Final = 100 * MiB
#: ETag in the response to a copied part: its MD5, in quotes that are escaped as XML.
_ETAG: Final = re.compile(r"<ETag>\s*(?:&quot;|&#34;|\")?([^<&\"\s]+)")


def copy_file_handle(
    syn: Session,
    file_handle_id: int | str,
    storage_location_id: int,
    *,
    associate_type: str,
    associate_id: str,
    file_name: str | None = None,
    part_size: int = DEFAULT_PART_SIZE,
) -> str:
    """Copy a file to another storage location, without downloading it.

    A copy that was interrupted is resumed by the same call.

    Args:
        syn: Session of the copy.
        file_handle_id: The file handle to copy.
        storage_location_id: Target, which the caller must have created.
        associate_type: Type of the object to which the file belongs, for example ``FileEntity``.
        associate_id: ID of this object. The caller must be allowed to download the file.
        file_name: Name of the copy; None for the name of the file.
        part_size: Size of the parts in bytes, at least 5 MiB.

    Returns:
        ID of the new file handle.

    Raises:
        SynapseForbiddenError: The caller may not download the file, or does not own the target.
        SynapseBadRequestError: The file cannot be copied to this storage location.
        SynapseUploadFailedException: The copy could not be completed.
        SynapseUploadAbortedException: Ctrl-C. The same call resumes the copy.

    Source:
        POST /file/multipart/copy of the file service, and the requests below /file/multipart
        https://rest-docs.synapse.org/rest/POST/file/multipart/copy.html
    """
    request: dict[str, Any] = {
        "concreteType": constants.MULTIPART_UPLOAD_COPY_REQUEST,
        "sourceFileHandleAssociation": {
            "fileHandleId": str(file_handle_id),
            "associateObjectType": associate_type,
            "associateObjectId": associate_id,
        },
        "storageLocationId": storage_location_id,
        "partSizeBytes": part_size,
        "generatePreview": True,
    }
    if file_name is not None:
        request["fileName"] = file_name
    content = _CopiedFile(f"The copy of the file handle {file_handle_id}")
    try:
        return MultipartUpload(syn, content, request, NoProgress()).run()
    except KeyboardInterrupt as interrupt:
        raise SynapseUploadAbortedException(
            f"{content.label} was interrupted. Copy it again to resume."
        ) from interrupt


class _CopiedFile(MultipartContent):
    """Content of a file in Synapse.

    Args:
        label: Description for messages.
    """

    size = 0
    start_path = "/file/multipart/copy"

    def __init__(self, label: str) -> None:
        self.label = label

    def list_parts(self, count: int) -> tuple[Part, ...]:
        """Return the parts. Their ranges are contained in the signed headers of the requests."""
        return tuple(Part(number, 0, 0) for number in range(1, count + 1))

    def require_unchanged(self) -> None:
        """Do nothing: file handles are immutable."""

    def open_body(
        self, part: Part, cancel_token: CancelToken, on_progress: Callable[[int], None]
    ) -> AbstractContextManager[None]:
        """Return no body: the storage reads the part from the source."""
        del part, cancel_token, on_progress
        return nullcontext()

    def get_md5(self, part: Part, reply: Reply) -> str:
        """Return the ETag of the copied part.

        The storage may report an error in a response with the status 200.
        """
        text = reply.content.decode("utf-8", "replace")
        found = _ETAG.search(text)
        if found is None:
            raise AttemptFailedError(f"part {part.number} was not copied: {text[:300]}")
        return found[1]
