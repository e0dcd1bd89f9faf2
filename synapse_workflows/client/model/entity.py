"""Entities: projects, folders, files and links, and whatever else lies in Synapse."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from synapse_workflows import vocabulary
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.ids import id_of, split_version
from synapse_workflows.client.model.locations import as_url, file_name
from synapse_workflows.client.model.namespaces import Kind, Namespaces

_ENTITY: Final = Kind(
    f"{vocabulary.MODEL}.Entity",
    frozenset({
        "id", "name", "description", "parentId", "entityType", "concreteType", "uri", "etag",
        "annotations", "accessControlList", "createdOn", "createdBy", "modifiedOn", "modifiedBy",
    }),
    needs_parent=False,
)  # fmt: skip
_VERSION_KEYS: Final = (
    "versionNumber", "versionLabel", "versionComment", "versionUrl", "versions", "isLatestVersion",
)  # fmt: skip
#: Keys of a File that live in its file handle, under another name there.
_ALIASES: Final = MappingProxyType(
    {
        "md5": "contentMd5",
        "fileSize": "contentSize",
        "contentType": "contentType",
        "externalURL": "externalURL",
    }
)


class Entity(Namespaces):
    """Anything that has a place in Synapse; the class of types that have none of their own.

    Args:
        properties: What Synapse defines, as it answers it.
        annotations: Values, or lists of values, by key.
        local_state: What is only known here, as the path of a file.
        parent: The container: an entity, or its id.
        **kwargs: Further keys; each finds its namespace.

    Raises:
        SynapseMalformedEntityError: The parent was not stored, is no container, or is missing
            where there is no id to find it by.
    """

    _kind: ClassVar[Kind] = _ENTITY

    def __init__(
        self,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        parent: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.properties.update(properties or {})
        self.properties.setdefault("concreteType", self._kind.concrete_type)
        self.annotations.update(annotations or {})
        self.local_state(local_state)
        for key, value in kwargs.items():
            self[key] = value
        if parent is not None:
            self.properties["parentId"] = _container_id(parent)
        placed = self.properties.get("parentId") or self.properties.get("id")
        if self._kind.needs_parent and not placed:
            raise SynapseMalformedEntityError(
                f"Entities of type {self._kind.concrete_type} must have a parentId. "
                "Give parent= a project or folder, or its id."
            )

    @classmethod
    def create(
        cls,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
    ) -> "Entity":
        """Make an entity of the class that its ``concreteType`` names.

        Types without a class of their own become an `Entity`. An entity given as `properties` is
        copied without its id.
        """
        if isinstance(properties, Entity):
            annotations = {**properties.annotations, **(annotations or {})}
            local_state = {**properties.local_state(), **(local_state or {})}
            properties = {k: v for k, v in properties.properties.items() if k != "id"}
        kind = cls
        if cls is Entity:
            kind = class_of((properties or {}).get("concreteType"))
        return kind(properties=properties, annotations=annotations, local_state=local_state)

    def postURI(self) -> str:
        """Say where to create it."""
        return "/entity"

    def putURI(self) -> str:
        """Say where to update it."""
        return f"/entity/{self.id}"

    def deleteURI(self, versionNumber: int | None = None) -> str:
        """Say where to delete it, or one version of what has versions."""
        if versionNumber is None or not self._kind.makes_versions:
            return f"/entity/{self.id}"
        return f"/entity/{self.id}/version/{versionNumber}"


class Project(Entity):
    """A project: the outermost container, with members and permissions of its own.

    Args:
        name: Unique in all of Synapse.
        properties: See `Entity`, as the rest.
        annotations: Values by key.
        local_state: What is only known here.
        **kwargs: Further keys.
    """

    _kind = _ENTITY.like(vocabulary.PROJECT, "alias")

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

    _kind = _ENTITY.like(vocabulary.FOLDER, needs_parent=True)

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

    _kind = _ENTITY.like(vocabulary.LINK, "linksTo", "linksToClassName", needs_parent=True)

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
            kwargs["linksTo"] = _reference(targetId, targetVersion)
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

    _kind = _ENTITY.like(
        vocabulary.FILE,
        *_VERSION_KEYS,
        "dataFileHandleId",
        "fileNameOverride",
        local_keys=frozenset({"path", "cacheDir", "files", "synapseStore", "_file_handle"}),
        needs_parent=True,
        makes_versions=True,
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
        self.__dict__["_file_handle"] = _handle(None)
        place(self, None if path is None else str(path))
        if not synapseStore:
            self.synapseStore = state["synapseStore"] = False
        if path is not None and "name" not in kwargs and "name" not in (properties or {}):
            kwargs["name"] = file_name(path)
        super().__init__(properties, annotations, state, parent, **kwargs)

    def local_state(self, state: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Read the local state, after taking over `state` where it is given."""
        given = dict(state or {})
        if "_file_handle" in given:
            self._take_handle(given.pop("_file_handle"))
        return super().local_state(given)

    def _take_handle(self, handle: Mapping[str, Any] | None) -> None:
        held = self.__dict__["_file_handle"] = _handle(handle)
        url = urlsplit(held.externalURL or "")
        if held.get("concreteType") == vocabulary.EXTERNAL_FILE_HANDLE and url.scheme != "sftp":
            self.__dict__["synapseStore"] = False

    def __getitem__(self, key: str) -> Any:
        if key in _ALIASES:
            return self.__dict__["_file_handle"].get(_ALIASES[key])
        return super().__getitem__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        match key:
            case "_file_handle":
                self._take_handle(value)
            case "path":
                place(self, None if value is None else str(value))
                self._note_location()
            case "synapseStore":
                changed = self.__dict__[key] != bool(value)
                self.__dict__[key] = bool(value)
                if changed:
                    self._note_location()
            case _ if key in _ALIASES:
                self.__dict__["_file_handle"][_ALIASES[key]] = value
            case _:
                super().__setitem__(key, value)

    def _note_location(self) -> None:
        """Point an external file to where it lies now; its MD5 and size are not known yet."""
        if self.__dict__["synapseStore"] or not self.__dict__["path"]:
            return
        url = as_url(self.__dict__["path"])
        held = self.__dict__["_file_handle"]
        held.update(externalURL=url, contentMd5=None, contentSize=None)


