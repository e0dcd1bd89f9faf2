"""Repair of provenance: pending Activities are stored and linked to their versions later."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from synapse_workflows.client.api.provenance import delete_unlinked, store_activity
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError, SynapseNotFoundError
from synapse_workflows.provenance.pending_activity import PendingActivity

#: `repaired`: the version has the pending Activity now. `present`: the version has an Activity
#: already, which is left as it is. `superseded`: the version is no longer the current one, and
#: Synapse can link an Activity only to the current version. `missing`: the entity was deleted.
#: `failed`: Synapse still rejects the Activity or the link.
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

    An Activity that a version has meanwhile is never changed, whoever wrote it. Repeating the
    repair changes nothing.

    Args:
        syn: Client of an account that may change the entities.
        pending: The pending Activities of one Synapse, from the XComs of tasks.

    Returns:
        One result for each version.

    Source:
        POST /activity, GET /entity/{id}/generatedBy, PUT /entity/{id}
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """
    return [result for one in pending for result in _repair(syn, one)]


def _repair(syn: Session, pending: PendingActivity) -> Iterator[Repair]:
    activity_id: str | None = None
    is_linked = False
    for entity_id, version in pending.versions:
        if pending.site != syn.repoEndpoint:
            message = f"Stored in another Synapse: {pending.site}"
            yield Repair(entity_id, version, "failed", None, message)
            continue
        try:
            found = _find_obstacle(syn, entity_id, version)
            if found is not None:
                yield found
                continue
            if activity_id is None:
                activity_id = str(store_activity(syn, pending.activity)["id"])
            result = link_if_missing(syn, entity_id, version, activity_id)
        except SynapseError as error:
            result = Repair(entity_id, version, "failed", None, f"Not repaired: {error}")
        is_linked = is_linked or result.state == "repaired"
        yield result
    if activity_id is not None and not is_linked:
        delete_unlinked(syn, activity_id)


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
        if obstacle is not None:
            return obstacle
        syn.call(
            "PUT", f"/entity/{entity_id}", params={"generatedBy": activity_id}, json=dict(entity)
        )
        message = f"Linked Activity {activity_id}"
        return Repair(entity_id, version, "repaired", activity_id, message)

    return retry_stale(link)


def _find_obstacle(syn: Session, entity_id: str, version: int) -> Repair | None:
    return _check(syn, _get_entity(syn, entity_id), entity_id, version)


def _get_entity(syn: Session, entity_id: str) -> Mapping[str, Any]:
    try:
        entity: Mapping[str, Any] = syn.call("GET", f"/entity/{entity_id}").json
    except SynapseNotFoundError:
        return {}
    return entity


def _check(syn: Session, entity: Mapping[str, Any], entity_id: str, version: int) -> Repair | None:
    """Return why a version cannot get a pending Activity; None if it can."""
    if not entity:
        return Repair(entity_id, version, "missing", None, "The entity was deleted")
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
