"""HTTP headers of requests and responses."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from synapse_workflows import __version__
from synapse_workflows.client.core.urls import origin

T = TypeVar("T", str, str | None)

JSON_TYPE: Final = "application/json; charset=UTF-8"
USER_AGENT: Final = f"synapse-workflows/{__version__}"
#: Headers that are sent only to the origin for which the caller set them.
PRIVATE_HEADERS: Final = frozenset(
    {"authorization", "cookie", "sessiontoken", "signature", "signaturetimestamp", "userid"}
)


def request_headers(custom: Mapping[str, str] | None, *, is_synapse: bool) -> dict[str, str]:
    """Return the headers of a request.

    Args:
        custom: Headers given by the caller, which replace the default ones.
        is_synapse: Whether the request goes to Synapse, with JSON as default content type.
    """
    if custom is not None:
        return dict(custom)
    return {"content-type": JSON_TYPE, "Accept": JSON_TYPE} if is_synapse else {"Accept": "*/*"}


def headers_after_redirect(target: str, source: str, headers: Mapping[str, T]) -> dict[str, T]:
    """Return the headers to send after a redirect.

    Private headers are dropped if the origin differs.
    """
    if origin(target) == origin(source):
        return dict(headers)
    return {name: text for name, text in headers.items() if name.lower() not in PRIVATE_HEADERS}


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds to wait from a ``Retry-After`` header (a number or a date), if any.

    Args:
        headers: Headers of the response. A ``Date`` header is the time to which a date refers:
            the clock of this machine may differ from that of the server.
        now: The time, if there is no ``Date`` header.
    """
    value = headers.get("Retry-After")
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdecimal():
        return float(value)
    until = _parse_date(value)
    since = _parse_date(headers.get("Date") or "") or now
    return max(0.0, (until - since).total_seconds()) if until else None


def _parse_date(value: str) -> datetime | None:
    """Parse a date; None if it is invalid or has no time zone."""
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return parsed if parsed.tzinfo else None
