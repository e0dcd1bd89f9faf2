"""Dates as the wire has them."""

from datetime import UTC, datetime


def iso(moment: int) -> str:
    """Write a date: UTC, always three decimals, always `Z`.

    Args:
        moment: milliseconds since the epoch.
    """
    seconds, millis = divmod(moment, 1000)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"
