"""Download URLs of file handles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseDownloadError,
    SynapseFileNotFoundError,
    SynapseForbiddenError,
)

_CALL: Final = "POST /fileHandle/batch"


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """A requested download.

    Attributes:
        handle: Properties of the file handle.
        associate_type: Type of the object that the file belongs to, for example `FileEntity`.
        associate_id: ID of that object.
        directory: Target directory; None for the location of a cached copy, otherwise the cache.
        if_collision: How to handle an existing file of the same name; None if not specified.
    """

    handle: Mapping[str, Any]
    associate_type: str
    associate_id: str
    directory: Path | None
    if_collision: str | None

    @property
    def handle_id(self) -> str:
        """ID of the file handle."""
        return str(self.handle["id"])


@dataclass(frozen=True, slots=True)
class DownloadUrl:
    """Location of a file to download.

    Attributes:
        url: Pre-signed URL, or the URL of an external file.
        md5: MD5 of the content in hex, if Synapse knows it.
        size: Size in bytes, if Synapse knows it.
        is_external: Whether the file is stored outside of Synapse.
    """

    url: str = field(repr=False)
    md5: str | None
    size: int | None
    is_external: bool


def request_download_url(syn: Session, request: DownloadRequest) -> DownloadUrl:
    """Request the download URL of a file.

    Raises:
        SynapseFileNotFoundError: The file handle does not exist.
        SynapseForbiddenError: The user may not download the file.
        SynapseDownloadError: The file is in a storage that is not supported.

    Source:
        POST /fileHandle/batch of the file service
    """
    body = {
        "includeFileHandles": True,
        "includePreSignedURLs": True,
        "requestedFiles": [
            {
                "fileHandleId": request.handle_id,
                "associateObjectId": request.associate_id,
                "associateObjectType": request.associate_type,
            }
        ],
    }
    reply = syn.call("POST", "/fileHandle/batch", endpoint="file", json=body, repeatable=True)
    result = reply.json["requestedFiles"][0]
    if result.get("failureCode"):
        raise _error_of(result["failureCode"], request)
    handle = {**request.handle, **(result.get("fileHandle") or {})}
    kind = str(handle.get("concreteType") or "")
    url = result.get("preSignedURL")
    if not url or kind == constants.EXTERNAL_OBJECT_STORE_FILE_HANDLE:
        raise SynapseDownloadError(
            f"File handle {request.handle_id} cannot be downloaded: its type is "
            f"{kind.rpartition('.')[2] or 'unknown'}, a storage that is not supported."
        )
    size = handle.get("contentSize")
    md5 = handle.get("contentMd5")
    return DownloadUrl(
        url=url,
        md5=str(md5).lower() if md5 else None,
        size=int(size) if size is not None else None,
        is_external=kind == constants.EXTERNAL_FILE_HANDLE,
    )


def _error_of(code: str, request: DownloadRequest) -> Exception:
    owner = f"{request.associate_type} {request.associate_id}"
    if code == "NOT_FOUND":
        return SynapseFileNotFoundError(
            f"File handle {request.handle_id} of {owner} does not exist."
        )
    if code == "UNAUTHORIZED":
        return SynapseForbiddenError(
            403,
            f"You are not authorized to access fileHandleId {request.handle_id} associated with "
            f"the Synapse {owner}",
            _CALL,
            advice="Ask the owner for permission to download it.",
        )
    return SynapseDownloadError(
        f"Cannot download file handle {request.handle_id} of {owner}: {code}"
    )
