"""Provenance: the Activity that made a version of an entity."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseProvenanceError, SynapseStaleError
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.ids import parse_entity_id, parse_version_number

#: What an Activity says; the rest is book-keeping of Synapse.
_CONTENT_KEYS: Final = ("name", "description", "used")


def getProvenance(syn: Session, entity: Any, version: int | str | None = None) -> Activity:
    """Get the Activity that made a version of an entity.

    Args:
        syn: The session that makes the call.
        entity: An entity, or its id (``syn123``, ``syn123.4``).
        version: A number; else the one that `entity` names; else the current one.

    Raises:
        SynapseNotFoundError: There is no such version, or nobody recorded what made it.

    Source:
        GET /entity/{id}/generatedBy, GET /entity/{id}/version/{versionNumber}/generatedBy
        https://rest-docs.synapse.org/rest/GET/entity/id/version/versionNumber/generatedBy.html
    """
    found = parse_entity_id(entity)
    named = entity.get("versionNumber") if isinstance(entity, Mapping) else found.version
    wanted = named if version is None else version
    at = "" if wanted is None else f"/version/{parse_version_number(wanted)}"
    return Activity(data=syn.call("GET", f"/entity/{found.id}{at}/generatedBy").json)


def setProvenance(syn: Session, entity: Any, activity: Mapping[str, Any]) -> Activity:
    """Record what made the current version of an entity.

    This changes the entity's etag.

    Args:
        syn: The session that makes the calls.
        entity: An entity, or its id.
        activity: A new Activity, or one that was stored; of that, the changes are stored too.

    Returns:
        The Activity as it is stored.

    Raises:
        SynapseProvenanceError: `activity` is no Activity.
        SynapseForbiddenError: The caller may not change the entity, or the stored Activity.
        SynapseStaleError: The Activity was changed since it was read.

    Source:
        POST /activity or PUT /activity/{id}; PUT /entity/{id}/generatedBy
        https://rest-docs.synapse.org/rest/PUT/entity/id/generatedBy.html
    """
    if not isinstance(activity, Mapping):
        raise SynapseProvenanceError(
            f"Provenance is an Activity, not {type(activity).__name__}: Activity(used=[...])."
        )
    target = parse_entity_id(entity).id
    saved = _store_activity(syn, activity)
    reply = syn.call("PUT", f"/entity/{target}/generatedBy", params={"generatedBy": saved["id"]})
    return Activity(data=reply.json or saved)


def _store_activity(syn: Session, activity: Mapping[str, Any]) -> Activity:
    """Store an Activity; one that says what is stored already needs no fresh etag.

    So the Activity that one store returned can be given to the next ones, though each makes a
    new etag.

    Source:
        POST /activity, PUT /activity/{id}, GET /activity/{id}
        https://rest-docs.synapse.org/rest/POST/activity.html
    """
    if not activity.get("id"):
        return Activity(data=syn.call("POST", "/activity", json=dict(activity)).json)
    try:
        return updateActivity(syn, activity)
    except SynapseStaleError:
        there = Activity(data=syn.call("GET", f"/activity/{activity['id']}").json)
        if any(there.get(key) != activity.get(key) for key in _CONTENT_KEYS):
            raise
        return there


def deleteProvenance(syn: Session, entity: Any) -> None:
    """Forget what made the current version of an entity, and delete that Activity.

    Other entities that share the Activity lose it too.

    Args:
        syn: The session that makes the calls.
        entity: An entity, or its id.

    Raises:
        SynapseNotFoundError: Nothing is recorded.
        SynapseForbiddenError: The caller may not change the entity; or the Activity is
            somebody else's, which is said after the entity has already lost it.

    Source:
        GET and DELETE /entity/{id}/generatedBy, DELETE /activity/{id}
        https://rest-docs.synapse.org/rest/DELETE/entity/id/generatedBy.html
    """
    target = parse_entity_id(entity).id
    activity = getProvenance(syn, target)
    syn.call("DELETE", f"/entity/{target}/generatedBy")
    syn.call("DELETE", f"/activity/{activity['id']}")


def updateActivity(syn: Session, activity: Mapping[str, Any]) -> Activity:
    """Store the changes made to an Activity.

    Args:
        syn: The session that makes the call.
        activity: As `getProvenance` or `setProvenance` returned it, changed.

    Returns:
        The Activity as it is stored.

    Raises:
        ValueError: The Activity was never stored.
        SynapseForbiddenError: It is somebody else's.
        SynapseStaleError: It was changed since it was read.

    Source:
        PUT /activity/{id}
        https://rest-docs.synapse.org/rest/PUT/activity/id.html
    """
    if not activity.get("id"):
        raise ValueError("The activity you want to update must exist on Synapse")
    reply = syn.call("PUT", f"/activity/{activity['id']}", json=dict(activity))
    return Activity(data=reply.json)
