"""Bundles: several parts of an entity in one answer, and written in one request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ENTITY_TYPES, AccessType
from synapse_workflows.local.domain import (
    access,
    activities,
    annotations,
    children,
    entities,
    entity_acl,
    entity_files,
    entity_writes,
    file_handles,
    permissions,
    request_fields,
    restrictions,
)
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import schemas
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Entity, EntityVersion


@dataclass(frozen=True)
class _BundleContext:
    """What a bundle is made of: a version of an entity, for a caller who may READ it."""

    session: Session
    caller: Caller
    entity: Entity
    version: EntityVersion
    zero_etag: bool


def _get_entity(of: _BundleContext) -> dict[str, Any]:
    return {
        "entity": entities.serialize(of.entity, of.version, zero_etag=of.zero_etag),
        "entityType": ENTITY_TYPES[of.entity.concrete_type],
    }


def _get_annotations(of: _BundleContext) -> dict[str, Any]:
    return {"annotations": annotations.serialize(of.entity, of.version, zero_etag=of.zero_etag)}


def _get_permissions(of: _BundleContext) -> dict[str, Any]:
    return {"permissions": permissions.get_permissions(of.session, of.caller, of.entity)}


def _get_path(of: _BundleContext) -> dict[str, Any]:
    return {"path": children.get_path(of.session, of.caller, of.entity)}


def _has_children(of: _BundleContext) -> dict[str, Any]:
    found = select(exists().where(Entity.parent_id == of.entity.id))
    return {"hasChildren": bool(of.session.scalar(found))}


def _get_acl(of: _BundleContext) -> dict[str, Any]:
    return {"accessControlList": entity_acl.get_own(of.session, of.entity.id)}


def _get_benefactor_acl(of: _BundleContext) -> dict[str, Any]:
    return {"benefactorAcl": entity_acl.get_own(of.session, of.entity.benefactor_id)}


def _get_file_handles(of: _BundleContext) -> dict[str, Any]:
    if of.version.file_handle_id is None:
        return {"fileHandles": []}
    if not access.is_allowed(of.session, of.caller, of.entity.id, AccessType.DOWNLOAD):
        return {"fileHandles": []}
    handle = file_handles.get_handle(of.session, of.version.file_handle_id)
    return {"fileHandles": entity_files.serialize_with_preview(of.session, handle)}


def _get_file_name(of: _BundleContext) -> dict[str, Any]:
    if of.version.file_handle_id is None:
        return {}
    override = of.version.properties.get("fileNameOverride")
    named = override or file_handles.get_handle(of.session, of.version.file_handle_id).file_name
    return {"fileName": named}


def _get_restrictions(of: _BundleContext) -> dict[str, Any]:
    told = restrictions.get_information(of.session, of.caller, of.entity)
    return {"restrictionInformation": told}


def _get_thread_count(_of: _BundleContext) -> dict[str, Any]:
    return {"threadCount": 0}


def _get_table(of: _BundleContext) -> dict[str, Any]:
    return schemas.get_table_bundle(of.session, of.entity, of.version)


def _get_activity(of: _BundleContext) -> dict[str, Any]:
    if of.version.activity_id is None:
        return {}
    number = of.version.number
    return {"activity": activities.get_for_entity(of.session, of.caller, of.entity.id, number)}


#: Flag of an EntityBundleRequest -> what it adds. Flags of later rooms (wikis, DOIs)
#: add nothing, as for an entity that has none.
_PARTS: Final[Mapping[str, Callable[[_BundleContext], dict[str, Any]]]] = {
    "includeEntity": _get_entity,
    "includeAnnotations": _get_annotations,
    "includePermissions": _get_permissions,
    "includeEntityPath": _get_path,
    "includeHasChildren": _has_children,
    "includeAccessControlList": _get_acl,
    "includeBenefactorACL": _get_benefactor_acl,
    "includeFileHandles": _get_file_handles,
    "includeFileName": _get_file_name,
    "includeTableBundle": _get_table,
    "includeRestrictionInformation": _get_restrictions,
    "includeThreadCount": _get_thread_count,
    "includeActivity": _get_activity,
}


def get(
    session: Session,
    caller: Caller,
    entity_id: int,
    body: Mapping[str, Any],
    number: int | None = None,
) -> dict[str, Any]:
    """Give the parts of an entity that an EntityBundleRequest asks for.

    Args:
        session: reads the tables.
        caller: who asks; needs READ for the whole.
        entity_id: which.
        body: flags.
        number: a version of it; ACL, permissions and path are always those of the entity.

    Raises:
        BadRequest: a flag is no boolean.
        Forbidden: the caller may not READ the entity.
        NotFound: no such entity or version.
    """
    wanted = [part for name, part in _PARTS.items() if request_fields.get_boolean(body, name)]
    entity = access.require(session, caller, entity_id, AccessType.READ)
    version = entities.get_version(session, entity, number)
    subject = _BundleContext(session, caller, entity, version, number is not None)
    found: dict[str, Any] = {}
    for part in wanted:
        found |= part(subject)
    return found


def create(
    session: Session, caller: Caller, body: Mapping[str, Any], activity_id: int | None
) -> dict[str, Any]:
    """Create an entity with its annotations and ACL (EntityBundleCreate), all or nothing.

    Raises:
        BadRequest: there is no entity, or a part breaks a rule.
        Conflict: the name is taken.
        Forbidden: a right is missing.
        NotFound: no such parent, file handle or activity.
    """
    given = request_fields.get_object(body, "entity")
    if given is None:
        raise BadRequest("Invalid request: no entity to create.")
    made = entity_writes.create(session, caller, given, activity_id)
    return _write_parts(session, caller, parse_entity_id(made["id"]), body)


def update(
    session: Session,
    caller: Caller,
    entity_id: int,
    body: Mapping[str, Any],
    activity_id: int | None,
) -> dict[str, Any]:
    """Update an entity, its annotations and its ACL (EntityBundleCreate), all or nothing.

    The etag in the entity guards the whole; without an entity that in the annotations does.

    Raises:
        BadRequest: a part breaks a rule.
        Conflict: the name is taken.
        Forbidden: a right is missing.
        NotFound: no such entity, parent, file handle or activity.
        Stale: the etag is not the current one.
    """
    given = request_fields.get_object(body, "entity")
    if given is not None:
        entity_writes.update(session, caller, entity_id, given, activity_id=activity_id)
    return _write_parts(session, caller, entity_id, body)


def _write_parts(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    noted, shared = (
        request_fields.get_object(body, "annotations"),
        request_fields.get_object(body, "accessControlList"),
    )
    if noted is not None:
        if body.get("entity") is not None:
            noted = {**noted, "etag": access.get_entity(session, entity_id).etag}
        annotations.replace(session, caller, entity_id, noted)
    if shared is not None:
        entity_acl.create_or_replace(session, caller, entity_id, shared)
    return get(
        session,
        caller,
        entity_id,
        {
            "includeEntity": body.get("entity") is not None,
            "includeAnnotations": noted is not None,
            "includeAccessControlList": shared is not None,
        },
    )
