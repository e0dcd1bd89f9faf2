"""Files: upload files, and create file handles of external files.

Source: the chapter "File Services" of https://rest-docs.synapse.org
"""

import mimetypes
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from synapse_workflows.client.core import cache_map
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseMd5MismatchError
from synapse_workflows.client.model.ids import parse_entity_id, parse_storage_location_id
from synapse_workflows.client.model.paths import expand_home
from synapse_workflows.client.transfer import file_handles, storage_upload, upload_destination
from synapse_workflows.client.transfer.file_handles import FileDescription
from synapse_workflows.client.transfer.upload_source import UploadSource


def uploadFileHandle(
    syn: Session,
    path: str | os.PathLike[str],
    parent: Any,
    synapseStore: bool = True,
    mimetype: str | None = None,
    md5: str | None = None,
    file_size: int | None = None,
) -> dict[str, Any]:
    """Upload a file to the storage location of its parent, and create a file handle.

    Args:
        syn: The session that sends the requests.
        path: A local file; with ``synapseStore=False`` also a URL.
        parent: The project or folder, or its ID, whose storage location is used.
        synapseStore: False to create a handle that refers to the file, without uploading it.
        mimetype: Content type; None to guess it from the file name.
        md5: MD5 in hex of a file that is not uploaded. It is verified for a local file.
        file_size: Size in bytes of a file that is neither uploaded nor local.

    Returns:
        The FileHandle.

    Raises:
        ValueError: `path` is None, blank or an invalid URL, `md5` or `file_size` is invalid, or
            the file is empty, or its name is invalid in Synapse.
        TypeError: `path` is neither text nor a path object.
        OSError: The file does not exist, or is a directory.
        SynapseMd5MismatchError: The file has another MD5 than `md5`.
        SynapseUploadFailedException: The upload could not be completed.
        SynapseUnsupportedStorageError: The client cannot write to the storage location.
        SynapseConfigError: Credentials for the storage location are missing.

    Source:
        GET /entity/{id}/uploadDestination, POST /file/multipart, GET /fileHandle/{id},
        POST /externalFileHandle of the file service
    """
    if path is None:
        raise ValueError(
            "path can not be None. Pass the path of a file, or a URL with synapseStore=False."
        )
    _validate_path(path, "path")
    if not synapseStore:
        return _create_external_file_handle(syn, os.fspath(path), mimetype, md5, file_size)
    handle = upload_content(syn, path, parse_entity_id(parent).id, mimetype)
    is_complete = "concreteType" in handle
    return handle if is_complete else file_handles.get_file_handle(syn, handle["id"])


def upload_content(
    syn: Session, path: str | os.PathLike[str], parent_id: str, content_type: str | None
) -> dict[str, Any]:
    """Upload a file like `uploadFileHandle`, without fetching the new file handle.

    Returns:
        The file handle, at least its ``id`` and ``contentMd5``.
    """
    destination = upload_destination.get_upload_destination(syn, parent_id)
    return storage_upload.upload_to_storage(syn, path, parent_id, destination, content_type)


def create_external_s3_file_handle(
    syn: Session,
    bucket_name: str,
    s3_file_key: str,
    file_path: str | os.PathLike[str],
    *,
    parent: Any = None,
    storage_location_id: Any = None,
    mimetype: str | None = None,
) -> dict[str, Any]:
    """Create a file handle for an object that already is in an own S3 bucket.

    Args:
        syn: The session that sends the requests.
        bucket_name: The bucket.
        s3_file_key: Key of the object.
        file_path: A local copy of the object, whose MD5, size and name are recorded.
        parent: The project or folder whose storage location contains the object, or its ID.
        storage_location_id: The storage location or its ID, instead of `parent`.
        mimetype: Content type; None to guess it from the file name.

    Returns:
        The file handle.

    Raises:
        ValueError: Both or neither of `parent` and `storage_location_id` are given; or the file
            is empty, or its name is invalid in Synapse.
        OSError: The local file does not exist.
        SynapseBadRequestError: The bucket is not the bucket of the storage location.
        SynapseForbiddenError: The caller does not own the storage location.

    Source:
        GET /entity/{id}/uploadDestination, POST /externalFileHandle/s3 of the file service
        https://rest-docs.synapse.org/rest/POST/externalFileHandle/s3.html
    """
    if parent is not None and storage_location_id is not None:
        raise ValueError("Pass parent or storage_location_id, not both")
    if parent is None and storage_location_id is None:
        raise ValueError("One of parent or storage_location_id is required")
    _validate_path(file_path, "file_path")
    source = UploadSource.of(file_path)
    if parent is not None:
        container = parse_entity_id(parent).id
        found = upload_destination.request_upload_destination(syn, container)
        storage_location_id = found["storageLocationId"]
    md5 = cache_map.file_md5(source.path)
    source.require_unchanged()
    handle = file_handles.create_s3_file_handle(
        syn,
        bucket=bucket_name,
        key=s3_file_key,
        storage_location_id=parse_storage_location_id(storage_location_id),
        content=FileDescription.of(source, md5, mimetype),
    )
    syn.cache.add(handle["id"], source.path, md5)
    return handle


def _create_external_file_handle(
    syn: Session, location: str, mimetype: str | None, md5: str | None, size: int | None
) -> dict[str, Any]:
    """Create a file handle of a file that is not uploaded.

    Source:
        POST /externalFileHandle of the file service
    """
    if md5 is not None and not isinstance(md5, str):
        raise ValueError(f"Invalid md5 {md5!r}: expected 32 hexadecimal digits, or None.")
    size = _parse_size(size)
    url = _to_url(location)
    local = _find_local_file(url)
    if local is not None:
        actual_md5 = cache_map.file_md5(local)
        if md5 is not None and md5.lower() != actual_md5:
            raise SynapseMd5MismatchError(
                f"The MD5 of {local} is {actual_md5}, not {md5}",
                expected=md5,
                found=actual_md5,
                path=str(local),
            )
        md5, size = actual_md5, local.stat().st_size
    name = urlsplit(url).path.rpartition("/")[2]
    content = FileDescription(name, md5, size, mimetype or mimetypes.guess_type(name)[0])
    handle = file_handles.create_external_file_handle(syn, url, content)
    if local is not None:
        syn.cache.add(handle["id"], local, md5)
    return handle


def _validate_path(path: object, name: str) -> None:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"Invalid {name} {path!r}: expected text or a pathlib.Path.")


def _parse_size(size: Any) -> int | None:
    text = str(size)
    if size is not None and not (text.isascii() and text.isdecimal()):
        raise ValueError(f"Invalid file_size {size!r}: expected a number of bytes, or None.")
    return None if size is None else int(text)


def _to_url(location: str) -> str:
    """Return a URL unchanged, and an absolute `file://` URL for a path.

    Raises:
        ValueError: `location` is neither a URL nor a path.
    """
    if not location.strip():
        raise ValueError(f"Invalid path {location!r}: it is blank. Pass a path or a URL.")
    parts = urlsplit(location)
    if not parts.scheme:
        return f"file://{cache_map.path_key(expand_home(location))}"
    if not parts.netloc and not parts.path.strip("/"):
        raise ValueError(
            f'externalURL "{redact_url(location)}" is not a valid URL. Pass a path, or a URL such '
            'as "https://example.org/data.csv".'
        )
    return location


def _find_local_file(url: str) -> Path | None:
    """Return the local file of a `file:` URL; None if the file does not exist."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    candidates = (Path(parts.path), Path(url2pathname(parts.path)))
    return next((path for path in candidates if path.is_file()), None)
