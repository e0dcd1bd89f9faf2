"""Snapshots: immutable versions of tables and views."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.api import bundles, table_transactions
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.ids import id_of, parse_entity_id

_SNAPSHOT_TYPES: Final = constants.VIEWS | {constants.TABLE}


def create_snapshot_version(
    syn: Session,
    table: Any,
    comment: str | None = None,
    label: str | None = None,
    activity: Mapping[str, Any] | str | None = None,
    wait: bool = True,
) -> int | None:
    """Create an immutable version with the current content of a table or view.

    Args:
        syn: The session that sends the requests.
        table: A table, view, dataset, dataset collection or materialized view, or its ID,
            without a version.
        comment: Comment of the version.
        label: Label of the version, unique for the table or view; None to use the version number
            as label.
        activity: Activity of the version, or its ID. A new Activity is created in Synapse.
        wait: Whether to wait until the snapshot of a view is complete. False to return after
            Synapse has started the job. A snapshot of a table is always complete when the method
            returns.

    Returns:
        The version number, which can be queried as ``syn123.<number>``; None if `wait` is False.

    Raises:
        ValueError: The ID does not refer to a table, view or dataset, or contains a version.
        SynapseConflictError: The label is already used by another version.
        SynapseNotFoundError: The table or view does not exist.
        SynapseForbiddenError: The caller may not change the table or view.
        SynapseJobError: The snapshot of a view failed.

    Source:
        POST /entity/{id}/table/snapshot, POST /entity/{id}/table/transaction/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/snapshot.html
    """
    target = parse_entity_id(table)
    if target.version is not None:
        raise ValueError(
            f"{target.id}.{target.version} is an immutable version; pass '{target.id}' to "
            "snapshot the current state"
        )
    entity = bundles.get_bundle(syn, target.id)["entity"]
    if entity["concreteType"] not in _SNAPSHOT_TYPES:
        entity_type = constants.ENTITY_TYPES.get(entity["concreteType"], entity["concreteType"])
        raise ValueError(
            "This function only accepts Synapse ids of Tables or Views; "
            f"{entity['id']} is a {entity_type}."
        )
    options = snapshot_options(comment, label, _store_activity(syn, activity))
    if entity["concreteType"] not in constants.VIEWS:
        response = create_table_snapshot(syn, entity["id"], options)
    elif wait:
        response = table_transactions.run_transaction(syn, entity["id"], [], options)
    else:
        table_transactions.start_transaction(syn, entity["id"], [], options)
        return None
    number = int(response["snapshotVersionNumber"])
    # `activity_given=True` prevents that listeners set an Activity. They would set it on the
    # current version, which is already the version after the snapshot.
    activity_id = options.get("snapshotActivityId")
    syn.emit(
        Wrote.from_entity(
            entity, version=number, activity_given=True, activity_id=activity_id, is_open=False
        )
    )
    return number if wait else None


def snapshot_options(
    comment: str | None = None, label: str | None = None, activity_id: str | None = None
) -> dict[str, str]:
    """Build a SnapshotRequest, also used as the snapshot options of a table transaction.

    Args:
        comment: Comment of the version.
        label: Label of the version, unique for the table or view; None to use the version number
            as label.
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
    """Return the ID of an Activity; create the Activity if it is new.

    Source:
        POST /activity
        https://rest-docs.synapse.org/rest/POST/activity.html
    """
    if activity is None:
        return None
    if isinstance(activity, Mapping) and not activity.get("id"):
        return str(syn.call("POST", "/activity", json=dict(activity)).object["id"])
    return id_of(activity)
