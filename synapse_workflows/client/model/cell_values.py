"""Values of cells: what each type of column takes for one, and the form it is kept in."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final

from synapse_workflows.client.model.ids import id_of, parse_entity_id

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_INT64_RANGE: Final = range(-(2**63), 2**63)
#: Beyond these, a float is not sure to be the integer it looks like.
_MAX_EXACT_INTEGER: Final = 2**53
BOOLEAN_WORDS: Final = MappingProxyType(
    {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
)
#: Classes whose objects are always values: most of those there are, and quickly told.
_NEVER_MISSING: Final = frozenset({str, int, bool, list, dict})
_SPECIAL_DOUBLES: Final = MappingProxyType({math.inf: "Infinity", -math.inf: "-Infinity"})


def is_missing(value: Any) -> bool:
    """Tell whether a value is none at all: None, NaN, or what pandas writes instead."""
    kind = type(value)
    if kind in _NEVER_MISSING:
        return False
    if value is None or kind.__name__ == "NAType":
        return True
    return isinstance(value, float | datetime) and value != value  # noqa: PLR0124 - NaN, NaT


def to_epoch_millis(moment: date) -> int:
    """Convert a date or datetime to milliseconds since 1970-01-01 UTC.

    A datetime without a time zone is taken as UTC, a date as its midnight.
    """
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - _EPOCH) // _MILLISECOND)


def from_epoch_millis(count: int) -> datetime | int:
    """Find the moment in UTC; what lies beyond the years of datetime stays a number."""
    try:
        return _EPOCH + count * _MILLISECOND
    except OverflowError:
        return count


def to_list(value: Any) -> list[Any]:
    """Take a list apart, also one that is JSON text; no item may be missing."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        raise ValueError("is no list")  # noqa: TRY004 - what is wrong is the value in the table
    found = list(value)
    if any(is_missing(one) for one in found):
        raise ValueError("is a list with a missing item, which Synapse cannot hold")
    return found


def to_text(value: Any) -> str:
    """Take what can be written as text.

    Raises:
        ValueError: It is not.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | Mapping | list | tuple | set | frozenset):
        raise ValueError("is no text")  # noqa: TRY004
    return value.isoformat() if isinstance(value, date) else to_untyped_text(value)


def to_integer(value: Any) -> int:
    """Take what is an integer of 64 bits.

    Raises:
        ValueError: It is not.
    """
    number = value if type(value) is int else _to_builtin(value)
    if isinstance(number, str):
        try:
            number = int(number)
        except ValueError:
            raise ValueError("is no integer") from None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError("is no integer")  # noqa: TRY004
    if number not in _INT64_RANGE:
        raise ValueError("does not fit into 64 bits")
    return number


def to_double_text(value: Any) -> str:
    """Take what is a number, and write it; NaN and infinities too.

    Raises:
        ValueError: It is not.
    """
    if type(value) is float:
        return _format_double(value)
    number = _to_builtin(value)
    if isinstance(number, str):
        try:
            number = float(number)
        except ValueError:
            raise ValueError("is no number") from None
    if is_missing(number) and not isinstance(number, float):
        raise ValueError("is no number")
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError("is no number")  # noqa: TRY004
    return _format_double(float(number))


def to_boolean(value: Any) -> bool:
    """Take what is true or false.

    Raises:
        ValueError: It is not.
    """
    value = _to_builtin(value)
    if isinstance(value, str) and value.lower() in BOOLEAN_WORDS:
        return BOOLEAN_WORDS[value.lower()]
    if value in (0, 1):
        return bool(value)
    raise ValueError("is neither true nor false")


def to_timestamp(value: Any) -> int | str:
    """Write milliseconds since 1970; text that is no number is left for Synapse to read."""
    if isinstance(value, date):
        return to_epoch_millis(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return value
    try:
        return to_integer(value)
    except ValueError:
        raise ValueError("is no date: give a datetime, or milliseconds since 1970") from None


def to_entity_id(value: Any) -> str:
    """Take the id of an entity, or what carries one.

    Raises:
        ValueError: It is not.
    """
    found = parse_entity_id(_to_builtin(value))
    return found.id if found.version is None else f"{found.id}.{found.version}"


def to_numeric_id(value: Any) -> int:
    """Read the number of a user, a file handle, a submission: itself, or what carries it."""
    return to_integer(value if isinstance(value, Real | Decimal) else id_of(value))


def to_json_document(value: Any) -> str:
    """Write a JSON object or array; text is taken for JSON already.

    Raises:
        ValueError: It is not.
    """
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            raise ValueError("is no JSON") from None
        return value
    if not isinstance(value, Mapping | list | tuple):
        raise ValueError("is neither a JSON object nor an array")  # noqa: TRY004
    return dump_json(value)


def dump_json(value: Any) -> str:
    """Write JSON as short as it goes.

    Raises:
        ValueError: Something in it is nothing that JSON can hold.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except TypeError as error:
        raise ValueError(f"cannot be written as JSON: {error}") from None


def to_untyped_text(value: Any) -> str:
    """Write a value where nothing says what the column holds."""
    value = _to_builtin(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # 3.0 is often an integer that shared a column with nulls; a DOUBLE column takes 3, too.
        whole = value.is_integer() and abs(value) < _MAX_EXACT_INTEGER
        return str(int(value)) if whole else _format_double(value)
    if isinstance(value, date):
        return str(to_epoch_millis(value))
    if isinstance(value, Mapping):
        return dump_json(value)
    if isinstance(value, list | tuple | set | frozenset) or hasattr(value, "tolist"):
        listed = value.tolist() if hasattr(value, "tolist") else value
        return dump_json([_to_json_value(one) for one in listed])
    if isinstance(value, bytes):
        raise ValueError("is bytes, which no table holds")  # noqa: TRY004
    return str(value)


def _to_json_value(item: Any) -> Any:
    item = None if is_missing(item) else _to_builtin(item)
    return to_epoch_millis(item) if isinstance(item, date) else item


def _to_builtin(value: Any) -> Any:
    """Make the numbers of numpy, of databases and of others those of Python."""
    if isinstance(value, bool | int | float | str):
        return value
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not value.shape:
        return value.item()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _format_double(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return _SPECIAL_DOUBLES.get(value, "NaN")
