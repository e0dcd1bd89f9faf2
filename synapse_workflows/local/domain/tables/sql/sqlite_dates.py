"""Dates in SQLite as MySQL computes with them; they are milliseconds since the epoch, in UTC."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from synapse_workflows.local.domain.dates import from_milliseconds

_SECONDS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
_MONTHS: Final = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
#: The last second that FROM_UNIXTIME knows, in the year 3001.
_LAST_SECOND: Final = 32536771199
#: Milliseconds of the years 1 to 9999, and beyond what any interval can add to them.
_MOST: Final = 10**15
#: Characters of a date up to its seconds.
_TO_SECONDS: Final = len("2020-02-29 12:30:45")
#: The last day that every month has.
_LAST_SURE_DAY: Final = 28


def moment_text(moment: Any, digits: int) -> str | None:
    """Write a date, with some digits of its second's fraction."""
    date = _date(moment)
    if date is None:
        return None
    fraction = f".{date.microsecond:06}"[: digits + 1] if digits else ""
    return date.isoformat(" ")[:_TO_SECONDS] + fraction


def _date(moment: Any) -> datetime | None:
    try:
        return None if moment is None else from_milliseconds(moment)
    except OverflowError:
        return None


def _from_seconds(seconds: Any) -> int | None:
    """Read what FROM_UNIXTIME takes."""
    if seconds is None or not 0 <= seconds < _LAST_SECOND + 1:
        return None
    moment: int = round(seconds * 1000)
    return moment


def _to_seconds(moment: Any) -> Any:
    """Give what UNIX_TIMESTAMP gives, with its fraction: zero outside of what it knows."""
    if moment is None:
        return None
    return moment / 1000 if 0 <= moment < (_LAST_SECOND + 1) * 1000 else 0


def _moved(moment: Any, count: Any, unit: str, sign: int) -> int | None:
    date = _date(moment)
    if date is None or count is None or not math.isfinite(count) or abs(count) > _MOST:
        return None
    if unit in _SECONDS:
        steps = count if unit == "SECOND" else _whole(count)
        there = int(moment) + sign * round(steps * _SECONDS[unit] * 1000)
        return None if _date(there) is None else there
    return _months_away(date, int(moment), sign * _whole(count) * _MONTHS[unit])


def _whole(count: float) -> int:
    """Round halves away from zero."""
    return int(math.copysign(math.floor(abs(count) + 0.5), count))


def _months_away(date: datetime, moment: int, months: int) -> int | None:
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    for day in range(date.day, min(date.day, _LAST_SURE_DAY) - 1, -1):
        try:
            there = date.replace(year=year, month=month + 1, day=day)
        except (ValueError, OverflowError):
            continue
        return moment + round((there - date).total_seconds()) * 1000
    return None


_PARTS: Final[dict[str, Callable[[datetime], Any]]] = {
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
    return None if date is None else _PARTS[name](date)


#: Name -> number of arguments and function.
FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "moment_text": (2, moment_text),
    "from_seconds": (1, _from_seconds),
    "to_seconds": (1, _to_seconds),
    "moved": (4, _moved),
    "date_part": (2, _date_part),
}
