"""Upload of a file to the storage location of its container."""

import os
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core import cache_map
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import RetryCategory, SynapseError
from synapse_workflows.client.model.paths import expand_home
from synapse_workflows.client.transfer import (
    file_handles,
    object_store,
    s3_clients,
    sftp,
    upload,
    upload_destination,
)
from synapse_workflows.client.transfer.file_handles import FileDescription
from synapse_workflows.client.transfer.object_store import StoredObject
from synapse_workflows.client.transfer.upload_destination import MULTIPART_TYPES, UploadDestination
from synapse_workflows.client.transfer.upload_source import UploadSource

#: Function that uploads a file to one type of storage, and returns the file handle.
_Upload = Callable[
    [Session, UploadSource, FileDescription, str, UploadDestination], dict[str, Any]
]


def upload_to_storage(
    syn: Session,
    path: str | os.PathLike[str],
    container_id: str,
    destination: UploadDestination,
    content_type: str | None = None,
) -> dict[str, Any]:
    """Upload a file to a storage location, create its file handle, and add it to the cache.

    To save a request, a multipart upload to Synapse does not fetch the new file handle.

    Args:
        syn: Session of the upload.
        path: Path of the file.
        container_id: ID of the project or folder of the file.
        destination: Upload destination of the container.
        content_type: MIME type; guessed from the name by default.

    Returns:
        The file handle; only its ``id`` and ``contentMd5`` after a multipart upload.

    Raises:
        SynapseUploadFailedException: The upload could not be completed, or the file changed.
        SynapseUploadAbortedException: Ctrl-C.
        SynapseConfigError: Credentials for the storage, or a library, are missing.
        SynapseHTTPError: Synapse or the storage rejected the upload.
        OSError: The file cannot be read.
        ValueError: The file is empty, or its name is invalid in Synapse.
    """
    kind = destination.concrete_type
    if kind in MULTIPART_TYPES and not _can_use_sts(syn, destination):
        return _upload_to_synapse(syn, path, destination, content_type)
    source = UploadSource.of(path)
    md5 = cache_map.file_md5(source.path)
    source.require_unchanged()
    content = FileDescription.of(source, md5, content_type)
    with upload.raising_aborted(source):
        handle = _UPLOADS[kind](syn, source, content, container_id, destination)
    syn.cache.add(handle["id"], source.path, md5)
    return handle


def _can_use_sts(syn: Session, destination: UploadDestination) -> bool:
    """Return whether to upload with temporary AWS credentials.

    Only the creator of a storage location may create file handles for the objects of its bucket.
    Other users upload with Synapse's multipart upload.
    """
    return (
        destination.is_sts_enabled
        and syn.use_boto_sts_transfers
        and upload_destination.is_own_location(syn, destination.storage_location_id)
    )


def _upload_to_synapse(
    syn: Session,
    path: str | os.PathLike[str],
    destination: UploadDestination,
    content_type: str | None,
) -> dict[str, Any]:
    """Upload a file with Synapse's multipart upload.

    Source:
        POST /file/multipart of the file service
    """
    uploaded = upload.upload_file(
        syn,
        path,
        storage_location_id=destination.storage_location_id,
        content_type=content_type,
    )
    syn.cache.add(uploaded.file_handle_id, expand_home(path), uploaded.md5)
    return {"id": uploaded.file_handle_id, "contentMd5": uploaded.md5}


def _upload_to_sftp(
    syn: Session,
    source: UploadSource,
    content: FileDescription,
    _container_id: str,
    destination: UploadDestination,
) -> dict[str, Any]:
    url = sftp.upload_file(syn, source, destination.require("url"), content.md5 or "")
    return file_handles.create_external_file_handle(syn, url, content)


def _upload_to_object_store(
    syn: Session,
    source: UploadSource,
    content: FileDescription,
    _container_id: str,
    destination: UploadDestination,
) -> dict[str, Any]:
    endpoint, bucket = destination.require("endpointUrl"), destination.require("bucket")
    key = f"{destination.require('keyPrefixUUID')}/{content.name}"
    target = StoredObject(s3_clients.get_profile_client(syn, endpoint, bucket), bucket, key)
    object_store.upload_object(syn, source, content, target)
    with _deleting_rejected(syn, target):
        return file_handles.create_object_store_file_handle(
            syn, key, destination.storage_location_id, content
        )


def _upload_with_sts(
    syn: Session,
    source: UploadSource,
    content: FileDescription,
    container_id: str,
    destination: UploadDestination,
) -> dict[str, Any]:
    """Upload a file to an own bucket with temporary AWS credentials."""
    bucket = destination.require("bucket")
    prefix = str(destination.properties.get("baseKey") or "").strip("/")
    key = "/".join(filter(None, (prefix, str(uuid.uuid4()), content.name)))
    endpoint = destination.properties.get("endpointUrl")
    client = s3_clients.get_sts_client(syn, container_id, "read_write", endpoint)
    target = StoredObject(client, bucket, key)
    settings = object_store.owner_access(endpoint)
    object_store.upload_object(syn, source, content, target, settings)
    with _deleting_rejected(syn, target):
        return file_handles.create_s3_file_handle(
            syn,
            bucket=bucket,
            key=key,
            storage_location_id=destination.storage_location_id,
            content=content,
        )


@contextmanager
def _deleting_rejected(syn: Session, target: StoredObject) -> Generator[None]:
    """Delete an object if Synapse rejects its file handle.

    After other errors, for example an interrupted connection, the file handle may exist.
    """
    try:
        yield
    except SynapseError as error:
        if error.retry_category is RetryCategory.PERMANENT:
            object_store.delete_object(syn, target)
        raise


_UPLOADS: Final[Mapping[str, _Upload]] = MappingProxyType(
    {
        constants.EXTERNAL_UPLOAD_DESTINATION: _upload_to_sftp,
        constants.EXTERNAL_OBJECT_UPLOAD_DESTINATION: _upload_to_object_store,
        constants.EXTERNAL_S3_UPLOAD_DESTINATION: _upload_with_sts,
    }
)
