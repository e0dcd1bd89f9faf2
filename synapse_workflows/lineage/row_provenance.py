"""Provenance of the rows that a task has stored in a table."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import requests

from synapse_workflows.client.api import provenance
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.declared_provenance import (
    DeclaredProvenance,
    attach_declared,
    build_separate,
    create_declared,
    replace_activity,
)


def record_row_provenance(
    client: Any,
    table_id: str,
    *,
    changed: bool,
    replaced_etag: str | None,
    known: Mapping[str, Any] | None = None,
    is_empty: bool = False,
    activity: Mapping[str, Any] | None = None,
    used: Any = None,
    executed: Any = None,
    activityName: str | None = None,  # noqa: N803 - defined by Synapse
    activityDescription: str | None = None,  # noqa: N803
) -> tuple[Mapping[str, Any], str | None]:
    """Write the Activity of a table whose rows were stored.

    Args:
        client: Client of the task.
        table_id: `syn123`.
        changed: Whether rows were changed.
        replaced_etag: Etag of the rows directly after all earlier rows were replaced; None if
            they were kept, or the etag is unknown.
        known: JSON of the table from before its rows changed; None to read it. If it is still
            the state of the table, no other request reads the table.
        is_empty: Whether the task had no rows and changed none: without declared provenance, the
            table keeps its Activity, or has none.
        activity: Declared Activity, as for `store`.
        used: Additional sources.
        executed: Additional code.
        activityName: Name of the Activity.
        activityDescription: Description of the Activity.

    Returns:
        The JSON of the table, and the id of its Activity, if any. Its version is the current
        one: another client may have created a snapshot meanwhile.
    """
    declared = (activity, used, executed, activityName, activityDescription)
    is_separate = client.needs_separate_activity(activity, used, executed)
    new = build_separate(*declared) if is_separate else None
    saved = None if new is None else _replace_activity(client, table_id, new)
    details = {
        "changed": changed,
        "activity_given": saved is not None,
        "replaced_etag": replaced_etag,
    }
    if is_empty and not any(declared):
        details |= {"activity_given": True, "activity_id": _find_activity_id(client, table_id)}
    with attach_declared(DeclaredProvenance() if is_separate else create_declared(*declared)):
        entity = client.emit_table_change(table_id, known, **details)
    collector = current_collector()
    if saved is not None or collector is None:
        return entity, saved["id"] if saved else None
    return entity, collector.activity_ids.get(entity["id"])


def _find_activity_id(client: Any, table_id: str) -> str | None:
    """Return the ID of the Activity of a table; None if there is none, or Synapse fails."""
    with suppress(SynapseError, requests.RequestException):
        return str(client.call("GET", f"/entity/{table_id}/generatedBy").json["id"])
    return None


def store_declared_activity(
    client: Any, table: Any, activity: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Store the declared Activity of rows or a snapshot before these are stored.

    Args:
        client: Client of the task.
        table: The table, or its ID.
        activity: The Activity, without secrets.

    Returns:
        The ID of the stored Activity, or `activity` outside a task; None if it could not be
        stored. Then it is pending.
    """
    collector = current_collector()
    if collector is None or activity is None:
        return activity
    stored = collector.activities.store_declared(
        client,
        parse_entity_id(table).id,
        activity,
        lambda: provenance.store_activity(client, activity),
    )
    return None if stored is None else {"id": stored["id"]}


def _replace_activity(
    client: Any, table_id: str, activity: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Set the Activity of a table after its rows were stored; None if that failed."""
    collector = current_collector()
    if collector is None:
        return replace_activity(client, table_id, activity)
    return collector.activities.store_declared(
        client, table_id, activity, lambda: replace_activity(client, table_id, activity)
    )
