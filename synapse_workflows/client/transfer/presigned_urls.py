"""URLs that expire: pre-signed for a short time, and asked for again for what is left to do."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from urllib.parse import parse_qs, urlsplit

#: Statuses by which a storage says that a URL is good no more.
EXPIRED: Final = frozenset({400, 401, 403})
#: How often in a row a fresh URL may be refused.
REFUSALS: Final = 2
#: How many URLs for parts are asked for at once.
BATCH: Final = 250
#: Seconds of life that a URL must have left to be used.
_MARGIN: Final = 5.0


@dataclass(frozen=True, eq=False)
class Lease:
    """A URL for some time.

    Attributes:
        url: Pre-signed, or of a place that needs no signature.
        headers: Signed along, and to be sent.
        until: When it ends, on the monotonic clock (s).
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    until: float = float("inf")

    @property
    def over(self) -> bool:
        """Whether it has ended, or is about to."""
        return time.monotonic() > self.until


def lease(url: str, headers: Mapping[str, str] | None = None) -> Lease:
    """Read the length of a URL's life from itself; no clock of another machine is trusted."""
    expires = parse_qs(urlsplit(url).query).get("X-Amz-Expires", [""])[0]
    if not expires.isdigit():
        return Lease(url, headers or {})
    life = float(expires)
    return Lease(url, headers or {}, time.monotonic() + life - min(_MARGIN, life / 4))


class Address:
    """Where the bytes of a download are: one URL for all of its parts.

    Args:
        ask: Asks for a fresh URL.
        url: The first one.
    """

    def __init__(self, ask: Callable[[], str], url: str) -> None:
        self._ask = ask
        self._guard = Lock()
        self._lease = lease(url)

    def lease(self) -> Lease:
        """Give a URL that is still good."""
        with self._guard:
            if self._lease.over:
                self._lease = lease(self._ask())
            return self._lease

    def refused(self, refused: Lease) -> None:
        """Ask for another URL, unless that was done since `refused` was given."""
        with self._guard:
            if refused is self._lease:
                self._lease = lease(self._ask())


class PartAddresses:
    """Where the parts of an upload go: a URL for each, asked for in batches.

    Args:
        ask: Asks for the URLs of parts by their numbers.
        numbers: The parts to upload.
    """

    def __init__(
        self, ask: Callable[[list[int]], Mapping[int, Lease]], numbers: Iterable[int]
    ) -> None:
        self._ask = ask
        self._guard = Lock()
        self._outstanding = set(numbers)
        self._leases: dict[int, Lease] = {}

    def lease(self, number: int) -> Lease:
        """Give a URL that is still good; with it come those of the parts after it."""
        with self._guard:
            found = self._leases.get(number)
            if found is None or found.over:
                following = sorted(self._outstanding, key=lambda each: (each < number, each))
                self._leases = {**self._leases, **self._ask(following[:BATCH])}
            return self._leases[number]

    def refused(self, number: int, refused: Lease) -> None:
        """Forget all URLs: what has expired for one part has for those that came with it."""
        with self._guard:
            if self._leases.get(number) is refused:
                self._leases = {}

    def done(self, number: int) -> None:
        """Ask no more for this part."""
        with self._guard:
            self._outstanding.discard(number)
            self._leases.pop(number, None)
