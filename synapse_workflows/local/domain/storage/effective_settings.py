"""Storage locations that apply to a container: those of the nearest setting at or above it."""

from dataclasses import dataclass

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import DEFAULT_STORAGE_LOCATION
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.storage import storage_locations
from synapse_workflows.local.storage.database import fetch_rows
from synapse_workflows.local.storage.models import Entity
from synapse_workflows.local.storage.storage_models import ProjectSetting, StorageLocation

_NEAREST_SETTING = (
    select(ProjectSetting.container_id, ProjectSetting.locations)
    .join(access.PATH, access.PATH.c.id == ProjectSetting.container_id)
    .order_by(access.PATH.c.distance)
    .limit(1)
)


@dataclass(frozen=True)
class StsFolder:
    """A folder with an STS-enabled storage location.

    Args:
        id: ID of the folder with the setting.
        location: The storage location of the folder and everything below it.
    """

    id: int
    location: StorageLocation


def _find_setting(session: Session, entity: Entity) -> Row[int, list[int]] | None:
    """Return container and locations of the nearest setting of an entity and its ancestors."""
    settings = fetch_rows(session, _NEAREST_SETTING, entity_id=entity.id)
    return settings[0] if settings else None


def list_locations(session: Session, entity: Entity) -> list[StorageLocation]:
    """List the storage locations that apply to an entity; the first one is the default."""
    setting = _find_setting(session, entity)
    numbers = [DEFAULT_STORAGE_LOCATION] if setting is None else setting.locations
    return [storage_locations.get_location(session, each) for each in numbers]


def find_sts_folder(session: Session, entity: Entity) -> StsFolder | None:
    """Return the STS-enabled folder of an entity, the entity itself or one of its ancestors."""
    setting = _find_setting(session, entity)
    if setting is None:
        return None
    location = storage_locations.get_location(session, setting.locations[0])
    return (
        StsFolder(setting.container_id, location)
        if storage_locations.is_sts_enabled(location)
        else None
    )
