"""Drafts: what `store` was given, taken apart and checked before anything is asked of Synapse."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from synapse_workflows.client.errors import (
    SynapseError,
    SynapseFileNotFoundError,
    SynapseMalformedEntityError,
)
from synapse_workflows.client.model import annotations
from synapse_workflows.client.model.entity import Entity, get_entity_type
from synapse_workflows.client.model.entity_base import EntityType
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.model.paths import expand_path, get_file_name, is_url, to_url
from synapse_workflows.constants import FILE

#: Set in this order, as the later ones depend on the earlier ones.
_FIRST: Final = ("path", "synapseStore")
#: The type of an entity of which nothing more is known; Synapse has none of it.
UNTYPED: Final = get_entity_type(None).concrete_type


@dataclass(frozen=True)
class FileContent:
    """What a file entity is to hold.

    Args:
        location: The path of a local file when `in_synapse`, else a URL.
        in_synapse: Whether the bytes go to Synapse's storage, or stay where they are.
        handle: What is said of it: ``contentType``, and for a URL ``contentMd5``,
            ``contentSize`` (bytes).
    """

    location: str
    in_synapse: bool
    handle: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoreRequest:
    """An entity to be stored.

    Args:
        kind: What Synapse and we know of its type.
        properties: As Synapse takes them.
        annotations: As Synapse takes them.
        local_state: What is only known here.
        content: What the file is to hold; None to leave that as it is.
    """

    kind: EntityType
    properties: Mapping[str, Any]
    annotations: Mapping[str, Any]
    local_state: Mapping[str, Any] = field(default_factory=dict)
    content: FileContent | None = None

    @property
    def id(self) -> str | None:
        """``syn123``; None for what is not in Synapse yet."""
        return self.properties.get("id")


def parse_store_request(obj: Any) -> StoreRequest:
    """Take apart what was given to `store`.

    Args:
        obj: An entity, or a mapping with the same keys.

    Raises:
        SynapseError: Neither an entity nor a mapping.
        SynapseMalformedEntityError: No type, or no parent.
        SynapseFileNotFoundError: The local file is not there, or is a directory.
        ValueError: An id, an annotation or a location that cannot be.
    """
    if not isinstance(obj, Mapping):
        raise SynapseError(
            f"Can't store a {type(obj)}. Give an entity, as File('data.csv', parent='syn123'), "
            "or a dictionary with its properties."
        )
    entity = obj if isinstance(obj, Entity) else _as_entity(obj)
    kind = get_entity_type(entity.properties.get("concreteType"))
    properties = _properties(entity, kind)
    state = entity.local_state() if kind.local_keys else {}
    if state.get("path"):
        state["path"] = expand_path(state["path"])
    return StoreRequest(
        kind,
        properties,
        annotations.to_synapse_annotations(entity.annotations),
        state,
        _content(state),
    )


def _as_entity(values: Mapping[str, Any]) -> Entity:
    """Make an entity of a plain mapping, each key in its namespace."""
    given = dict(values)
    if given.get("path"):
        given.setdefault("concreteType", FILE)
        if not given.get("id"):
            given.setdefault("name", get_file_name(given["path"]))
    kind = get_entity_type(given.get("concreteType"))
    noted = given.pop("annotations", None)
    properties = {key: given.pop(key) for key in kind.property_keys & given.keys()}
    entity = Entity.create(properties, noted if isinstance(noted, Mapping) else None)
    for key in sorted(given, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST)):
        entity[key] = given[key]
    return entity


def _properties(entity: Entity, kind: EntityType) -> dict[str, Any]:
    properties = dict(entity.properties)
    for key in ("id", "parentId"):
        if properties.get(key):
            properties[key] = parse_entity_id(properties[key]).id
    if not properties.get("id") and properties["concreteType"] == UNTYPED:
        raise SynapseMalformedEntityError(
            "A new entity needs a type: use Project, Folder, File or Link, or say its concreteType"
        )
    if kind.is_versionable:
        # Without it, the comment of the last version would be carried to the new one.
        properties.setdefault("versionComment", None)
    return properties


def _content(state: Mapping[str, Any]) -> FileContent | None:
    """Find what a file is to hold, and check that it can be had."""
    path, handle = state.get("path"), state.get("_file_handle") or {}
    if not state.get("synapseStore", True):
        location = handle.get("externalURL") or path
        return FileContent(to_url(location), in_synapse=False, handle=handle) if location else None
    if not path:
        return None
    return FileContent(str(_local_file(path)), in_synapse=True, handle=handle)


def _local_file(location: str) -> Path:
    """Check that a location is a file that can be uploaded."""
    if is_url(location):
        parts = urlsplit(location)
        if parts.scheme != "file":
            raise ValueError(
                f"{location} is a URL, not a local file. To note where the content is, store it "
                "with synapseStore=False; to keep it in Synapse, download it first."
            )
        location = url2pathname(parts.path)
    path = Path(location)
    if path.is_dir():
        raise SynapseFileNotFoundError(
            f"{location} is a directory. Store its files one by one, in a Folder."
        )
    if not path.is_file():
        raise SynapseFileNotFoundError(
            f"There is no file {location} on this machine. Check the path; "
            "to change an entity without its content, set its path to None."
        )
    return path
