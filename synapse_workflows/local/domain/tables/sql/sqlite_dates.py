"""Date functions of SQL statements. Dates are milliseconds since the epoch, in UTC."""

import calendar
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from synapse_workflows.local.domain.dates import from_milliseconds

_MILLISECONDS: Final = {
    "SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000, "WEEK": 604_800_000,
}  # fmt: skip
_MONTHS: Final = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
#: Maximum number of units in an interval. A longer interval always leaves the years 1 to 9999.
_MAX_COUNT: Final = 10**15
#: The units that an INTERVAL may have.
UNITS: Final = (*_MILLISECONDS, *_MONTHS)


def _to_datetime(moment: Any) -> datetime | None:
    """Return the date, or None if the date is outside the years 1 to 9999."""
    try:
        return None if moment is None else from_milliseconds(moment)
    except OverflowError:
        return None


def _format_datetime(moment: Any) -> str | None:
    """Format a date as `yyyy-MM-dd HH:mm:ss`, with `.SSS` if it has a fraction of a second."""
    date = _to_datetime(moment)
    if date is None:
        return None
    date = date.replace(tzinfo=None)
    return date.isoformat(" ", "milliseconds" if date.microsecond else "seconds")


def _add_interval(moment: Any, count: Any, unit: str) -> int | None:
    """Add an interval to a date. Return None if the result is out of range."""
    date = _to_datetime(moment)
    if date is None or count is None or not abs(count) <= _MAX_COUNT:
        return None
    if unit in _MONTHS:
        return _add_months(date, int(moment), round(count) * _MONTHS[unit])
    shifted = int(moment) + round(count * _MILLISECONDS[unit])
    return None if _to_datetime(shifted) is None else shifted


def _add_months(date: datetime, moment: int, months: int) -> int | None:
    """Add months to a date. The day becomes the last day of the new month if that is shorter."""
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    try:
        last_day = calendar.monthrange(year, month + 1)[1]
        other = date.replace(year=year, month=month + 1, day=min(date.day, last_day))
    except (ValueError, OverflowError):
        return None
    return moment + (other - date).days * 86_400_000


#: SQL name of a function -> Python function that returns the part of the date.
DATE_PARTS: Final[dict[str, Callable[[datetime], Any]]] = {
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


def _get_date_part(name: str, moment: Any) -> Any:
    date = _to_datetime(moment)
    return None if date is None else DATE_PARTS[name](date)


#: SQL name -> number of arguments and Python function.
FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "datetime_text": (1, _format_datetime),
    "add_interval": (3, _add_interval),
    "date_part": (2, _get_date_part),
}
