"""Upload destinations. The only destination is the storage of the service, with ID 1."""

from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import DEFAULT_STORAGE_LOCATION, S3_UPLOAD_DESTINATION
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.errors import NotFound

#: Bucket name in file handles of the storage of this service.
BUCKET = "local.synapse.storage"


def parse_location_id(value: object) -> int:
    """Parse the ID of a storage location; None stands for the default location.

    Raises:
        BadRequest: The value is not an ID.
        NotFound: No such storage location.
    """
    if value is None:
        return DEFAULT_STORAGE_LOCATION
    number = parse_id(value, "storageLocationId")
    if number != DEFAULT_STORAGE_LOCATION:
        raise NotFound(f"Storage location with id {number} not found")
    return number


def get_destination(session: Session, parent_id: int, location: object = None) -> dict[str, Any]:
    """Return the UploadDestination of a container.

    Args:
        session: Database session.
        parent_id: ID of the container.
        location: ID of a storage location; None for the default of the container.

    Raises:
        NotFound: No such container or storage location, or the container is in the trash can.
    """
    access.get_not_trashed(session, parent_id)
    return {
        "concreteType": S3_UPLOAD_DESTINATION,
        "storageLocationId": parse_location_id(location),
        "uploadType": "S3",
        "stsEnabled": False,
    }


def list_locations(session: Session, parent_id: int) -> list[dict[str, Any]]:
    """List the UploadDestinationLocations of a container.

    Raises:
        NotFound: No such container, or it is in the trash can.
    """
    access.get_not_trashed(session, parent_id)
    return [{"storageLocationId": DEFAULT_STORAGE_LOCATION, "uploadType": "S3"}]
