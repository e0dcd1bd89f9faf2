"""Entities that have a class of their own: projects, folders, files and links; and tables."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_workflows import constants
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.entity_base import (
    BASE_ENTITY_TYPE,
    Entity,
    get_entity_class,
    get_entity_type,
)
from synapse_workflows.client.model.ids import split_version
from synapse_workflows.client.model.paths import get_file_name, to_url
from synapse_workflows.client.model.schemas import Dataset, Schema
from synapse_workflows.client.model.views import EntityViewSchema, SubmissionViewSchema

__all__ = [
    "Dataset", "Entity", "EntityViewSchema", "File", "Folder", "Link", "Project", "Schema",
    "SubmissionViewSchema", "get_entity_class", "get_entity_type", "set_local_path",
]  # fmt: skip

_VERSION_KEYS: Final = (
    "versionNumber", "versionLabel", "versionComment", "versionUrl", "versions", "isLatestVersion",
)  # fmt: skip
#: Keys of a File that live in its file handle, under another name there.
_FILE_HANDLE_KEYS: Final = MappingProxyType(
    {
        "md5": "contentMd5",
        "fileSize": "contentSize",
        "contentType": "contentType",
        "externalURL": "externalURL",
    }
)


class Project(Entity):
    """A project: the outermost container, with members and permissions of its own.

    Args:
        name: Unique in all of Synapse.
        properties: See `Entity`, as the rest.
        annotations: Values by key.
        local_state: What is only known here.
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
        if name:
            kwargs["name"] = name
        super().__init__(properties, annotations, local_state, **kwargs)


class Folder(Entity):
    """A folder in a project.

    Args:
        name: Unique in its parent.
        parent: A project or folder, or its id.
        properties: See `Entity`, as the rest.
        annotations: Values by key.
        local_state: What is only known here.
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
        if name:
            kwargs["name"] = name
        super().__init__(properties, annotations, local_state, parent, **kwargs)


class Link(Entity):
    """A pointer to another entity, or to one version of it.

    Args:
        targetId: The entity pointed to, or its id (``syn123``, ``syn123.4``).
        targetVersion: The version pointed to; None: whatever is the latest.
        parent: Where the link lies; not where its target lies.
        properties: See `Entity`, as the rest.
        annotations: Values by key.
        local_state: What is only known here.
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


class File(Entity):
    """A file: content in Synapse's storage, or elsewhere under a URL.

    ``md5``, ``fileSize`` (bytes), ``contentType`` and ``externalURL`` are read from, and written
    to, the file handle. ``path``, ``cacheDir`` and ``files`` say where a copy lies on this
    machine.

    Args:
        path: The local file, or a URL with ``synapseStore=False``.
        parent: A project or folder, or its id.
        synapseStore: True: upload the content; False: only note where it is.
        properties: See `Entity`, as the rest.
        annotations: Values by key.
        local_state: What is only known here.
        **kwargs: Further keys; ``name`` (else the name of the file), ``contentType``,
            ``dataFileHandleId``.
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
        """Read the local state, after taking over `state` where it is given."""
        given = dict(state or {})
        if "_file_handle" in given:
            self._take_handle(given.pop("_file_handle"))
        return super().local_state(given)

    def _take_handle(self, handle: Mapping[str, Any] | None) -> None:
        held = self.__dict__["_file_handle"] = _create_file_handle(handle)
        url = urlsplit(held.externalURL or "")
        if held.get("concreteType") == constants.EXTERNAL_FILE_HANDLE and url.scheme != "sftp":
            self.__dict__["synapseStore"] = False

    def __getitem__(self, key: str) -> Any:
        if key in _FILE_HANDLE_KEYS:
            return self.__dict__["_file_handle"].get(_FILE_HANDLE_KEYS[key])
        return super().__getitem__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        match key:
            case "_file_handle":
                self._take_handle(value)
            case "path":
                set_local_path(self, None if value is None else str(value))
                self._note_location()
            case "synapseStore":
                changed = self.__dict__[key] != bool(value)
                self.__dict__[key] = bool(value)
                if changed:
                    self._note_location()
            case _ if key in _FILE_HANDLE_KEYS:
                self.__dict__["_file_handle"][_FILE_HANDLE_KEYS[key]] = value
            case _:
                super().__setitem__(key, value)

    def _note_location(self) -> None:
        """Point an external file to where it lies now; its MD5 and size are not known yet."""
        if self.__dict__["synapseStore"] or not self.__dict__["path"]:
            return
        url = to_url(self.__dict__["path"])
        held = self.__dict__["_file_handle"]
        held.update(externalURL=url, contentMd5=None, contentSize=None)


def set_local_path(file: File, path: str | None) -> None:
    """Say where a file's content lies on this machine, without making it a new content."""
    here = Path(path) if path else None
    file.__dict__["path"] = path or None
    file.__dict__["cacheDir"] = str(here.parent) if here else None
    file.__dict__["files"] = [here.name] if here else []


def _create_file_handle(known: Mapping[str, Any] | None) -> DictObject:
    """Make a file handle in which every alias can be read."""
    return DictObject(dict.fromkeys(_FILE_HANDLE_KEYS.values()) | dict(known or {}))


def _create_reference(target: Any, version: int | str | None) -> dict[str, Any]:
    found = split_version(target)
    number = version if version is not None else found.version
    reference: dict[str, Any] = {"targetId": found.id}
    return reference if number is None else {**reference, "targetVersionNumber": int(number)}
