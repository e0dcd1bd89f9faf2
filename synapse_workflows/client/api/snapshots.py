"""Snapshots: versions of tables that never change again."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.api import async_jobs, bundles
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.ids import entity_id, id_of

_TABLES: Final = frozenset({constants.TABLE})
#: What Synapse has to put together before it can freeze it.
_VIEWS: Final = frozenset({constants.ENTITY_VIEW, constants.SUBMISSION_VIEW, constants.DATASET})
_TRANSACTION: Final = f"{constants.MODEL}.table.TableUpdateTransactionRequest"


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
    named = entity_id(table)
    if named.version is not None:
        raise ValueError(
            f"{named.id}.{named.version} is a version, which never changes any more; to freeze "
            f"what is there now, give {named.id}"
        )
    entity = bundles.fetch(syn, named.id)["entity"]
    if entity["concreteType"] not in _TABLES | _VIEWS:
        kind = constants.ENTITY_TYPES.get(entity["concreteType"], entity["concreteType"])
        raise ValueError(
            "This function only accepts Synapse ids of Tables or Views; "
            f"{entity['id']} is a {kind}."
        )
    options = {
        "snapshotComment": comment,
        "snapshotLabel": label,
        "snapshotActivityId": _activity_id(syn, activity),
    }
    body = {key: value for key, value in options.items() if value is not None}
    if entity["concreteType"] in _VIEWS:
        answer = _freeze_view(syn, entity["id"], body, wait=wait)
        if answer is None:
            return None
    else:
        answer = syn.call("POST", f"/entity/{entity['id']}/table/snapshot", json=body).json
    number = int(answer["snapshotVersionNumber"])
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


def _freeze_view(
    syn: Session, view: str, options: Mapping[str, Any], *, wait: bool
) -> Mapping[str, Any] | None:
    """Have a view frozen in the background; None unless that was waited for.

    Source:
        POST /entity/{id}/table/transaction/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/transaction/async/start.html
    """
    path = f"/entity/{view}/table/transaction/async"
    body = {
        "concreteType": _TRANSACTION,
        "changes": [],
        "createSnapshot": True,
        "snapshotOptions": dict(options),
    }
    if not wait:
        async_jobs.start(syn, path, body)
        return None
    answer: Mapping[str, Any] = async_jobs.run(syn, path, body)
    return answer


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
