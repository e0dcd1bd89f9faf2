"""Repair of provenance: pending Activities are stored and linked to their versions later."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from synapse_workflows.client.api.provenance import delete_unlinked, store_activity
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.events import has_open_version
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError, SynapseNotFoundError
from synapse_workflows.constants import TABLE, VIEWS
from synapse_workflows.provenance.activity import redact_activity
from synapse_workflows.provenance.pending_activity import PendingActivity
from synapse_workflows.provenance.source_limit import add_sources

#: `repaired`: the version has the pending Activity now, or the Activity of an open table has its
#: sources. `present`: the version has an Activity already, which is left as it is. `superseded`:
#: the version is no longer the current one, and Synapse can link an Activity only to the current
#: version. `missing`: there is no such entity, or it is in the trash can. `failed`: Synapse still
#: rejects the Activity or the link.
RepairState = Literal["repaired", "present", "superseded", "missing", "failed"]


@dataclass(frozen=True)
class Repair:
    """Result of the repair of one version.

    Args:
        entity_id: ID of the entity.
        version: Version number.
        state: What was done.
        activity_id: ID of the Activity of the version, if it has one.
        message: One sentence for people.
    """

    entity_id: str
    version: int
    state: RepairState
    activity_id: str | None
    message: str


def repair_activities(syn: Session, pending: Iterable[PendingActivity]) -> list[Repair]:
    """Store pending Activities and link them to the versions that have none.

    An existing Activity of a file is never changed. The Activity of an open table accumulates the
    sources of all tasks that stored rows: if it lacks pending sources, the table gets a new
    Activity with the sources of both. Synapse can link no other Activity to a snapshot: pending
    sources are added to the Activity that the snapshot has from its table, unless another version
    has it as well. Repeating the repair changes nothing.

    Args:
        syn: Client of an account that may change the entities.
        pending: The pending Activities of one Synapse, from the XComs of tasks.

    Returns:
        One result for each version.

    Source:
        POST /activity, GET /entity/{id}/generatedBy, PUT /entity/{id}, PUT /activity/{id}
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """
    return [result for one in pending for result in _repair(syn, one)]


def _repair(syn: Session, pending: PendingActivity) -> Iterator[Repair]:
    activity_id: str | None = None
    is_linked = False
    for entity_id, version in pending.versions:
        if pending.site.rstrip("/") != syn.repoEndpoint.rstrip("/"):
            message = f"Stored in another Synapse: {redact_url(pending.site)}"
            yield Repair(entity_id, version, "failed", None, message)
            continue
        try:
            found = add_to_snapshot(syn, entity_id, version, pending.activity)
            if found is None:
                found = add_to_open_version(syn, entity_id, version, pending.activity)
            if found is not None:
                yield found
                continue
            if activity_id is None:
                activity_id = str(store_activity(syn, redact_activity(pending.activity))["id"])
            result = link_if_missing(syn, entity_id, version, activity_id)
        except SynapseError as error:
            result = Repair(entity_id, version, "failed", None, f"Not repaired: {error}")
        is_linked = is_linked or result.state == "repaired"
        yield result
    if activity_id is not None and not is_linked:
        delete_unlinked(syn, activity_id)


def add_to_open_version(
    syn: Session, entity_id: str, version: int, activity: Mapping[str, Any]
) -> Repair | None:
    """Add the sources of a pending Activity to the Activity that an open version has already.

    The sources are stored as a new Activity, because a snapshot may have the existing one. It is
    linked under the etag of the table, so that no Activity of another client is replaced.

    Args:
        syn: Sends the requests.
        entity_id: ID of the entity.
        version: Version number.
        activity: Body of the pending Activity.

    Returns:
        The result; None if the version can get the pending Activity itself.
    """
    added: dict[str, str] = {}

    def add() -> Repair | None:
        entity = _get_entity(syn, entity_id)
        obstacle = _check(syn, entity, entity_id, version)
        is_open = has_open_version(entity) and entity.get("versionNumber") == version
        if obstacle is None or obstacle.state != "present" or not is_open:
            return obstacle
        if obstacle.activity_id in added:  # the response to the request was lost
            return replace(obstacle, state="repaired", message=added[obstacle.activity_id])
        linked = _find_linked(syn, entity_id, version) or {}
        merged, count = add_sources(linked, activity)
        if count == 0:
            return obstacle
        activity_id = str(store_activity(syn, merged)["id"])
        message = f"Linked Activity {activity_id}, with {count} more sources than {linked['id']}"
        added[activity_id] = message
        try:
            _link(syn, entity, activity_id)
        except SynapseError:
            delete_unlinked(syn, activity_id)
            raise
        return Repair(entity_id, version, "repaired", activity_id, message)

    return retry_stale(add)


def add_to_snapshot(
    syn: Session, entity_id: str, version: int, activity: Mapping[str, Any]
) -> Repair | None:
    """Add the sources of a pending Activity to the Activity that a snapshot has already.

    Args:
        syn: Sends the requests.
        entity_id: ID of the entity.
        version: Version number.
        activity: Body of the pending Activity.

    Returns:
        The result; None if the version is no snapshot, has no Activity or has all sources, or if
        another version has the Activity.
    """

    def add() -> Repair | None:
        entity = _get_entity(syn, entity_id)
        is_table = entity.get("concreteType") in {TABLE, *VIEWS}
        if not is_table or entity["versionNumber"] == version:
            return None
        linked = _find_linked(syn, entity_id, version)
        merged, count = add_sources(linked or {}, activity)
        if linked is None or count == 0:
            return None
        path = f"/activity/{linked['id']}"
        if len([*syn.iter_items(Call("GET", f"{path}/generated"))]) > 1:
            return None
        syn.call("PUT", path, json={**linked, **merged})
        message = f"Added {count} sources to Activity {linked['id']}"
        return Repair(entity_id, version, "repaired", str(linked["id"]), message)

    return retry_stale(add)


def link_if_missing(syn: Session, entity_id: str, version: int, activity_id: str) -> Repair:
    """Link an Activity to a version, unless the version has one or is not the current one.

    The Activity is linked under the etag of the entity, which changes with each Activity and each
    version. So an Activity that another client links meanwhile is not replaced.

    Args:
        syn: Sends the requests.
        entity_id: ID of the entity.
        version: Version number.
        activity_id: ID of the stored Activity.
    """

    def link() -> Repair:
        entity = _get_entity(syn, entity_id)
        obstacle = _check(syn, entity, entity_id, version)
        message = f"Linked Activity {activity_id}"
        if obstacle is not None:
            # the response to the request was lost
            is_linked = obstacle.activity_id == activity_id
            return replace(obstacle, state="repaired", message=message) if is_linked else obstacle
        _link(syn, entity, activity_id)
        return Repair(entity_id, version, "repaired", activity_id, message)

    return retry_stale(link)


def _link(syn: Session, entity: Mapping[str, Any], activity_id: str) -> None:
    """Link an Activity to the current version of an entity, under the etag of the entity."""
    params = {"generatedBy": activity_id}
    syn.call("PUT", f"/entity/{entity['id']}", params=params, json=dict(entity))


def _get_entity(syn: Session, entity_id: str) -> Mapping[str, Any]:
    try:
        entity: Mapping[str, Any] = syn.call("GET", f"/entity/{entity_id}").json
    except SynapseNotFoundError:
        return {}
    return entity


def _check(syn: Session, entity: Mapping[str, Any], entity_id: str, version: int) -> Repair | None:
    """Return why a version cannot get a pending Activity; None if it can."""
    if not entity:
        return Repair(entity_id, version, "missing", None, "No such entity, or in the trash can")
    linked = _find_linked(syn, entity_id, version)
    if linked is not None:
        message = f"Has Activity {linked['id']} ({linked.get('name')}), which is left as it is"
        return Repair(entity_id, version, "present", str(linked["id"]), message)
    current = entity.get("versionNumber")
    if current != version:
        message = f"Version {current} is the current one; only that can get an Activity"
        return Repair(entity_id, version, "superseded", None, message)
    return None


def _find_linked(syn: Session, entity_id: str, version: int) -> Mapping[str, Any] | None:
    try:
        linked: Mapping[str, Any] = syn.call(
            "GET", f"/entity/{entity_id}/version/{version}/generatedBy"
        ).json
    except SynapseNotFoundError:
        return None
    return linked
