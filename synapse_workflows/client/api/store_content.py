"""Contents: whether the content of a file entity must be uploaded, and its upload."""

from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.api import bundles, files
from synapse_workflows.client.api.store_request import FileContent, StoreRequest
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.session import Session
from synapse_workflows.constants import EXTERNAL_FILE_HANDLE


def upload_content(
    syn: Session, draft: StoreRequest, known: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Upload the content of a draft, if Synapse does not have it.

    Args:
        syn: The session that makes the calls.
        draft: What is to be stored.
        known: The bundle of the entity as it is in Synapse; None for a new one.

    Returns:
        The new file handle; None when the content is there, or there is none.

    Raises:
        SynapseUploadFailedException: The content could not be uploaded.
        SynapseMd5MismatchError: It is not what the caller said it is.

    Source:
        GET file:/entity/{id}/uploadDestination, then as by `uploadFileHandle`
        https://rest-docs.synapse.org/rest/GET/entity/id/uploadDestination.html
    """
    content = draft.content
    if content is None or not _needs_upload(syn, content, draft.properties, known):
        return None
    parent = draft.properties.get("parentId") or (known or {})["entity"]["parentId"]
    external = {} if content.in_synapse else content.handle
    handle: dict[str, Any] = files.uploadFileHandle(
        syn,
        content.location,
        parent,
        synapseStore=content.in_synapse,
        mimetype=content.handle.get("contentType"),
        md5=external.get("contentMd5"),
        file_size=external.get("contentSize"),
    )
    return handle


def _needs_upload(
    syn: Session,
    content: FileContent,
    properties: Mapping[str, Any],
    known: Mapping[str, Any] | None,
) -> bool:
    if known is None:
        return not properties.get("dataFileHandleId")
    handle = bundles.get_file_handle(known) or {}
    if handle.get("concreteType") == EXTERNAL_FILE_HANDLE:
        return content.in_synapse or handle.get("externalURL") != content.location
    if not content.in_synapse:
        return True
    return not _is_stored(syn, content.location, known["entity"]["dataFileHandleId"], handle)


def _is_stored(syn: Session, path: str, handle_id: str, handle: Mapping[str, Any]) -> bool:
    """Tell whether a local file is the content of a handle: by its MD5, else by the cache.

    The cache alone would take a file for unchanged that was written again in the second in which
    it was recorded.
    """
    stored = handle.get("contentMd5")
    if not stored:
        return syn.cache.contains(handle_id, path)
    if file_md5(path) != stored:
        return False
    if not syn.cache.contains(handle_id, path):
        syn.cache.add(handle_id, path, stored)
    return True
