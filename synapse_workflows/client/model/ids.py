"""Synapse ids: how they look, what carries them, how a version rides on them."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_SYNAPSE_ID = re.compile(r"syn\d+(\.\d+)?", re.IGNORECASE | re.ASCII)
#: Where an object keeps its id, in the order in which they are asked.
_ID_KEYS = ("id", "ownerId", "tableId")


class VersionedId(NamedTuple):
    """An entity id with the version that was named on it, if any."""

    id: str
    version: int | None


def is_synapse_id(value: object) -> bool:
    """Tell whether a value is the text of a Synapse id: ``syn123`` or ``syn123.4``."""
    return isinstance(value, str) and _SYNAPSE_ID.fullmatch(value.strip()) is not None


def id_of(obj: Any) -> str:
    """Find the id of a thing: text and numbers are ids; else `id`, `ownerId` or `tableId`.

    Members, items and the properties of an entity are looked at; None counts as missing.

    Args:
        obj: ``"syn123"``, ``123``, an entity, a profile, a dictionary from the service.

    Raises:
        ValueError: The object carries no id; it was probably never stored.
    """
    if isinstance(obj, str):
        return obj.strip()
    if isinstance(obj, int) and not isinstance(obj, bool):
        return str(obj)
    for name in _ID_KEYS:
        found = _read_field(obj, name)
        if found is not None:
            return str(found)
    raise ValueError(
        f"Invalid parameters: couldn't find id of {_truncate(obj)}. "
        "Give a Synapse id such as 'syn123', or an object that has been stored."
    )


def _read_field(obj: Any, name: str) -> Any:
    """Read one name of an object; an entity's annotations never count as its id."""
    properties = getattr(obj, "properties", None)
    if isinstance(properties, Mapping):
        return properties.get(name)
    if isinstance(obj, Mapping) and obj.get(name) is not None:
        return obj[name]
    return getattr(obj, name, None)


def split_version(value: Any) -> VersionedId:
    """Take ``syn123.4`` apart into ``syn123`` and 4; other ids come back without a version.

    Args:
        value: Anything `id_of` understands; only text can carry a version.

    Raises:
        ValueError: No id to be found, see `id_of`.
    """
    text = id_of(value)
    if not is_synapse_id(text):
        return VersionedId(text, None)
    base, _, version = text.lower().partition(".")
    return VersionedId(base, int(version) if version else None)


def parse_entity_id(value: Any) -> VersionedId:
    """Read an entity's id and version, refusing what cannot be one before any call is made.

    Args:
        value: ``"syn123"``, ``"syn123.4"``, ``123``, ``"123"``, or an object with an id.

    Raises:
        ValueError: Not the id of an entity.
    """
    text = id_of(value)
    if text.isascii() and text.isdecimal():
        return VersionedId(f"syn{int(text)}", None)
    if not is_synapse_id(text):
        raise ValueError(
            f"{text!r} is not a valid Synapse id. "
            "Give 'syn' and a number, such as 'syn123', or 'syn123.4' for version 4."
        )
    return split_version(text)


def parse_version_number(value: Any) -> int:
    """Read the number of an entity's version.

    Args:
        value: A positive integer or its text.

    Raises:
        ValueError: Not a version number; labels are not looked up.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ValueError(
            f"{value!r} is not a version number. Give a positive integer such as 3; "
            "version labels are not accepted here."
        )
    return int(text)


def _truncate(obj: Any, limit: int = 120) -> str:
    text = repr(obj)
    return text if len(text) <= limit else text[: limit - 3] + "..."
