"""Activities and the entity versions they generated."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, select, update as sql_update
from sqlalchemy.orm import Session

from synapse_workflows.constants import USED_ENTITY, USED_URL, AccessType
from synapse_workflows.local.domain import access, entities, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import parse_reference
from synapse_workflows.local.domain.ids import (
    format_entity_id,
    generate_etag,
    next_id,
    parse_entity_id,
    parse_id,
)
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.visibility import is_readable_by
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound
from synapse_workflows.local.storage.database import insert_row
from synapse_workflows.local.storage.models import Activity, Entity, EntityVersion


def serialize(activity: Activity) -> dict[str, Any]:
    """Serialize a database row as an Activity."""
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
    """Parse the `used` list; keep the order and drop exact duplicates."""
    used: dict[str, dict[str, Any]] = {}
    for each in request_fields.get_list(body, "used") or []:
        if not isinstance(each, dict):
            raise BadRequest("used must be an array of objects.")
        item = _parse_used_item(session, each)
        used.setdefault(json.dumps(item, sort_keys=True), item)
    return list(used.values())


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
    """Parse a Reference. The default version is the current version of the entity."""
    target = parse_reference(body)
    if target["targetVersionNumber"] is None:
        entity = access.get_entity(session, parse_entity_id(target["targetId"]))
        target["targetVersionNumber"] = entity.current_version
    return target


def create(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create an activity.

    Raises:
        BadRequest: A field is invalid.
        Forbidden: The caller is anonymous.
        NotFound: A used entity without a version does not exist.
    """
    if caller.is_anonymous:
        raise Forbidden("Anonymous users cannot create activities.")
    activity = Activity(
        id=next_id(session, "activity"),
        etag=generate_etag(),
        name=request_fields.get_text(body, "name"),
        description=request_fields.get_text(body, "description"),
        created_on=caller.now,
        created_by=caller.id,
        modified_on=caller.now,
        modified_by=caller.id,
        used=_parse_used(session, body),
    )
    insert_row(session, activity)
    return serialize(activity)


def _get(session: Session, activity_id: int) -> Activity:
    message = f"Activity with id '{activity_id}' does not exist"
    return get_or_404(session, Activity, activity_id, message)


def _is_generated_by(activity_id: int, caller: Caller) -> tuple[ColumnElement[bool], ...]:
    return (
        EntityVersion.entity_id == Entity.id,
        EntityVersion.activity_id == activity_id,
        is_readable_by(caller),
    )


def require_access(session: Session, caller: Caller, activity_id: int) -> Activity:
    """Return an activity if the caller can read it.

    The creator of the activity and administrators can read the activity. So can every user who can
    READ an entity version that the activity generated.

    Raises:
        Forbidden: The caller cannot read the activity.
        NotFound: No such activity.
    """
    activity = _get(session, activity_id)
    if caller.is_admin or activity.created_by == caller.id:
        return activity
    readable = select(EntityVersion.number).where(*_is_generated_by(activity_id, caller)).limit(1)
    if session.scalar(readable) is None:
        raise Forbidden(f"{caller.id} lacks read access to the requested object.")
    return activity


def _check_can_change(caller: Caller, activity: Activity) -> None:
    if caller.is_anonymous or not (caller.is_admin or activity.created_by == caller.id):
        raise Forbidden(f"{caller.id} lacks change access to the requested object.")


def update(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Replace an activity.

    Raises:
        BadRequest: A field is invalid.
        Forbidden: The caller did not create the activity.
        NotFound: No such activity, or a used entity without a version does not exist.
        StaleEtag: The etag is not the current one.
    """
    activity = _get(session, parse_id(request_fields.get_required_text(body, "id"), "id"))
    _check_can_change(caller, activity)
    entities.check_etag(str(activity.id), activity.etag, body)
    activity.name = request_fields.get_text(body, "name")
    activity.description = request_fields.get_text(body, "description")
    activity.used = _parse_used(session, body)
    activity.etag = generate_etag()
    activity.modified_on = caller.now
    activity.modified_by = caller.id
    return serialize(activity)


def delete(session: Session, caller: Caller, activity_id: int) -> None:
    """Delete an activity and its links to entity versions. Do nothing if it does not exist.

    Raises:
        Forbidden: The caller did not create the activity.
    """
    activity = session.get(Activity, activity_id)
    if activity is None:
        return
    _check_can_change(caller, activity)
    session.execute(
        sql_update(EntityVersion)
        .where(EntityVersion.activity_id == activity_id)
        .values(activity_id=None)
    )
    session.delete(activity)


def list_generated(
    session: Session, caller: Caller, activity_id: int, page: Page
) -> list[dict[str, Any]]:
    """List References to the entity versions that an activity generated and the caller can READ.

    Raises:
        Forbidden: The caller cannot read the activity.
        NotFound: No such activity.
    """
    require_access(session, caller, activity_id)
    rows = session.execute(
        select(EntityVersion.entity_id, EntityVersion.number)
        .where(*_is_generated_by(activity_id, caller))
        .order_by(EntityVersion.entity_id, EntityVersion.number)
        .limit(page.limit)
        .offset(page.offset)
    )
    return [
        {"targetId": format_entity_id(entity_id), "targetVersionNumber": number}
        for entity_id, number in rows
    ]


def get_for_entity(
    session: Session, caller: Caller, entity_id: int, number: int | None
) -> dict[str, Any]:
    """Return the activity of an entity version; the current version if `number` is None.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such entity or version, or the version has no activity.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    version = entities.get_version(session, entity, number)
    if version.activity_id is None:
        raise NotFound(
            f"Activity for: '{format_entity_id(entity_id)}', version: '{version.number}' "
            "does not exist"
        )
    return serialize(_get(session, version.activity_id))


def link(session: Session, caller: Caller, entity_id: int, activity_id: int) -> dict[str, Any]:
    """Set the activity of the current version of an entity.

    Raises:
        Forbidden: The caller lacks UPDATE, or cannot read the activity.
        NotFound: No such entity or activity.
    """
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    activity = require_access(session, caller, activity_id)
    version = entities.get_version(session, entity)
    entities.record_change(session, caller, entity, version, activity_id=activity.id)
    return serialize(activity)


def unlink(session: Session, caller: Caller, entity_id: int) -> None:
    """Remove the activity of the current version of an entity.

    Raises:
        Forbidden: The caller lacks UPDATE.
        NotFound: No such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    version = entities.get_version(session, entity)
    entities.record_change(session, caller, entity, version, activity_id=None)
