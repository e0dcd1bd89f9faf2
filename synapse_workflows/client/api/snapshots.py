"""Snapshots: versions of tables that never change again."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows import vocabulary
from synapse_workflows.client.api import bundles
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.ids import entity_id, id_of

_TABLES: Final = frozenset({vocabulary.TABLE})


def create_snapshot_version(
    syn: Session,
    table: Any,
    comment: str | None = None,
    label: str | None = None,
    activity: Mapping[str, Any] | str | None = None,
    wait: bool = True,  # noqa: ARG001 - views, which are frozen in the background, will need it
) -> int | None:
    """Freeze a table as it is now, as a numbered version; the table then goes on as the next.

    Args:
        syn: The session that makes the calls.
        table: A `Schema`, or the id of a table.
        comment: What to note of the version.
        label: Its name, unique for the table; else its number.
        activity: What made it: an Activity, which is stored first if it is new, or the id of one.
        wait: Of no effect on tables, which are frozen at once.

    Returns:
        The number of the version: ``syn123.<number>`` asks it.

    Raises:
        ValueError: The id is not that of a table.
        SynapseConflictError: The label is taken.
        SynapseNotFoundError: There is no such table.
        SynapseForbiddenError: The caller may not change it.

    Source:
        POST /entity/{id}/table/snapshot
        https://rest-docs.synapse.org/rest/POST/entity/id/table/snapshot.html
    """
    entity = bundles.fetch(syn, entity_id(table).id)["entity"]
    if entity["concreteType"] not in _TABLES:
        kind = vocabulary.ENTITY_TYPES.get(entity["concreteType"], entity["concreteType"])
        raise ValueError(
            f"This function only accepts Synapse ids of Tables; {entity['id']} is a {kind}."
        )
    options = {
        "snapshotComment": comment,
        "snapshotLabel": label,
        "snapshotActivityId": _activity_id(syn, activity),
    }
    body = {key: value for key, value in options.items() if value is not None}
    reply = syn.call("POST", f"/entity/{entity['id']}/table/snapshot", json=body)
    number = int(reply.json["snapshotVersionNumber"])
    syn.announce(
        Wrote(
            entity_id=entity["id"],
            version=number,
            name=entity.get("name"),
            concrete_type=entity["concreteType"],
            parent_id=entity.get("parentId"),
            # A listener comes too late: the version to give an Activity to is the next already.
            activity_given=True,
        )
    )
    return number


def _activity_id(syn: Session, activity: Mapping[str, Any] | str | None) -> str | None:
    """Have an Activity in Synapse and give its id.

    Source:
        POST /activity
        https://rest-docs.synapse.org/rest/POST/activity.html
    """
    if activity is None:
        return None
    if isinstance(activity, Mapping) and not activity.get("id"):
        return str(syn.call("POST", "/activity", json=dict(activity)).json["id"])
    return id_of(activity)
