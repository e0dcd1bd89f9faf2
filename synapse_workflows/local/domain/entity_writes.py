"""Creation and update of entities."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import MATERIALIZED_VIEW, PROJECT, AccessType
from synapse_workflows.local.domain import (
    access,
    access_lists,
    activities,
    aliases,
    entities,
    entity_types,
    file_handles,
    hierarchy,
    versions,
)
from synapse_workflows.local.domain.entity_types import EntityRequest
from synapse_workflows.local.domain.ids import (
    ROOT,
    TRASH,
    format_entity_id,
    generate_etag,
    next_id,
)
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import sts_rules
from synapse_workflows.local.domain.tables import schemas
from synapse_workflows.local.domain.views import materialized_views
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.database import insert_row
from synapse_workflows.local.storage.models import Entity, EntityVersion


def create(
    session: Session, caller: Caller, body: Mapping[str, Any], activity_id: int | None = None
) -> dict[str, Any]:
    """Create an entity.

    Args:
        session: Database session with write access.
        caller: User of the request; needs CREATE on the parent.
        body: Entity; read-only fields are ignored.
        activity_id: Activity that generated the entity.

    Returns:
        The created entity.

    Raises:
        BadRequest: The entity is invalid, or not allowed in its STS-enabled folder.
        Conflict: The name or the alias is in use.
        Forbidden: The caller lacks CREATE, is not certified, or does not own the file handle; or
            the parent is in the trash can.
        NotFound: No such parent, file handle or activity.
    """
    request = entity_types.parse_entity(body)
    parent = hierarchy.require_parent(session, caller, request.type, request.parent_id)
    if request.properties.get("fileNameOverride") is not None:
        raise BadRequest("fileNameOverride field can not be set.")
    handle = None
    if request.file_handle_id is not None:
        handle = file_handles.get_own_handle(session, caller, request.file_handle_id)
    sts_rules.check_new_entity(session, parent, request.type.concrete_type, handle)
    if activity_id is not None:
        activities.require_access(session, caller, activity_id)
    entity_id = next_id(session, "entity")
    name = request.name or format_entity_id(entity_id)
    hierarchy.check_name_available(session, parent.id, name)
    aliases.check_alias(session, request, entity_id)
    request = entity_types.complete_properties(session, request, {})
    request = _complete_view(session, caller, entity_id, request, {})
    entity, version = _build_rows(caller, request, entity_id, parent)
    entity.name = name
    version.activity_id = activity_id
    insert_row(session, entity)
    insert_row(session, version)
    schemas.update_columns(session, caller, entity, request.properties)
    if request.type.concrete_type == PROJECT:
        create_project_acl(session, caller, entity.id)
    return entities.serialize(entity, version)


def _complete_view(
    session: Session,
    caller: Caller,
    entity_id: int,
    request: EntityRequest,
    previous: Mapping[str, Any],
) -> EntityRequest:
    """Add the columns of a materialized view. Return other entities unchanged."""
    if request.type.concrete_type != MATERIALIZED_VIEW:
        return request
    return materialized_views.complete_definition(session, caller, entity_id, request, previous)


def _build_rows(
    caller: Caller, request: EntityRequest, entity_id: int, parent: Entity
) -> tuple[Entity, EntityVersion]:
    is_project = request.type.concrete_type == PROJECT
    entity = Entity(
        id=entity_id,
        parent_id=parent.id,
        benefactor_id=entity_id if is_project else parent.benefactor_id,
        concrete_type=request.type.concrete_type,
        etag=generate_etag(),
        created_on=caller.now,
        created_by=caller.id,
        current_version=1,
        highest_version=1,
    )
    version = EntityVersion(
        entity_id=entity_id,
        number=1,
        label=request.label or "1",
        comment=request.comment,
        description=request.description,
        modified_on=caller.now,
        modified_by=caller.id,
        file_handle_id=request.file_handle_id,
        properties=dict(request.properties),
        annotations={},
    )
    return entity, version


def create_project_acl(session: Session, caller: Caller, entity_id: int) -> None:
    """Create the ACL of a project, with all access types for the caller."""
    grants = {caller.id: access.ALL_RIGHTS}
    access_lists.create(session, access.get_acl_owner(entity_id), grants, caller.now)


def update(
    session: Session,
    caller: Caller,
    entity_id: int,
    body: Mapping[str, Any],
    *,
    new_version: bool = False,
    activity_id: int | None = None,
) -> dict[str, Any]:
    """Replace an entity. The update can rename or move it and create a version.

    Args:
        session: Database session with write access.
        caller: User of the request; needs UPDATE.
        entity_id: ID of the entity; the ID in the body is ignored.
        body: Entity with its current etag; omitted fields are cleared.
        new_version: Whether to create a version, if the entity type has versions.
        activity_id: Activity that generated the version.

    Returns:
        The updated entity.

    Raises:
        BadRequest: The entity in the body is invalid, has another type than the stored entity, or
            is not allowed in its STS-enabled folder.
        Conflict: The name, the alias or the version label is in use.
        Forbidden: The caller lacks an access type, or does not own the new file handle.
        NotFound: No such entity, parent, file handle or activity.
        StaleEtag: The etag is not the current one.
    """
    request = entity_types.parse_entity(body)
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    check_not_builtin(entity)
    if entity.concrete_type != request.type.concrete_type:
        raise BadRequest(
            f"The concreteType of {format_entity_id(entity_id)} cannot be changed "
            f"from {entity.concrete_type} to {request.type.concrete_type}."
        )
    entities.check_etag(format_entity_id(entity_id), entity.etag, body)
    current = entities.get_version(session, entity)
    request = entity_types.complete_properties(
        session, _check_file(session, caller, request, current), current.properties
    )
    request = _complete_view(session, caller, entity_id, request, current.properties)
    if activity_id is not None:
        activities.require_access(session, caller, activity_id)
    aliases.check_alias(session, request, entity_id)
    _move_or_rename(session, caller, entity, request)
    _check_new_handle(session, entity, request, current)
    version = versions.prepare_update(session, entity, request, new_version=new_version)
    schemas.update_columns(session, caller, entity, request.properties)
    entities.record_change(
        session,
        caller,
        entity,
        version,
        description=request.description,
        properties=dict(request.properties),
        activity_id=version.activity_id if activity_id is None else activity_id,
    )
    return entities.serialize(entity, version)


def check_not_builtin(entity: Entity) -> None:
    """Check that the entity is not a built-in folder.

    Raises:
        Forbidden: The entity is the root folder or the trash folder.
    """
    if entity.id in {ROOT, TRASH}:
        raise Forbidden(
            f"{format_entity_id(entity.id)} is a built-in folder and cannot be changed or deleted."
        )


def _check_file(
    session: Session, caller: Caller, request: EntityRequest, current: EntityVersion
) -> EntityRequest:
    """Check that the request may set its file handle and keeps the file name override.

    Returns:
        The request, with the file name override of the current version.
    """
    override = request.properties.get("fileNameOverride")
    if override is not None and override != current.properties.get("fileNameOverride"):
        raise BadRequest("fileNameOverride field can not be set.")
    if request.file_handle_id not in {None, current.file_handle_id}:
        file_handles.get_own_handle(session, caller, request.file_handle_id)
    if "fileNameOverride" in current.properties:
        override = current.properties["fileNameOverride"]
        return replace(request, properties={**request.properties, "fileNameOverride": override})
    return request


def _check_new_handle(
    session: Session, entity: Entity, request: EntityRequest, current: EntityVersion
) -> None:
    """Check that the entity, at its new parent, may have its new file handle."""
    if request.file_handle_id not in {None, current.file_handle_id}:
        handle = file_handles.get_handle(session, request.file_handle_id)
        sts_rules.check_file_handle(session, entity, handle)


def _move_or_rename(
    session: Session, caller: Caller, entity: Entity, request: EntityRequest
) -> None:
    """Move or rename the entity if the request has another parent or name."""
    parent_id = entity.parent_id if request.parent_id is None else request.parent_id
    name = request.name or format_entity_id(entity.id)
    if parent_id is not None and parent_id != entity.parent_id:
        hierarchy.move(session, caller, entity, request.type, (parent_id, name))
    elif name != entity.name and parent_id is not None:
        hierarchy.check_name_available(session, parent_id, name)
        entity.name = name
