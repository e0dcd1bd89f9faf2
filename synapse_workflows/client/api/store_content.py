"""Upload of the content of file entities."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from synapse_workflows.client.api import bundles, files
from synapse_workflows.client.api.store_request import FileContent, StoreRequest
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseForbiddenError
from synapse_workflows.client.transfer import upload_destination
from synapse_workflows.client.transfer.upload_source import UploadSource
from synapse_workflows.constants import EXTERNAL_FILE_HANDLE


def upload_content(syn: Session, content: FileContent, parent: str) -> dict[str, Any]:
    """Upload the content of a file entity.

    Args:
        syn: The session that sends the requests.
        content: The content.
        parent: ID of the container of the file.

    Returns:
        The new FileHandle, at least its ``id`` and ``contentMd5``.

    Raises:
        SynapseUploadFailedException: The upload could not be completed.
        SynapseMd5MismatchError: The MD5 of the content differs from the MD5 given by the caller.

    Source:
        GET file:/entity/{id}/uploadDestination, then the calls of `uploadFileHandle`
        https://rest-docs.synapse.org/rest/GET/entity/id/uploadDestination.html
    """
    content_type = content.handle.get("contentType")
    if content.in_synapse:
        return files.upload_content(syn, content.location, parent, content_type)
    handle: dict[str, Any] = files.uploadFileHandle(
        syn,
        content.location,
        parent,
        synapseStore=False,
        mimetype=content_type,
        md5=content.handle.get("contentMd5"),
        file_size=content.handle.get("contentSize"),
    )
    return handle


def check_upload(content: FileContent, existing: Mapping[str, Any] | None) -> None:
    """Check what can be checked before content is hashed and uploaded.

    Args:
        content: The content.
        existing: The bundle of the existing entity, with the permissions of the caller; None for
            a new entity.

    Raises:
        SynapseForbiddenError: The caller may not change the existing entity.
        SynapseMalformedEntityError: The name of the file is invalid in Synapse.
        ValueError: The file is empty.
    """
    rights = (existing or {}).get("permissions") or {}
    if existing is not None and not rights.get("canEdit", True):
        entity_id = existing["entity"]["id"]
        raise SynapseForbiddenError(
            HTTPStatus.FORBIDDEN,
            f"No permission to change {entity_id} (canEdit is false). Nothing was uploaded",
            f"POST /entity/{entity_id}/bundle2",
            advice="Ask an administrator of the project for access, or choose another name or "
            "parent.",
        )
    if content.in_synapse:
        UploadSource.of(content.location)


def needs_upload(syn: Session, request: StoreRequest, existing: Mapping[str, Any] | None) -> bool:
    """Return whether the content of a file entity is not stored in Synapse yet.

    Args:
        syn: The session whose cache records the local copies of files.
        request: What to store.
        existing: The bundle of the existing entity; None for a new entity.
    """
    content = request.content
    if content is None:
        return False
    if existing is None:
        return not request.properties.get("dataFileHandleId")
    handle = bundles.get_file_handle(existing) or {}
    is_external = handle.get("concreteType") == EXTERNAL_FILE_HANDLE
    if not content.in_synapse:
        return not is_external or handle.get("externalURL") != content.location
    if is_external and not _is_in_sftp_storage(syn, handle, existing["entity"]["parentId"]):
        return True
    return not _is_stored(syn, content.location, existing["entity"]["dataFileHandleId"], handle)


def _is_in_sftp_storage(syn: Session, handle: Mapping[str, Any], parent: str) -> bool:
    """Return whether an external file is on the SFTP server of the storage location of its parent.

    Other external files are links, and are uploaded if the caller wants their content in Synapse.
    """
    url = urlsplit(str(handle.get("externalURL") or ""))
    if url.scheme != "sftp":
        return False
    destination = upload_destination.request_upload_destination(syn, parent)
    storage = urlsplit(str(destination.get("url") or ""))
    return (storage.scheme, storage.hostname, storage.port) == ("sftp", url.hostname, url.port)


def _is_stored(syn: Session, path: str, handle_id: str, handle: Mapping[str, Any]) -> bool:
    """Return whether a local file has the content of a file handle.

    The MD5 is compared; without an MD5, the cache is consulted. The cache alone is not
    sufficient, because it does not detect a change of a file within the second in which the file
    was added to the cache.
    """
    stored_md5 = handle.get("contentMd5")
    if not stored_md5:
        return syn.cache.contains(handle_id, path)
    if file_md5(path) != stored_md5:
        return False
    if not syn.cache.contains(handle_id, path):
        syn.cache.add(handle_id, path, stored_md5)
    return True
