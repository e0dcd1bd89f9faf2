"""Conversion of Python values to the values of table cells, one function per column type.

The errors complete the sentence "Row 1, column 'a': <value> ...", see `rows.serialize_cells`.
"""

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
#: Floats beyond this cannot represent every integer exactly.
_MAX_EXACT_INTEGER: Final = 2**53
BOOLEAN_WORDS: Final = MappingProxyType(
    {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
)
#: Common classes without missing values; a fast path of `is_missing`.
_NEVER_MISSING: Final = frozenset({str, int, bool, list, dict})
_SPECIAL_DOUBLES: Final = MappingProxyType({math.inf: "Infinity", -math.inf: "-Infinity"})


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, or `NA` or `NaT` of pandas."""
    python_type = type(value)
    if python_type in _NEVER_MISSING:
        return False
    if value is None or python_type.__name__ == "NAType":
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
    """Convert milliseconds since 1970-01-01 UTC to a datetime in UTC.

    A number outside the range of datetime is returned unchanged.
    """
    try:
        return _EPOCH + count * _MILLISECOND
    except OverflowError:
        return count


def to_list(value: Any) -> list[Any]:
    """Convert an iterable or a JSON array to a list.

    Raises:
        ValueError: The value is not a list, or an item is missing.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        raise ValueError("is not a list")  # noqa: TRY004 - the value of a cell is invalid
    found = list(value)
    if any(is_missing(one) for one in found):
        raise ValueError("is a list with a missing item, which Synapse does not support")
    return found


def to_text(value: Any) -> str:
    """Convert a scalar to text.

    Raises:
        ValueError: The value is bytes or a collection.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | Mapping | list | tuple | set | frozenset):
        raise ValueError("is not text")  # noqa: TRY004
    return value.isoformat() if isinstance(value, date) else to_untyped_text(value)


def to_integer(value: Any) -> int:
    """Convert a value to an integer of 64 bits.

    Raises:
        ValueError: The value is not an integer, or does not fit into 64 bits.
    """
    number = value if type(value) is int else _to_builtin(value)
    if isinstance(number, str):
        try:
            number = int(number)
        except ValueError:
            raise ValueError("is not an integer") from None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError("is not an integer")  # noqa: TRY004
    if number not in _INT64_RANGE:
        raise ValueError("does not fit into 64 bits")
    return number


def to_double_text(value: Any) -> str:
    """Encode a number, including NaN and infinity, as the text of a DOUBLE cell.

    Raises:
        ValueError: The value is not a number.
    """
    if type(value) is float:
        return _format_double(value)
    number = _to_builtin(value)
    if isinstance(number, str):
        try:
            number = float(number)
        except ValueError:
            raise ValueError("is not a number") from None
    if is_missing(number) and not isinstance(number, float):
        raise ValueError("is not a number")
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError("is not a number")  # noqa: TRY004
    return _format_double(float(number))


def to_boolean(value: Any) -> bool:
    """Convert a boolean, 0, 1, or one of the texts in `BOOLEAN_WORDS` to a boolean.

    Raises:
        ValueError: The value is none of these.
    """
    value = _to_builtin(value)
    if isinstance(value, str) and value.lower() in BOOLEAN_WORDS:
        return BOOLEAN_WORDS[value.lower()]
    if value in (0, 1):
        return bool(value)
    raise ValueError("is neither true nor false")


def to_timestamp(value: Any) -> int | str:
    """Convert a value to milliseconds since 1970-01-01 UTC.

    Text that is not a number is returned unchanged: Synapse parses dates.

    Raises:
        ValueError: The value is neither a date, an integer nor text.
    """
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
        raise ValueError("is not a date: pass a datetime, or milliseconds since 1970") from None


def to_entity_id(value: Any) -> str:
    """Convert an entity, or its ID, to an entity ID with an optional version.

    Raises:
        ValueError: The value is not an entity ID.
    """
    try:
        parsed = parse_entity_id(_to_builtin(value))
    except ValueError:
        raise ValueError("is not a Synapse ID: expected 'syn' followed by digits") from None
    return parsed.id if parsed.version is None else f"{parsed.id}.{parsed.version}"


def to_numeric_id(value: Any) -> int:
    """Convert a user, file handle, submission or evaluation, or its ID, to a number.

    Raises:
        ValueError: The value is not a numeric ID.
    """
    return to_integer(value if isinstance(value, Real | Decimal) else id_of(value))


def to_json_document(value: Any) -> str:
    """Encode an object or array as JSON; text that is valid JSON is returned unchanged.

    Raises:
        ValueError: The value is not a JSON object, array or text.
    """
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            raise ValueError("is not valid JSON") from None
        return value
    if not isinstance(value, Mapping | list | tuple):
        raise ValueError("is neither a JSON object nor an array")  # noqa: TRY004
    return dump_json(value)


def dump_json(value: Any) -> str:
    """Serialize a value as compact JSON.

    Raises:
        ValueError: The value contains an object that is not JSON serializable.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except TypeError as error:
        raise ValueError(f"cannot be serialized as JSON: {error}") from None


def to_untyped_text(value: Any) -> str:
    """Encode a value by its Python type, for a column of unknown type.

    Raises:
        ValueError: The value is bytes, or not JSON serializable.
    """
    value = _to_builtin(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # 3.0 is often an integer from a column with nulls; a DOUBLE column accepts 3 as well.
        is_whole = value.is_integer() and abs(value) < _MAX_EXACT_INTEGER
        return str(int(value)) if is_whole else _format_double(value)
    if isinstance(value, date):
        return str(to_epoch_millis(value))
    if isinstance(value, Mapping):
        return dump_json(value)
    if isinstance(value, list | tuple | set | frozenset) or hasattr(value, "tolist"):
        listed = value.tolist() if hasattr(value, "tolist") else value
        return dump_json([_to_json_value(one) for one in listed])
    if isinstance(value, bytes):
        raise ValueError("is bytes, which tables do not support")  # noqa: TRY004
    return str(value)


def _to_json_value(item: Any) -> Any:
    item = None if is_missing(item) else _to_builtin(item)
    return to_epoch_millis(item) if isinstance(item, date) else item


def _to_builtin(value: Any) -> Any:
    """Convert numbers of NumPy, databases and other libraries to built-in numbers."""
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
