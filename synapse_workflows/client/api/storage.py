"""Storage locations, project settings and temporary AWS credentials.

Source: https://rest-docs.synapse.org (StorageLocationController, ProjectSettingsController)
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_args

from synapse_workflows import constants
from synapse_workflows.client.api import store as store_api, sts_formats
from synapse_workflows.client.core import sts_tokens
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.core.sts_tokens import StsPermission
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseForbiddenError
from synapse_workflows.client.model.argument_types import (
    ProjectSettingType,
    StorageType,
    StsOutputFormat,
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
    return retry_stale(lambda: _put_locations(syn, container, locations))


def _put_locations(syn: Session, container: str, locations: list[int]) -> dict[str, Any]:
    """Create or replace the locations of a container, based on its current setting."""
    existing = getProjectSetting(syn, container, _UPLOAD)
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


def get_sts_storage_token(
    syn: Session,
    entity: Any,
    permission: StsPermission,
    *,
    output_format: StsOutputFormat = "json",
    min_remaining_life: timedelta | None = None,
) -> Any:
    """Get temporary AWS credentials for the storage location of a folder or file.

    Tokens are cached in memory until the client logs out.

    Args:
        syn: The session that sends the requests.
        entity: A folder or file with an STS-enabled storage location, or its ID.
        permission: ``read_only``, or ``read_write`` (own buckets only).
        output_format: ``json``: the response of Synapse, a dict with ``bucket``, ``baseKey``,
            ``accessKeyId``, ``secretAccessKey``, ``sessionToken`` and ``expiration``. ``boto``: a
            dict with the keyword arguments of a boto3 session or client. ``bash``, ``cmd``,
            ``powershell``: commands that set ``SYNAPSE_STS_S3_LOCATION`` (``s3://bucket/key``),
            ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and ``AWS_SESSION_TOKEN``.
            ``shell``: the commands for the shell of this machine.
        min_remaining_life: A cached token with less remaining life is replaced; None for 1 hour.

    Returns:
        A dict for ``json`` and ``boto``, else the commands, each with a line break.

    Raises:
        ValueError: Unknown `permission` or `output_format`; or `cmd` cannot quote a value.
        SynapseBadRequestError: The entity has no STS-enabled storage location, or its storage does
            not allow this permission.
        SynapseForbiddenError: The caller lacks the permissions.

    Source:
        GET /entity/{id}/sts; for commands also GET /entity/{id}/uploadDestination, if the token
        does not contain the bucket
        https://rest-docs.synapse.org/rest/GET/entity/id/sts.html
    """
    sts_formats.validate_format(output_format)
    entity_id = parse_entity_id(entity).id
    token = sts_tokens.get_sts_token(syn, entity_id, permission, min_remaining_life)
    return sts_formats.format_token(syn, entity_id, token, output_format)


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
    location = None
    if bucket_name:
        properties = {"stsEnabled": sts_enabled, "bucket": bucket_name}
        properties |= {"baseKey": base_key} if base_key else {}
        location = _create_location(syn, _LOCATION_TYPES["ExternalS3Storage"], properties)
    elif sts_enabled:
        location = _find_sts_location(syn, folder)
    if location is None:
        location = _create_location(syn, _SYNAPSE_STORAGE, {"stsEnabled": sts_enabled})
    setting = setStorageLocation(syn, folder, location["storageLocationId"])
    return folder, location, setting


def _find_sts_location(syn: Session, folder: Any) -> dict[str, Any] | None:
    """Return the STS-enabled location in the storage of Synapse that a folder already has.

    Synapse generates another base key, and thus another location, for each equal request.

    Returns:
        None if the folder has no such location that the caller created.
    """
    setting = getProjectSetting(syn, folder, _UPLOAD)
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
