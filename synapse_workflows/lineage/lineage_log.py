"""Log lines about the inputs of a task, its gaps and the content of its Activities."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from synapse_workflows.client.core.events import Wrote
from synapse_workflows.provenance.activity import GAP_PREFIX
from synapse_workflows.provenance.record import Record, Ref

_log: Final = logging.getLogger(__name__)
#: Maximum number of sources in one line.
_MAX_SOURCES: Final = 20
#: Maximum number of sources in one line about sources that are left out of an Activity.
_MAX_LEFT_OUT: Final = 500


def log_reads(logged: set[Ref], added: Record) -> None:
    """Log the inputs that a task has not recorded before, and the origin of each input.

    Args:
        logged: The inputs that the task has logged; new inputs are added.
        added: References that are being added.
    """
    for entry in added.used:
        if entry.ref not in logged:
            logged.add(entry.ref)
            _log.info("Recorded as used: %s (%s)", entry.ref, entry.origin.value)


def log_gaps(logged: set[str], gaps: Iterable[str]) -> None:
    """Log each gap of a task's lineage once.

    Args:
        logged: The gaps that the task has logged; new gaps are added.
        gaps: All gaps.
    """
    for gap in gaps:
        if gap not in logged:
            logged.add(gap)
            _log.warning("%s%s", GAP_PREFIX, gap)


def log_store(stored: Wrote, activity: Mapping[str, Any] | None) -> None:
    """Log a stored version and the sources in its Activity.

    Args:
        stored: The stored version.
        activity: The Activity as JSON, or only its `id`; None without an Activity.
    """
    verb = "Stored" if stored.changed else "Kept unchanged"
    _log.info("%s %s.%s: %s", verb, stored.entity_id, stored.version, format_activity(activity))


def log_left_out(items: Sequence[Mapping[str, Any]]) -> None:
    """Log the sources that are left out of an Activity with too many sources.

    Args:
        items: Items of `used`.
    """
    for start in range(0, len(items), _MAX_LEFT_OUT):
        names = ", ".join(_iter_names(items[start : start + _MAX_LEFT_OUT]))
        _log.warning("Left out of the Activity: %s", names)


def format_activity(activity: Mapping[str, Any] | None) -> str:
    """Return an Activity as one line: `Activity 4: used syn3.1; executed a.py@sha256:9f8e`."""
    if activity is None:
        return "no Activity"
    items = activity.get("used")
    if items is None:
        return f"Activity {activity['id']}"
    used, executed = (
        _join([item for item in items if bool(item.get("wasExecuted")) is is_executed])
        for is_executed in (False, True)
    )
    return f"Activity {activity['id']}: used {used}; executed {executed}"


def _join(items: list[Mapping[str, Any]]) -> str:
    names = list(_iter_names(items[:_MAX_SOURCES]))
    more = [f"{len(items) - _MAX_SOURCES} more"] if len(items) > _MAX_SOURCES else []
    return ", ".join(names + more) or "nothing"


def _iter_names(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        reference = item.get("reference")
        if reference is None:
            yield str(item.get("name") or item.get("url"))
            continue
        version = reference.get("targetVersionNumber")
        yield str(reference["targetId"]) + (f".{version}" if version else "")
