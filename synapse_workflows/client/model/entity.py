"""Entity classes: Project, Folder, File and Link; re-exports the table and view classes."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_workflows import constants
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.datasets import Dataset, DatasetCollection
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.entity_base import (
    BASE_ENTITY_TYPE,
    Entity,
    get_entity_type,
    list_entity_classes,
)
from synapse_workflows.client.model.ids import parse_version_number, split_version
from synapse_workflows.client.model.paths import get_file_name, to_url
from synapse_workflows.client.model.schemas import MaterializedView, Schema
from synapse_workflows.client.model.views import EntityViewSchema, SubmissionViewSchema

__all__ = [
    "Dataset", "DatasetCollection", "DockerRepository", "Entity", "EntityViewSchema", "File",
    "Folder", "Link", "MaterializedView", "Project", "Schema", "SubmissionViewSchema",
    "get_entity_type", "list_entity_classes", "set_local_path",
]  # fmt: skip

_VERSION_KEYS: Final = (
    "versionNumber", "versionLabel", "versionComment", "versionUrl", "versions", "isLatestVersion",
)  # fmt: skip
#: Key of a File -> key of its file handle with the same value.
_FILE_HANDLE_KEYS: Final = MappingProxyType(
    {
        "md5": "contentMd5",
        "fileSize": "contentSize",
        "contentType": "contentType",
        "externalURL": "externalURL",
    }
)


class Project(Entity):
    """A project: a top-level container with its own permissions.

    Args:
        name: Name, unique in all of Synapse.
        properties: Properties, as returned by Synapse.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        **kwargs: Further keys.
    """

    _entity_type = BASE_ENTITY_TYPE.derive(constants.PROJECT, "alias")

    def __init__(
        self,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if name is not None:
            kwargs["name"] = name
        super().__init__(properties, annotations, local_state, **kwargs)


class Folder(Entity):
    """A folder in a project.

    Args:
        name: Name, unique within the parent.
        parent: A project or folder, or its ID.
        properties: Properties, as returned by Synapse.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        **kwargs: Further keys.
    """

    _entity_type = BASE_ENTITY_TYPE.derive(constants.FOLDER, requires_parent=True)

    def __init__(
        self,
        name: str | None = None,
        parent: Any = None,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if name is not None:
            kwargs["name"] = name
        super().__init__(properties, annotations, local_state, parent, **kwargs)


class Link(Entity):
    """A pointer to another entity, or to one version of it.

    Args:
        targetId: The target entity, or its ID (``syn123``, ``syn123.4``).
        targetVersion: Version of the target; None for the latest.
        parent: The container of the link, or its ID.
        properties: Properties, as returned by Synapse.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        **kwargs: Further keys.
    """

    _entity_type = BASE_ENTITY_TYPE.derive(
        constants.LINK, "linksTo", "linksToClassName", requires_parent=True
    )

    def __init__(
        self,
        targetId: Any = None,
        targetVersion: int | str | None = None,
        parent: Any = None,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if targetId is not None:
            kwargs["linksTo"] = _create_reference(targetId, targetVersion)
        elif not (properties or {}).get("linksTo") and "linksTo" not in kwargs:
            raise SynapseMalformedEntityError(
                "Must provide a target id: Link('syn123', parent='syn456')."
            )
        super().__init__(properties, annotations, local_state, parent, **kwargs)


class DockerRepository(Entity):
    """A Docker repository in an external registry.

    Args:
        repositoryName: ``[host[:port]/]path``; cannot be changed later.
        parent: A project, or its ID.
        properties: Properties, as returned by Synapse.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        **kwargs: Further keys.

    Raises:
        SynapseMalformedEntityError: The name of the repository is missing.
    """

    _entity_type = BASE_ENTITY_TYPE.derive(
        constants.DOCKER_REPOSITORY, "repositoryName", "isManaged", requires_parent=True
    )

    def __init__(
        self,
        repositoryName: str | None = None,
        parent: Any = None,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if repositoryName is not None:
            kwargs["repositoryName"] = repositoryName
        elif not (properties or {}).get("repositoryName"):
            raise SynapseMalformedEntityError(
                "DockerRepository must have a repositoryName: "
                "DockerRepository('quay.io/lab/image', parent='syn123')."
            )
        super().__init__(properties, annotations, local_state, parent, **kwargs)


class File(Entity):
    """A file whose content is stored in Synapse or at an external URL.

    ``md5``, ``fileSize`` (bytes), ``contentType`` and ``externalURL`` are read from and written
    to the file handle. ``path``, ``cacheDir`` and ``files`` describe the local copy.

    Args:
        path: Path of the local file, or a URL if ``synapseStore=False``.
        parent: A project or folder, or its ID.
        synapseStore: True to upload the content; False to store only its URL.
        properties: Properties, as returned by Synapse.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        **kwargs: Further keys, for example ``name`` (default: the file name),
            ``contentType`` and ``dataFileHandleId``.
    """

    _entity_type = BASE_ENTITY_TYPE.derive(
        constants.FILE,
        *_VERSION_KEYS,
        "dataFileHandleId",
        "fileNameOverride",
        local_keys=frozenset({"path", "cacheDir", "files", "synapseStore", "_file_handle"}),
        requires_parent=True,
        is_versionable=True,
    )

    def __init__(
        self,
        path: Any = None,
        parent: Any = None,
        synapseStore: bool = True,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        state = dict(local_state or {})
        self.__dict__["synapseStore"] = True
        self.__dict__["_file_handle"] = _create_file_handle(None)
        set_local_path(self, None if path is None else str(path))
        if not synapseStore:
            self.synapseStore = state["synapseStore"] = False
        if path is not None and "name" not in kwargs and "name" not in (properties or {}):
            kwargs["name"] = get_file_name(path)
        super().__init__(properties, annotations, state, parent, **kwargs)

    def local_state(self, state: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the local state, after updating it with `state` if given."""
        given = dict(state or {})
        if "_file_handle" in given:
            self._set_file_handle(given.pop("_file_handle"))
        return super().local_state(given)

    def _set_file_handle(self, handle: Mapping[str, Any] | None) -> None:
        file_handle = self.__dict__["_file_handle"] = _create_file_handle(handle)
        is_external = file_handle.get("concreteType") == constants.EXTERNAL_FILE_HANDLE
        if is_external and urlsplit(file_handle.externalURL or "").scheme != "sftp":
            self.__dict__["synapseStore"] = False

    def __getitem__(self, key: str) -> Any:
        if key in _FILE_HANDLE_KEYS:
            return self.__dict__["_file_handle"].get(_FILE_HANDLE_KEYS[key])
        return super().__getitem__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        match key:
            case "_file_handle":
                self._set_file_handle(value)
            case "path":
                set_local_path(self, None if value is None else str(value))
                self._update_external_url()
            case "synapseStore":
                changed = self.__dict__[key] != bool(value)
                self.__dict__[key] = bool(value)
                if changed:
                    self._update_external_url()
            case _ if key in _FILE_HANDLE_KEYS:
                self.__dict__["_file_handle"][_FILE_HANDLE_KEYS[key]] = value
            case _:
                super().__setitem__(key, value)

    def _update_external_url(self) -> None:
        """Set the URL of an external file to its path, and clear its MD5 and size."""
        if self.__dict__["synapseStore"] or not self.__dict__["path"]:
            return
        url = to_url(self.__dict__["path"])
        file_handle = self.__dict__["_file_handle"]
        file_handle.update(externalURL=url, contentMd5=None, contentSize=None)


def set_local_path(file: File, path: str | None) -> None:
    """Set the path of the local copy of a file, without marking its content as changed."""
    local = Path(path) if path else None
    file.__dict__["path"] = path or None
    file.__dict__["cacheDir"] = str(local.parent) if local else None
    file.__dict__["files"] = [local.name] if local else []


def _create_file_handle(fields: Mapping[str, Any] | None) -> DictObject:
    """Create a file handle that has all keys of `_FILE_HANDLE_KEYS`."""
    return DictObject(dict.fromkeys(_FILE_HANDLE_KEYS.values()) | dict(fields or {}))


def _create_reference(target: Any, version: int | str | None) -> dict[str, Any]:
    parsed = split_version(target)
    number = version if version is not None else parsed.version
    reference: dict[str, Any] = {"targetId": parsed.id}
    if number is not None:
        reference["targetVersionNumber"] = parse_version_number(number)
    return reference
