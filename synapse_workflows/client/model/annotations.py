"""Annotations: typed lists of values on an entity, as Python values and as Synapse's JSON."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final

from synapse_workflows.constants import AnnotationType

#: What Synapse holds: keys per entity, values per key, characters over all texts of one key.
MAX_KEYS: Final = 100
MAX_VALUES: Final = 100
MAX_CHARACTERS: Final = 500
_KEY: Final = re.compile(r"[a-zA-Z0-9,_.]+")
_RESERVED_KEY: Final = "_accessRequirementIds"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_INT64_RANGE: Final = range(-(2**63), 2**63)
_SPECIAL_DOUBLES: Final = MappingProxyType({math.inf: "Infinity", -math.inf: "-Infinity"})
_SUPPORTED_VALUES: Final = (
    "Synapse holds text, booleans, integers of 64 bits, floats (nan and inf too), dates and "
    "datetimes, or lists of these"
)


class Annotations(dict[str, Any]):
    """The annotations of one entity: lists of values by key, with the entity's id and etag.

    Args:
        id: Whose annotations these are, ``syn123``.
        etag: The state they were read in; storing them asks for the current one.
        values: Lists of values by key.
        **kwargs: Further keys.

    Raises:
        ValueError: `id` or `etag` is None.
    """

    def __init__(
        self, id: str, etag: str, values: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        if id is None:
            raise ValueError("id must not be None")
        if etag is None:
            raise ValueError("etag must not be None")
        super().__init__(values or {}, **kwargs)
        self.id = id
        self.etag = etag


def to_synapse_annotations(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Write annotations the way Synapse takes them; keys without a value are left out.

    The class of the first value of a key decides on the type of all. Values of other classes
    beside it, and values of classes that Synapse does not know, are written as text.

    Args:
        values: One value or an iterable of values by key. None is no value.

    Returns:
        ``{"type": ..., "value": [text, ...]}`` by key.

    Raises:
        ValueError: Synapse cannot hold a key or a value; the message names it.
    """
    listed = {key: _to_list(key, value) for key, value in values.items()}
    filled = {key: value for key, value in listed.items() if value}
    if len(filled) > MAX_KEYS:
        raise ValueError(
            f"{len(filled)} annotations are too many: an entity holds at most {MAX_KEYS} keys."
        )
    wire = {key: _encode(_validate_key(key), value) for key, value in filled.items()}
    for key, entry in wire.items():
        _validate_size(key, entry)
    return wire


def from_synapse_annotations(body: Mapping[str, Any]) -> Annotations:
    """Read what Synapse answers for the annotations of an entity.

    Args:
        body: ``{"id", "etag", "annotations": {key: {"type", "value": [text, ...]}}}``.

    Returns:
        Lists by key: text, bool, int, float, or datetime in UTC.

    Raises:
        ValueError: A type of value that is not known, or a value that is none of its type.
    """
    held = body.get("annotations") or {}
    values = {key: _decode(key, entry) for key, entry in held.items()}
    return Annotations(body["id"], body["etag"], values)


def have_same_values(wire: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two maps of Synapse's form hold the same values, however they are spelled."""
    return _normalize(wire) == _normalize(other)


def _normalize(wire: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _encode(key, _decode(key, entry), AnnotationType(entry["type"]))
        for key, entry in wire.items()
        if entry.get("value")
    }


def _to_list(key: str, value: Any) -> list[Any]:
    """Make a list of one value or many; NumPy's scalars become Python's."""
    if value is None:
        return []
    if isinstance(value, (Mapping, bytes, bytearray, memoryview)):
        raise _create_error(key, value)
    if isinstance(value, str) or not isinstance(value, Iterable) or _is_scalar(value):
        value = [value]
    return [_to_builtin(key, element) for element in value if element is not None]


def _is_scalar(value: Any) -> bool:
    """Tell NumPy's scalars, and arrays without dimensions, from what holds many values."""
    return getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None))


def _to_builtin(key: str, element: Any) -> Any:
    """Turn an element into one of Synapse's kinds of value, or text."""
    if _is_scalar(element):
        is_time = type(element).__name__ == "datetime64"  # in nanoseconds its item is a number
        element = element.astype("datetime64[us]").item() if is_time else element.item()
    match element:
        case str():
            return str.__str__(element)
        case bool() | date():
            return element
        case Integral():
            return int(element)
        case Real():
            return float(element)
    if isinstance(element, (Iterable, bytes, memoryview)) or not _has_str_method(element):
        raise _create_error(key, element)
    return str(element)


