"""Clock of the Synapse server, read from the `Date` header of its responses.

Leases are compared on different machines. Their clocks may differ, so the clock of the server
decides whether a lease has expired.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from synapse_workflows.client.core.session import Session

_RESOURCE: Final = "challenge.server_clock"


class ServerClock:
    """Current time of the server: the last `Date` header plus the time that has passed since.

    The header has a resolution of one second and is rounded down, so `now` is up to one second
    early, and no lease is considered expired too early. Without a header, the clock of this
    machine is used.
    """

    def __init__(self) -> None:
        self._server_time: datetime | None = None
        self._read_at = 0.0

    def read(self, headers: Mapping[str, str]) -> None:
        """Set the clock from the headers of a response that has just arrived."""
        try:
            server_time = parsedate_to_datetime(headers.get("Date") or "")
        except (ValueError, TypeError, OverflowError):
            return
        if server_time.tzinfo is not None:
            self._server_time, self._read_at = server_time.astimezone(UTC), time.monotonic()

    def now(self) -> datetime:
        """Return the time of the server, in UTC."""
        if self._server_time is None:
            return datetime.now(UTC)
        return self._server_time + timedelta(seconds=time.monotonic() - self._read_at)


def get_server_clock(client: Session) -> ServerClock:
    """Return the clock of the server of a client."""
    return client.get_or_create(_RESOURCE, ServerClock)


def compute_expiry(client: Session, lease: float) -> datetime:
    """Return the end of a lease that starts now, with a resolution of milliseconds."""
    end = get_server_clock(client).now() + timedelta(seconds=lease)
    return end.replace(microsecond=end.microsecond // 1000 * 1000)


def format_time(moment: datetime) -> str:
    """Return a time as ISO 8601 text in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
