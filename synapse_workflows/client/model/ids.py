"""Parsing of Synapse IDs and version numbers."""

import re
from collections.abc import Mapping
from numbers import Integral
from typing import Any, NamedTuple

from synapse_workflows.client.model.rest_object import RestObject

_SYNAPSE_ID = re.compile(r"syn\d+(\.\d+)?", re.IGNORECASE | re.ASCII)
#: Maximum length of an invalid ID in an error.
_MAX_SHOWN = 40
#: Fields that can contain the ID of an object, in order of precedence.
_ID_KEYS = ("id", "ownerId", "tableId")


class VersionedId(NamedTuple):
    """An entity ID with its version; the version is None if it is not specified."""

    id: str
    version: int | None


def is_synapse_id(value: object) -> bool:
    """Return whether a value is a string such as ``syn123`` or ``syn123.4``."""
    return isinstance(value, str) and _SYNAPSE_ID.fullmatch(value.strip()) is not None


def id_of(obj: Any) -> str:
    """Return the ID of an object.

    Strings and integers are IDs themselves. For other objects, the ID is the field `id`,
    `ownerId` or `tableId`: a property of an entity, an item of a mapping or an attribute. Fields
    that are None are ignored.

    Args:
        obj: ``"syn123"``, ``123``, an entity, a profile, or a dictionary returned by Synapse.

    Raises:
        ValueError: The object has no ID, usually because it was not stored.
    """
    if isinstance(obj, str):
        return obj.strip()
    if isinstance(obj, int | Integral) and not isinstance(obj, bool):  # also integers of NumPy
        return str(int(obj))
    for name in _ID_KEYS:
        found = _read_field(obj, name)
        if found is not None:
            return str(found)
    raise ValueError(
        f"Invalid parameters: couldn't find id of {_truncate(obj)}. "
        "Pass a Synapse ID such as 'syn123', or an object that has been stored."
    )


def _read_field(obj: Any, name: str) -> Any:
    """Read a field of an object; the annotations of an entity are ignored."""
    properties = getattr(obj, "properties", None)
    if isinstance(properties, Mapping):
        return properties.get(name)
    if isinstance(obj, Mapping) and obj.get(name) is not None:
        return obj[name]
    return getattr(obj, name, None)


def split_version(value: Any) -> VersionedId:
    """Split ``syn123.4`` into ``syn123`` and 4; other IDs are returned without a version.

    Args:
        value: Any value that `id_of` accepts; only a string can include a version.

    Raises:
        ValueError: The value has no ID, see `id_of`.
    """
    text = id_of(value)
    if not is_synapse_id(text):
        return VersionedId(text, None)
    base, _, version = text.lower().partition(".")
    return VersionedId(base, int(version) if version else None)


def parse_entity_id(value: Any) -> VersionedId:
    """Parse the ID and the version of an entity.

    Args:
        value: ``"syn123"``, ``"syn123.4"``, ``123``, ``"123"``, or an object with an ID.

    Raises:
        ValueError: The value is not an entity ID, or the object is not an entity.
    """
    text = id_of(value)
    if isinstance(value, RestObject):  # the entity with this number is another object
        raise ValueError(  # noqa: TRY004 - as for other invalid IDs
            f"Invalid entity: {type(value).__name__} {text} is not an entity. Pass an entity or a "
            "Synapse ID such as 'syn123'."
        )
    if text.isascii() and text.isdecimal():
        return VersionedId(f"syn{int(text)}", None)
    if not is_synapse_id(text):
        raise ValueError(
            f"Invalid Synapse ID {_truncate(text)}: expected 'syn' followed by digits, for "
            "example 'syn123' or 'syn123.4'."
        )
    return split_version(text)


def parse_numeric_id(value: Any, kind: str) -> str:
    """Parse the ID of an object that is not an entity, such as a submission or a team.

    Args:
        value: A positive integer, its decimal text, or an object with an ID.
        kind: What the ID identifies, for the error message: ``submission``.

    Returns:
        Decimal text.

    Raises:
        ValueError: The value is not such an ID.
    """
    text = id_of(value)
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(
            f"Invalid {kind} ID {_truncate(text)}: expected digits, for example '9600001', "
            f"or the {kind}."
        )
    return text


def parse_storage_location_id(value: Any) -> int:
    """Parse the ID of a storage location.

    Args:
        value: A number, its decimal text, or the storage location as returned by Synapse.

    Raises:
        ValueError: The value is not such an ID. The message contains no property of a storage
            location, which may be secret.
    """
    if isinstance(value, Mapping):
        found, shown = value.get("storageLocationId"), "a mapping without storageLocationId"
    else:
        found, shown = value, _truncate(value)
    is_number = isinstance(found, str | int | Integral) and not isinstance(found, bool)
    text = str(found).strip() if is_number else ""
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(
            f"Invalid storage location ID {shown}: expected digits, for example 35, or the "
            "storage location."
        )
    return int(text)


def parse_version_number(value: Any) -> int:
    """Parse the version number of an entity.

    Args:
        value: A positive integer or its decimal text.

    Raises:
        ValueError: The value is not a version number; version labels are not accepted.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ValueError(
            f"Invalid version number {_truncate(value)}: expected a positive integer such as 3. "
            "Version labels are not accepted."
        )
    return int(text)


def _truncate(obj: Any, limit: int = 120) -> str:
    """Return the repr of an invalid value; the start of a URL or a token, which may be secret."""
    if isinstance(obj, str) and (len(obj) > _MAX_SHOWN or "://" in obj):
        return f"{obj[:6]!r}... ({len(obj)} characters)"
    text = repr(obj)
    return text if len(text) <= limit else text[: limit - 3] + "..."
