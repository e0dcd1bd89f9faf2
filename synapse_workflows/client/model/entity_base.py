"""What all entities share: properties, annotations and local state behind one mapping."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from synapse_workflows import constants
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.ids import id_of

_NAMESPACES = ("properties", "annotations")


@dataclass(frozen=True)
class EntityType:
    """What a class of entities is, for Synapse and here.

    Args:
        concrete_type: Its full type, ``org.sagebionetworks.repo.model.FileEntity``.
        property_keys: Names that Synapse defines for it; all others are annotations.
        local_keys: Names of what is only known here.
        requires_parent: Whether it lies in a container.
        is_versionable: Whether storing it can make a new version.
    """

    concrete_type: str
    property_keys: frozenset[str]
    local_keys: frozenset[str] = frozenset()
    requires_parent: bool = True
    is_versionable: bool = False

    def derive(self, concrete_type: str, *more_properties: str, **facts: Any) -> "EntityType":
        """Derive a kind with more properties and other facts."""
        keys = self.property_keys | set(more_properties)
        return replace(self, concrete_type=concrete_type, property_keys=keys, **facts)


class NamespacedMapping(MutableMapping[str, Any]):
    """A mapping over two dictionaries, with attributes beside them.

    `properties` holds what Synapse defines for the class, `annotations` everything else, and
    attributes hold local state that is never stored. Every key is an item and an attribute.
    Iteration covers properties and annotations only.
    """

    _entity_type: ClassVar[EntityType]

    properties: DictObject
    annotations: DictObject

    def __init__(self) -> None:
        self.__dict__["properties"] = DictObject()
        self.__dict__["annotations"] = DictObject()

    def local_state(self, state: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Read the local state, after taking over `state` where it is given."""
        for key, value in (state or {}).items():
            if key not in _NAMESPACES:
                self.__dict__[key] = value
        return {key: value for key, value in self.__dict__.items() if key not in _NAMESPACES}

    def __getitem__(self, key: str) -> Any:
        for held in (self.__dict__, self.__dict__["properties"], self.__dict__["annotations"]):
            if key in held:
                return held[key]
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key in _NAMESPACES and isinstance(value, Mapping):
            self.__dict__[key] = DictObject(value)
        elif key in self._entity_type.local_keys or key in self.__dict__:
            self.__dict__[key] = value
        elif key in self._entity_type.property_keys or key in self.properties:
            self.properties[key] = value
        else:
            self.annotations[key] = value

    def __delitem__(self, key: str) -> None:
        if key in self.properties:
            del self.properties[key]
        elif key in self.annotations:
            del self.annotations[key]
        elif key in self._entity_type.local_keys:
            self.__dict__[key] = None
        else:
            raise KeyError(key)

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is no attribute; copy and pickle ask before there is anything.
        if name in _NAMESPACES or name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            kind = type(self).__name__
            raise AttributeError(f"{kind!r} object has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            kind = type(self).__name__
            raise AttributeError(f"{kind!r} object has no attribute {name!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter({**self.properties, **self.annotations})

    def __len__(self) -> int:
        return len({**self.properties, **self.annotations})

    def has_key(self, key: str) -> bool:
        """Tell whether a key is there, local state included."""
        return key in self

    def __str__(self) -> str:
        lines = [f"{type(self).__name__}: {self.get('name')} ({self.get('id') or 'not stored'})"]
        held = (("properties", self.properties), ("annotations", self.annotations))
        for title, values in held:
            lines += [f"{title}:", *(f"  {key}={values[key]!r}" for key in sorted(values))]
        return "\n".join(lines)

    def __repr__(self) -> str:
        named = {key: self.get(key) for key in ("name", "id", "parentId") if key in self}
        listed = ", ".join(f"{key}={value!r}" for key, value in named.items())
        return f"{type(self).__name__}({listed})"


#: What is known of every entity, and all that is known of a type without a class of its own.
BASE_ENTITY_TYPE: Final = EntityType(
    f"{constants.MODEL}.Entity",
    frozenset({
        "id", "name", "description", "parentId", "entityType", "concreteType", "uri", "etag",
        "annotations", "accessControlList", "createdOn", "createdBy", "modifiedOn", "modifiedBy",
    }),
    requires_parent=False,
)  # fmt: skip


class Entity(NamespacedMapping):
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

    _entity_type: ClassVar[EntityType] = BASE_ENTITY_TYPE

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
        self.properties.setdefault("concreteType", self._entity_type.concrete_type)
        self.annotations.update(annotations or {})
        self.local_state(local_state)
        for key, value in kwargs.items():
            self[key] = value
        if parent is not None:
            self.properties["parentId"] = _get_container_id(parent)
        placed = self.properties.get("parentId") or self.properties.get("id")
        if self._entity_type.requires_parent and not placed:
            raise SynapseMalformedEntityError(
                f"Entities of type {self._entity_type.concrete_type} must have a parentId. "
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
        kind = get_entity_class((properties or {}).get("concreteType")) if cls is Entity else cls
        return kind(properties=properties, annotations=annotations, local_state=local_state)

    def postURI(self) -> str:
        """Say where to create it."""
        return "/entity"

    def putURI(self) -> str:
        """Say where to update it."""
        return f"/entity/{self.id}"

    def deleteURI(self, versionNumber: int | None = None) -> str:
        """Say where to delete it, or one version of what has versions."""
        has_versions = self._entity_type.is_versionable or "versionNumber" in self.properties
        if versionNumber is None or not has_versions:
            return f"/entity/{self.id}"
        return f"/entity/{self.id}/version/{versionNumber}"


def get_entity_class(concrete_type: str | None) -> type[Entity]:
    """Return the class registered for a concrete type, or `Entity` if there is none."""
    for subclass in _iter_subclasses(Entity):
        if subclass._entity_type.concrete_type == concrete_type:  # noqa: SLF001 - our own class
            return subclass
    return Entity


def _iter_subclasses(kind: type[Entity]) -> Iterator[type[Entity]]:
    """Go through the classes that derive from one, and what derives from those."""
    for one in kind.__subclasses__():
        yield one
        yield from _iter_subclasses(one)


def get_entity_type(concrete_type: str | None) -> EntityType:
    """Find what is known of a type; of types that have no class, what all entities share."""
    return get_entity_class(concrete_type)._entity_type  # noqa: SLF001 - our own class


def _get_container_id(parent: Any) -> str:
    """Read the id of a parent, which must have been stored and be able to hold others."""
    kind = str(parent.get("concreteType")) if isinstance(parent, Mapping) else ""
    if kind in constants.ENTITY_TYPES and kind not in constants.CONTAINERS:
        raise SynapseMalformedEntityError(
            f"A {constants.ENTITY_TYPES[kind]} ({parent.get('id')}) cannot hold other entities. "
            "Give a project or a folder as the parent."
        )
    try:
        return id_of(parent)
    except ValueError:
        raise SynapseMalformedEntityError(
            "Couldn't find 'id' of parent. Has it been stored in Synapse?"
        ) from None
