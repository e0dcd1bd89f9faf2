"""Provenance: the Activity that generated a version of an entity."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseProvenanceError,
    SynapseStaleError,
)
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.ids import parse_entity_id, parse_version_number

#: Keys of an Activity that the caller sets. Synapse sets all other keys.
_CONTENT_KEYS: Final = ("name", "description", "used")


def getProvenance(syn: Session, entity: Any, version: int | str | None = None) -> Activity:
    """Get the Activity that generated a version of an entity.

    Args:
        syn: The session that sends the request.
        entity: An entity, or its ID (``syn123``, ``syn123.4``).
        version: Version number; None for the version of `entity`, or else the current version.

    Returns:
        The Activity.

    Raises:
        SynapseNotFoundError: The version does not exist, or has no Activity.
        SynapseForbiddenError: The caller may not read the entity.

    Source:
        GET /entity/{id}/generatedBy, GET /entity/{id}/version/{versionNumber}/generatedBy
        https://rest-docs.synapse.org/rest/GET/entity/id/version/versionNumber/generatedBy.html
    """
    target = parse_entity_id(entity)
    own = entity.get("versionNumber") if isinstance(entity, Mapping) else target.version
    number = own if version is None else version
    suffix = "" if number is None else f"/version/{parse_version_number(number)}"
    return Activity(data=syn.call("GET", f"/entity/{target.id}{suffix}/generatedBy").json)


def find_activity(syn: Session, entity: Mapping[str, Any]) -> Activity | None:
    """Return the Activity that generated a version; None if the version has no Activity.

    Args:
        syn: The session that sends the request.
        entity: Properties with ``id`` and ``versionNumber``.

    Source:
        GET /entity/{id}/version/{versionNumber}/generatedBy
        https://rest-docs.synapse.org/rest/GET/entity/id/version/versionNumber/generatedBy.html
    """
    try:
        return getProvenance(syn, entity)
    except (SynapseForbiddenError, SynapseNotFoundError):
        return None


def setProvenance(syn: Session, entity: Any, activity: Mapping[str, Any]) -> Activity:
    """Set the Activity of the current version of an entity; this changes its etag.

    Args:
        syn: The session that sends the requests.
        entity: An entity, or its ID.
        activity: A new Activity, which is created, or a stored one, which is updated.

    Returns:
        The stored Activity.

    Raises:
        SynapseProvenanceError: `activity` is not an Activity.
        ValueError: `entity` is the ID of an earlier version, which keeps its Activity.
        SynapseForbiddenError: The caller may not change the entity, or the stored Activity.
        SynapseStaleError: The Activity was changed since it was read.

    Source:
        POST /activity or PUT /activity/{id}; PUT /entity/{id}/generatedBy
        https://rest-docs.synapse.org/rest/PUT/entity/id/generatedBy.html
    """
    _require_activity(activity)
    target = _get_current_id(syn, entity)
    stored = store_activity(syn, activity)
    return Activity(data=link_activity(syn, target, stored["id"]) or stored)


def link_activity(syn: Session, entity_id: str, activity_id: str) -> Mapping[str, Any]:
    """Link a stored Activity to the current version of an entity; return the Activity.

    Source:
        PUT /entity/{id}/generatedBy
        https://rest-docs.synapse.org/rest/PUT/entity/id/generatedBy.html
    """
    path, params = f"/entity/{entity_id}/generatedBy", {"generatedBy": activity_id}
    linked: Mapping[str, Any] = syn.call("PUT", path, params=params).json
    return linked


def store_activity(syn: Session, activity: Mapping[str, Any]) -> Activity:
    """Create or update an Activity, without linking it to an entity.

    A stale etag is accepted if the content of the Activity is unchanged. Therefore, one Activity
    object can be stored with several entities, although each store operation changes the etag of
    the Activity. An Activity that consists of its ID is not changed.

    Raises:
        SynapseStaleError: The etag is stale, and the stored Activity has different content.

    Source:
        POST /activity, PUT /activity/{id}, GET /activity/{id}
        https://rest-docs.synapse.org/rest/POST/activity.html
    """
    if not activity.get("id"):
        return Activity(data=syn.call("POST", "/activity", json=dict(activity)).json)
    if not any(key in activity for key in (*_CONTENT_KEYS, "etag")):
        return Activity(data=syn.call("GET", f"/activity/{activity['id']}").json)
    try:
        return updateActivity(syn, activity)
    except SynapseStaleError:
        current = Activity(data=syn.call("GET", f"/activity/{activity['id']}").json)
        if any(current.get(key) != activity.get(key) for key in _CONTENT_KEYS):
            raise
        return current


def deleteProvenance(syn: Session, entity: Any) -> None:
    """Delete the Activity of the current version of an entity.

    Other entities that share the Activity lose it too.

    Args:
        syn: The session that sends the requests.
        entity: An entity, or its ID.

    Raises:
        ValueError: `entity` is the ID of an earlier version, which keeps its Activity.
        SynapseNotFoundError: The entity has no Activity.
        SynapseForbiddenError: The caller may not change the entity; or another user created the
            Activity. In the second case, the Activity is removed from the entity but not deleted.

    Source:
        GET and DELETE /entity/{id}/generatedBy, DELETE /activity/{id}
        https://rest-docs.synapse.org/rest/DELETE/entity/id/generatedBy.html
    """
    target = _get_current_id(syn, entity)
    activity = getProvenance(syn, target)
    syn.call("DELETE", f"/entity/{target}/generatedBy")
    syn.call("DELETE", f"/activity/{activity['id']}")


def delete_unlinked(syn: Session, activity_id: str) -> None:
    """Delete an Activity unless a version has it. An error is logged, not raised.

    The version may have it after an error, if only the response to the request was lost.

    Args:
        syn: The session that sends the requests.
        activity_id: ID of the Activity.

    Source:
        GET /activity/{id}/generated, DELETE /activity/{id}
        https://rest-docs.synapse.org/rest/DELETE/activity/id.html
    """
    try:
        versions = syn.iter_items(Call("GET", f"/activity/{activity_id}/generated"))
        if next(iter(versions), None) is None:
            syn.call("DELETE", f"/activity/{activity_id}")
    except SynapseError as error:
        syn.logger.warning("Cannot delete the unused Activity %s: %s", activity_id, error)


def updateActivity(syn: Session, activity: Mapping[str, Any]) -> Activity:
    """Update a stored Activity.

    Args:
        syn: The session that sends the request.
        activity: The changed result of `getProvenance` or `setProvenance`.

    Returns:
        The stored Activity, with the new etag.

    Raises:
        SynapseProvenanceError: `activity` is not an Activity.
        ValueError: The Activity has no ID.
        SynapseForbiddenError: Another user created the Activity.
        SynapseStaleError: The Activity was changed since it was read.

    Source:
        PUT /activity/{id}
        https://rest-docs.synapse.org/rest/PUT/activity/id.html
    """
    _require_activity(activity)
    if not activity.get("id"):
        raise ValueError(
            "The activity you want to update must exist on Synapse. "
            "Store it first with setProvenance."
        )
    reply = syn.call("PUT", f"/activity/{activity['id']}", json=dict(activity))
    return Activity(data=reply.json)


def _require_activity(activity: Any) -> None:
    if not isinstance(activity, Mapping):
        raise SynapseProvenanceError(
            f"Provenance must be an Activity, not {type(activity).__name__}: pass for example "
            "Activity(used=[...])."
        )


def _get_current_id(syn: Session, entity: Any) -> str:
    """Return the ID of an entity; the version in an ID has to be the current one."""
    target = parse_entity_id(entity)
    if target.version is not None:
        current = syn.call("GET", f"/entity/{target.id}").object.get("versionNumber")
        if target.version != current:
            raise ValueError(
                f"Invalid entity {target.id}.{target.version}: the Activity of an earlier version "
                f"cannot be changed, and the current version is {current}. Pass {target.id!r}."
            )
    return target.id
