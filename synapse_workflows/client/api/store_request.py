"""Store requests: the argument of `store`, validated before any request is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.errors import (
    SynapseError,
    SynapseFileNotFoundError,
    SynapseMalformedEntityError,
)
from synapse_workflows.client.model import annotations
from synapse_workflows.client.model.entity import Entity, get_entity_type
from synapse_workflows.client.model.entity_base import EntityType
from synapse_workflows.client.model.entity_names import require_valid_name
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.model.paths import expand_path, get_file_name, is_url, to_url
from synapse_workflows.constants import ENTITY_TYPES, FILE

#: Keys that are set first, because the meaning of other keys depends on these keys.
_FIRST_KEYS: Final = ("path", "synapseStore")
#: Type of an entity without a concrete type. This type does not exist in Synapse.
UNTYPED: Final = get_entity_type(None).concrete_type
#: Property keys of older versions of Synapse, which are valid names of annotations.
_NOT_RESERVED: Final = frozenset(
    {"uri", "annotations", "accessControlList", "entityType", "versions", "versionUrl"}
)


@dataclass(frozen=True)
class FileContent:
    """Content of a file entity.

    Args:
        location: The path of a local file if `in_synapse`, else a URL.
        in_synapse: Whether to upload the content; False to store only the URL of the content.
        handle: Known properties of the file handle: ``contentType``, and for a URL
            ``contentMd5`` and ``contentSize`` (bytes).
    """

    location: str
    in_synapse: bool
    handle: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoreRequest:
    """An entity to store.

    Args:
        entity_type: Type of the entity.
        properties: Properties as JSON.
        annotations: AnnotationsValue by key.
        local_state: Local properties, such as the path of a file.
        content: Content of a file; None to keep the current content.
    """

    entity_type: EntityType
    properties: Mapping[str, Any]
    annotations: Mapping[str, Any]
    local_state: Mapping[str, Any] = field(default_factory=dict)
    content: FileContent | None = None

    @property
    def id(self) -> str | None:
        """The ID of the entity, ``syn123``; None for a new entity."""
        return self.properties.get("id")


def parse_store_request(obj: Any) -> StoreRequest:
    """Parse and validate the argument of `store`.

    Args:
        obj: An entity, or a mapping with the same keys.

    Raises:
        SynapseError: `obj` is neither an entity nor a mapping.
        SynapseMalformedEntityError: The type or the parent is missing, the name is invalid, or
            an annotation has the name of a property.
        SynapseFileNotFoundError: The local file does not exist, or is a directory.
        ValueError: An ID, an annotation or a location is invalid.
    """
    if not isinstance(obj, Mapping):
        raise SynapseError(
            f"Can't store a value of type {type(obj).__name__}. Pass an entity, as "
            "File('data.csv', parent='syn123'), or a dictionary with its properties."
        )
    entity = obj if isinstance(obj, Entity) else _to_entity(obj)
    entity_type = get_entity_type(entity.properties.get("concreteType"))
    properties = _get_properties(entity)
    state = entity.local_state() if entity_type.local_keys else {}
    if state.get("path"):
        state["path"] = expand_path(state["path"])
    require_valid_annotations(entity.annotations, entity_type)
    values = annotations.to_synapse_annotations(entity.annotations)
    return StoreRequest(entity_type, properties, values, state, _get_content(state))


def _to_entity(values: Mapping[str, Any]) -> Entity:
    """Create an entity from a mapping of properties, annotations and local properties."""
    given = dict(values)
    if given.get("path"):
        given.setdefault("concreteType", FILE)
        if not given.get("id"):
            given.setdefault("name", get_file_name(given["path"]))
    entity_type = get_entity_type(given.get("concreteType"))
    nested = given.pop("annotations", None)
    properties = {key: given.pop(key) for key in entity_type.property_keys & given.keys()}
    entity = Entity.create(properties, nested if isinstance(nested, Mapping) else None)
    for key in sorted(given, key=_key_order):
        entity[key] = given[key]
    return entity


def _key_order(key: str) -> int:
    return _FIRST_KEYS.index(key) if key in _FIRST_KEYS else len(_FIRST_KEYS)


def _get_properties(entity: Entity) -> dict[str, Any]:
    properties = dict(entity.properties)
    for key in ("id", "parentId"):
        if properties.get(key):
            properties[key] = parse_entity_id(properties[key]).id
    if properties.get("name") is not None:
        _require_valid_name(str(properties["name"]), properties["concreteType"])
    if not properties.get("id") and properties["concreteType"] == UNTYPED:
        raise SynapseMalformedEntityError(
            "A new entity needs a type: use Project, Folder, File or Link, or set its concreteType"
        )
    return properties


def _require_valid_name(name: str, concrete_type: str) -> None:
    advice = "Pass another name" if name.strip() else "Pass None to name the entity by its ID"
    require_valid_name(name, f"the {ENTITY_TYPES.get(concrete_type, 'entity')}", advice)


def require_valid_annotations(names: Iterable[str], entity_type: EntityType) -> None:
    """Check that no annotation has the name of a property of its entity.

    Raises:
        SynapseMalformedEntityError: An annotation has the name of a property.
    """
    reserved = sorted(set(names) & entity_type.property_keys - _NOT_RESERVED)
    if reserved:
        raise SynapseMalformedEntityError(
            f"Invalid annotation name {reserved[0]!r}: it is a property of the entity. Use "
            "another name, or set the property itself."
        )


def _get_content(state: Mapping[str, Any]) -> FileContent | None:
    """Return the content of a file, after checking that a local file exists."""
    path, handle = state.get("path"), state.get("_file_handle") or {}
    if not state.get("synapseStore", True):
        location = handle.get("externalURL") or path
        return FileContent(to_url(location), in_synapse=False, handle=handle) if location else None
    if not path:
        return None
    return FileContent(str(_require_local_file(path)), in_synapse=True, handle=handle)


def _require_local_file(location: str) -> Path:
    """Return the path of a local file that can be uploaded."""
    if is_url(location):
        parts = urlsplit(location)
        if parts.scheme != "file":
            raise ValueError(
                f"{redact_url(location)} is a URL, not a local file. Use synapseStore=False to "
                "store the URL, or download the file first to upload it."
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
            "to store the entity without its content, set its path to None."
        )
    return path
