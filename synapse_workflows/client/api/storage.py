"""Storage locations and project settings.

Source: https://rest-docs.synapse.org (StorageLocationController, ProjectSettingsController)
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_args

from synapse_workflows import constants
from synapse_workflows.client.api import store as store_api
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseForbiddenError
from synapse_workflows.client.model.argument_types import (
    ProjectSettingType,
    StorageType,
)
from synapse_workflows.client.model.entity import Folder
from synapse_workflows.client.model.ids import parse_entity_id, parse_storage_location_id


class _LocationType(NamedTuple):
    """Type of a storage location, and the properties that its creator may or must set."""

    concrete_type: str
    upload_type: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


_LOCATION_TYPES: Final = MappingProxyType(
    {
        "ExternalObjectStorage": _LocationType(
            constants.EXTERNAL_OBJECT_LOCATION, "S3", ("endpointUrl", "bucket")
        ),
        "ExternalS3Storage": _LocationType(
            constants.EXTERNAL_S3_LOCATION,
            "S3",
            ("bucket",),
            ("baseKey", "endpointUrl", "stsEnabled"),
        ),
        "ExternalStorage": _LocationType(
            constants.EXTERNAL_LOCATION, "SFTP", ("url",), ("supportsSubfolders",)
        ),
        "ProxyStorage": _LocationType(
            constants.PROXY_LOCATION,
            "PROXYLOCAL",
            ("secretKey", "proxyUrl"),
            ("benefactorId",),
        ),
    }
)
#: The storage of Synapse.
_SYNAPSE_STORAGE: Final = _LocationType(constants.S3_LOCATION, "S3", ())
#: Properties of all storage locations.
_COMMON_PROPERTIES: Final = ("banner", "description")
_UPLOAD: Final = "upload"
#: Words of the service's message if a container already has a setting.
_SETTING_EXISTS: Final = "already exists"


def createStorageLocationSetting(
    syn: Session, storage_type: StorageType, **kwargs: Any
) -> dict[str, Any]:
    """Create a storage location. The same properties give the same location again.

    A storage location cannot be changed. It has no effect until `setStorageLocation`.

    Args:
        syn: The session that sends the request.
        storage_type: ``ExternalObjectStorage`` (needs ``endpointUrl`` and ``bucket``);
            ``ExternalS3Storage`` (``bucket``; optional ``baseKey``, ``endpointUrl`` and
            ``stsEnabled``); ``ExternalStorage`` (SFTP: ``url``, for example
            ``sftp://host/directory``; optional ``supportsSubfolders``); ``ProxyStorage``
            (``secretKey``, ``proxyUrl``; optional ``benefactorId``).
        **kwargs: The properties; for each type also ``banner``, a message that is shown to users
            who upload files, and ``description``.

    Returns:
        The storage location, with ``storageLocationId``.

    Raises:
        ValueError: Unknown `storage_type`, or a property is missing.
        TypeError: Unknown property.
        SynapseBadRequestError: A property is invalid.

    Source:
        POST /storageLocation
        https://rest-docs.synapse.org/rest/POST/storageLocation.html
    """
    if storage_type not in get_args(StorageType):
        raise ValueError(
            f"Unknown storage_type: {storage_type}. Expected one of {', '.join(_LOCATION_TYPES)}."
        )
    kind = _LOCATION_TYPES[storage_type]
    known = (*kind.required, *kind.optional, *_COMMON_PROPERTIES)
    unknown = sorted(set(kwargs) - set(known))
    if unknown:
        raise TypeError(
            f"Unexpected properties of {storage_type}: {', '.join(unknown)}; known are "
            f"{', '.join(known)}."
        )
    missing = [name for name in kind.required if kwargs.get(name) in (None, "")]
    if missing:
        raise ValueError(
            f"{storage_type} needs {', '.join(missing)}: "
            f"createStorageLocationSetting('{storage_type}', {missing[0]}=...)."
        )
    properties = {key: value for key, value in kwargs.items() if value is not None}
    if "benefactorId" in properties:
        properties["benefactorId"] = parse_entity_id(properties["benefactorId"]).id
    return _create_location(syn, kind, properties)


def _create_location(
    syn: Session, kind: _LocationType, properties: Mapping[str, Any]
) -> dict[str, Any]:
    """Create a storage location.

    Source:
        POST /storageLocation
    """
    body = {
        **properties,
        "concreteType": kind.concrete_type,
        "uploadType": kind.upload_type,
    }
    return syn.call("POST", "/storageLocation", json=body, repeatable=True).object


def getMyStorageLocationSetting(syn: Session, storage_location_id: Any) -> dict[str, Any]:
    """Get a storage location that the caller created.

    Args:
        syn: The session that sends the request.
        storage_location_id: ID of the storage location, or the storage location.

    Raises:
        ValueError: The ID is not a number.
        SynapseForbiddenError: Another user created the storage location.
        SynapseNotFoundError: There is no such storage location.

    Source:
        GET /storageLocation/{id}
        https://rest-docs.synapse.org/rest/GET/storageLocation/id.html
    """
    number = parse_storage_location_id(storage_location_id)
    return syn.call("GET", f"/storageLocation/{number}").object


def setStorageLocation(syn: Session, entity: Any, storage_location_id: Any) -> dict[str, Any]:
    """Set the storage location for new files in a project or folder, and below it.

    If another client changes the setting at the same time, the update is repeated.

    Args:
        syn: The session that sends the requests.
        entity: The project or folder, or its ID.
        storage_location_id: ID of the storage location; a list of up to 10 IDs, of which the
            first is the default; None for the storage of Synapse.

    Returns:
        The setting, with ``locations``.

    Raises:
        ValueError: An ID is not a number, or the list is empty.
        SynapseBadRequestError: Synapse rejects the locations, for example STS in a folder that is
            not empty.
        SynapseForbiddenError: The caller may not change the container, or does not own an
            external bucket.

    Source:
        GET /projectSettings/{id}/type/upload, POST /projectSettings, PUT /projectSettings
        https://rest-docs.synapse.org/rest/PUT/projectSettings.html
    """
    container = parse_entity_id(entity).id
    locations = _parse_locations(storage_location_id)
    return retry_stale(lambda: _put_locations(syn, container, lambda _setting: locations))


def _put_locations(
    syn: Session, container: str, choose: Callable[[dict[str, Any] | None], list[int]]
) -> dict[str, Any]:
    """Create or replace the locations of a container, based on its current setting.

    Args:
        syn: The session that sends the requests.
        container: ID of the project or folder.
        choose: Returns the IDs of the locations for the current setting, which may be None.
    """
    existing = getProjectSetting(syn, container, _UPLOAD)
    locations = choose(existing)
    if existing is None:
        try:
            return _create_setting(syn, container, locations)
        except SynapseBadRequestError as error:
            # Another client may have created the setting in the meantime.
            if _SETTING_EXISTS not in error.reason:
                raise
            existing = getProjectSetting(syn, container, _UPLOAD)
            if existing is None:
                raise
            locations = choose(existing)
    if existing.get("locations") == locations:  # Synapse rejects this update for STS locations
        return existing
    syn.call("PUT", "/projectSettings", json={**existing, "locations": locations})
    return getProjectSetting(syn, container, _UPLOAD) or {}


def _create_setting(syn: Session, container: str, locations: list[int]) -> dict[str, Any]:
    body = {
        "concreteType": constants.UPLOAD_DESTINATION_LIST,
        "settingsType": _UPLOAD,
        "locations": locations,
        "projectId": container,
    }
    return syn.call("POST", "/projectSettings", json=body).object


def getProjectSetting(
    syn: Session, project: Any, setting_type: ProjectSettingType
) -> dict[str, Any] | None:
    """Get a setting of a project or folder. Settings of its parents are not returned.

    Args:
        syn: The session that sends the request.
        project: The project or folder, or its ID.
        setting_type: ``upload``. Synapse has withdrawn ``external_sync`` and ``requester_pays``:
            these return None, and a warning is logged.

    Returns:
        The setting; None without a setting.

    Raises:
        ValueError: Unknown `setting_type`.
        SynapseForbiddenError: The caller may not read the container.

    Source:
        GET /projectSettings/{projectId}/type/{type}
        https://rest-docs.synapse.org/rest/GET/projectSettings/projectId/type/type.html
    """
    if setting_type not in get_args(ProjectSettingType):
        raise ValueError(
            f"Invalid project_type: {setting_type}. Expected one of "
            f"{', '.join(get_args(ProjectSettingType))}."
        )
    if setting_type != _UPLOAD:
        syn.logger.warning("Synapse no longer has settings of the type %s.", setting_type)
        return None
    container = parse_entity_id(project).id
    found: dict[str, Any] | None = syn.call(
        "GET", f"/projectSettings/{container}/type/{setting_type}"
    ).json
    return found or None


def create_s3_storage_location(
    syn: Session,
    *,
    parent: Any = None,
    folder_name: str | None = None,
    folder: Any = None,
    bucket_name: str | None = None,
    base_key: str | None = None,
    sts_enabled: bool = False,
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Create an S3 storage location, and set it on a new or existing folder.

    A repeated call with the same arguments changes nothing and returns the same objects.

    Args:
        syn: The session that sends the requests.
        parent: The project or folder in which to create the folder, or its ID.
        folder_name: Name of the folder to create. An existing folder of this name is used.
        folder: An existing folder, or its ID, instead of `parent` and `folder_name`.
        bucket_name: An own S3 bucket; None for the storage of Synapse.
        base_key: Prefix in the own bucket.
        sts_enabled: Whether to allow temporary AWS credentials; the folder has to be empty.

    Returns:
        The folder, as passed or as stored; the storage location; and the setting of the folder.

    Raises:
        ValueError: Both or neither of `folder` and `folder_name` are given, `parent` is missing,
            or `base_key` is given without a bucket.
        SynapseBadRequestError: Synapse rejects the location, for example STS for a folder that is
            not empty.

    Source:
        POST /entity, POST /storageLocation, and the calls of `setStorageLocation`
        https://rest-docs.synapse.org/rest/POST/storageLocation.html
    """
    _validate_folder(parent, folder_name, folder)
    if base_key and not bucket_name:
        raise ValueError(
            f"base_key {base_key!r} needs bucket_name: Synapse chooses the prefix in its own "
            "storage. Pass the name of your bucket, or leave out base_key."
        )
    if folder_name:
        folder = store_api.store(syn, Folder(name=folder_name, parent=parent))
    kind = _SYNAPSE_STORAGE
    properties: dict[str, Any] = {"stsEnabled": sts_enabled}
    if bucket_name:
        kind = _LOCATION_TYPES["ExternalS3Storage"]
        properties |= {"bucket": bucket_name}
        properties |= {"baseKey": base_key} if base_key else {}
    elif sts_enabled:
        return folder, *_set_synapse_sts_location(syn, folder, properties)
    location = _create_location(syn, kind, properties)
    setting = setStorageLocation(syn, folder, location["storageLocationId"])
    return folder, location, setting


def _set_synapse_sts_location(
    syn: Session, folder: Any, properties: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Set an STS-enabled location in the storage of Synapse, unless the folder already has one.

    Synapse generates another base key, and thus another location, for each equal request. Without
    this check, repeated and concurrent calls would replace each other's location.
    """
    create = functools.cache(lambda: _create_location(syn, _SYNAPSE_STORAGE, properties))

    def choose(setting: dict[str, Any] | None) -> list[int]:
        location = _find_sts_location(syn, setting) or create()
        return [location["storageLocationId"]]

    container = parse_entity_id(folder).id
    setting = retry_stale(lambda: _put_locations(syn, container, choose))
    return getMyStorageLocationSetting(syn, setting["locations"][0]), setting


def _find_sts_location(syn: Session, setting: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the STS-enabled location in the storage of Synapse that a folder already has.

    Returns:
        None if the folder has no such location that the caller created.
    """
    if setting is None:
        return None
    try:
        location = getMyStorageLocationSetting(syn, setting["locations"][0])
    except SynapseForbiddenError:
        return None
    is_synapse = location.get("concreteType") == constants.S3_LOCATION
    return location if is_synapse and location.get("stsEnabled") else None


def _validate_folder(parent: Any, folder_name: str | None, folder: Any) -> None:
    if folder_name and folder is not None:
        raise ValueError(
            "folder and folder_name are mutually exclusive, only one should be passed"
        )
    if folder is None and not (folder_name and parent is not None):
        advice = "" if not folder_name else f" (folder_name={folder_name!r} also needs parent)"
        raise ValueError(f"either folder or folder_name should be required{advice}")


def _parse_locations(value: Any) -> list[int]:
    """Return the IDs of storage locations as a list; the default storage for None."""
    if value is None:
        return [constants.DEFAULT_STORAGE_LOCATION]
    is_list = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    locations = [parse_storage_location_id(each) for each in (value if is_list else [value])]
    if not locations:
        raise ValueError(
            "Invalid storage_location_id []: pass at least one storage location, or None for the "
            "storage of Synapse."
        )
    return locations
