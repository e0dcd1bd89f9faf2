"""Copies of the content of files, made by Synapse or by the storage, without a download."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseError,
    SynapseForbiddenError,
    SynapseHTTPError,
    SynapseNotFoundError,
)
from synapse_workflows.client.model.argument_types import CopyStorage
from synapse_workflows.client.transfer import multipart_copy, upload_destination

#: Maximum number of file handles that one request copies.
MAX_BATCH: Final = 100


def copy_content(
    syn: Session,
    entity_id: str,
    handle: Mapping[str, Any],
    container_id: str,
    storage: CopyStorage,
) -> str:
    """Copy the content of a file for a container, and return the ID of the new file handle.

    If files of the container belong in another storage location, the storage copies the bytes
    there. Otherwise, both file handles refer to the same bytes.

    Args:
        syn: The session that sends the requests.
        entity_id: ID of the file; the caller may download it.
        handle: Its file handle.
        container_id: ID of the project or folder of the copy.
        storage: ``source`` to leave the bytes where they are in any case.

    Raises:
        SynapseForbiddenError: The caller may not download the file, or did not create the
            storage location of the container.

    Source:
        GET /entity/{id}/uploadDestination, POST /filehandles/copy, POST /file/multipart/copy of
        the file service
        https://rest-docs.synapse.org/rest/POST/filehandles/copy.html
    """
    location = _get_location(syn, handle, container_id) if storage == "destination" else None
    if location is None:
        return copy_file_handles(syn, [str(handle["id"])], "FileEntity", entity_id)[0]
    try:
        return multipart_copy.copy_file_handle(
            syn,
            handle["id"],
            location,
            associate_type="FileEntity",
            associate_id=entity_id,
            file_name=handle.get("fileName"),
        )
    except SynapseForbiddenError as error:
        raise SynapseHTTPError.of(
            error.status,
            error.reason,
            error.call,
            error.response,
            advice=f"{container_id} stores its files in the storage location {location}. Only its "
            "creator can copy files there. Pass storage='source' to leave the bytes of the files "
            "where they are.",
        ) from error


def copy_file_handles(
    syn: Session,
    handle_ids: Sequence[str],
    associate_type: str,
    associate_id: str,
    file_name: str | None = None,
    content_type: str | None = None,
) -> list[str]:
    """Copy file handles of one object; return the IDs of the copies, which belong to the caller.

    Args:
        syn: The session that sends the requests.
        handle_ids: IDs of the file handles.
        associate_type: Type of the object, for example ``FileEntity``.
        associate_id: ID of the object.
        file_name: Name of the copies; None to keep the names.
        content_type: MIME type of the copies; None to keep the types.

    Raises:
        SynapseForbiddenError: The caller may not download a file.
        SynapseNotFoundError: A file handle does not exist.

    Source:
        POST /filehandles/copy of the file service
        https://rest-docs.synapse.org/rest/POST/filehandles/copy.html
    """
    copies: list[str] = []
    for start in range(0, len(handle_ids), MAX_BATCH):
        requests = [
            {
                "originalFile": {
                    "fileHandleId": handle_id,
                    "associateObjectId": associate_id,
                    "associateObjectType": associate_type,
                },
                "newFileName": file_name,
                "newContentType": content_type,
            }
            for handle_id in handle_ids[start : start + MAX_BATCH]
        ]
        body = {"copyRequests": requests}
        # A repeated request only creates other file handles, which nothing refers to.
        reply = syn.call("POST", "/filehandles/copy", endpoint="file", json=body, repeatable=True)
        copies += [_get_copy_id(one, associate_id) for one in reply.object["copyResults"]]
    return copies


def _get_copy_id(result: Mapping[str, Any], associate_id: str) -> str:
    code = result.get("failureCode")
    if code is None:
        return str(result["newFileHandle"]["id"])
    reason = f"Cannot copy the file handle {result['originalFileHandleId']} of {associate_id}: "
    call = "POST /filehandles/copy"
    if code == "UNAUTHORIZED":
        advice = "Ask the owner for DOWNLOAD access, and meet the access requirements of the file."
        raise SynapseForbiddenError(
            403, f"{reason}no permission to download it", call, advice=advice
        )
    if code == "NOT_FOUND":
        raise SynapseNotFoundError(404, f"{reason}it does not exist", call)
    raise SynapseError(f"{reason}{code}")


def _get_location(syn: Session, handle: Mapping[str, Any], container_id: str) -> int | None:
    """Return the storage location to which the bytes have to be copied; None to leave them."""
    if handle.get("concreteType") != constants.S3_FILE_HANDLE:
        return None
    found = upload_destination.request_upload_destination(syn, container_id)
    location = int(found.get("storageLocationId") or constants.DEFAULT_STORAGE_LOCATION)
    own = int(handle.get("storageLocationId") or constants.DEFAULT_STORAGE_LOCATION)
    is_s3 = found.get("concreteType") in upload_destination.MULTIPART_TYPES
    is_kept = location in {own, constants.DEFAULT_STORAGE_LOCATION}
    return None if is_kept or not is_s3 else location
