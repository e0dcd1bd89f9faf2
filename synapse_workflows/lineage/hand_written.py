"""Provenance that a person wrote: an Activity without a task, or changes of a task's Activity."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from synapse_workflows.client.core.redaction import redact_name
from synapse_workflows.lineage.lineage_log import format_activity
from synapse_workflows.provenance.activity import get_source_key, keep_added

_RUN_PREFIX: Final = "Airflow run "
#: Prefix of lines in the description of an Activity with the texts of a hand-written Activity.
_KEPT_PREFIX: Final = "Kept from Activity "
#: Maximum number of such lines.
_MAX_KEPT: Final = 20


def is_hand_written(activity: Mapping[str, Any]) -> bool:
    """Return whether no task of Airflow wrote an Activity."""
    return not any(line.startswith(_RUN_PREFIX) for line in _iter_lines(activity))


def list_kept_texts(activity: Mapping[str, Any]) -> list[str]:
    """Return the lines that keep the texts of hand-written Activities.

    Args:
        activity: A hand-written Activity, or an Activity of a task with such lines.
    """
    if not is_hand_written(activity):
        return [line for line in _iter_lines(activity) if line.startswith(_KEPT_PREFIX)]
    start = f"{_KEPT_PREFIX}{activity['id']} of user {activity.get('createdBy')}: "
    texts = [activity.get("name") or "without a name", *_iter_lines(activity)]
    return [f"{start}{redact_name(text)}" for text in texts[:_MAX_KEPT]]


def describe_replaced(activity: Mapping[str, Any]) -> str:
    """Return what an Activity contained that is replaced, as one line of the log."""
    name = redact_name(str(activity.get("name") or "without a name"))
    return f"{name!r} of user {activity.get('modifiedBy')}, {format_activity(activity)}"


def merge_changes(
    body: Mapping[str, Any], changed: Mapping[str, Any], default_name: str
) -> dict[str, Any]:
    """Add to the Activity of a task what a person changed in it.

    Args:
        body: The new state of the Activity.
        changed: The Activity as the person stored it.
        default_name: Name that the task gives to its Activity.

    Returns:
        `body` with all sources of `changed`, with the lines of its description that `body` lacks,
        and with its name unless the task declares one.
    """
    merged = keep_added(body, {}, changed)
    present = set(_iter_lines(body))
    added = [line for line in _iter_lines(changed) if line not in present]
    if body["name"] == default_name and changed.get("name"):
        merged["name"] = changed["name"]
    merged["description"] = "\n".join([body["description"], *added])
    return merged


def list_lost(body: Mapping[str, Any], changed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sources of an Activity that its new state lacks."""
    present = {get_source_key(item) for item in body["used"]}
    return [item for item in changed.get("used") or () if get_source_key(item) not in present]


def _iter_lines(activity: Mapping[str, Any]) -> Iterator[str]:
    yield from (activity.get("description") or "").splitlines()
