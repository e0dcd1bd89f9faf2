"""Limit of the size of a record that is handed on to other tasks."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from synapse_workflows.provenance.gaps import NOT_LISTED
from synapse_workflows.provenance.record import Record, RecordEntry, Ref, UrlRef

#: Maximum number of inputs, of references to code, and of outputs: each about 0.5 MB of JSON.
MAX_ENTRIES: Final = 5000


def limit_record(record: Record, task: str, limit: int = MAX_ENTRIES) -> Record:
    """Return a record of limited size. What is left out is counted in a gap.

    The choice does not depend on the order of the references.

    Args:
        record: A record.
        task: Name of the task whose record it is, for the gap.
        limit: Maximum number of inputs, of references to code, and of outputs.
    """
    limited = replace(
        record,
        used=_limit(record.used, limit),
        ran=_limit(record.ran, limit),
        wrote=_limit(record.wrote, limit),
    )
    inputs = len(record.entries()) - len(limited.entries())
    outputs = len(record.wrote) - len(limited.wrote)
    if not inputs + outputs:
        return record
    counts = f"{inputs} inputs and {outputs} outputs of {task}"
    return limited.with_gap(f"{NOT_LISTED}{counts}, which the log of that task names")


def _limit(items: Sequence[Any], limit: int) -> tuple[Any, ...]:
    if len(items) <= limit:
        return tuple(items)
    kept = set(sorted(items, key=_get_rank)[:limit])
    return tuple(item for item in items if item in kept)


def _get_rank(item: RecordEntry | Ref) -> tuple[Any, ...]:
    """Return a key that sorts newer entities and versions before older ones, then URLs."""
    ref = item.ref if isinstance(item, RecordEntry) else item
    origin = item.origin.value if isinstance(item, RecordEntry) else ""
    if isinstance(ref, UrlRef):
        return 1, 0, 0, ref.url, origin
    digits = ref.id.removeprefix("syn")
    return 0, -int(digits) if digits.isdecimal() else 0, -(ref.version or 0), ref.id, origin
