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
from synapse_workflows.local.domain.ids import entity_id as read_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import schemas
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Entity, EntityVersion


@dataclass(frozen=True)
class _Subject:
    """What a bundle is made of: a version of an entity, for a caller who may READ it."""

    session: Session
    caller: Caller
    entity: Entity
    version: EntityVersion
    zero_etag: bool


def _entity(of: _Subject) -> dict[str, Any]:
    return {
        "entity": entities.wire(of.entity, of.version, zero_etag=of.zero_etag),
        "entityType": ENTITY_TYPES[of.entity.concrete_type],
    }


def _annotations(of: _Subject) -> dict[str, Any]:
    return {"annotations": annotations.wire(of.entity, of.version, zero_etag=of.zero_etag)}


def _permissions(of: _Subject) -> dict[str, Any]:
    return {"permissions": permissions.of_caller(of.session, of.caller, of.entity)}


def _path(of: _Subject) -> dict[str, Any]:
    return {"path": children.path(of.session, of.caller, of.entity)}


def _has_children(of: _Subject) -> dict[str, Any]:
    found = select(exists().where(Entity.parent_id == of.entity.id))
    return {"hasChildren": bool(of.session.scalar(found))}


def _acl(of: _Subject) -> dict[str, Any]:
    return {"accessControlList": entity_acl.own(of.session, of.entity.id)}


def _benefactor_acl(of: _Subject) -> dict[str, Any]:
    return {"benefactorAcl": entity_acl.own(of.session, of.entity.benefactor_id)}


def _file_handles(of: _Subject) -> dict[str, Any]:
    if of.version.file_handle_id is None:
        return {"fileHandles": []}
    if not access.allowed(of.session, of.caller, of.entity.id, AccessType.DOWNLOAD):
        return {"fileHandles": []}
    handle = file_handles.load(of.session, of.version.file_handle_id)
    return {"fileHandles": entity_files.with_preview(of.session, handle)}


def _file_name(of: _Subject) -> dict[str, Any]:
    if of.version.file_handle_id is None:
        return {}
    override = of.version.properties.get("fileNameOverride")
    named = override or file_handles.load(of.session, of.version.file_handle_id).file_name
    return {"fileName": named}


def _restrictions(of: _Subject) -> dict[str, Any]:
    told = restrictions.information(of.session, of.caller, of.entity)
    return {"restrictionInformation": told}


def _threads(_of: _Subject) -> dict[str, Any]:
    return {"threadCount": 0}


def _table(of: _Subject) -> dict[str, Any]:
    return schemas.get_table_bundle(of.session, of.entity, of.version)


def _activity(of: _Subject) -> dict[str, Any]:
    if of.version.activity_id is None:
        return {}
    number = of.version.number
    return {"activity": activities.of_entity(of.session, of.caller, of.entity.id, number)}


#: Flag of an EntityBundleRequest -> what it adds. Flags of later rooms (wikis, DOIs)
#: add nothing, as for an entity that has none.
_PARTS: Final[Mapping[str, Callable[[_Subject], dict[str, Any]]]] = {
    "includeEntity": _entity,
    "includeAnnotations": _annotations,
    "includePermissions": _permissions,
    "includeEntityPath": _path,
    "includeHasChildren": _has_children,
    "includeAccessControlList": _acl,
    "includeBenefactorACL": _benefactor_acl,
    "includeFileHandles": _file_handles,
    "includeFileName": _file_name,
    "includeTableBundle": _table,
    "includeRestrictionInformation": _restrictions,
    "includeThreadCount": _threads,
    "includeActivity": _activity,
}


def read(
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
    wanted = [part for name, part in _PARTS.items() if request_fields.flag(body, name)]
    entity = access.require(session, caller, entity_id, AccessType.READ)
    version = entities.version_of(session, entity, number)
    subject = _Subject(session, caller, entity, version, number is not None)
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
    given = request_fields.mapping(body, "entity")
    if given is None:
        raise BadRequest("Invalid request: no entity to create.")
    made = entity_writes.create(session, caller, given, activity_id)
    return _write_rest(session, caller, read_id(made["id"]), body)


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
    given = request_fields.mapping(body, "entity")
    if given is not None:
        entity_writes.update(session, caller, entity_id, given, activity_id=activity_id)
    return _write_rest(session, caller, entity_id, body)


def _write_rest(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    noted, shared = (
        request_fields.mapping(body, "annotations"),
        request_fields.mapping(body, "accessControlList"),
    )
    if noted is not None:
        if body.get("entity") is not None:
            noted = {**noted, "etag": access.find(session, entity_id).etag}
        annotations.replace(session, caller, entity_id, noted)
    if shared is not None:
        entity_acl.put(session, caller, entity_id, shared)
    return read(
        session,
        caller,
        entity_id,
        {
            "includeEntity": body.get("entity") is not None,
            "includeAnnotations": noted is not None,
            "includeAccessControlList": shared is not None,
        },
    )
