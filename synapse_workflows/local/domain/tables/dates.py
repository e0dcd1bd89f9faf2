"""Dates in cells and in queries: milliseconds since the epoch, or one of several forms of text."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_FORM: Final = re.compile(
    r"(\d{1,4})-(\d{1,2})-(\d{1,2})"
    r"(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: Two digits of a year up to this are of this century.
_PIVOT: Final = 69
_CENTURY: Final = 100


def to_ms(text: str) -> int:
    """Read a date: milliseconds, `yy-M-d[ H:m[:s[.SSS]]]` in UTC, or an ISO date-time.

    Raises:
        ValueError: it is none.
    """
    trimmed = text.strip()
    if re.fullmatch(r"[+-]?\d{1,19}", trimmed):
        return int(trimmed)
    match = _FORM.fullmatch(trimmed)
    if match is None:
        raise ValueError(f'Invalid format: "{text}"')
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if len(match[1]) <= 2:  # noqa: PLR2004 - digits
        year += 2000 if year <= _PIVOT else 1900
    fraction = int((match[7] or "").ljust(6, "0")[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, fraction, _zone(match[8]))
    except ValueError as error:
        raise ValueError(f'Cannot parse "{text}": {error}') from None
    return (moment - _EPOCH) // _MILLISECOND


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))


def from_ms(moment: float) -> datetime:
    """Give the date of milliseconds since the epoch.

    Raises:
        OverflowError: it lies outside of the years 1 to 9999.
    """
    return _EPOCH + timedelta(milliseconds=moment)
