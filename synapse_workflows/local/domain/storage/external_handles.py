"""File handles of files that the service does not store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    EXTERNAL_FILE_HANDLE,
    EXTERNAL_OBJECT_LOCATION,
    EXTERNAL_OBJECT_STORE_FILE_HANDLE,
    EXTERNAL_S3_LOCATION,
    PROXY_FILE_HANDLE,
    PROXY_LOCATION,
    S3_FILE_HANDLE,
)
from synapse_workflows.local.domain import file_handles, request_fields
from synapse_workflows.local.domain.file_handles import NOT_SET
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import storage_locations, upload_rights
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.storage_models import StorageLocation

Body = Mapping[str, Any]


@dataclass(frozen=True)
class S3Columns:
    """A validated S3FileHandle for an object of an external bucket.

    Args:
        location: Storage location with the bucket.
        key: Key of the object.
        file: Other columns of the file handle.
    """

    location: StorageLocation
    key: str
    file: dict[str, Any]


def create(session: Session, caller: Caller, body: Body) -> FileHandle:
    """Create a file handle for an external file (ExternalFileHandleInterface).

    Raises:
        BadRequest: The concrete type is not supported, or a property is missing or invalid.
        Forbidden: The caller is anonymous, or may not use the storage location.
        NotFound: No such storage location.
    """
    file_handles.check_logged_in(caller)
    concrete_type = request_fields.get_required_text(body, "concreteType")
    request_fields.parse_choice(tuple(_PARSERS), concrete_type, "concreteType")
    columns = _PARSERS[concrete_type](session, caller, body)
    return file_handles.add(session, caller, concrete_type=concrete_type, **columns)


def _parse_external(session: Session, caller: Caller, body: Body) -> dict[str, Any]:
    """Parse an ExternalFileHandle. Any text is accepted as its MD5."""
    location_id = None
    if body.get("storageLocationId") is not None:
        location = storage_locations.parse_location(session, body["storageLocationId"])
        upload_rights.check_upload(session, caller, location)
        if storage_locations.is_sts_enabled(location):
            raise BadRequest(
                f"The storage location {location.id} is STS-enabled: it has no external URLs. "
                "Create an S3FileHandle."
            )
        location_id = location.id
    return {
        "file_name": request_fields.get_text(body, "fileName") or NOT_SET,
        "content_type": request_fields.get_text(body, "contentType") or NOT_SET,
        "content_md5": request_fields.get_text(body, "contentMd5"),
        "content_size": request_fields.get_integer(body, "contentSize"),
        "storage_location_id": location_id,
        "location": {"externalURL": _parse_url(body)},
    }


def _parse_url(body: Body) -> str:
    url = request_fields.get_required_text(body, "externalURL")
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or not (parts.netloc or parts.path.startswith("/")):
        raise BadRequest(f"externalURL: '{url}' is not a valid URL.")
    return url


def _parse_object_store(session: Session, caller: Caller, body: Body) -> dict[str, Any]:
    location = _parse_location(session, body, EXTERNAL_OBJECT_LOCATION)
    upload_rights.check_upload(session, caller, location)
    return {
        **_parse_file(body),
        "storage_location_id": location.id,
        "location": {
            "fileKey": request_fields.get_required_text(body, "fileKey"),
            "bucket": location.properties["bucket"],
            "endpointUrl": location.properties["endpointUrl"],
        },
    }


def _parse_proxy(session: Session, caller: Caller, body: Body) -> dict[str, Any]:
    location = _parse_location(session, body, PROXY_LOCATION)
    upload_rights.check_upload(session, caller, location)
    return {
        **_parse_file(body),
        "storage_location_id": location.id,
        "location": {"filePath": request_fields.get_required_text(body, "filePath")},
    }


_PARSERS: Final[Mapping[str, Callable[[Session, Caller, Body], dict[str, Any]]]] = (
    MappingProxyType(
        {
            EXTERNAL_FILE_HANDLE: _parse_external,
            EXTERNAL_OBJECT_STORE_FILE_HANDLE: _parse_object_store,
            PROXY_FILE_HANDLE: _parse_proxy,
        }
    )
)


def parse_s3(session: Session, caller: Caller, body: Body) -> S3Columns:
    """Parse an S3FileHandle for an object of an external bucket of the caller.

    Raises:
        BadRequest: A property is missing or invalid, the bucket is not that of the storage
            location, or the key is not below the baseKey of an STS-enabled location.
        Forbidden: The caller is anonymous, or did not create the storage location.
        NotFound: No such storage location.
    """
    file_handles.check_logged_in(caller)
    concrete_type = request_fields.get_text(body, "concreteType") or S3_FILE_HANDLE
    request_fields.parse_choice((S3_FILE_HANDLE,), concrete_type, "concreteType")
    location = _parse_location(session, body, EXTERNAL_S3_LOCATION)
    if not storage_locations.is_owner(caller, location):
        raise Forbidden(
            f"Only the creator of the storage location {location.id} can create file handles for "
            "objects of its bucket."
        )
    bucket = request_fields.get_required_text(body, "bucketName")
    if bucket != location.properties["bucket"]:
        raise BadRequest(
            f"bucketName: '{bucket}' is not the bucket of the storage location {location.id}, "
            f"which is '{location.properties['bucket']}'."
        )
    return S3Columns(location, _parse_key(location, body), _parse_file(body))


def create_s3(session: Session, caller: Caller, columns: S3Columns) -> FileHandle:
    """Create an S3FileHandle for an object of an external bucket.

    Args:
        session: Database session with write access.
        caller: Owner of the file handle.
        columns: Result of `parse_s3`, after `buckets.check_object`.

    Raises:
        BadRequest: The file name is too long.
    """
    bucket = columns.location.properties["bucket"]
    return file_handles.add(
        session,
        caller,
        concrete_type=S3_FILE_HANDLE,
        **columns.file,
        storage_location_id=columns.location.id,
        location={"bucketName": bucket, "key": columns.key},
    )


def _parse_key(location: StorageLocation, body: Body) -> str:
    key = request_fields.get_required_text(body, "key")
    base_key = location.properties.get("baseKey")
    is_below = base_key is None or key.startswith(f"{base_key}/")
    is_below = is_below and {".", ".."}.isdisjoint(key.split("/"))
    if storage_locations.is_sts_enabled(location) and not is_below:
        raise BadRequest(
            f"key: '{key}' is not below the baseKey '{base_key}' of the STS-enabled storage "
            f"location {location.id}."
        )
    return key


def _parse_location(session: Session, body: Body, concrete_type: str) -> StorageLocation:
    if body.get("storageLocationId") is None:
        raise BadRequest("storageLocationId is required.")
    location = storage_locations.parse_location(session, body["storageLocationId"])
    if location.concrete_type != concrete_type:
        raise BadRequest(
            f"The storage location {location.id} is a {location.concrete_type}; expected a "
            f"{concrete_type}."
        )
    return location


def _parse_file(body: Body) -> dict[str, Any]:
    """Parse the properties of a file of a known storage location."""
    size = request_fields.get_integer(body, "contentSize")
    if size is None or size < 0:
        raise BadRequest(f"contentSize must be a number of bytes; it is {size}.")
    md5 = request_fields.get_required_text(body, "contentMd5")
    return {
        "file_name": request_fields.get_required_text(body, "fileName"),
        "content_type": request_fields.get_text(body, "contentType") or NOT_SET,
        "content_md5": file_handles.parse_md5(md5, "contentMd5"),
        "content_size": size,
    }
