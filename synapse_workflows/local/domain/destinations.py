"""Where uploads go. There is one place: the service's own storage, location 1."""

from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import DEFAULT_STORAGE_LOCATION, S3_UPLOAD_DESTINATION
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.errors import NotFound

#: The bucket that file handles of the service's own storage name.
BUCKET = "local.synapse.storage"


def parse_location_id(value: object) -> int:
    """Read the id of a storage location; None means the default.

    Raises:
        BadRequest: it is no id.
        NotFound: there is no such location.
    """
    if value is None:
        return DEFAULT_STORAGE_LOCATION
    number = parse_id(value, "storageLocationId")
    if number != DEFAULT_STORAGE_LOCATION:
        raise NotFound(f"Storage location with id {number} not found")
    return number


def get_destination(session: Session, parent_id: int, location: object = None) -> dict[str, Any]:
    """Tell where files below a container go, as an UploadDestination.

    Args:
        session: reads the container.
        parent_id: the container.
        location: a storage location; None asks for the container's default.

    Raises:
        NotFound: there is no such container, it is in the trash, or no such location.
    """
    access.get_not_trashed(session, parent_id)
    return {
        "concreteType": S3_UPLOAD_DESTINATION,
        "storageLocationId": parse_location_id(location),
        "uploadType": "S3",
        "stsEnabled": False,
    }


def list_locations(session: Session, parent_id: int) -> list[dict[str, Any]]:
    """List the storage locations that a container offers, as UploadDestinationLocations.

    Raises:
        NotFound: there is no such container, or it is in the trash.
    """
    access.get_not_trashed(session, parent_id)
    return [{"storageLocationId": DEFAULT_STORAGE_LOCATION, "uploadType": "S3"}]
