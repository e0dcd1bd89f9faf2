"""Texts about sources without an immutable version, and the number of such texts."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

_OPEN: Final = "is an open version, not a snapshot"
_NO_VERSION: Final = "has no version"
#: Maximum number of listed reads of an open version, and of listed URLs without a version.
_MAX_OPEN_READS: Final = 5
#: Start of the gap of a record that does not list all inputs or outputs of its task.
NOT_LISTED: Final = "not listed: "
_MAX_URLS: Final = 20


def describe_open(ref: str, read_at: str | None, etag: str | None) -> str:
    """Return the gap of an open version; texts about the same version have the same start.

    Args:
        ref: The version, such as `syn123.4`.
        read_at: Time of the read in ISO 8601; None if it is not known.
        etag: Etag of the rows; None if it is not known.
    """
    details = [f"read at {read_at}"] if read_at else []
    details += [f"etag {etag}"] if etag else []
    return f"{ref} {_OPEN}" + (": " if details else "") + ", ".join(details)


def describe_url(url: str) -> str:
    """Return the gap of a URL whose content may change."""
    return f"{url} {_NO_VERSION}"


def limit_gaps(gaps: Iterable[str]) -> tuple[str, ...]:
    """Return unique gaps, with the latest reads of each open version, and the first URLs.

    Of a table that is read by each run and never becomes a snapshot, the reads would accumulate.
    A gap without time and etag is left out if there is one with them.
    """
    groups: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for gap in gaps:
        start, found, _ = gap.partition(f" {_OPEN}")
        groups[f"{start} {_OPEN}" if found else gap][gap] = None
    limited: list[str] = []
    for start, group in groups.items():
        reads = [gap for gap in group if gap != start] or [start]
        latest = reads[-_MAX_OPEN_READS:]
        earlier = [f"{start}; earlier reads are not listed"] if len(reads) > len(latest) else []
        limited += [*earlier, *latest]
    return _limit_urls(limited)


def _limit_urls(gaps: list[str]) -> tuple[str, ...]:
    urls = [gap for gap in gaps if gap.endswith(f" {_NO_VERSION}")]
    omitted = set(urls[_MAX_URLS:])
    if not omitted:
        return tuple(gaps)
    kept = (gap for gap in gaps if gap not in omitted)
    return (*kept, f"{len(omitted)} more URLs have no version")
