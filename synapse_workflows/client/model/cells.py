"""Cells of tables: Python values as the text that Synapse keeps, and back."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final

from synapse_workflows.client.model.columns import type_of
from synapse_workflows.client.model.ids import entity_id, id_of
from synapse_workflows.vocabulary import (
    DEFAULT_CELL_SIZE,
    DEFAULT_LIST_LENGTH,
    MAX_CELL_SIZES,
    ColumnType,
)

#: Writes a value as text; None is null.
Writer = Callable[[Any], str | None]
#: Reads what a writer wrote.
Reader = Callable[[str | None], Any]

TEXTS: Final = frozenset(
    {ColumnType.STRING, ColumnType.LINK, ColumnType.MEDIUMTEXT, ColumnType.LARGETEXT}
)
#: Type of a list -> type of its items.
ITEM_TYPES: Final = MappingProxyType(
    {
        ColumnType.STRING_LIST: ColumnType.STRING,
        ColumnType.INTEGER_LIST: ColumnType.INTEGER,
        ColumnType.BOOLEAN_LIST: ColumnType.BOOLEAN,
        ColumnType.DATE_LIST: ColumnType.DATE,
        ColumnType.ENTITYID_LIST: ColumnType.ENTITYID,
        ColumnType.USERID_LIST: ColumnType.USERID,
    }
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LONG: Final = range(-(2**63), 2**63)
#: Beyond these, a float is not sure to be the integer it looks like.
_EXACT: Final = 2**53
_BOOLEANS: Final = MappingProxyType(
    {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
)
_SPECIAL_DOUBLES: Final = MappingProxyType({math.inf: "Infinity", -math.inf: "-Infinity"})


def writer(column: Mapping[str, Any]) -> Writer:
    """Make what writes the cells of a column, and checks them.

    It raises ValueError for what the column cannot hold. Where the type is not known, the class
    of each value decides, and Synapse checks.

    Args:
        column: With ``columnType``, and ``maximumSize`` and ``maximumListLength`` of those types
            that have them.
    """
    kind = type_of(column)
    if kind is None:
        return lambda value: None if is_missing(value) else _by_class(value)
    if kind in ITEM_TYPES:
        return _list_writer(kind, column)
    write = _WRITERS[kind]
    limit = _limit(kind, column)

    def checked(value: Any) -> str | None:
        if value is None or (kind is not ColumnType.DOUBLE and is_missing(value)):
            return None
        text = write(value)
        if limit is not None and text is not None and len(text) > limit:
            raise ValueError(f"has {len(text)} characters, and the column holds {limit}")
        return text

    return checked


def reader(column: Mapping[str, Any]) -> Reader:
    """Make what reads the cells of a column; null is None. What has no type stays text."""
    kind = type_of(column)
    if kind is None or kind in TEXTS:
        return _as_it_is
    read = _READERS.get(kind, str)
    # Only text can be empty; of the others this is what older services write for null.
    return lambda text: read(text) if text else None


def is_missing(value: Any) -> bool:
    """Tell whether a value is none at all: None, NaN, or what pandas writes instead."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, float | datetime) and value != value  # noqa: PLR0124 - NaN, NaT


