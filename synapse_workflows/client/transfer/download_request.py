"""Download URLs of file handles."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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

    @property
    def md5(self) -> str | None:
        """MD5 of the content in hex, in lower case, if Synapse knows it."""
        md5 = self.handle.get("contentMd5")
        return str(md5).lower() if md5 else None


@dataclass(frozen=True, slots=True)
class DownloadUrl:
    """Location of a file to download.

    Attributes:
        url: Pre-signed URL, or the URL of an external file.
        md5: MD5 of the content in hex, if Synapse knows it.
        size: Size in bytes, if Synapse knows it.
        is_external: Whether the file is stored outside of Synapse.
        created_by: ID of the user who created the file handle, if known.
    """

    url: str = field(repr=False)
    md5: str | None
    size: int | None
    is_external: bool
    created_by: str | None


def request_download_url(syn: Session, request: DownloadRequest) -> DownloadUrl:
    """Request the download URL of a file.

    Raises:
        SynapseFileNotFoundError: The file handle does not exist.
        SynapseForbiddenError: The user may not download the file.
        SynapseDownloadError: The file is in a storage that is not supported.

    Source:
        POST /fileHandle/batch of the file service
    """
    result = _request(syn, request, with_url=True)
    handle = {**request.handle, **(result.get("fileHandle") or {})}
    kind = str(handle.get("concreteType") or "")
    url = result.get("preSignedURL")
    if not url or kind == constants.EXTERNAL_OBJECT_STORE_FILE_HANDLE:
        raise SynapseDownloadError(
            f"File handle {request.handle_id} cannot be downloaded: its type is "
            f"{kind.rpartition('.')[2] or 'unknown'}, a storage that is not supported."
        )
    created_by = handle.get("createdBy")
    return DownloadUrl(
        url=str(url),
        md5=replace(request, handle=handle).md5,
        size=_parse_size(handle.get("contentSize")),
        is_external=kind == constants.EXTERNAL_FILE_HANDLE,
        created_by=None if created_by is None else str(created_by),
    )


def request_file_handle(syn: Session, request: DownloadRequest) -> dict[str, Any]:
    """Request the properties of the file handle, with the MD5 of its content.

    Raises:
        SynapseFileNotFoundError: The file handle does not exist.
        SynapseForbiddenError: The user may not download the file.

    Source:
        POST /fileHandle/batch of the file service
    """
    result = _request(syn, request, with_url=False)
    return {**(result.get("fileHandle") or {}), **request.handle}


def _request(syn: Session, request: DownloadRequest, *, with_url: bool) -> dict[str, Any]:
    """Request the file handle, and optionally its URL.

    Source:
        POST /fileHandle/batch of the file service
    """
    body = {
        "includeFileHandles": True,
        "includePreSignedURLs": with_url,
        "requestedFiles": [
            {
                "fileHandleId": request.handle_id,
                "associateObjectId": request.associate_id,
                "associateObjectType": request.associate_type,
            }
        ],
    }
    reply = syn.call("POST", "/fileHandle/batch", endpoint="file", json=body, repeatable=True)
    results = reply.object.get("requestedFiles")
    if not isinstance(results, list) or not results or not isinstance(results[0], dict):
        raise SynapseDownloadError(
            f"Cannot download file handle {request.handle_id}: Synapse returned no result for it."
        )
    result: dict[str, Any] = results[0]
    if result.get("failureCode"):
        raise _error_of(str(result["failureCode"]), request)
    return result


def _parse_size(size: Any) -> int | None:
    """Return the size of a file in bytes; None if it is not known or invalid."""
    text = str(size)
    return int(text) if text.isascii() and text.isdecimal() else None


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
