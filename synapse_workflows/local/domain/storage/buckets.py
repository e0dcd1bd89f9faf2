"""Buckets of storage locations in the S3 server of the service."""

import re
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import EXTERNAL_S3_LOCATION, S3_FILE_HANDLE, S3_LOCATION
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import location_types, storage_locations
from synapse_workflows.local.errors import BadRequest, Forbidden, ServiceError
from synapse_workflows.local.s3.object_store import ObjectStore
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.storage_models import StorageLocation

#: Endpoint of external buckets if the service has no S3 server.
AWS_ENDPOINT: Final = "https://s3.amazonaws.com"
#: Names of buckets in S3. Other object stores have other names.
_S3_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: Object of a bucket that lists the IDs of its users and teams, one a line.
OWNER_FILE: Final = "owner.txt"


def find_s3_server(service: Service) -> ObjectStore | None:
    """Return the objects of the S3 server; None if the service has none, or it did not start."""
    try:
        if service.object_store is not None and service.object_store.endpoint.url:
            return service.object_store
    except ServiceError:  # the server did not start; everything but STS works without it
        return None
    return None


def get_endpoint_url(service: Service, endpoint_url: str | None) -> str:
    """Return the endpoint of an external bucket.

    Args:
        service: The service.
        endpoint_url: Endpoint in the storage location; None for AWS. The S3 server of the service
            stands for AWS.
    """
    if endpoint_url not in {None, AWS_ENDPOINT}:
        return str(endpoint_url)
    server = find_s3_server(service)
    return AWS_ENDPOINT if server is None else server.endpoint.url


def find_object_store(service: Service, location: StorageLocation) -> ObjectStore | None:
    """Return the object store with the files of a storage location.

    Files of external buckets and of STS-enabled locations are in the S3 server of the service.

    Returns:
        None if the service itself stores the files, or does not store them at all.
    """
    server = find_s3_server(service)
    if server is None:
        return None
    if location.concrete_type == S3_LOCATION:
        return server if storage_locations.is_sts_enabled(location) else None
    if location.concrete_type != EXTERNAL_S3_LOCATION:
        return None
    return server if _has_bucket(service, server, location.properties) else None


def find_object(
    service: Service, session: Session, handle: FileHandle
) -> tuple[ObjectStore, str, str] | None:
    """Return the object store, the bucket and the key of a file.

    Returns:
        None if the file is not an object that the service can access.
    """
    if handle.concrete_type != S3_FILE_HANDLE or handle.blob_id is not None:
        return None
    location = storage_locations.parse_location(session, handle.storage_location_id)
    store = find_object_store(service, location)
    if store is None:
        return None
    return store, handle.location["bucketName"], handle.location["key"]


def prepare(service: Service, caller: Caller, body: dict[str, Any]) -> None:
    """Prepare the bucket of a new storage location. Call this function outside of a transaction.

    A missing bucket is created, unless the S3 server is an external one. If an external bucket has
    the object owner.txt below the baseKey, the object must list the user or one of their teams.

    Args:
        service: The service.
        caller: Creator of the storage location.
        body: StorageLocationSetting.

    Raises:
        BadRequest: A property is invalid, or the S3 server refuses the name of the bucket.
        Forbidden: The object owner.txt does not list the caller.
        ServiceUnavailable: The S3 server does not respond.
    """
    concrete_type = location_types.parse_concrete_type(body)
    server = find_s3_server(service)
    if server is None or caller.is_anonymous:
        return
    if concrete_type == S3_LOCATION and body.get("stsEnabled"):
        server.ensure_bucket(location_types.BUCKET)
    elif concrete_type == EXTERNAL_S3_LOCATION:
        properties = location_types.parse_external_s3(body)
        if _has_bucket(service, server, properties):
            _prepare_external(server, caller, properties["bucket"], properties["baseKey"])


def _has_bucket(service: Service, server: ObjectStore, properties: Mapping[str, Any]) -> bool:
    """Return whether the bucket of an external location is, or can be, in the S3 server."""
    endpoint_url = get_endpoint_url(service, properties.get("endpointUrl"))
    is_valid = _S3_BUCKET.fullmatch(properties["bucket"]) is not None
    return is_valid and endpoint_url.rstrip("/") == server.endpoint.url.rstrip("/")


def _prepare_external(
    server: ObjectStore, caller: Caller, bucket: str, base_key: str | None
) -> None:
    server.ensure_bucket(bucket)
    key = OWNER_FILE if base_key is None else f"{base_key}/{OWNER_FILE}"
    if server.head(bucket, key) is None:
        return
    owners = b"".join(server.read(bucket, key)).decode("utf-8", "replace").split()
    if not {str(each) for each in caller.groups} & set(owners):
        raise Forbidden(
            f"The object {key} of the bucket {bucket} lists neither your ID {caller.id} nor one "
            "of your teams. Add a line with one of them."
        )


def check_object(service: Service, location: StorageLocation, key: str, size: int | None) -> None:
    """Check that a bucket has an object. Buckets of other servers are not checked.

    Args:
        service: The service.
        location: Storage location with the bucket.
        key: Key of the object.
        size: Size of the object in bytes; None if it is unknown.

    Raises:
        BadRequest: The object does not exist, or it has another size.
    """
    store = find_object_store(service, location)
    if store is None:
        return
    bucket = storage_locations.get_bucket(location) or ""
    found = store.head(bucket, key)
    if found is None:
        raise BadRequest(f"key: the bucket '{bucket}' has no object '{key}'.")
    if size not in {None, found.size}:
        raise BadRequest(
            f"contentSize: the object '{key}' of the bucket '{bucket}' has {found.size} bytes, "
            f"not {size}."
        )
