"""Download URLs of file handles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseDownloadError,
    SynapseFileNotFoundError,
    SynapseForbiddenError,
)
from synapse_workflows.client.transfer import own_storage

#: Maximum number of file handles in one request.
_BATCH_SIZE: Final = 100
_CALL: Final = "POST /fileHandle/batch"


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """A requested download.

    Attributes:
        handle: Properties of the file handle.
        associate_type: Type of the object to which the file belongs, for example `FileEntity`.
        associate_id: ID of the object to which the file belongs.
        directory: Target directory; None to return a cached copy at its location, or to download
            the file to the cache.
        if_collision: How to handle an existing file of the same name; None if not specified.
        file_name: Name of the file in `directory`; None for the name of a cached copy, or else
            the name in the file handle.
    """

    handle: Mapping[str, Any]
    associate_type: str
    associate_id: str
    directory: Path | None
    if_collision: str | None
    file_name: str | None = None

    @property
    def handle_id(self) -> str:
        """ID of the file handle."""
        return str(self.handle["id"])

    @property
    def md5(self) -> str | None:
        """MD5 of the content in lower-case hex; None if the file handle has no MD5."""
        md5 = self.handle.get("contentMd5")
        return str(md5).lower() if md5 else None


@dataclass(frozen=True, slots=True)
class DownloadUrl:
    """Location of a file to download.

    Attributes:
        url: Pre-signed URL, or the URL of an external file.
        md5: MD5 of the content in hex; None if it is not recorded in Synapse.
        size: Size in bytes; None if it is not recorded in Synapse.
        is_external: Whether the file is stored outside of Synapse.
        handle: Properties of the file handle.
    """

    url: str = field(repr=False)
    md5: str | None
    size: int | None
    is_external: bool
    handle: Mapping[str, Any]


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
    url = own_storage.sign_download(
        syn, handle, request.associate_type, request.associate_id
    ) or result.get("preSignedURL")
    if not url:
        raise SynapseDownloadError(
            f"File handle {request.handle_id} cannot be downloaded: its type is "
            f"{kind.rpartition('.')[2] or 'unknown'}, a storage that is not supported."
        )
    _require_valid(str(url), request)
    return DownloadUrl(
        url=str(url),
        md5=replace(request, handle=handle).md5,
        size=_parse_size(handle.get("contentSize")),
        is_external=kind == constants.EXTERNAL_FILE_HANDLE,
        handle=handle,
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


def request_md5s(
    syn: Session, handle_ids: Sequence[str], associate_type: str, associate_id: str
) -> dict[str, str]:
    """Request the MD5s of the content of file handles that belong to one object.

    Returns:
        MD5s in hex by file handle ID. File handles that the user may not download are left out.

    Source:
        POST /fileHandle/batch of the file service
    """
    found: dict[str, str] = {}
    for start in range(0, len(handle_ids), _BATCH_SIZE):
        batch = handle_ids[start : start + _BATCH_SIZE]
        for result in _request_batch(syn, batch, associate_type, associate_id, with_url=False):
            md5 = (result.get("fileHandle") or {}).get("contentMd5")
            if md5:
                found[str(result["fileHandleId"])] = str(md5).lower()
    return found


def _request(syn: Session, request: DownloadRequest, *, with_url: bool) -> dict[str, Any]:
    """Request the file handle, and optionally its URL."""
    results = _request_batch(
        syn,
        [request.handle_id],
        request.associate_type,
        request.associate_id,
        with_url=with_url,
    )
    if not results:
        raise SynapseDownloadError(
            f"Cannot download file handle {request.handle_id}: Synapse returned no result for it."
        )
    if results[0].get("failureCode"):
        raise _error_of(str(results[0]["failureCode"]), request)
    return results[0]


def _request_batch(
    syn: Session,
    handle_ids: Sequence[str],
    associate_type: str,
    associate_id: str,
    *,
    with_url: bool,
) -> list[dict[str, Any]]:
    """Request file handles, and optionally their URLs; return the results in the same order.

    Source:
        POST /fileHandle/batch of the file service
    """
    body = {
        "includeFileHandles": True,
        "includePreSignedURLs": with_url,
        "requestedFiles": [
            {
                "fileHandleId": handle_id,
                "associateObjectId": associate_id,
                "associateObjectType": associate_type,
            }
            for handle_id in handle_ids
        ],
    }
    reply = syn.call("POST", "/fileHandle/batch", endpoint="file", json=body, repeatable=True)
    results = reply.object.get("requestedFiles")
    if not isinstance(results, list):
        return []
    return [result for result in results if isinstance(result, dict)]


def _require_valid(url: str, request: DownloadRequest) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise SynapseDownloadError(
            f"Cannot download file handle {request.handle_id}: Synapse returned an invalid URL "
            f"({error})."
        ) from None


def _parse_size(size: Any) -> int | None:
    """Return the size of a file in bytes; None if the size is unknown or invalid."""
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
