"""Conversions between milliseconds since the epoch and the date formats of requests."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_DATE: Final = re.compile(
    r"(\d{1,4})-(\d{1,2})-(\d{1,2})"
    r"(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: Last two-digit year that stands for 20xx. Higher values stand for 19xx.
_PIVOT_YEAR: Final = 69


def to_iso(milliseconds: int) -> str:
    """Return a date as ISO 8601 text in UTC, with three decimals and the suffix `Z`.

    Args:
        milliseconds: Milliseconds since the epoch.
    """
    seconds, millis = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def parse_date(text: str) -> int:
    """Parse a date and convert it to milliseconds since the epoch.

    Args:
        text: Milliseconds, `yy-M-d[ H:m[:s[.SSS]]]` in UTC, or an ISO 8601 date-time.

    Raises:
        ValueError: The text has another format.
    """
    trimmed = text.strip()
    if re.fullmatch(r"[+-]?\d{1,19}", trimmed):
        return int(trimmed)
    match = _DATE.fullmatch(trimmed)
    if match is None:
        raise ValueError(f'Invalid format: "{text}"')
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if len(match[1]) <= 2:  # noqa: PLR2004 - digits
        year += 2000 if year <= _PIVOT_YEAR else 1900
    microsecond = int((match[7] or "").ljust(6, "0")[:6])
    try:
        offset = _parse_offset(match[8])
        parsed = datetime(year, month, day, hour, minute, second, microsecond, offset)
    except ValueError as error:
        raise ValueError(f'Cannot parse "{text}": {error}') from None
    return to_milliseconds(parsed)


def _parse_offset(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))


def to_milliseconds(date: datetime) -> int:
    """Convert a time-zone-aware date to milliseconds since the epoch."""
    return (date - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: float) -> datetime:
    """Convert milliseconds since the epoch to a date in UTC.

    Raises:
        OverflowError: The date is outside the years 1 to 9999.
    """
    return _EPOCH + timedelta(milliseconds=milliseconds)
