"""Entity bundles: several parts of an entity in one request or response."""

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
from synapse_workflows.local.domain.wikis import pages as wiki_pages
from synapse_workflows.local.domain.wikis.owners import OwnerType, WikiOwner
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Entity, EntityVersion


@dataclass(frozen=True)
class _BundleContext:
    """An entity version and the caller that requests its bundle. The caller has READ."""

    session: Session
    caller: Caller
    entity: Entity
    version: EntityVersion
    has_zero_etag: bool


def _get_entity(context: _BundleContext) -> dict[str, Any]:
    return {
        "entity": entities.serialize(context.entity, context.version),
        "entityType": ENTITY_TYPES[context.entity.concrete_type],
    }


def _get_annotations(context: _BundleContext) -> dict[str, Any]:
    return {
        "annotations": annotations.serialize(
            context.entity, context.version, zero_etag=context.has_zero_etag
        )
    }


def _get_permissions(context: _BundleContext) -> dict[str, Any]:
    return {
        "permissions": permissions.get_permissions(context.session, context.caller, context.entity)
    }


def _get_path(context: _BundleContext) -> dict[str, Any]:
    return {"path": children.get_path(context.session, context.caller, context.entity)}


def _has_children(context: _BundleContext) -> dict[str, Any]:
    query = select(exists().where(Entity.parent_id == context.entity.id))
    return {"hasChildren": bool(context.session.scalar(query))}


def _get_acl(context: _BundleContext) -> dict[str, Any]:
    return {"accessControlList": entity_acl.get_own(context.session, context.entity.id)}


def _get_benefactor_acl(context: _BundleContext) -> dict[str, Any]:
    return {"benefactorAcl": entity_acl.get_own(context.session, context.entity.benefactor_id)}


def _get_file_handles(context: _BundleContext) -> dict[str, Any]:
    if context.version.file_handle_id is None:
        return {"fileHandles": []}
    if not access.is_allowed(
        context.session, context.caller, context.entity.id, AccessType.DOWNLOAD
    ):
        return {"fileHandles": []}
    handle = file_handles.get_handle(context.session, context.version.file_handle_id)
    return {"fileHandles": entity_files.serialize_with_preview(context.session, handle)}


def _get_file_name(context: _BundleContext) -> dict[str, Any]:
    if context.version.file_handle_id is None:
        return {}
    override = context.version.properties.get("fileNameOverride")
    name = (
        override
        or file_handles.get_handle(context.session, context.version.file_handle_id).file_name
    )
    return {"fileName": name}


def _get_restrictions(context: _BundleContext) -> dict[str, Any]:
    information = restrictions.get_information(context.session, context.caller, context.entity)
    return {"restrictionInformation": information}


def _get_thread_count(_context: _BundleContext) -> dict[str, Any]:
    return {"threadCount": 0}


def _get_table(context: _BundleContext) -> dict[str, Any]:
    return schemas.get_table_bundle(context.session, context.entity, context.version)


def _get_activity(context: _BundleContext) -> dict[str, Any]:
    if context.version.activity_id is None:
        return {}
    number = context.version.number
    return {
        "activity": activities.get_for_entity(
            context.session, context.caller, context.entity.id, number
        )
    }


def _get_root_wiki_id(context: _BundleContext) -> dict[str, Any]:
    root = wiki_pages.find_root(context.session, WikiOwner(OwnerType.ENTITY, context.entity.id))
    return {} if root is None else {"rootWikiId": str(root.id)}


#: Property of EntityBundleRequest -> function that returns the part. Unsupported parts (DOIs) are
#: ignored.
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
    "includeRootWikiId": _get_root_wiki_id,
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
    """Return the parts of an entity that an EntityBundleRequest selects.

    Args:
        session: Database session.
        caller: User of the request; needs READ.
        entity_id: ID of the entity.
        body: EntityBundleRequest.
        number: Version; None for the current version. The ACL, permissions and path are the same
            for all versions.

    Raises:
        BadRequest: A flag is not a boolean.
        Forbidden: The caller lacks READ.
        NotFound: No such entity or version.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    return build(session, caller, entity, body, number)


def build(
    session: Session,
    caller: Caller,
    entity: Entity,
    body: Mapping[str, Any],
    number: int | None = None,
) -> dict[str, Any]:
    """Return the parts of an entity that the caller can READ; see `get`.

    Raises:
        BadRequest: A flag is not a boolean.
        NotFound: No such version.
    """
    parts = [part for name, part in _PARTS.items() if request_fields.get_boolean(body, name)]
    version = entities.get_version(session, entity, number)
    context = _BundleContext(session, caller, entity, version, number is not None)
    bundle: dict[str, Any] = {}
    for part in parts:
        bundle |= part(context)
    return bundle


def create(
    session: Session, caller: Caller, body: Mapping[str, Any], activity_id: int | None
) -> dict[str, Any]:
    """Create an entity with its annotations and ACL (EntityBundleCreate) in one transaction.

    Raises:
        BadRequest: The entity is missing, or a part is invalid.
        Conflict: The name is in use.
        Forbidden: The caller lacks an access type.
        NotFound: No such parent, file handle or activity.
    """
    entity = request_fields.get_object(body, "entity")
    if entity is None:
        raise BadRequest("Cannot create the bundle: the property 'entity' is missing.")
    created = entity_writes.create(session, caller, entity, activity_id)
    return _write_parts(session, caller, parse_entity_id(created["id"]), body)


def update(
    session: Session,
    caller: Caller,
    entity_id: int,
    body: Mapping[str, Any],
    activity_id: int | None,
) -> dict[str, Any]:
    """Update an entity, its annotations and its ACL (EntityBundleCreate) in one transaction.

    The etag of the entity must be current. If the body has no entity, the etag of the annotations
    must be current.

    Raises:
        BadRequest: A part is invalid.
        Conflict: The name is in use.
        Forbidden: The caller lacks an access type.
        NotFound: No such entity, parent, file handle or activity.
        StaleEtag: The etag is not the current one.
    """
    entity = request_fields.get_object(body, "entity")
    if entity is not None:
        entity_writes.update(session, caller, entity_id, entity, activity_id=activity_id)
    return _write_parts(session, caller, entity_id, body)


def _write_parts(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    new_annotations = request_fields.get_object(body, "annotations")
    acl = request_fields.get_object(body, "accessControlList")
    if new_annotations is not None:
        if body.get("entity") is not None:
            new_annotations = {
                **new_annotations,
                "etag": access.get_entity(session, entity_id).etag,
            }
        annotations.replace(session, caller, entity_id, new_annotations)
    if acl is not None:
        entity_acl.create_or_replace(session, caller, entity_id, acl)
    return get(
        session,
        caller,
        entity_id,
        {
            "includeEntity": body.get("entity") is not None,
            "includeAnnotations": new_annotations is not None,
            "includeAccessControlList": acl is not None,
        },
    )
