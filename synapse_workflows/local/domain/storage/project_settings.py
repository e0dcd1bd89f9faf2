"""Project settings: the storage locations for uploads to projects and folders."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    CONTAINERS,
    EXTERNAL_S3_LOCATION,
    UPLOAD_DESTINATION_LIST,
    AccessType,
)
from synapse_workflows.local.domain import access, entities, request_fields
from synapse_workflows.local.domain.ids import (
    format_entity_id,
    generate_etag,
    next_id,
    parse_entity_id,
    parse_id,
)
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import storage_locations, sts_rules
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound
from synapse_workflows.local.storage.storage_models import ProjectSetting, StorageLocation

MAX_LOCATIONS: Final = 10


class SettingsType(StrEnum):
    """Types of project settings (ProjectSettingsType)."""

    UPLOAD = "upload"


def serialize(setting: ProjectSetting) -> dict[str, Any]:
    """Serialize a database row as an UploadDestinationListSetting."""
    return {
        "concreteType": UPLOAD_DESTINATION_LIST,
        "id": str(setting.id),
        "projectId": format_entity_id(setting.container_id),
        "settingsType": SettingsType.UPLOAD.value,
        "etag": setting.etag,
        "locations": setting.locations,
    }


def create(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create the upload setting of a project or folder.

    Args:
        session: Database session with write access.
        caller: User of the request; needs CREATE on the container.
        body: UploadDestinationListSetting.

    Raises:
        BadRequest: A property is invalid, the container has a setting already, or an STS rule is
            violated.
        Forbidden: The caller lacks CREATE, or does not own a location.
        NotFound: No such container.
    """
    _check_type(body)
    container_id = parse_entity_id(request_fields.get_required_text(body, "projectId"))
    container = access.get_not_trashed(session, container_id)
    if container.concrete_type not in CONTAINERS:
        raise BadRequest(
            f"The id {format_entity_id(container_id)} is not the id of a project or folder entity"
        )
    access.require(session, caller, container_id, AccessType.CREATE)
    if _find(session, container_id) is not None:
        raise BadRequest(
            f"A project setting of type 'upload' for project {container_id} already exists."
        )
    wanted = _parse_locations(session, caller, body)
    sts_rules.check_setting(session, container, before=[], after=wanted)
    setting = ProjectSetting(
        id=next_id(session, "project_setting"),
        container_id=container_id,
        etag=generate_etag(),
        locations=[each.id for each in wanted],
    )
    session.add(setting)
    session.flush()
    return serialize(setting)


def _check_type(body: Mapping[str, Any]) -> None:
    concrete_type = request_fields.get_required_text(body, "concreteType")
    request_fields.parse_choice((UPLOAD_DESTINATION_LIST,), concrete_type, "concreteType")
    parse_type(request_fields.get_required_text(body, "settingsType"))


def parse_type(text: str) -> SettingsType:
    """Parse the type of a project setting.

    Raises:
        BadRequest: No such type.
    """
    return request_fields.parse_enum(SettingsType, text, "settingsType")


def _parse_locations(
    session: Session, caller: Caller, body: Mapping[str, Any]
) -> list[StorageLocation]:
    """Return the locations of a setting. External buckets need their owner, as do STS locations.

    Credentials of an STS location give access to the files of all folders that use it.
    """
    values = request_fields.get_list(body, "locations") or []
    if not 1 <= len(values) <= MAX_LOCATIONS:
        raise BadRequest(f"locations must have 1 to {MAX_LOCATIONS} entries, not {len(values)}.")
    return [_get_usable_location(session, caller, parse_id(each, "locations")) for each in values]


def _get_usable_location(session: Session, caller: Caller, number: int) -> StorageLocation:
    try:
        location = storage_locations.get_location(session, number)
    except NotFound:
        raise BadRequest(f"locations: the storage location {number} does not exist.") from None
    needs_owner = (
        location.concrete_type == EXTERNAL_S3_LOCATION
        or storage_locations.is_sts_enabled(location)
    )
    if needs_owner and not storage_locations.is_owner(caller, location):
        raise Forbidden(
            f"Only the creator of the storage location {number} can use it in a project setting."
        )
    return location


def _find(session: Session, container_id: int) -> ProjectSetting | None:
    query = select(ProjectSetting).where(ProjectSetting.container_id == container_id)
    return session.scalar(query)


def _get(session: Session, setting_id: int) -> ProjectSetting:
    message = f"The project setting with id {setting_id} does not exist"
    return get_or_404(session, ProjectSetting, setting_id, message)


def get(session: Session, caller: Caller, setting_id: int) -> dict[str, Any]:
    """Return a project setting by its ID.

    Raises:
        Forbidden: The caller lacks READ on the container.
        NotFound: No such setting, or its container is in the trash can.
    """
    setting = _get(session, setting_id)
    access.require(session, caller, setting.container_id, AccessType.READ)
    return serialize(setting)


def find_by_type(
    session: Session, caller: Caller, container_id: int, settings_type: str
) -> dict[str, Any] | None:
    """Return the setting of a container, without those of its ancestors; None if it has none.

    Raises:
        BadRequest: No such type of settings.
        Forbidden: The caller lacks READ.
        NotFound: No such container, or it is in the trash can.
    """
    parse_type(settings_type)
    access.require(session, caller, container_id, AccessType.READ)
    setting = _find(session, container_id)
    return None if setting is None else serialize(setting)


def update(session: Session, caller: Caller, body: Mapping[str, Any]) -> None:
    """Replace the locations of a setting.

    Args:
        session: Database session with write access.
        caller: User of the request; needs UPDATE on the container.
        body: UploadDestinationListSetting with its ID and its current etag.

    Raises:
        BadRequest: A property is invalid or cannot be changed, or an STS rule is violated.
        Forbidden: The caller lacks UPDATE, or does not own a location.
        NotFound: No such setting, or its container is in the trash can.
        StaleEtag: The etag is not the current one.
    """
    _check_type(body)
    setting = _get(session, parse_id(body.get("id"), "id"))
    container = access.require(session, caller, setting.container_id, AccessType.UPDATE)
    if parse_entity_id(request_fields.get_required_text(body, "projectId")) != container.id:
        raise BadRequest(
            f"The projectId of the setting {setting.id} is {format_entity_id(container.id)} and "
            "cannot be changed."
        )
    entities.check_etag(str(setting.id), setting.etag, body)
    wanted = _parse_locations(session, caller, body)
    sts_rules.check_setting(session, container, before=_load(session, setting), after=wanted)
    setting.locations = [each.id for each in wanted]
    setting.etag = generate_etag()


def _load(session: Session, setting: ProjectSetting) -> list[StorageLocation]:
    return [storage_locations.get_location(session, each) for each in setting.locations]


def delete(session: Session, caller: Caller, setting_id: int) -> None:
    """Delete a setting. The container then uses the setting of its ancestors.

    Raises:
        BadRequest: The setting has an STS location, and the folder is not empty.
        Forbidden: The caller lacks DELETE on the container.
        NotFound: No such setting.
    """
    setting = _get(session, setting_id)
    container = access.require(session, caller, setting.container_id, AccessType.DELETE)
    sts_rules.check_setting(session, container, before=_load(session, setting), after=[])
    session.delete(setting)
    session.flush()
