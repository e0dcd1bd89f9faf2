"""Downloads from S3 buckets with the caller's own credentials, or with STS tokens."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseDownloadError
from synapse_workflows.client.transfer import object_store, s3_clients, upload_destination
from synapse_workflows.client.transfer.object_store import StoredObject

_FILE_ENTITY: Final = "FileEntity"


def sign_download(
    syn: Session, handle: Mapping[str, Any], associate_type: str, associate_id: str
) -> str | None:
    """Return a URL that the client signs itself; None if Synapse signs the URL.

    Args:
        syn: Session that requests STS tokens, and whose configuration file is used.
        handle: Properties of the file handle.
        associate_type: Type of the object to which the file belongs.
        associate_id: ID of this object.

    Raises:
        SynapseConfigError: Credentials for an external object store, or boto3, are missing.
        SynapseHTTPError: The object does not exist, or access is denied.
        SynapseDownloadError: The object has another size than the file handle.
    """
    kind = handle.get("concreteType")
    stored: StoredObject | None = None
    if kind == constants.EXTERNAL_OBJECT_STORE_FILE_HANDLE:
        stored = _find_external_object(syn, handle)
    elif (
        kind == constants.S3_FILE_HANDLE
        and syn.use_boto_sts_transfers
        and associate_type == _FILE_ENTITY
    ):
        stored = _find_sts_object(syn, handle, associate_id)
    return None if stored is None else object_store.sign_download(stored, _parse_size(handle))


def _find_external_object(syn: Session, handle: Mapping[str, Any]) -> StoredObject:
    endpoint, bucket, key = (handle.get(name) for name in ("endpointUrl", "bucket", "fileKey"))
    if not (endpoint and bucket and key):
        raise SynapseDownloadError(
            f"File handle {handle.get('id')} cannot be downloaded: Synapse did not return its "
            "endpoint, bucket and key."
        )
    return StoredObject(s3_clients.get_profile_client(syn, endpoint, bucket), bucket, key)


def _find_sts_object(
    syn: Session, handle: Mapping[str, Any], entity_id: str
) -> StoredObject | None:
    """Return the object of a file, if its storage location allows STS tokens."""
    location = handle.get("storageLocationId")
    if location is None or not handle.get("bucketName") or not handle.get("key"):
        return None
    # Storage locations never change.
    known: dict[tuple[str, str], Mapping[str, Any]] = syn.get_or_create("storage locations", dict)
    place = (syn.fileHandleEndpoint, str(location))
    if place not in known:
        known[place] = upload_destination.request_upload_destination(syn, entity_id, location)
    if not known[place].get("stsEnabled"):
        return None
    client = s3_clients.get_sts_client(
        syn, entity_id, "read_only", known[place].get("endpointUrl")
    )
    return StoredObject(client, handle["bucketName"], handle["key"])


def _parse_size(handle: Mapping[str, Any]) -> int | None:
    size = handle.get("contentSize")
    return size if isinstance(size, int) else None
