"""Annotations of entities, and their conversion to and from the JSON of the REST API."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final

from synapse_workflows.client.model.cell_values import (
    from_epoch_millis,
    is_missing,
    to_builtin,
    to_epoch_millis,
    utf16_length,
)
from synapse_workflows.constants import AnnotationType

#: Limits of Synapse: keys per entity, values per key, total characters of the strings of a key.
MAX_KEYS: Final = 100
MAX_VALUES: Final = 100
MAX_CHARACTERS: Final = 500
_KEY: Final = re.compile(r"[a-zA-Z0-9,_.]+")
_RESERVED_KEY: Final = "_accessRequirementIds"
_INT64_RANGE: Final = range(-(2**63), 2**63)
_SPECIAL_DOUBLES: Final = MappingProxyType({math.inf: "Infinity", -math.inf: "-Infinity"})
_SUPPORTED_VALUES: Final = (
    "Supported values are strings, booleans, integers of 64 bits, floats (including nan and inf), "
    "dates, datetimes, and lists of these"
)


class EpochMilliseconds(int):
    """A timestamp outside years 1 to 9999, in milliseconds since 1970-01-01 UTC.

    Annotations with this class are stored with the type TIMESTAMP_MS, not as integers.
    """


class StoredNaN(float):
    """NaN that was read from Synapse. It is stored; any other NaN counts as missing."""


#: Values read from Synapse that keep their type when they are stored.
_STORED_TYPES: Final = (EpochMilliseconds, StoredNaN)


class Annotations(dict[str, Any]):
    """Annotations of one entity: lists of values by key, with the ID and etag of the entity.

    Args:
        id: ID of the entity, ``syn123``.
        etag: Etag of the entity when the annotations were read; storing them fails if the
            entity has changed since.
        values: Lists of values by key.
        **kwargs: Further keys.

    Raises:
        ValueError: `id` or `etag` is None.
    """

    def __init__(
        self, id: str, etag: str, values: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        if id is None:
            raise ValueError("id must not be None. Pass the ID of the entity, such as 'syn123'.")
        if etag is None:
            raise ValueError("etag must not be None. Pass the current etag of the entity.")
        super().__init__(values or {}, **kwargs)
        self.id = id
        self.etag = etag


def to_synapse_annotations(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Convert annotations to the JSON of the REST API; keys without values are omitted.

    The Python type of the first value of a key determines the annotation type. If the key has
    values of different types, or Synapse has no matching type, all its values become strings.

    Args:
        values: One value or an iterable of values by key. None is ignored, and so are NaN, and
            `NA` and `NaT` of pandas and NumPy.

    Returns:
        ``{"type": ..., "value": [text, ...]}`` by key.

    Raises:
        ValueError: A key or a value is invalid, or a limit is exceeded.
    """
    listed = {key: _to_list(key, value) for key, value in values.items()}
    filled = {key: value for key, value in listed.items() if value}
    if len(filled) > MAX_KEYS:
        raise ValueError(
            f"Too many annotations: {len(filled)}. An entity can have at most {MAX_KEYS} keys."
        )
    encoded = {key: _encode(_validate_key(key), value) for key, value in filled.items()}
    for key, entry in encoded.items():
        _validate_size(key, entry)
    return encoded


def require_values(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return annotations as lists of values; reject values that are missing by accident.

    `to_synapse_annotations` ignores missing values, which would remove an annotation.

    Args:
        values: One value or an iterable of values by key. None is an empty list.

    Raises:
        ValueError: A value, or an item of a list, is NaN, `NA` or `NaT`, or an item is None.
    """
    return {key: _require_items(key, value) for key, value in values.items()}


def _require_items(key: str, value: Any) -> list[Any]:
    is_single = isinstance(value, (str, Mapping, bytes, bytearray, memoryview))
    if value is None:
        return []
    if is_single or not isinstance(value, Iterable) or _is_scalar(value):
        value = [value]
    items = list(value)
    for item in items:
        if _is_missing(item):
            raise ValueError(
                f"Annotation {key!r} has the missing value {item!r}. Pass None instead of the "
                "value to remove the annotation, or leave the key out to keep it."
            )
    return items


def from_synapse_annotations(body: Mapping[str, Any]) -> Annotations:
    """Convert annotations from the JSON of the REST API.

    Args:
        body: ``{"id", "etag", "annotations": {key: {"type", "value": [text, ...]}}}``.

    Returns:
        Lists by key of str, bool, int, float, or datetime in UTC (`EpochMilliseconds` outside
        years 1 to 9999).

    Raises:
        ValueError: An annotation type is unknown, or a value does not match its type.
    """
    entries = body.get("annotations") or {}
    values = {key: _decode(key, entry) for key, entry in entries.items()}
    return Annotations(body["id"], body["etag"], values)


def have_same_values(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether two mappings in JSON form are equal after parsing their values."""
    return _normalize(first) == _normalize(second)


def _normalize(annotations: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _encode(key, _decode(key, entry), AnnotationType(entry["type"]))
        for key, entry in annotations.items()
        if entry.get("value")
    }


def _to_list(key: str, value: Any) -> list[Any]:
    """Convert one value or an iterable to a list of built-in values."""
    if _is_missing(value):
        return []
    if isinstance(value, (Mapping, bytes, bytearray, memoryview)):
        raise _create_error(key, value)
    if isinstance(value, str) or not isinstance(value, Iterable) or _is_scalar(value):
        value = [value]
    return [_to_builtin(key, element) for element in value if not _is_missing(element)]


def _is_scalar(value: Any) -> bool:
    """Return whether a value is a NumPy scalar or a zero-dimensional array."""
    return getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None))


