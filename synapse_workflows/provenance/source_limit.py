"""Limit of the number of sources in an Activity. What is left out is counted and described."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_workflows.provenance.activity import (
    GAP_PREFIX,
    SourceKey,
    get_source_key,
    keep_added,
    redact_activity,
)

#: Maximum number of sources that an Activity lists.
MAX_SOURCES: Final = 2000
#: Maximum number of gaps that the description of an Activity lists.
MAX_GAPS: Final = 50
#: Maximum length of the summary of the sources that are left out, in characters.
_MAX_SUMMARY: Final = 600
_LEFT_OUT: Final = re.compile(r"^Left out: (?:at least )?(\d+) sources", re.MULTILINE)
#: Prefix of lines that name the Activities whose sources were added later.
_ADDED_LATER: Final = "Sources added later: "
_MORE_GAPS: Final = re.compile(r"\d+ more, listed in the log of the task")


def limit_sources(
    activity: Mapping[str, Any],
    limit: int = MAX_SOURCES,
    *,
    preferred: AbstractSet[SourceKey] = frozenset(),
    left_out_before: int = 0,
) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
    """Leave out sources beyond a limit, and count them in the description.

    The choice depends only on the sources, not on their order. Executed code comes first, then the
    preferred sources, then newer entities and versions before older ones.

    Args:
        activity: Body of an Activity.
        limit: Maximum number of sources.
        preferred: Keys of the sources that are left out last.
        left_out_before: Number of sources that earlier Activities of the entity left out.

    Returns:
        The body, and the sources that are left out now.
    """
    used = list(activity["used"])
    left_out: list[Mapping[str, Any]] = []
    if len(used) > limit:
        ordered = sorted(used, key=lambda item: _get_rank(item, preferred))
        left_out = ordered[limit:]
        keys = {get_source_key(item) for item in left_out}
        used = [item for item in used if get_source_key(item) not in keys]
    count = len(left_out) + left_out_before
    if not count:
        return dict(activity), []
    line = _describe(count, left_out, limit, is_minimum=left_out_before > 0)
    description = "\n".join([activity["description"], line])
    return {**activity, "used": used, "description": description}, left_out


def count_left_out(activity: Mapping[str, Any]) -> int:
    """Return how many sources an Activity does not list, as its description says."""
    found = _LEFT_OUT.search(activity.get("description") or "")
    return 0 if found is None else int(found[1])


def add_sources(
    activity: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[dict[str, Any], int]:
    """Add the sources and the gaps of another Activity, and a line with its name.

    Args:
        activity: A stored Activity.
        other: The Activity whose sources are added.

    Returns:
        The body of a new Activity without credentials, and the number of added sources and gaps.
    """
    known = (activity.get("description") or "").splitlines()
    gaps = [
        line
        for line in (other.get("description") or "").splitlines()
        if line.startswith(GAP_PREFIX) and line not in known
    ]
    lines = [line for line in known if not _LEFT_OUT.match(line)]
    used: list[Mapping[str, Any]] = list(activity.get("used") or ())
    body = {
        "name": activity.get("name") or "",
        "description": "\n".join([*lines, f"{_ADDED_LATER}{other.get('name')}", *gaps]),
        "used": used,
    }
    left_out = count_left_out(activity) + count_left_out(other)
    merged, _ = limit_sources(keep_added(body, {}, other), left_out_before=left_out)
    present = {get_source_key(item) for item in used}
    added = [item for item in merged["used"] if get_source_key(item) not in present]
    return redact_activity(merged), len(added) + len(gaps)


def limit_listed_gaps(gaps: Sequence[str]) -> tuple[str, ...]:
    """Return the first gaps and the number of the others."""
    listed = [gap for gap in gaps if not _MORE_GAPS.fullmatch(gap)]
    if len(listed) <= MAX_GAPS:
        return tuple(listed)
    more = f"{len(listed) - MAX_GAPS} more, listed in the log of the task"
    return (*listed[:MAX_GAPS], more)


def _describe(
    count: int, items: Iterable[Mapping[str, Any]], limit: int, *, is_minimum: bool
) -> str:
    number = f"at least {count}" if is_minimum else str(count)
    summary = "; ".join(_iter_summaries(items))
    if len(summary) > _MAX_SUMMARY:
        summary = summary[:_MAX_SUMMARY].rpartition("; ")[0] + "; ..."
    details = f": {summary}" if summary else ""
    return (
        f"Left out: {number} sources, because an Activity lists at most {limit}{details}. The log "
        "of each task that stored names what it left out."
    )


def _iter_summaries(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield ranges of the IDs of entities, and the number of the URLs of each host."""
    ids: set[int] = set()
    hosts: Counter[str] = Counter()
    for item in items:
        name = get_source_key(item)[0]
        if "url" in item:
            parts = urlsplit(name)
            hosts[f"{parts.scheme}://{parts.netloc}"] += 1
        else:
            ids.add(_get_number(name))
    for host, number in sorted(hosts.items()):
        yield f"{number} below {host}"
    for first, last in _iter_ranges(sorted(ids)):
        yield f"syn{first}" if first == last else f"syn{first} to syn{last}"


def _iter_ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for number in numbers:
        if first is not None and last is not None and number == last + 1:
            last = number
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = number
    if first is not None and last is not None:
        yield first, last


def _get_rank(item: Mapping[str, Any], preferred: AbstractSet[SourceKey]) -> tuple[Any, ...]:
    key = get_source_key(item)
    name, version, executed = key
    number = 0 if "url" in item else _get_number(name)
    return not executed, key not in preferred, -number, name, -(version or 0)


def _get_number(entity_id: str) -> int:
    digits = entity_id.removeprefix("syn")
    return int(digits) if digits.isdecimal() else 0
