"""What statements call in SQLite: the collation, functions of one row, functions of many."""

import json
import math
import sqlite3
import zlib
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, Final

from synapse_workflows.local.domain.tables import values
from synapse_workflows.local.domain.tables.moments import from_ms
from synapse_workflows.local.domain.tables.sql import sqlite_aggregates, sqlite_json
from synapse_workflows.local.domain.tables.sql.fragments import COLLATION
from synapse_workflows.local.domain.tables.sql.text import collate, fold, like

_SECONDS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
_MONTHS: Final = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_MOST_DIGITS: Final = 30


def _of_text(function: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else function(str(value))


def _whole_quotient(left: Any, right: Any) -> Any:
    if left is None or right is None or right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        size = abs(left) // abs(right)
        return size if (left < 0) == (right < 0) else -size
    return math.trunc(left / right)


def _remainder(left: Any, right: Any) -> Any:
    if left is None or right is None or right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        size = abs(left) % abs(right)
        return -size if left < 0 else size
    return math.fmod(left, right)


def _rounded(value: Any, digits: Any) -> Any:
    if value is None or digits is None:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return value
    places = max(-_MOST_DIGITS, min(_MOST_DIGITS, int(digits)))
    unit = Decimal(1).scaleb(-places)
    if isinstance(value, float) and abs(value) >= 1e15 and places >= 0:  # noqa: PLR2004 - whole
        return value
    near = Decimal(repr(value)).quantize(unit, ROUND_HALF_UP)
    return int(near) if isinstance(value, int) else float(near)


def _moment_text(moment: Any) -> str | None:
    date = _date(moment)
    return None if date is None else date.strftime("%Y-%m-%d %H:%M:%S")


def _date(moment: Any) -> datetime | None:
    try:
        return None if moment is None else from_ms(moment)
    except OverflowError:
        return None


def _moved(moment: Any, count: Any, unit: str, sign: int) -> int | None:
    date = _date(moment)
    if date is None or count is None:
        return None
    steps = sign * int(count)
    if unit in _SECONDS:
        return int(moment) + steps * _SECONDS[unit] * 1000
    months = date.year * 12 + date.month - 1 + steps * _MONTHS[unit]
    year, month = divmod(months, 12)
    for day in range(date.day, 27, -1):
        try:
            there = date.replace(year=year, month=month + 1, day=day)
        except (ValueError, OverflowError):
            continue
        return int(moment) + round((there - date).total_seconds()) * 1000
    try:
        there = date.replace(year=year, month=month + 1)
    except (ValueError, OverflowError):
        return None
    return int(moment) + round((there - date).total_seconds()) * 1000


_DATE_PARTS: Final[dict[str, Callable[[datetime], Any]]] = {
    "YEAR": lambda date: date.year,
    "QUARTER": lambda date: (date.month + 2) // 3,
    "MONTH": lambda date: date.month,
    "WEEK": lambda date: int(date.strftime("%U")),
    "DAY": lambda date: date.day,
    "DAYOFMONTH": lambda date: date.day,
    "DAYOFWEEK": lambda date: date.isoweekday() % 7 + 1,
    "DAYOFYEAR": lambda date: date.timetuple().tm_yday,
    "WEEKDAY": lambda date: date.weekday(),
    "HOUR": lambda date: date.hour,
    "MINUTE": lambda date: date.minute,
    "SECOND": lambda date: date.second,
    "MICROSECOND": lambda date: date.microsecond,
    "MONTHNAME": lambda date: date.strftime("%B"),
    "DAYNAME": lambda date: date.strftime("%A"),
}


def _date_part(name: str, moment: Any) -> Any:
    date = _date(moment)
    return None if date is None else _DATE_PARTS[name](date)


@lru_cache(maxsize=64)
def _wanted(items: str) -> frozenset[Any]:
    return frozenset(json.loads(items))


def _has_item(cell: Any, items: str) -> bool | None:
    if cell is None:
        return None
    wanted = _wanted(items)
    there = (fold(item) if isinstance(item, str) else item for item in json.loads(cell))
    return any(item in wanted for item in there)


def _has_like(cell: Any, patterns: str, escape: str) -> bool | None:
    if cell is None:
        return None
    items = [item if isinstance(item, str) else json.dumps(item) for item in json.loads(cell)]
    return any(like(item, each, escape) for each in json.loads(patterns) for item in items)


_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "like_text": (3, lambda text, pattern, escape: like(_str(text), _str(pattern), escape)),
    "upper_text": (1, _of_text(str.upper)),
    "lower_text": (1, _of_text(str.lower)),
    "trim_text": (1, _of_text(lambda text: text.strip(" "))),
    "crc32": (1, _of_text(lambda text: zlib.crc32(text.encode()))),
    "double_text": (1, lambda value: None if value is None else values.double_text(value)),
    "moment_text": (1, _moment_text),
    "whole_quotient": (2, _whole_quotient),
    "remainder": (2, _remainder),
    "rounded": (2, _rounded),
    "moved": (4, _moved),
    "date_part": (2, _date_part),
    "has_item": (2, _has_item),
    "has_like": (3, _has_like),
    **sqlite_json.FUNCTIONS,
}


def _str(value: Any) -> str | None:
    return None if value is None else str(value)


#: Functions of SQLite itself that our statements use; they touch nothing but their arguments.
BUILT_IN: Final = frozenset(
    {"count", "max", "min", "sum", "avg", "replace", "coalesce", "nullif", "substr"}
)
#: Every function that a statement may call.
ALLOWED: Final = BUILT_IN | frozenset(_FUNCTIONS) | frozenset(sqlite_aggregates.AGGREGATES)


def install(connection: sqlite3.Connection) -> None:
    """Give a connection what our statements call."""
    connection.create_collation(COLLATION, collate)
    for name, (count, function) in _FUNCTIONS.items():
        connection.create_function(name, count, function, deterministic=True)
    for name, (count, aggregate) in sqlite_aggregates.AGGREGATES.items():
        connection.create_aggregate(name, count, aggregate)
    connection.execute("SELECT 1 FROM json_each('[]')")  # made known before the wall goes up
