"""Parsing of fields in JSON request bodies.

A null is treated as a missing property. Text properties accept numbers.
"""

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from synapse_workflows.local.domain.dates import to_milliseconds
from synapse_workflows.local.errors import BadRequest

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,40}")
_LONG: Final = 2**63
#: Maximum depth of nested objects and arrays in a request body.
MAX_DEPTH: Final = 100
_TOO_DEEP: Final = (
    f"The request body is too deeply nested: the limit is {MAX_DEPTH} objects and arrays."
)
#: Range of dates with four-digit years.
_EARLIEST: Final = datetime(1000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)

Body = Mapping[str, Any]
EnumT = TypeVar("EnumT", bound=StrEnum)


def parse_json(text: bytes, *, allow_nan: bool = False) -> Any:
    """Parse JSON of a limited depth.

    Args:
        text: The JSON, in UTF-8.
        allow_nan: Accept NaN and Infinity, which standard JSON does not have.

    Raises:
        BadRequest: The text is not JSON, or it is too deeply nested.
    """
    try:
        value = json.loads(text.decode(), parse_constant=float if allow_nan else _reject_constant)
    except RecursionError:
        raise BadRequest(_TOO_DEEP) from None
    except ValueError as error:
        raise BadRequest(f"The request body is not valid JSON: {error}") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        children = [
            iter(each.values()) if isinstance(each, dict) else each
            for each in level
            if isinstance(each, dict | list)
        ]
        level = [each for items in children for each in items if isinstance(each, dict | list)]
        if not level:
            return value
    raise BadRequest(_TOO_DEEP)


def _reject_constant(word: str) -> None:
    raise ValueError(f"{word} is not a JSON value")


def utf16_length(text: str) -> int:
    """Return the length of a text in UTF-16 units, as Synapse counts it.

    A character outside the Basic Multilingual Plane, such as an emoji, counts as 2.
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def parse_text(value: object, name: str) -> str:
    """Return text, or a number as text.

    Raises:
        BadRequest: The value is not text.
    """
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise BadRequest(f"{name} must be text.")


def get_text(body: Body, key: str, *, limit: int | None = None) -> str | None:
    """Return an optional text property of at most `limit` UTF-16 units.

    Raises:
        BadRequest: The value is not text, or too long.
    """
    if body.get(key) is None:
        return None
    value = parse_text(body[key], key)
    if limit is not None and (length := utf16_length(value)) > limit:
        raise BadRequest(f"{key} must be {limit} characters or less; it has {length}.")
    return value


def get_required_text(body: Body, key: str) -> str:
    """Return a required, non-empty text property.

    Raises:
        BadRequest: The value is missing, empty, or not text.
    """
    value = get_text(body, key)
    if not value:
        raise BadRequest(f"{key} is required.")
    return value


def get_integer(body: Body, key: str) -> int | None:
    """Return an optional 64-bit integer property, given as a number or as text.

    Raises:
        BadRequest: The value is not a 64-bit integer.
    """
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -_LONG <= value < _LONG:
        raise BadRequest(f"{key} must be a whole number.")
    return value


def get_number(body: Body, key: str) -> float | None:
    """Return an optional number property, given as a number or as text.

    The number can be NaN or infinite.

    Raises:
        BadRequest: The value is not a number.
    """
    value = body.get(key)
    if value is None:
        return None
    try:
        return float(parse_text(value, key).replace("_", "?"))  # float() would accept 1_000
    except (BadRequest, ValueError):
        raise BadRequest(f"{key} must be a number.") from None


def get_date(body: Body, key: str) -> int | None:
    """Return an optional ISO 8601 date-time property in milliseconds since the epoch.

    Without an offset the value is UTC.

    Raises:
        BadRequest: The value is not a date-time of the years 1000 to 9999.
    """
    value = get_text(body, key)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if _EARLIEST <= moment <= _LATEST:
            return to_milliseconds(moment)
    except (ValueError, OverflowError):
        pass
    raise BadRequest(f"{key}: '{value}' is not a date such as 2021-07-05T12:34:56.789Z.")


def get_boolean(body: Body, key: str, *, default: bool = False) -> bool:
    """Return an optional boolean property.

    Raises:
        BadRequest: The value is not a boolean.
    """
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadRequest(f"{key} must be true or false.")
    return value


def get_list(body: Body, key: str) -> list[Any] | None:
    """Return an optional array property.

    Raises:
        BadRequest: The value is not an array.
    """
    value = body.get(key)
    if value is not None and not isinstance(value, list):
        raise BadRequest(f"{key} must be an array.")
    return value


def get_objects(body: Body, key: str) -> list[dict[str, Any]]:
    """Return an array of objects; empty if the property is missing.

    Raises:
        BadRequest: The value is not an array of objects.
    """
    values = get_list(body, key) or []
    if not all(isinstance(each, dict) for each in values):
        raise BadRequest(f"{key} must be an array of objects.")
    return values


def get_object(body: Body, key: str) -> dict[str, Any] | None:
    """Return an optional object property.

    Raises:
        BadRequest: The value is not an object.
    """
    value = body.get(key)
    if value is not None and not isinstance(value, dict):
        raise BadRequest(f"{key} must be an object.")
    return value


def check_absent(body: Body, keys: Collection[str]) -> None:
    """Check that a body has none of the properties that the service sets.

    Raises:
        BadRequest: A property is set.
    """
    for key in keys:
        if body.get(key) is not None:
            raise BadRequest(f"{key} is set by the service: omit it from the request.")


def parse_choice(choices: Collection[str], value: object, name: str) -> str:
    """Return a value that must be one of several strings.

    Raises:
        BadRequest: The value is not one of the choices.
    """
    if isinstance(value, str) and value in choices:
        return value
    if value is None:
        raise BadRequest(f"{name} is required: one of {', '.join(choices)}.")
    raise BadRequest(f"{name}: '{value}' is none of {', '.join(choices)}.")


def parse_enum(enum: type[EnumT], value: object, name: str) -> EnumT:
    """Return the member of an enumeration for a value.

    Raises:
        BadRequest: The enumeration has no such value.
    """
    choices = [each.value for each in enum]
    if isinstance(value, str) and value in choices:
        return enum(value)
    if value is None:
        raise BadRequest(f"{name} is required: one of {', '.join(choices)}.")
    raise BadRequest(f"{name}: No enum constant '{value}'; expected one of {', '.join(choices)}.")


def drop_nulls(value: Any) -> Any:
    """Remove null properties at every depth. Nulls in arrays remain."""
    if isinstance(value, dict):
        return {key: drop_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [drop_nulls(each) for each in value]
    return value
