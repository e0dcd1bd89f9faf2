"""Base class of all entities: properties, annotations and local state in one mapping."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from synapse_workflows import constants
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.ids import id_of

_NAMESPACES = ("properties", "annotations")
#: Key of the local state that contains additional values for `Entity.serialize`.
_REFERENCE: Final = "_reference"


@dataclass(frozen=True)
class EntityType:
    """Properties of one entity type.

    Args:
        concrete_type: Full type name, ``org.sagebionetworks.repo.model.FileEntity``.
        property_keys: Keys defined by Synapse; all other keys are annotations.
        local_keys: Keys of the local state, which is never sent to Synapse.
        requires_parent: Whether the entity must be in a container.
        is_versionable: Whether storing the entity can create a new version.
    """

    concrete_type: str
    property_keys: frozenset[str]
    local_keys: frozenset[str] = frozenset()
    requires_parent: bool = True
    is_versionable: bool = False

    def derive(self, concrete_type: str, *more_properties: str, **changes: Any) -> "EntityType":
        """Return a copy with another concrete type, more property keys and other changes."""
        keys = self.property_keys | set(more_properties)
        return replace(self, concrete_type=concrete_type, property_keys=keys, **changes)


class NamespacedMapping(MutableMapping[str, Any]):
    """A mapping that combines three namespaces.

    `properties` contains the keys that Synapse defines for the class, and `annotations` contains
    all other keys. Local state is stored in attributes and never sent to Synapse. Every key is
    both an item and an attribute. Iteration returns keys of properties and annotations only.
    """

    _entity_type: ClassVar[EntityType]

    properties: DictObject
    annotations: DictObject

    def __init__(self) -> None:
        self.__dict__["properties"] = DictObject()
        self.__dict__["annotations"] = DictObject()

    def local_state(self, state: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the local state, after updating it with `state` if given."""
        for key, value in (state or {}).items():
            if key not in _NAMESPACES:
                self.__dict__[key] = value
        return {key: value for key, value in self.__dict__.items() if key not in _NAMESPACES}

    def __getitem__(self, key: str) -> Any:
        namespaces = (self.__dict__, self.__dict__["properties"], self.__dict__["annotations"])
        for namespace in namespaces:
            if key in namespace:
                return namespace[key]
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
        # Python calls __getattr__ if normal lookup fails; copy and pickle do so before __init__.
        if name in _NAMESPACES or name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            class_name = type(self).__name__
            raise AttributeError(f"{class_name!r} object has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            class_name = type(self).__name__
            raise AttributeError(f"{class_name!r} object has no attribute {name!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter({**self.properties, **self.annotations})

    def __len__(self) -> int:
        return len({**self.properties, **self.annotations})

    def has_key(self, key: str) -> bool:
        """Return whether a key exists, including local state."""
        return key in self

    def __str__(self) -> str:
        lines = [f"{type(self).__name__}: {self.get('name')} ({self.get('id') or 'not stored'})"]
        namespaces = (("properties", self.properties), ("annotations", self.annotations))
        for title, values in namespaces:
            lines += [f"{title}:", *(f"  {key}={values[key]!r}" for key in sorted(values))]
        return "\n".join(lines)

    def __repr__(self) -> str:
        shown = {key: self.get(key) for key in ("name", "id", "parentId") if key in self}
        fields = ", ".join(f"{key}={value!r}" for key, value in shown.items())
        return f"{type(self).__name__}({fields})"


#: Properties common to all entities; used for entity types without a specific class.
BASE_ENTITY_TYPE: Final = EntityType(
    f"{constants.MODEL}.Entity",
    frozenset({
        "id", "name", "description", "parentId", "entityType", "concreteType", "uri", "etag",
        "annotations", "accessControlList", "createdOn", "createdBy", "modifiedOn", "modifiedBy",
    }),
    requires_parent=False,
)  # fmt: skip


class Entity(NamespacedMapping):
    """Base class of entities, and class of entity types without a specific class.

    Args:
        properties: Properties, as returned by Synapse.
        annotations: Values, or lists of values, by key.
        local_state: Local state, for example the path of a file.
        parent: The container, or its ID.
        **kwargs: Further keys; each key is added to its namespace.

    Raises:
        SynapseMalformedEntityError: The parent was not stored, is not a container, or is missing
            although the entity has no ID.
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
        location = self.properties.get("parentId") or self.properties.get("id")
        if self._entity_type.requires_parent and not location:
            raise SynapseMalformedEntityError(
                f"Entities of type {self._entity_type.concrete_type} must have a parentId. "
                "Pass parent=, a project or folder, or its ID."
            )

    @classmethod
    def create(
        cls,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
    ) -> "Entity":
        """Create an entity of the class that matches the ``concreteType`` of its properties.

        Types without a specific class become an `Entity`. If `properties` is an entity, the
        result is a copy of the entity without its ID.
        """
        if isinstance(properties, Entity):
            annotations = {**properties.annotations, **(annotations or {})}
            local_state = {**properties.local_state(), **(local_state or {})}
            properties = {k: v for k, v in properties.properties.items() if k != "id"}
        concrete_type = (properties or {}).get("concreteType")
        entity_class = get_entity_class(concrete_type) if cls is Entity else cls
        return entity_class(
            properties=properties, annotations=annotations, local_state=local_state
        )

    def postURI(self) -> str:
        """Return the URI that creates the entity."""
        return "/entity"

    def putURI(self) -> str:
        """Return the URI that updates the entity."""
        return f"/entity/{self.id}"

    def serialize(self) -> dict[str, Any]:
        """Return the reference of the entity, which Airflow stores in XComs.

        Returns:
            A dictionary with `id`, `version`, `name`, `concrete_type`, `parent_id` and `path`, and
            for the file handle `md5`, `size` (bytes), `content_type` and `file_handle_id`. Values
            that the entity does not have are None. `add_to_reference` sets further keys.

        Raises:
            TypeError: The entity was not stored.
        """
        if not self.get("id"):
            raise TypeError(
                f"A task cannot return the {type(self).__name__} {self.get('name')!r}, because it "
                "was not stored. Return syn.store(entity)"
            )
        handle = self.get("_file_handle") or {}
        path, size = self.get("path"), handle.get("contentSize")
        return {
            "id": self.get("id"),
            "version": self.get("versionNumber"),
            "name": self.get("name"),
            "concrete_type": self.get("concreteType"),
            "parent_id": self.get("parentId"),
            "path": str(path) if path else None,
            "md5": handle.get("contentMd5"),
            "size": None if size is None else int(size),
            "content_type": handle.get("contentType"),
            "file_handle_id": self.get("dataFileHandleId"),
            **(self.get(_REFERENCE) or {}),
        }

    @staticmethod
    def deserialize(data: dict[str, Any], version: int) -> dict[str, Any]:  # noqa: ARG004
        """Return the result of `serialize` unchanged: tasks receive references, not entities."""
        return data

    def add_to_reference(self, **values: Any) -> None:
        """Set further keys of the reference that `serialize` returns."""
        self.local_state({_REFERENCE: values})

    def deleteURI(self, versionNumber: int | None = None) -> str:
        """Return the URI that deletes the entity, or one version of it."""
        has_versions = self._entity_type.is_versionable or "versionNumber" in self.properties
        if versionNumber is None or not has_versions:
            return f"/entity/{self.id}"
        return f"/entity/{self.id}/version/{versionNumber}"


def get_entity_class(concrete_type: str | None) -> type[Entity]:
    """Return the class of a concrete type, or `Entity` if the type has no class."""
    for subclass in _iter_subclasses(Entity):
        if subclass._entity_type.concrete_type == concrete_type:  # noqa: SLF001 - our own class
            return subclass
    return Entity


def list_entity_classes() -> list[type[Entity]]:
    """Return `Entity` and all classes of entities."""
    return [Entity, *_iter_subclasses(Entity)]


def _iter_subclasses(base: type[Entity]) -> Iterator[type[Entity]]:
    """Iterate over the direct and indirect subclasses of a class."""
    for subclass in base.__subclasses__():
        yield subclass
        yield from _iter_subclasses(subclass)


def get_entity_type(concrete_type: str | None) -> EntityType:
    """Return the `EntityType` of a concrete type, or `BASE_ENTITY_TYPE` if it has no class."""
    return get_entity_class(concrete_type)._entity_type  # noqa: SLF001 - our own class


def _get_container_id(parent: Any) -> str:
    """Return the ID of a parent, which must be a stored container."""
    concrete_type = str(parent.get("concreteType")) if isinstance(parent, Mapping) else ""
    if concrete_type in constants.ENTITY_TYPES and concrete_type not in constants.CONTAINERS:
        raise SynapseMalformedEntityError(
            f"Invalid parent: a {constants.ENTITY_TYPES[concrete_type]} ({parent.get('id')}) "
            "cannot contain other entities. Pass a project or a folder."
        )
    try:
        return id_of(parent)
    except ValueError:
        raise SynapseMalformedEntityError(
            "Couldn't find 'id' of parent. Has it been stored in Synapse? "
            "Store it first with syn.store(parent)."
        ) from None