def _has_str_method(element: Any) -> bool:
    """Tell whether the text of an object says what it is, not just where it lies in memory."""
    text: object = type(element).__str__
    return text is not object.__str__


def _encode(key: str, values: list[Any], kind: AnnotationType | None = None) -> dict[str, Any]:
    kind = kind or _infer_type(values)
    if kind is not AnnotationType.STRING:
        texts = [_WRITERS[kind](key, value) for value in values]
    else:
        texts = [str(value) for value in values]
    return {"type": kind.value, "value": texts}


def _infer_type(values: list[Any]) -> AnnotationType:
    """Find the type that the first value asks for, if all values can take it."""
    kinds: tuple[tuple[type | tuple[type, ...], AnnotationType], ...] = (
        (bool, AnnotationType.BOOLEAN),
        (int, AnnotationType.LONG),
        (float, AnnotationType.DOUBLE),
        (date, AnnotationType.TIMESTAMP_MS),
    )
    for python, kind in kinds:
        if isinstance(values[0], python):
            fits = all(isinstance(value, python) for value in values)
            return kind if fits else AnnotationType.STRING
    return AnnotationType.STRING


def _write_long(key: str, value: int) -> str:
    if int(value) not in _INT64_RANGE:
        raise _create_error(key, value, "An integer may take 64 bits; store larger ones as text")
    return str(int(value))


def _write_double(_key: str, value: float) -> str:
    return "NaN" if math.isnan(value) else _SPECIAL_DOUBLES.get(value, str(value))


def _write_timestamp(key: str, value: date) -> str:
    """Write the milliseconds since 1970; a time without a zone is taken as UTC."""
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min, UTC)
    try:
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return str((aware - _EPOCH) // _MILLISECOND)
    except (ValueError, TypeError):  # as with pandas.NaT, a datetime that is none
        raise _create_error(key, value) from None


_WRITERS: Final[Mapping[AnnotationType, Callable[[str, Any], str]]] = MappingProxyType(
    {
        AnnotationType.BOOLEAN: lambda _key, value: "true" if value else "false",
        AnnotationType.LONG: _write_long,
        AnnotationType.DOUBLE: _write_double,
        AnnotationType.TIMESTAMP_MS: _write_timestamp,
    }
)
_READERS: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {
        AnnotationType.STRING: str,
        AnnotationType.BOOLEAN: lambda text: text.lower() == "true",
        AnnotationType.LONG: int,
        AnnotationType.DOUBLE: float,
        AnnotationType.TIMESTAMP_MS: lambda text: _EPOCH + int(text) * _MILLISECOND,
    }
)


def _decode(key: str, entry: Mapping[str, Any]) -> list[Any]:
    reader = _READERS.get(entry["type"])
    if reader is None:
        raise ValueError(f"Annotation {key!r} is of a type not known here: {entry['type']!r}")
    try:
        return [reader(text) for text in entry.get("value") or []]
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"Annotation {key!r} holds {entry['value']!r}, which is no {entry['type']}: {error}"
        ) from None


def _validate_size(key: str, entry: Mapping[str, Any]) -> None:
    texts = entry["value"]
    if len(texts) > MAX_VALUES:
        raise ValueError(
            f"Annotation {key!r} has {len(texts)} values; Synapse holds at most {MAX_VALUES}."
        )
    characters = sum(map(len, texts))
    if entry["type"] == AnnotationType.STRING and characters > MAX_CHARACTERS:
        raise ValueError(
            f"Annotation {key!r} has {characters} characters ({texts[0][:40]!r}...); "
            f"Synapse holds at most {MAX_CHARACTERS}. Keep long text in a file or a description."
        )


def _validate_key(key: Any) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key) or key == _RESERVED_KEY:
        raise ValueError(
            f"{key!r} cannot be the name of an annotation. "
            "Use letters (a-z, A-Z), digits, underscores, periods and commas, as in 'cell_line'."
        )
    return key


def _create_error(key: str, value: Any, reason: str | None = None) -> ValueError:
    text = repr(value)
    shown = text if len(text) <= 100 else text[:97] + "..."  # noqa: PLR2004 - a readable line
    return ValueError(
        f"Annotation {key!r} cannot hold {shown} ({type(value).__name__}). "
        f"{reason or _SUPPORTED_VALUES}."
    )
