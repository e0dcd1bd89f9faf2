"""Conversion of Python values to the values of table cells, one function per column type.

Error messages continue the text "Row 1, column 'a': <value>", see `rows.serialize_cells`.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final, TypeVar

from synapse_workflows.client.model.ids import id_of, parse_entity_id

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_INT64_RANGE: Final = range(-(2**63), 2**63)
#: Up to this value, floats represent every integer exactly.
_MAX_EXACT_INTEGER: Final = 2**53
BOOLEAN_WORDS: Final = MappingProxyType(
    {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
)
#: Common classes without missing values; a fast path of `is_missing`.
_NEVER_MISSING: Final = frozenset({str, int, bool, list, dict})
_BUILTIN_TYPES: Final = frozenset({str, int, float, bool, Decimal, date, datetime})
_Number = TypeVar("_Number")
_Bytes = bytes | bytearray | memoryview
#: Largest exponents of a Decimal that is an INTEGER, and that is written without an exponent.
_MAX_INT64_DIGITS, _MAX_PLAIN_DIGITS = 19, 76
_encode_json: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode
_SPECIAL_DOUBLES: Final = MappingProxyType({math.inf: "Infinity", -math.inf: "-Infinity"})


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, or `NA` or `NaT` of pandas or NumPy."""
    python_type = type(value)
    if python_type in _NEVER_MISSING:
        return False
    if value is None or python_type.__name__ == "NAType":
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    is_number = isinstance(value, Real | datetime) or _is_numpy_scalar(value)
    return is_number and bool(value != value)  # noqa: PLR0124 - NaN, NaT


def to_epoch_millis(moment: date) -> int:
    """Convert a date or datetime to milliseconds since 1970-01-01 UTC.

    A datetime without a time zone is interpreted as UTC, and a date as midnight UTC.
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
    if type(value) is list and _NEVER_MISSING.issuperset(map(type, value)):
        return value
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    is_scalar = isinstance(value, str | _Bytes | Mapping) or _is_numpy_scalar(value)
    if is_scalar or not isinstance(value, Iterable):
        raise ValueError("is not a list")
    found = list(value)
    if any(is_missing(one) for one in found):
        raise ValueError("is a list with a missing item, which Synapse does not support")
    return found


def to_text(value: Any) -> str:
    """Convert a scalar to text; a date becomes ISO 8601, and a Decimal keeps its digits.

    Raises:
        ValueError: The value is bytes or a collection.
    """
    value = to_builtin(value)
    if isinstance(value, str):
        return value
    is_collection = isinstance(value, Mapping | list | tuple | set | frozenset)
    if is_collection or isinstance(value, _Bytes) or getattr(value, "ndim", None):
        raise ValueError("is not text")
    return value.isoformat() if isinstance(value, date) else to_untyped_text(value)


def to_integer(value: Any) -> int:
    """Convert a value to an integer of 64 bits.

    Raises:
        ValueError: The value is not an integer, does not fit into 64 bits, or is a float that may
            have lost digits.
    """
    number = value if type(value) is int else to_builtin(value)
    if isinstance(number, str):
        number = parse_number(number, int)
    if isinstance(number, Decimal):
        number = _to_whole_number(number)
    is_float = False
    if isinstance(number, float) and number.is_integer():
        is_float, number = True, int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError("is not an integer")  # noqa: TRY004
    if number not in _INT64_RANGE:
        raise ValueError("does not fit into 64 bits")
    if is_float and abs(number) >= _MAX_EXACT_INTEGER:
        raise ValueError(
            "is a float that may have lost digits of an integer. Pass an integer; in a pandas "
            "column with nulls, use the dtype 'Int64' before the values become floats"
        )
    return number


def parse_number(text: str, number_type: Callable[[str], _Number]) -> _Number:
    """Parse a number as Synapse does, without `_` and with ASCII digits; else raise ValueError."""
    try:
        return number_type(text if text.isascii() and "_" not in text else "")
    except ValueError:
        raise ValueError(
            "is not an integer" if number_type is int else "is not a number"
        ) from None


def to_double_text(value: Any) -> str:
    """Encode a number, including NaN and infinity, as the text of a DOUBLE cell.

    Raises:
        ValueError: The value is not a number.
    """
    if type(value) is float:
        return _format_double(value)
    number = to_builtin(value)
    if isinstance(number, bool) or not isinstance(number, int | float | str | Decimal):
        raise ValueError("is not a number")  # noqa: TRY004
    try:
        found = parse_number(number, float) if isinstance(number, str) else float(number)
    except OverflowError:
        found = math.inf
    if math.isinf(found) and not Decimal(number).is_infinite():
        raise ValueError("is too large for a DOUBLE: use a STRING column")
    return _format_double(found)


def to_boolean(value: Any) -> bool:
    """Convert a boolean, 0, 1, or one of the texts in `BOOLEAN_WORDS` to a boolean.

    Raises:
        ValueError: The value is not a boolean, 0, 1 or one of these texts.
    """
    value = to_builtin(value)
    if isinstance(value, str) and value.lower() in BOOLEAN_WORDS:
        return BOOLEAN_WORDS[value.lower()]
    if isinstance(value, int | float | Decimal) and value in (0, 1):
        return bool(value)
    raise ValueError("is neither true nor false")


def to_timestamp(value: Any) -> int | str:
    """Convert a value to milliseconds since 1970-01-01 UTC.

    Text that is not a number is returned unchanged, because Synapse parses dates.

    Raises:
        ValueError: The value is neither a date, an integer nor text.
    """
    if type(value).__name__ == "datetime64":  # the range of datetime is smaller
        return int(value.astype("datetime64[ms]").astype("int64"))
    value = to_builtin(value)
    if isinstance(value, date):
        return to_epoch_millis(value)
    if isinstance(value, str):
        with suppress(ValueError):
            return parse_number(value, int)
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
        parsed = parse_entity_id(to_builtin(value))
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

    None, `NA` and `NaT` become null, and dates become ISO 8601.

    Raises:
        ValueError: The value is not a JSON object, array or text.
    """
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            raise ValueError("is not valid JSON") from None
        return value
    if not _is_collection(value):
        raise ValueError("is neither a JSON object nor an array")
    return dump_json(_to_json_value(value))


