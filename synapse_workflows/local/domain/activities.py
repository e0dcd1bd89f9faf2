"""Activities: what was used and executed, and which versions it generated."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, select, update as clear_links
from sqlalchemy.orm import Session

from synapse_workflows.constants import USED_ENTITY, USED_URL, AccessType
from synapse_workflows.local.domain import access, entities, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import parse_reference
from synapse_workflows.local.domain.ids import format_entity_id, next_id, parse_entity_id, parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.visibility import is_readable_by
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound
from synapse_workflows.local.storage.models import Activity, Entity, EntityVersion


def serialize(activity: Activity) -> dict[str, Any]:
    """Write an Activity."""
    return {
        "id": str(activity.id),
        "name": activity.name,
        "description": activity.description,
        "etag": activity.etag,
        "createdOn": to_iso(activity.created_on),
        "createdBy": str(activity.created_by),
        "modifiedOn": to_iso(activity.modified_on),
        "modifiedBy": str(activity.modified_by),
        "used": activity.used,
    }


def _parse_used(session: Session, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read what was used, in the order given, exact duplicates once."""
    used: list[dict[str, Any]] = []
    for each in request_fields.get_list(body, "used") or []:
        if not isinstance(each, dict):
            raise BadRequest("used must be an array of objects.")
        one = _parse_used_item(session, each)
        if one not in used:
            used.append(one)
    return used


def _parse_used_item(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    kind = request_fields.get_required_text(body, "concreteType")
    executed = request_fields.get_boolean(body, "wasExecuted")
    if kind == USED_ENTITY:
        target = _parse_target(session, request_fields.get_object(body, "reference") or {})
        return {"concreteType": kind, "wasExecuted": executed, "reference": target}
    if kind == USED_URL:
        url = request_fields.get_required_text(body, "url")
        _check_url(url)
        name = request_fields.get_text(body, "name")
        return {"concreteType": kind, "wasExecuted": executed, "url": url, "name": name}
    raise BadRequest(f"Unknown concreteType: '{kind}'. Used is a {USED_ENTITY} or a {USED_URL}.")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or not (parts.netloc or parts.path):
        raise BadRequest(f"The UsedURL is malformed: {url}")


def _parse_target(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Read a target, with the current version where the caller names none."""
    target = parse_reference(body)
    if target["targetVersionNumber"] is None:
        entity = access.get_entity(session, parse_entity_id(target["targetId"]))
        target["targetVersionNumber"] = entity.current_version
    return target


def create(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create an activity.

    Raises:
        BadRequest: a field breaks a rule.
        Forbidden: the caller is anonymous.
        NotFound: an entity that was used without a version does not exist.
    """
    if caller.is_anonymous:
        raise Forbidden("Anonymous users cannot create activities.")
    activity = Activity(
        id=next_id(session, "activity"),
        etag=entities.generate_etag(),
        name=request_fields.get_text(body, "name"),
        description=request_fields.get_text(body, "description"),
        created_on=caller.now,
        created_by=caller.id,
        modified_on=caller.now,
        modified_by=caller.id,
        used=_parse_used(session, body),
    )
    session.add(activity)
    return serialize(activity)


def _find(session: Session, activity_id: int) -> Activity:
    activity = session.get(Activity, activity_id)
    if activity is None:
        raise NotFound(f"Activity with id '{activity_id}' does not exist")
    return activity


def _is_generated_by(activity_id: int, caller: Caller) -> tuple[ColumnElement[bool], ...]:
    return (
        EntityVersion.entity_id == Entity.id,
        EntityVersion.activity_id == activity_id,
        is_readable_by(caller),
    )


def require_access(session: Session, caller: Caller, activity_id: int) -> Activity:
    """Give an activity to its creator, an administrator, or a reader of what it generated.

    Raises:
        Forbidden: the caller is none of them.
        NotFound: there is no such activity.
    """
    activity = _find(session, activity_id)
    if caller.is_admin or activity.created_by == caller.id:
        return activity
    seen = select(EntityVersion.number).where(*_is_generated_by(activity_id, caller)).limit(1)
    if session.scalar(seen) is None:
        raise Forbidden(f"{caller.id} lacks read access to the requested object.")
    return activity


def _check_can_change(caller: Caller, activity: Activity) -> None:
    if caller.is_anonymous or not (caller.is_admin or activity.created_by == caller.id):
        raise Forbidden(f"{caller.id} lacks change access to the requested object.")


def update(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the activity that the body names by what it says.

    Raises:
        BadRequest: a field breaks a rule.
        Forbidden: the caller did not create it.
        NotFound: there is no such activity, or no such entity used without a version.
        Stale: the etag is not the current one.
    """
    activity = _find(session, parse_id(request_fields.get_required_text(body, "id"), "id"))
    _check_can_change(caller, activity)
    entities.check_etag(str(activity.id), activity.etag, body)
    activity.name = request_fields.get_text(body, "name")
    activity.description = request_fields.get_text(body, "description")
    activity.used = _parse_used(session, body)
    activity.etag = entities.generate_etag()
    activity.modified_on = caller.now
    activity.modified_by = caller.id
    return serialize(activity)


def delete(session: Session, caller: Caller, activity_id: int) -> None:
    """Delete an activity, and its link to all that it generated; a missing one is fine.

    Raises:
        Forbidden: the caller did not create it.
    """
    activity = session.get(Activity, activity_id)
    if activity is None:
        return
    _check_can_change(caller, activity)
    session.execute(
        clear_links(EntityVersion)
        .where(EntityVersion.activity_id == activity_id)
        .values(activity_id=None)
    )
    session.delete(activity)


def list_generated(
    session: Session, caller: Caller, activity_id: int, asked: Page
) -> list[dict[str, Any]]:
    """List the versions that an activity generated and the caller may READ, as References.

    Raises:
        Forbidden: the caller may not see the activity.
        NotFound: there is no such activity.
    """
    require_access(session, caller, activity_id)
    found = session.execute(
        select(EntityVersion.entity_id, EntityVersion.number)
        .where(*_is_generated_by(activity_id, caller))
        .order_by(EntityVersion.entity_id, EntityVersion.number)
        .limit(asked.limit)
        .offset(asked.offset)
    )
    return [
        {"targetId": format_entity_id(entity_id), "targetVersionNumber": number}
        for entity_id, number in found
    ]


def get_for_entity(
    session: Session, caller: Caller, entity_id: int, number: int | None
) -> dict[str, Any]:
    """Give the activity that generated a version, the current one for None.

    Raises:
        Forbidden: the caller may not READ the entity.
        NotFound: no such entity or version, or it has no activity.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    version = entities.get_version(session, entity, number)
    if version.activity_id is None:
        raise NotFound(
            f"Activity for: '{format_entity_id(entity_id)}', version: '{version.number}' "
            "does not exist"
        )
    return serialize(_find(session, version.activity_id))


def link(session: Session, caller: Caller, entity_id: int, activity_id: int) -> dict[str, Any]:
    """Say that an activity generated the current version.

    Raises:
        Forbidden: no UPDATE on the entity, or no access to the activity.
        NotFound: no such entity or activity.
    """
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    activity = require_access(session, caller, activity_id)
    version = entities.get_version(session, entity, None)
    version.activity_id = activity.id
    entities.mark_changed(entity, version, caller)
    return serialize(activity)


def unlink(session: Session, caller: Caller, entity_id: int) -> None:
    """Say that no activity generated the current version.

    Raises:
        Forbidden: no UPDATE on the entity.
        NotFound: no such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    version = entities.get_version(session, entity, None)
    version.activity_id = None
    entities.mark_changed(entity, version, caller)