def _is_missing(value: Any) -> bool:
    return not isinstance(value, StoredNaN) and is_missing(value)


def _to_builtin(key: str, element: Any) -> Any:
    """Convert an element to a type that Synapse supports, or to a string."""
    if not isinstance(element, _STORED_TYPES):
        element = to_builtin(element)
    match element:
        case str():
            return str.__str__(element)
        case bool() | date() | EpochMilliseconds() | StoredNaN():
            return element
        case Integral():
            return int(element)
        case Real():
            return float(element)
        case Decimal() if not element.is_finite():
            return float(element)
    if isinstance(element, (Iterable, bytes, memoryview)) or not _has_str_method(element):
        raise _create_error(key, element)
    return str(element)


def _has_str_method(element: Any) -> bool:
    """Return whether the class of an object defines `__str__`."""
    text: object = type(element).__str__
    return text is not object.__str__


def _encode(
    key: str, values: list[Any], value_type: AnnotationType | None = None
) -> dict[str, Any]:
    value_type = value_type or _infer_type(values)
    if value_type is AnnotationType.STRING:
        texts = [str(value) for value in values]
    else:
        texts = [_ENCODERS[value_type](key, value) for value in values]
    return {"type": value_type.value, "value": texts}


def _infer_type(values: list[Any]) -> AnnotationType:
    """Return the type of the first value if all values match it, else STRING."""
    candidates: tuple[tuple[type | tuple[type, ...], AnnotationType], ...] = (
        (bool, AnnotationType.BOOLEAN),
        ((date, EpochMilliseconds), AnnotationType.TIMESTAMP_MS),
        (int, AnnotationType.LONG),
        (float, AnnotationType.DOUBLE),
    )
    for python_type, value_type in candidates:
        if isinstance(values[0], python_type):
            all_match = all(isinstance(value, python_type) for value in values)
            return value_type if all_match else AnnotationType.STRING
    return AnnotationType.STRING


def _encode_long(key: str, value: int) -> str:
    if int(value) not in _INT64_RANGE:
        raise _create_error(
            key, value, "Integers are limited to 64 bits; store larger numbers as strings"
        )
    return str(int(value))


def _encode_double(_key: str, value: float) -> str:
    return "NaN" if math.isnan(value) else _SPECIAL_DOUBLES.get(value, str(value))


def _encode_timestamp(_key: str, value: date | EpochMilliseconds) -> str:
    """Encode as milliseconds since 1970-01-01 UTC; naive datetimes are interpreted as UTC."""
    return str(to_epoch_millis(value) if isinstance(value, date) else int(value))


def _decode_double(text: str) -> float:
    value = float(text)
    return StoredNaN(value) if math.isnan(value) else value


def _decode_timestamp(text: str) -> datetime | EpochMilliseconds:
    value = from_epoch_millis(int(text))
    return value if isinstance(value, datetime) else EpochMilliseconds(value)


_ENCODERS: Final[Mapping[AnnotationType, Callable[[str, Any], str]]] = MappingProxyType(
    {
        AnnotationType.BOOLEAN: lambda _key, value: "true" if value else "false",
        AnnotationType.LONG: _encode_long,
        AnnotationType.DOUBLE: _encode_double,
        AnnotationType.TIMESTAMP_MS: _encode_timestamp,
    }
)
_DECODERS: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {
        AnnotationType.STRING: str,
        AnnotationType.BOOLEAN: lambda text: text.lower() == "true",
        AnnotationType.LONG: int,
        AnnotationType.DOUBLE: _decode_double,
        AnnotationType.TIMESTAMP_MS: _decode_timestamp,
    }
)


def _decode(key: str, entry: Mapping[str, Any]) -> list[Any]:
    decode = _DECODERS.get(entry["type"])
    if decode is None:
        raise ValueError(
            f"Unknown type {entry['type']!r} of annotation {key!r}: expected one of "
            f"{', '.join(AnnotationType)}."
        )
    try:
        return [decode(text) for text in entry.get("value") or []]
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"Invalid value {entry['value']!r} of annotation {key!r}: not of type "
            f"{entry['type']} ({error})."
        ) from None


def _validate_size(key: str, entry: Mapping[str, Any]) -> None:
    texts = entry["value"]
    if len(texts) > MAX_VALUES:
        raise ValueError(
            f"Annotation {key!r} has {len(texts)} values; at most {MAX_VALUES} are allowed."
        )
    characters = sum(map(utf16_length, texts))
    if entry["type"] == AnnotationType.STRING and characters > MAX_CHARACTERS:
        raise ValueError(
            f"Annotation {key!r} has {characters} characters ({texts[0][:40]!r}...); "
            f"at most {MAX_CHARACTERS} are allowed. Store long text in a file or a description."
        )


def _validate_key(key: Any) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key) or key == _RESERVED_KEY:
        raise ValueError(
            f"Invalid annotation name {key!r}: use letters (a-z, A-Z), digits, underscores, "
            "periods and commas, for example 'cell_line'."
        )
    return key


def _create_error(key: str, value: Any, reason: str | None = None) -> ValueError:
    text = repr(value)
    shown = text if len(text) <= 100 else text[:97] + "..."  # noqa: PLR2004 - limits the message
    return ValueError(
        f"Invalid value {shown} ({type(value).__name__}) of annotation {key!r}. "
        f"{reason or _SUPPORTED_VALUES}."
    )
