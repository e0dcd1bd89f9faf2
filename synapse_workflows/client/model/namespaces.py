"""How an entity holds its keys: properties, annotations and local state behind one mapping."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from synapse_workflows.client.model.dict_object import DictObject

_DICTIONARIES = ("properties", "annotations")


@dataclass(frozen=True)
class Kind:
    """What a class of entities is, for Synapse and here.

    Args:
        concrete_type: Its full type, ``org.sagebionetworks.repo.model.FileEntity``.
        property_keys: Names that Synapse defines for it; all others are annotations.
        local_keys: Names of what is only known here.
        needs_parent: Whether it lies in a container.
        makes_versions: Whether storing it can make a new version.
    """

    concrete_type: str
    property_keys: frozenset[str]
    local_keys: frozenset[str] = frozenset()
    needs_parent: bool = True
    makes_versions: bool = False

    def like(self, concrete_type: str, *more_properties: str, **facts: Any) -> "Kind":
        """Derive a kind with more properties and other facts."""
        keys = self.property_keys | set(more_properties)
        return replace(self, concrete_type=concrete_type, property_keys=keys, **facts)


class Namespaces(MutableMapping[str, Any]):
    """A mapping over two dictionaries, with attributes beside them.

    `properties` holds what Synapse defines for the class, `annotations` everything else, and
    attributes hold local state that is never stored. Every key is an item and an attribute.
    Iteration covers properties and annotations only.
    """

    _kind: ClassVar[Kind]

    properties: DictObject
    annotations: DictObject

    def __init__(self) -> None:
        self.__dict__["properties"] = DictObject()
        self.__dict__["annotations"] = DictObject()

    def local_state(self, state: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Read the local state, after taking over `state` where it is given."""
        for key, value in (state or {}).items():
            if key not in _DICTIONARIES:
                self.__dict__[key] = value
        return {key: value for key, value in self.__dict__.items() if key not in _DICTIONARIES}

    def __getitem__(self, key: str) -> Any:
        for held in (self.__dict__, self.__dict__["properties"], self.__dict__["annotations"]):
            if key in held:
                return held[key]
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key in _DICTIONARIES and isinstance(value, Mapping):
            self.__dict__[key] = DictObject(value)
        elif key in self._kind.local_keys or key in self.__dict__:
            self.__dict__[key] = value
        elif key in self._kind.property_keys or key in self.properties:
            self.properties[key] = value
        else:
            self.annotations[key] = value

    def __delitem__(self, key: str) -> None:
        if key in self.properties:
            del self.properties[key]
        elif key in self.annotations:
            del self.annotations[key]
        elif key in self._kind.local_keys:
            self.__dict__[key] = None
        else:
            raise KeyError(key)

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is no attribute; copy and pickle ask before there is anything.
        if name in _DICTIONARIES or name.startswith("__"):
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
