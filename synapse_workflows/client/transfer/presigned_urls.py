"""Pre-signed URLs: expiry, renewal, and batches for the parts of an upload."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from urllib.parse import parse_qs, urlsplit

from synapse_workflows.client.errors import SynapseHTTPError

#: Statuses with which a storage rejects an expired URL. The next attempt needs a new URL.
EXPIRED_STATUSES: Final = frozenset({400, 401, 403})
#: Maximum number of consecutive rejections of new URLs.
MAX_REJECTIONS: Final = 2
#: Number of URLs for parts that are requested at a time.
BATCH_SIZE: Final = 250
#: Minimum remaining validity of a URL in seconds.
_MARGIN: Final = 5.0


@dataclass(frozen=True, eq=False)
class PresignedUrl:
    """A URL with limited validity.

    Attributes:
        url: Pre-signed URL, or a URL that needs no signature.
        headers: Signed headers, which have to be sent with the request.
        expires_at: Time of the monotonic clock, in seconds, after which the URL is not used.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    expires_at: float = float("inf")

    @property
    def is_expired(self) -> bool:
        """Whether the URL has expired or is about to expire."""
        return time.monotonic() > self.expires_at


def parse_presigned_url(url: str, headers: Mapping[str, str] | None = None) -> PresignedUrl:
    """Read the validity of a URL from its query, relative to now.

    The signing time in the URL is not used, because the clocks of two machines may differ.
    """
    expires = parse_qs(urlsplit(url).query).get("X-Amz-Expires", [""])[0]
    if not expires.isdigit():
        return PresignedUrl(url, headers or {})
    validity = float(expires)
    expires_at = time.monotonic() + validity - min(_MARGIN, validity / 4)
    return PresignedUrl(url, headers or {}, expires_at)


def is_rejection(error: Exception) -> bool:
    """Return whether the storage rejected a URL, for example because it has expired."""
    return isinstance(error, SynapseHTTPError) and error.status in EXPIRED_STATUSES


class RenewableUrl:
    """URL of a download. All parts share the URL, which is renewed when it expires.

    Args:
        request_url: Requests a new URL.
        url: The first URL.
    """

    def __init__(self, request_url: Callable[[], str], url: str) -> None:
        self._request_url = request_url
        self._lock = Lock()
        self._current = parse_presigned_url(url)

    def get(self) -> PresignedUrl:
        """Return a URL that has not expired."""
        with self._lock:
            if self._current.is_expired:
                self._current = parse_presigned_url(self._request_url())
            return self._current

    def renew(self, rejected: PresignedUrl) -> None:
        """Request a new URL, unless another thread has already replaced the rejected one."""
        with self._lock:
            if rejected is self._current:
                self._current = parse_presigned_url(self._request_url())


class PartUrls:
    """URLs for the parts of an upload, requested in batches.

    Args:
        request_urls: Requests the URLs of parts, given their numbers.
        numbers: Numbers of the parts to upload.
    """

    def __init__(
        self,
        request_urls: Callable[[list[int]], Mapping[int, PresignedUrl]],
        numbers: Iterable[int],
    ) -> None:
        self._request_urls = request_urls
        self._lock = Lock()
        self._outstanding = set(numbers)
        self._urls: dict[int, PresignedUrl] = {}

    def get(self, number: int) -> PresignedUrl:
        """Return a URL that has not expired; request the URLs of the following parts with it."""
        with self._lock:
            url = self._urls.get(number)
            if url is None or url.is_expired:
                following = sorted(self._outstanding, key=lambda each: (each < number, each))
                self._urls = {**self._urls, **self._request_urls(following[:BATCH_SIZE])}
            return self._urls[number]

    def invalidate(self, number: int, rejected: PresignedUrl) -> None:
        """Discard all URLs, because the other URLs of the same batch have expired too."""
        with self._lock:
            if self._urls.get(number) is rejected:
                self._urls = {}

    def complete(self, number: int) -> None:
        """Exclude a part that was uploaded from further batches."""
        with self._lock:
            self._outstanding.discard(number)
            self._urls.pop(number, None)
