"""Storage locations: where the files of projects and folders are stored. They never change."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    ADMIN,
    DEFAULT_STORAGE_LOCATION,
    EXTERNAL_S3_LOCATION,
    S3_LOCATION,
    UploadType,
)
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import generate_etag, next_id, parse_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import location_types
from synapse_workflows.local.errors import Forbidden
from synapse_workflows.local.storage.database import insert_row
from synapse_workflows.local.storage.storage_models import StorageLocation


def create_default(session: Session, now: int) -> None:
    """Create the default storage location, ID 1, if it does not exist."""
    if session.get(StorageLocation, DEFAULT_STORAGE_LOCATION) is not None:
        return
    session.add(
        StorageLocation(
            id=DEFAULT_STORAGE_LOCATION,
            concrete_type=S3_LOCATION,
            upload_type=UploadType.S3.value,
            etag=generate_etag(),
            created_by=ADMIN,
            created_on=now,
            properties={"stsEnabled": False},
            content_hash="",  # never equal to a hash: administrators cannot create it again
        )
    )
    session.flush()


def create(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create a storage location. An equal request of the same user returns the existing one.

    Raises:
        BadRequest: A property is missing or invalid.
        Forbidden: The caller is anonymous.
        NotFound: The benefactor of a proxy does not exist.
    """
    if caller.is_anonymous:
        raise Forbidden("Anonymous users cannot create storage locations. Please log in.")
    concrete_type = location_types.parse_concrete_type(body)
    upload_type = UploadType.NONE
    if body.get("uploadType") is not None:
        upload_type = request_fields.parse_enum(UploadType, body["uploadType"], "uploadType")
    properties = location_types.parse_properties(session, caller, body)
    content = json.dumps([concrete_type, upload_type, properties], sort_keys=True)
    content_hash = hashlib.md5(content.encode()).hexdigest()
    existing = session.scalar(
        select(StorageLocation).where(
            StorageLocation.created_by == caller.id, StorageLocation.content_hash == content_hash
        )
    )
    if existing is not None:
        return serialize(existing)
    location = StorageLocation(
        id=next_id(session, "storage_location"),
        concrete_type=concrete_type,
        upload_type=upload_type.value,
        etag=generate_etag(),
        created_by=caller.id,
        created_on=caller.now,
        properties=properties,
        content_hash=content_hash,
    )
    insert_row(session, location)
    return serialize(location)


def serialize(location: StorageLocation) -> dict[str, Any]:
    """Serialize a database row as a StorageLocationSetting."""
    return {
        "concreteType": location.concrete_type,
        "storageLocationId": location.id,
        "uploadType": location.upload_type,
        "etag": location.etag,
        "createdOn": to_iso(location.created_on),
        "createdBy": location.created_by,
        **location.properties,
    }


def get_location(session: Session, location_id: int) -> StorageLocation:
    """Return a storage location.

    Raises:
        NotFound: No such storage location.
    """
    message = f"Storage location with id {location_id} not found"
    return get_or_404(session, StorageLocation, location_id, message)


def parse_location(session: Session, value: object) -> StorageLocation:
    """Return the storage location of a request property; None stands for the default location.

    Raises:
        BadRequest: The value is not an ID.
        NotFound: No such storage location.
    """
    if value is None:
        return get_location(session, DEFAULT_STORAGE_LOCATION)
    return get_location(session, parse_id(value, "storageLocationId"))


def is_owner(caller: Caller, location: StorageLocation) -> bool:
    """Return whether the caller created a storage location."""
    return caller.id == location.created_by


def get_own(session: Session, caller: Caller, location_id: int) -> dict[str, Any]:
    """Return a storage location that the caller created.

    Raises:
        Forbidden: Another user created the storage location.
        NotFound: No such storage location.
    """
    location = get_location(session, location_id)
    if not is_owner(caller, location):
        raise Forbidden(f"Only the creator of the storage location {location_id} can access it.")
    return serialize(location)


def list_own(session: Session, caller: Caller) -> list[dict[str, Any]]:
    """List the storage locations that the caller created, oldest first."""
    query = select(StorageLocation).where(StorageLocation.created_by == caller.id)
    return [serialize(each) for each in session.scalars(query.order_by(StorageLocation.id))]


def is_sts_enabled(location: StorageLocation) -> bool:
    """Return whether the service issues temporary credentials for a storage location."""
    return bool(location.properties.get("stsEnabled"))


def get_bucket(location: StorageLocation) -> str | None:
    """Return the bucket that the service can access; None for other types of locations."""
    if location.concrete_type == S3_LOCATION:
        return location_types.BUCKET
    if location.concrete_type == EXTERNAL_S3_LOCATION:
        return str(location.properties["bucket"])
    return None


def generate_key(location: StorageLocation, caller: Caller, file_name: str) -> str:
    """Return a new key for a file of the caller, below the baseKey of the storage location."""
    base_key = location.properties.get("baseKey")
    key = f"{caller.id}/{uuid.uuid4()}/{file_name}"
    return key if base_key is None else f"{base_key}/{key}"
