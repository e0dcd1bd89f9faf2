"""Reading fields of request bodies, which are open JSON objects.

A null equals a missing property. Numbers are taken where text is declared.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from synapse_workflows.local.errors import BadRequest

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,40}")
_LONG: Final = 2**63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Dates outside of four-digit years cannot be written on the wire.
_EARLIEST: Final = datetime(1000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

Body = Mapping[str, Any]
EnumT = TypeVar("EnumT", bound=StrEnum)


def parse_text(value: object, what: str) -> str:
    """Take text, or a number as text.

    Raises:
        BadRequest: it is neither.
    """
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise BadRequest(f"{what} must be text.")


def get_text(body: Body, key: str, *, limit: int | None = None) -> str | None:
    """Read optional text of at most `limit` characters.

    Raises:
        BadRequest: it is something else, or too long.
    """
    if body.get(key) is None:
        return None
    value = parse_text(body[key], key)
    if limit is not None and len(value) > limit:
        raise BadRequest(f"{key} must be {limit} characters or less; it has {len(value)}.")
    return value


def get_required_text(body: Body, key: str) -> str:
    """Read text that must be there and not empty.

    Raises:
        BadRequest: it is missing, empty, or something else.
    """
    value = get_text(body, key)
    if not value:
        raise BadRequest(f"{key} is required.")
    return value


def get_integer(body: Body, key: str) -> int | None:
    """Read an optional whole number of 64 bits, given as a number or as text.

    Raises:
        BadRequest: it is something else.
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
    """Read an optional number, given as a number or as text; it may be NaN or infinite.

    Raises:
        BadRequest: it is something else.
    """
    value = body.get(key)
    if value is None:
        return None
    try:
        return float(parse_text(value, key).replace("_", "?"))  # Python's float takes 1_000
    except ValueError:
        raise BadRequest(f"{key} must be a number.") from None


def get_date(body: Body, key: str) -> int | None:
    """Read an optional date-time in ISO form, with any offset.

    Returns:
        Milliseconds since the epoch.

    Raises:
        BadRequest: it is something else.
    """
    value = get_text(body, key)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if _EARLIEST <= moment <= _LATEST:
            return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        pass
    raise BadRequest(f"{key}: '{value}' is not a date such as 2021-07-05T12:34:56.789Z.")


def get_boolean(body: Body, key: str, *, default: bool = False) -> bool:
    """Read an optional boolean.

    Raises:
        BadRequest: it is something else.
    """
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadRequest(f"{key} must be true or false.")
    return value


def get_list(body: Body, key: str) -> list[Any] | None:
    """Read an optional array.

    Raises:
        BadRequest: it is something else.
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
    """Read an optional object.

    Raises:
        BadRequest: it is something else.
    """
    value = body.get(key)
    if value is not None and not isinstance(value, dict):
        raise BadRequest(f"{key} must be an object.")
    return value


def parse_choice(words: Collection[str], value: object, what: str) -> str:
    """Read one of several words.

    Raises:
        BadRequest: it is none of them.
    """
    if isinstance(value, str) and value in words:
        return value
    raise BadRequest(f"{what}: '{value}' is none of {', '.join(words)}.")


def parse_enum(kind: type[EnumT], value: object, what: str) -> EnumT:
    """Read a word of an enumeration.

    Raises:
        BadRequest: it is none of its words.
    """
    return kind(parse_choice([each.value for each in kind], value, what))


def drop_nulls(value: Any) -> Any:
    """Leave out null properties at every depth; nulls in arrays stay."""
    if isinstance(value, dict):
        return {key: drop_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [drop_nulls(each) for each in value]
    return value
