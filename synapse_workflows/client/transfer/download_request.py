"""What Synapse says about a file that somebody wants: that it may be had, and from where."""

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
class Wish:
    """What somebody wants to download.

    Attributes:
        handle: The file handle, as the service describes it.
        associate_type: What kind of thing holds it, as `FileEntity`.
        associate_id: The id of that thing.
        directory: Where to put it; None for where it is, or else the cache.
        if_collision: What to do about a file of the same name; None if that was not said.
    """

    handle: Mapping[str, Any]
    associate_type: str
    associate_id: str
    directory: Path | None
    if_collision: str | None

    @property
    def handle_id(self) -> str:
        """Id of the file handle."""
        return str(self.handle["id"])


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to download a file.

    Attributes:
        url: From where, for a short time.
        md5: MD5 of its content in hex, if Synapse knows it.
        size: Bytes, if Synapse knows.
        external: It lies somewhere on the network, out of Synapse's hands.
    """

    url: str = field(repr=False)
    md5: str | None
    size: int | None
    external: bool


def ask(syn: Session, wish: Wish) -> Grant:
    """Ask for leave to download a file.

    Raises:
        SynapseFileNotFoundError: There is no such file handle.
        SynapseForbiddenError: The caller may not download it.
        SynapseDownloadError: It is in a storage that this client cannot read.

    Source:
        POST /fileHandle/batch of the file service
    """
    request = {
        "includeFileHandles": True,
        "includePreSignedURLs": True,
        "requestedFiles": [
            {
                "fileHandleId": wish.handle_id,
                "associateObjectId": wish.associate_id,
                "associateObjectType": wish.associate_type,
            }
        ],
    }
    reply = syn.call("POST", "/fileHandle/batch", endpoint="file", json=request, repeatable=True)
    answer = reply.json["requestedFiles"][0]
    if answer.get("failureCode"):
        raise _failure(answer["failureCode"], wish)
    handle = {**wish.handle, **(answer.get("fileHandle") or {})}
    kind = str(handle.get("concreteType") or "")
    url = answer.get("preSignedURL")
    if not url or kind == constants.EXTERNAL_OBJECT_STORE_FILE_HANDLE:
        raise SynapseDownloadError(
            f"File handle {wish.handle_id} is of type {kind.rpartition('.')[2] or 'unknown'}: "
            "its bytes are in a storage that this client cannot read."
        )
    size = handle.get("contentSize")
    md5 = handle.get("contentMd5")
    return Grant(
        url=url,
        md5=str(md5).lower() if md5 else None,
        size=int(size) if size is not None else None,
        external=kind == constants.EXTERNAL_FILE_HANDLE,
    )


def _failure(code: str, wish: Wish) -> Exception:
    held = f"{wish.associate_type} {wish.associate_id}"
    if code == "NOT_FOUND":
        return SynapseFileNotFoundError(
            f"There is no file handle {wish.handle_id}, as {held} says there is"
        )
    if code == "UNAUTHORIZED":
        return SynapseForbiddenError(
            403,
            f"You are not authorized to access fileHandleId {wish.handle_id} associated with the "
            f"Synapse {held}",
            _CALL,
            advice="Ask its owner for the permission to download.",
        )
    return SynapseDownloadError(f"File handle {wish.handle_id} of {held}: {code}")
