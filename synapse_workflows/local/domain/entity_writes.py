"""Creating and updating entities."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import PROJECT, AccessType
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
from synapse_workflows.local.domain.ids import ROOT, TRASH, format_entity_id, next_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import schemas
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.models import Entity, EntityVersion


def create(
    session: Session, caller: Caller, body: Mapping[str, Any], activity_id: int | None = None
) -> dict[str, Any]:
    """Create an entity.

    Args:
        session: writes the tables.
        caller: who asks; needs CREATE on the parent.
        body: the entity; what the server sets is ignored.
        activity_id: the activity that generated it.

    Returns:
        The entity as it is now.

    Raises:
        BadRequest: the body breaks a rule.
        Conflict: the name or the alias is taken.
        Forbidden: no CREATE, not certified, somebody else's file handle, parent in the trash.
        NotFound: no such parent, file handle or activity.
    """
    draft = entity_types.parse_entity(body)
    parent = hierarchy.require_parent(session, caller, draft.kind, draft.parent_id)
    if draft.properties.get("fileNameOverride") is not None:
        raise BadRequest("fileNameOverride field can not be set.")
    if draft.file_handle_id is not None:
        file_handles.get_own_handle(session, caller, draft.file_handle_id)
    if activity_id is not None:
        activities.require_access(session, caller, activity_id)
    number = next_id(session, "entity")
    name = draft.name or format_entity_id(number)
    hierarchy.check_name_available(session, parent.id, name)
    aliases.check_alias(session, draft, number)
    draft = entity_types.complete_properties(session, draft, {})
    entity, version = _build_rows(caller, draft, number, parent)
    entity.name = name
    version.activity_id = activity_id
    session.add(entity)
    session.flush()
    session.add(version)
    schemas.update_columns(session, caller, entity, draft.properties)
    if draft.kind.concrete_type == PROJECT:
        entity.benefactor_id = entity.id
        create_project_acl(session, caller, entity.id)
    session.flush()
    return entities.serialize(entity, version)


def _build_rows(
    caller: Caller, draft: EntityRequest, number: int, parent: Entity
) -> tuple[Entity, EntityVersion]:
    entity = Entity(
        id=number,
        parent_id=parent.id,
        benefactor_id=parent.benefactor_id,
        concrete_type=draft.kind.concrete_type,
        etag=entities.generate_etag(),
        created_on=caller.now,
        created_by=caller.id,
        current_version=1,
        highest_version=1,
    )
    version = EntityVersion(
        entity_id=number,
        number=1,
        label=draft.label or "1",
        comment=draft.comment,
        description=draft.description,
        modified_on=caller.now,
        modified_by=caller.id,
        file_handle_id=draft.file_handle_id,
        properties=dict(draft.properties),
        annotations={},
    )
    return entity, version


def create_project_acl(session: Session, caller: Caller, entity_id: int) -> None:
    """Give a project its ACL: every right to the caller."""
    wanted = {caller.id: access.ALL_RIGHTS}
    access_lists.create(session, access.get_acl_owner(entity_id), wanted, caller.now)


def update(
    session: Session,
    caller: Caller,
    entity_id: int,
    body: Mapping[str, Any],
    *,
    new_version: bool = False,
    activity_id: int | None = None,
) -> dict[str, Any]:
    """Replace an entity by what the body says; it may move, and may get a new version.

    Args:
        session: writes the tables.
        caller: who asks; needs UPDATE.
        entity_id: which; it wins over the id in the body.
        body: the whole entity with its current etag; what it leaves out is cleared.
        new_version: make a new version, where the class has versions.
        activity_id: the activity that generated the version.

    Returns:
        The entity as it is now.

    Raises:
        BadRequest: the body breaks a rule, or names another class.
        Conflict: the name, the alias or the version label is taken.
        Forbidden: a right is missing, or the new file handle is somebody else's.
        NotFound: no such entity, parent, file handle or activity.
        Stale: the etag is not the current one.
    """
    draft = entity_types.parse_entity(body)
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    check_not_builtin(entity)
    if entity.concrete_type != draft.kind.concrete_type:
        raise BadRequest(
            f"The concreteType of {format_entity_id(entity_id)} cannot be changed "
            f"from {entity.concrete_type} to {draft.kind.concrete_type}."
        )
    entities.check_etag(format_entity_id(entity_id), entity.etag, body)
    current = entities.get_version(session, entity, None)
    draft = entity_types.complete_properties(
        session, _check_file(session, caller, draft, current), current.properties
    )
    if activity_id is not None:
        activities.require_access(session, caller, activity_id)
    aliases.check_alias(session, draft, entity_id)
    _move_or_rename(session, caller, entity, draft)
    version = versions.prepare_update(session, entity, draft, asked=new_version)
    schemas.update_columns(session, caller, entity, draft.properties)
    version.description = draft.description
    version.properties = dict(draft.properties)
    if activity_id is not None:
        version.activity_id = activity_id
    entities.mark_changed(entity, version, caller)
    session.flush()
    return entities.serialize(entity, version)


def check_not_builtin(entity: Entity) -> None:
    """Check that the entity is not one of those that the service stands on.

    Raises:
        Forbidden: it is the root or the trash folder.
    """
    if entity.id in {ROOT, TRASH}:
        raise Forbidden(
            f"{format_entity_id(entity.id)} belongs to the service and stays as it is."
        )


def _check_file(
    session: Session, caller: Caller, draft: EntityRequest, current: EntityVersion
) -> EntityRequest:
    """Check what depends on the present state: the file handle and its name."""
    override = draft.properties.get("fileNameOverride")
    if override is not None and override != current.properties.get("fileNameOverride"):
        raise BadRequest("fileNameOverride field can not be set.")
    if draft.file_handle_id not in {None, current.file_handle_id}:
        file_handles.get_own_handle(session, caller, draft.file_handle_id)
    if "fileNameOverride" in current.properties:
        kept = {"fileNameOverride": current.properties["fileNameOverride"]}
        return replace(draft, properties={**draft.properties, **kept})
    return draft


def _move_or_rename(
    session: Session, caller: Caller, entity: Entity, draft: EntityRequest
) -> None:
    """Move or rename the entity where the draft says so."""
    parent_id = entity.parent_id if draft.parent_id is None else draft.parent_id
    name = draft.name or format_entity_id(entity.id)
    if parent_id is not None and parent_id != entity.parent_id:
        hierarchy.move(session, caller, entity, draft.kind, (parent_id, name))
    elif name != entity.name and parent_id is not None:
        hierarchy.check_name_available(session, parent_id, name)
        entity.name = name