def milliseconds(moment: date) -> int:
    """Count a moment since 1970; without a time zone it is UTC, and a date is its midnight."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - _EPOCH) // _MILLISECOND)


def moment_of(count: int) -> datetime | int:
    """Find the moment in UTC; what lies beyond the years of datetime stays a number."""
    try:
        return _EPOCH + count * _MILLISECOND
    except OverflowError:
        return count


def _as_it_is(text: str | None) -> str | None:
    return text


def _limit(kind: ColumnType, column: Mapping[str, Any]) -> int | None:
    if kind in {ColumnType.STRING, ColumnType.LINK}:
        return int(column.get("maximumSize") or DEFAULT_CELL_SIZE)
    return MAX_CELL_SIZES.get(kind)


def _list_writer(kind: ColumnType, column: Mapping[str, Any]) -> Writer:
    item = _ITEM_WRITERS[ITEM_TYPES[kind]]
    longest = int(column.get("maximumListLength") or DEFAULT_LIST_LENGTH)
    size = None
    if kind is ColumnType.STRING_LIST:
        size = int(column.get("maximumSize") or DEFAULT_CELL_SIZE)

    def write(value: Any) -> str | None:
        if is_missing(value):
            return None
        items = [item(one) for one in _items(value)]
        if len(items) > longest:
            raise ValueError(f"has {len(items)} items, and the column holds {longest}")
        over = next((len(one) for one in items if size is not None and len(one) > size), None)
        if over is not None:
            raise ValueError(f"has an item of {over} characters, and the column holds {size}")
        return _json(items) if items else None

    return write


def _items(value: Any) -> list[Any]:
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
    items = list(value)
    if any(is_missing(one) for one in items):
        raise ValueError("is a list with a missing item, which Synapse cannot hold")
    return items


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | Mapping | list | tuple | set | frozenset):
        raise ValueError("is no text")  # noqa: TRY004
    return _by_class(value)


def _integer(value: Any) -> int:
    number = _plain(value)
    if isinstance(number, str):
        try:
            number = int(number)
        except ValueError:
            raise ValueError("is no integer") from None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError("is no integer")  # noqa: TRY004
    if number not in _LONG:
        raise ValueError("does not fit into 64 bits")
    return number


def _double(value: Any) -> str:
    number = _plain(value)
    if isinstance(number, str):
        try:
            number = float(number)
        except ValueError:
            raise ValueError("is no number") from None
    if is_missing(number) and not isinstance(number, float):
        raise ValueError("is no number")
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError("is no number")  # noqa: TRY004
    return _number_text(float(number))


def _boolean(value: Any) -> bool:
    value = _plain(value)
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    if value in (0, 1):
        return bool(value)
    raise ValueError("is neither true nor false")


def _date(value: Any) -> int | str:
    """Write milliseconds since 1970; text that is no number is left for Synapse to read."""
    if isinstance(value, date):
        return milliseconds(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return value
    try:
        return _integer(value)
    except ValueError:
        raise ValueError("is no date: give a datetime, or milliseconds since 1970") from None


def _entity(value: Any) -> str:
    found = entity_id(_plain(value))
    return found.id if found.version is None else f"{found.id}.{found.version}"


def _number_id(value: Any) -> int:
    """Read the number of a user, a file handle, a submission: itself, or what carries it."""
    return _integer(value if isinstance(value, Real | Decimal) else id_of(value))


def _json_document(value: Any) -> str:
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            raise ValueError("is no JSON") from None
        return value
    if not isinstance(value, Mapping | list | tuple):
        raise ValueError("is neither a JSON object nor an array")  # noqa: TRY004
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _by_class(value: Any) -> str:
    """Write a value where nothing says what the column holds."""
    value = _plain(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # 3.0 is often an integer that shared a column with nulls; a DOUBLE column takes 3, too.
        whole = value.is_integer() and abs(value) < _EXACT
        return str(int(value)) if whole else _number_text(value)
    if isinstance(value, date):
        return str(milliseconds(value))
    if isinstance(value, Mapping):
        return _json(value)
    if isinstance(value, list | tuple | set | frozenset) or hasattr(value, "tolist"):
        return _json([_for_json(one) for one in _items(value)])
    if isinstance(value, bytes):
        raise ValueError("is bytes, which no table holds")  # noqa: TRY004
    return str(value)


def _for_json(item: Any) -> Any:
    item = _plain(item)
    return milliseconds(item) if isinstance(item, date) else item


def _plain(value: Any) -> Any:
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


def _number_text(value: float) -> str:
    return "NaN" if math.isnan(value) else _SPECIAL_DOUBLES.get(value) or repr(value)


def _read_boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


def _read_dates(text: str) -> list[datetime | int]:
    return [moment_of(one) for one in json.loads(text)]


_WRITERS: Final[Mapping[ColumnType, Writer]] = MappingProxyType(
    {
        **dict.fromkeys(TEXTS, _text),
        ColumnType.INTEGER: lambda value: str(_integer(value)),
        ColumnType.DOUBLE: _double,
        ColumnType.BOOLEAN: lambda value: str(_boolean(value)).lower(),
        ColumnType.DATE: lambda value: str(_date(value)),
        ColumnType.ENTITYID: _entity,
        ColumnType.FILEHANDLEID: lambda value: str(_number_id(value)),
        ColumnType.USERID: lambda value: str(_number_id(value)),
        ColumnType.SUBMISSIONID: lambda value: str(_number_id(value)),
        ColumnType.EVALUATIONID: lambda value: str(_number_id(value)),
        ColumnType.JSON: _json_document,
    }
)
_ITEM_WRITERS: Final[Mapping[ColumnType, Callable[[Any], Any]]] = MappingProxyType(
    {
        ColumnType.STRING: _text,
        ColumnType.INTEGER: _integer,
        ColumnType.BOOLEAN: _boolean,
        ColumnType.DATE: _date,
        ColumnType.ENTITYID: _entity,
        ColumnType.USERID: _number_id,
    }
)
_READERS: Final[Mapping[ColumnType, Callable[[str], Any]]] = MappingProxyType(
    {
        ColumnType.INTEGER: int,
        ColumnType.DOUBLE: float,
        ColumnType.BOOLEAN: _read_boolean,
        ColumnType.DATE: lambda text: moment_of(int(text)),
        ColumnType.DATE_LIST: _read_dates,
        ColumnType.JSON: json.loads,
        **dict.fromkeys(set(ITEM_TYPES) - {ColumnType.DATE_LIST}, json.loads),
    }
)