def dump_json(value: Any) -> str:
    """Serialize built-in values as compact JSON.

    Raises:
        ValueError: The value contains infinity, or an object that is not JSON serializable.
    """
    try:
        return _encode_json(value)
    except TypeError as error:
        raise ValueError(f"cannot be serialized as JSON: {error}") from None
    except (ValueError, RecursionError):
        raise ValueError(
            "contains NaN, infinity or itself, which is not JSON compliant: use None for null"
        ) from None


def to_untyped_text(value: Any) -> str:
    """Encode a value by its Python type, for a column of unknown type.

    Raises:
        ValueError: The value is bytes, or not JSON serializable.
    """
    value = to_builtin(value)
    if isinstance(value, _Bytes):
        raise ValueError("is bytes, which tables do not support")  # noqa: TRY004
    if _is_collection(value):
        return dump_json(_to_json_value(value, untyped=not isinstance(value, Mapping)))
    if isinstance(value, Iterator) or not _has_text_form(type(value)):
        raise ValueError("has no text form")
    return _format_scalar(value)


def _format_scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # pandas stores integers beside nulls as floats: 3.0. A DOUBLE column also accepts "3".
        is_whole = value.is_integer() and abs(value) < _MAX_EXACT_INTEGER
        return str(int(value)) if is_whole else _format_double(value)
    if isinstance(value, Decimal):
        return _format_decimal(value)
    if isinstance(value, date):
        return str(to_epoch_millis(value))
    return _format_timedelta(value) if isinstance(value, timedelta) else str(value)


def to_builtin(value: Any) -> Any:
    """Convert scalars of NumPy, pandas, databases and enumerations to built-in values.

    Decimals and pandas timestamps are returned unchanged, to keep all their digits.
    """
    python_type = type(value)
    if python_type in _BUILTIN_TYPES or value is None:
        return value
    if _is_numpy_scalar(value):
        return _to_builtin_of_numpy(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def utf16_length(text: str) -> int:
    """Return the length of text in UTF-16 code units, the unit of Synapse's size limits."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_numpy_scalar(value: Any) -> bool:
    """Return whether a value is a NumPy scalar or a zero-dimensional NumPy array."""
    return type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()


def _to_builtin_of_numpy(value: Any) -> Any:
    kind = value.dtype.kind
    if kind == "M":
        moment = value.astype("datetime64[us]")
        # Not a datetime: years outside 1 to 9999 (item() returns an integer), and nanoseconds.
        found = moment.item() if moment == value else None
        return found if isinstance(found, datetime) else str(value)
    if kind == "m":
        return value.astype("timedelta64[us]").item()
    found = value.item()
    # The method item() of a NumPy long double returns a long double.
    return float(found) if type(found) is type(value) and kind == "f" else found


def _has_text_form(python_type: type) -> bool:
    """Return whether a class defines `__str__` or `__repr__`."""
    to_str: object = python_type.__str__
    to_repr: object = python_type.__repr__
    return to_str is not object.__str__ or to_repr is not object.__repr__


def _is_collection(value: Any) -> bool:
    is_array = hasattr(value, "tolist") and not _is_numpy_scalar(value)
    is_array = is_array and not isinstance(value, _Bytes)
    return is_array or isinstance(value, Mapping | list | tuple | set | frozenset)


def _to_json_value(value: Any, *, untyped: bool = False) -> Any:
    """Convert a value and all values inside to types that the json module serializes.

    Args:
        value: The value.
        untyped: Whether the value is a list for a column of unknown type. Then dates become
            milliseconds since 1970, as in a DATE_LIST, and NaN becomes null.
    """
    value = to_builtin(value)
    if is_missing(value) and (untyped or not isinstance(value, float | Decimal)):
        return None  # NaN in a JSON document is an error
    if isinstance(value, Mapping):
        return {to_builtin(key): _to_json_value(one) for key, one in value.items()}
    if _is_collection(value):
        return [_to_json_value(one, untyped=untyped) for one in value]
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if is_whole else float(value)
    if isinstance(value, date):
        return to_epoch_millis(value) if untyped else value.isoformat()
    return _format_timedelta(value) if isinstance(value, timedelta) else value


def _to_whole_number(value: Decimal) -> int | None:
    """Convert a Decimal to an integer; None if it is not an integer.

    Raises:
        ValueError: The Decimal is too large for 64 bits.
    """
    if not value.is_finite() or value != value.to_integral_value():
        return None
    if value.adjusted() > _MAX_INT64_DIGITS:
        raise ValueError("does not fit into 64 bits")
    return int(value)


def _format_double(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return _SPECIAL_DOUBLES.get(value, "NaN")


def _format_decimal(value: Decimal) -> str:
    """Format a Decimal with all digits; only extreme values have an exponent."""
    if not value.is_finite():
        return _format_double(float(value))
    is_readable = abs(value.adjusted()) <= _MAX_PLAIN_DIGITS
    return format(value, "f") if is_readable else str(value)


def _format_timedelta(value: timedelta) -> str:
    """Format a duration as pandas does: ``1 days 02:03:04.000005``."""
    time_of_day = (_EPOCH + timedelta(0, value.seconds, value.microseconds)).time()
    return f"{value.days} days {'+' if value.days < 0 else ''}{time_of_day.isoformat()}"