_CLASSES: Final[Mapping[str, type[Entity]]] = MappingProxyType(
    {
        vocabulary.PROJECT: Project,
        vocabulary.FOLDER: Folder,
        vocabulary.FILE: File,
        vocabulary.LINK: Link,
    }
)


def class_of(concrete_type: str | None) -> type[Entity]:
    """Find the class for a full type name; `Entity` for types that have none."""
    return _CLASSES.get(concrete_type or "", Entity)


def kind_of(concrete_type: str | None) -> Kind:
    """Find what is known of a type; of types that have no class, what all entities share."""
    return class_of(concrete_type)._kind  # noqa: SLF001 - our own class


def place(file: File, path: str | None) -> None:
    """Say where a file's content lies on this machine, without making it a new content."""
    here = Path(path) if path else None
    file.__dict__["path"] = path or None
    file.__dict__["cacheDir"] = str(here.parent) if here else None
    file.__dict__["files"] = [here.name] if here else []


def _handle(known: Mapping[str, Any] | None) -> DictObject:
    """Make a file handle in which every alias can be read."""
    return DictObject(dict.fromkeys(_ALIASES.values()) | dict(known or {}))


def _reference(target: Any, version: int | str | None) -> dict[str, Any]:
    found = split_version(target)
    number = version if version is not None else found.version
    reference: dict[str, Any] = {"targetId": found.id}
    return reference if number is None else {**reference, "targetVersionNumber": int(number)}


def _container_id(parent: Any) -> str:
    """Read the id of a parent, which must have been stored and be able to hold others."""
    kind = str(parent.get("concreteType")) if isinstance(parent, Mapping) else ""
    if kind in vocabulary.ENTITY_TYPES and kind not in vocabulary.CONTAINERS:
        raise SynapseMalformedEntityError(
            f"A {vocabulary.ENTITY_TYPES[kind]} ({parent.get('id')}) cannot hold other entities. "
            "Give a project or a folder as the parent."
        )
    try:
        return id_of(parent)
    except ValueError:
        raise SynapseMalformedEntityError(
            "Couldn't find 'id' of parent. Has it been stored in Synapse?"
        ) from None
