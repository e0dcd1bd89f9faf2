"""Snapshots: versions of tables that never change again."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.api import bundles, table_transactions
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.core.table_state import VIEWS
from synapse_workflows.client.model.ids import id_of, parse_entity_id

_SNAPSHOT_TYPES: Final = frozenset({constants.TABLE}) | VIEWS


def create_snapshot_version(
    syn: Session,
    table: Any,
    comment: str | None = None,
    label: str | None = None,
    activity: Mapping[str, Any] | str | None = None,
    wait: bool = True,
) -> int | None:
    """Freeze a table or view as it is now, as a numbered version; it then goes on as the next.

    Args:
        syn: The session that makes the calls.
        table: A `Schema`, `EntityViewSchema` or `SubmissionViewSchema`, or the id of a table, a
            view or a dataset, without a version.
        comment: What to note of the version.
        label: Its name, unique for the table or view; else its number.
        activity: What made it: an Activity, which is stored first if it is new, or the id of one.
        wait: False returns as soon as Synapse has begun to freeze a view; tables are frozen at
            once, whatever is said here.

    Returns:
        The number of the version: ``syn123.<number>`` asks it. None without `wait`.

    Raises:
        ValueError: The id is not that of a table or view, or names a version.
        SynapseConflictError: The label is taken.
        SynapseNotFoundError: There is no such table or view.
        SynapseForbiddenError: The caller may not change it.

    Source:
        POST /entity/{id}/table/snapshot, POST /entity/{id}/table/transaction/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/snapshot.html
    """
    named = parse_entity_id(table)
    if named.version is not None:
        raise ValueError(
            f"{named.id}.{named.version} is a version, which never changes any more; to freeze "
            f"what is there now, give {named.id}"
        )
    entity = bundles.get_bundle(syn, named.id)["entity"]
    if entity["concreteType"] not in _SNAPSHOT_TYPES:
        kind = constants.ENTITY_TYPES.get(entity["concreteType"], entity["concreteType"])
        raise ValueError(
            "This function only accepts Synapse ids of Tables or Views; "
            f"{entity['id']} is a {kind}."
        )
    options = snapshot_options(comment, label, _store_activity(syn, activity))
    if entity["concreteType"] not in VIEWS:
        response = create_table_snapshot(syn, entity["id"], options)
    elif wait:
        response = table_transactions.run_transaction(syn, entity["id"], [], options)
    else:
        table_transactions.start_transaction(syn, entity["id"], [], options)
        return None
    number = int(response["snapshotVersionNumber"])
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
    return number if wait else None


def snapshot_options(
    comment: str | None = None, label: str | None = None, activity_id: str | None = None
) -> dict[str, str]:
    """Build a SnapshotRequest, also used as the snapshot options of a table transaction.

    Args:
        comment: Comment of the version.
        label: Label of the version, unique for the table or view; None for its number.
        activity_id: ID of the Activity of the version.
    """
    options = {
        "snapshotComment": comment,
        "snapshotLabel": label,
        "snapshotActivityId": activity_id,
    }
    return {key: value for key, value in options.items() if value is not None}


def create_table_snapshot(
    syn: Session, table_id: str, options: Mapping[str, str]
) -> dict[str, Any]:
    """Create a snapshot of a table; views need `table_transactions.run_transaction`.

    Args:
        syn: The session that sends the request.
        table_id: ``syn123``.
        options: As `snapshot_options` returns them.

    Returns:
        SnapshotResponse with ``snapshotVersionNumber``.

    Raises:
        SynapseConflictError: The label is already used by another version.
        SynapseForbiddenError: The caller may not change the table.

    Source:
        POST /entity/{id}/table/snapshot
        https://rest-docs.synapse.org/rest/POST/entity/id/table/snapshot.html
    """
    path = f"/entity/{table_id}/table/snapshot"
    response: dict[str, Any] = syn.call("POST", path, json=dict(options)).json
    return response


def _store_activity(syn: Session, activity: Mapping[str, Any] | str | None) -> str | None:
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
