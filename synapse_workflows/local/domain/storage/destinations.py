"""Upload destinations: what a client needs to upload a file to a storage location."""

import uuid
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    EXTERNAL_LOCATION,
    EXTERNAL_OBJECT_LOCATION,
    EXTERNAL_OBJECT_UPLOAD_DESTINATION,
    EXTERNAL_S3_LOCATION,
    EXTERNAL_S3_UPLOAD_DESTINATION,
    EXTERNAL_UPLOAD_DESTINATION,
    GOOGLE_CLOUD_LOCATION,
    GOOGLE_CLOUD_UPLOAD_DESTINATION,
    PROXY_LOCATION,
    S3_LOCATION,
    S3_UPLOAD_DESTINATION,
    AccessType,
)
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.ids import ROOT
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import buckets, effective_settings, storage_locations
from synapse_workflows.local.storage.models import Entity
from synapse_workflows.local.storage.storage_models import StorageLocation

#: Type of storage location -> type of upload destination.
_TYPES: Final = {
    S3_LOCATION: S3_UPLOAD_DESTINATION,
    EXTERNAL_S3_LOCATION: EXTERNAL_S3_UPLOAD_DESTINATION,
    EXTERNAL_OBJECT_LOCATION: EXTERNAL_OBJECT_UPLOAD_DESTINATION,
    EXTERNAL_LOCATION: EXTERNAL_UPLOAD_DESTINATION,
    PROXY_LOCATION: EXTERNAL_UPLOAD_DESTINATION,
    GOOGLE_CLOUD_LOCATION: GOOGLE_CLOUD_UPLOAD_DESTINATION,
}
#: Properties of storage locations that upload destinations share.
_SHARED: Final = ("banner", "baseKey", "bucket", "endpointUrl", "stsEnabled")


def get_destination(
    service: Service,
    session: Session,
    caller: Caller,
    parent_id: int,
    location_id: object = None,
) -> dict[str, Any]:
    """Return an UploadDestination of a container.

    Args:
        service: The service.
        session: Database session.
        caller: User of the request; needs READ if the storage location is external.
        parent_id: ID of the container.
        location_id: ID of a storage location; None for the default of the container.

    Raises:
        BadRequest: `location_id` is not an ID.
        Forbidden: The storage location is external, and the caller lacks READ.
        NotFound: No such container or storage location, or the container is in the trash can.
    """
    parent = access.get_not_trashed(session, parent_id)
    if location_id is None:
        location = effective_settings.list_locations(session, parent)[0]
    else:
        location = storage_locations.parse_location(session, location_id)
    return _serialize(service, session, caller, parent, location)


def list_destinations(
    service: Service, session: Session, caller: Caller, parent_id: int
) -> list[dict[str, Any]]:
    """List the UploadDestinations of a container; the first one is the default.

    Raises:
        Forbidden: A storage location is external, and the caller lacks READ.
        NotFound: No such container, or it is in the trash can.
    """
    parent = access.get_not_trashed(session, parent_id)
    return [
        _serialize(service, session, caller, parent, each)
        for each in effective_settings.list_locations(session, parent)
    ]


def list_locations(session: Session, parent_id: int) -> list[dict[str, Any]]:
    """List the UploadDestinationLocations of a container; the first one is the default.

    Raises:
        NotFound: No such container, or it is in the trash can.
    """
    parent = access.get_not_trashed(session, parent_id)
    return [
        {
            "storageLocationId": each.id,
            "description": each.properties.get("description"),
            "uploadType": each.upload_type,
        }
        for each in effective_settings.list_locations(session, parent)
    ]


def _serialize(
    service: Service, session: Session, caller: Caller, parent: Entity, location: StorageLocation
) -> dict[str, Any]:
    """Serialize a storage location as the UploadDestination of a container."""
    body: dict[str, Any] = {
        "concreteType": _TYPES[location.concrete_type],
        "storageLocationId": location.id,
        "uploadType": location.upload_type,
        **{key: location.properties[key] for key in _SHARED if key in location.properties},
    }
    if location.concrete_type == EXTERNAL_S3_LOCATION:
        body["endpointUrl"] = buckets.get_endpoint_url(service, body.get("endpointUrl"))
    elif location.concrete_type == EXTERNAL_OBJECT_LOCATION:
        body["keyPrefixUUID"] = str(uuid.uuid4())
    elif location.concrete_type in {EXTERNAL_LOCATION, PROXY_LOCATION}:
        access.require(session, caller, parent.id, AccessType.READ)
        body["url"] = location.properties.get("proxyUrl") or _build_url(session, parent, location)
    return body


def _build_url(session: Session, parent: Entity, location: StorageLocation) -> str:
    """Return a new URL below the URL of an external location.

    The path has the names of the project and the folders if the location supports sub folders. A
    random UUID is the last part.
    """
    parts = [location.properties["url"].rstrip("/")]
    if location.properties["supportsSubfolders"]:
        path = [each for each in access.iter_ancestors(session, parent) if each.id != ROOT]
        parts += [quote(each.name, safe="") for each in reversed(path)]
    return "/".join([*parts, str(uuid.uuid4())])
