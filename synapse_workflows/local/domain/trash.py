"""The trash can: deletion, restoration and purge of entities."""

from typing import Any

from sqlalchemy import delete as sql_delete, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ENTITY_TYPES, PROJECT, AccessType
from synapse_workflows.local.domain import access, access_lists, entity_writes, hierarchy
from synapse_workflows.local.domain.access import get_acl_owner
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import CONCRETE_TYPES
from synapse_workflows.local.domain.ids import TRASH, format_entity_id, generate_etag
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import sts_rules
from synapse_workflows.local.errors import Forbidden
from synapse_workflows.local.storage.models import Entity, Trashed


def delete(session: Session, caller: Caller, entity_id: int, *, skip_trash: bool = False) -> None:
    """Delete an entity with its descendants. Do nothing if it is in the trash can already.

    Args:
        session: Database session with write access.
        caller: User of the request; needs DELETE.
        entity_id: ID of the entity.
        skip_trash: Delete the entity permanently.

    Raises:
        Forbidden: The caller lacks DELETE, or the entity is a built-in folder.
        NotFound: No such entity.
    """
    entity = access.get_entity(session, entity_id)
    if access.is_trashed(entity):
        return
    entity_writes.check_not_builtin(entity)
    access.require(session, caller, entity_id, AccessType.DELETE)
    if skip_trash:
        _delete_permanently(session, entity)
        return
    session.add(
        Trashed(
            entity_id=entity_id,
            original_parent_id=entity.parent_id,
            original_name=entity.name,
            deleted_by=caller.id,
            deleted_on=caller.now,
        )
    )
    _delete_acls(session, entity)
    entity.name = format_entity_id(entity_id)
    entity.parent_id = TRASH
    entity.etag = generate_etag()
    hierarchy.set_benefactor(session, entity, TRASH, include_own_acls=True)


def _delete_acls(session: Session, top: Entity) -> None:
    for number, _ in hierarchy.list_subtree(session, top.id):
        acl = access_lists.find_acl(session, get_acl_owner(number))
        if acl is not None:
            access_lists.delete(session, acl)


def _delete_permanently(session: Session, top: Entity) -> None:
    """Delete an entity and its descendants from the database, bottom up."""
    _delete_acls(session, top)
    session.flush()
    for number, _ in reversed(hierarchy.list_subtree(session, top.id)):
        session.execute(sql_delete(Entity).where(Entity.id == number))
    session.expire_all()


def _get_trashed(session: Session, caller: Caller, entity_id: int) -> Trashed:
    message = f"The entity {format_entity_id(entity_id)} is not in the trash can."
    trashed = get_or_404(session, Trashed, entity_id, message)
    if not (caller.is_admin or trashed.deleted_by == caller.id):
        raise Forbidden(
            f"Only the user who deleted {format_entity_id(entity_id)} can restore or purge it."
        )
    return trashed


def restore(
    session: Session, caller: Caller, entity_id: int, parent_id: int | None = None
) -> None:
    """Restore an entity with its name and descendants.

    Args:
        session: Database session with write access.
        caller: The user who deleted the entity; needs CREATE on the container.
        entity_id: ID of the entity.
        parent_id: ID of the container; None for the original parent.

    Raises:
        BadRequest: The entity is not allowed in the container.
        Conflict: The name is in use.
        Forbidden: The caller has no permission, or the container is in the trash can.
        NotFound: The entity is not in the trash can, or no such container.
    """
    trashed = _get_trashed(session, caller, entity_id)
    entity = access.get_entity(session, entity_id)
    entity_type = CONCRETE_TYPES[entity.concrete_type]
    height = max(level for _, level in hierarchy.list_subtree(session, entity_id))
    target = trashed.original_parent_id if parent_id is None else parent_id
    parent = hierarchy.require_parent(session, caller, entity_type, target, height=height)
    hierarchy.check_name_available(session, parent.id, trashed.original_name)
    sts_rules.check_placement(session, entity, parent)
    entity.name, entity.parent_id = trashed.original_name, parent.id
    entity.etag = generate_etag()
    session.delete(trashed)
    benefactor = parent.benefactor_id
    if entity.concrete_type == PROJECT:
        benefactor = entity.id
        entity_writes.create_project_acl(session, caller, entity.id)
    hierarchy.set_benefactor(session, entity, benefactor, include_own_acls=True)


def purge(session: Session, caller: Caller, entity_id: int) -> None:
    """Permanently delete an entity from the trash can.

    Raises:
        Forbidden: Another user deleted the entity.
        NotFound: The entity is not in the trash can.
    """
    _get_trashed(session, caller, entity_id)
    _delete_permanently(session, access.get_entity(session, entity_id))


def list_trashed(session: Session, caller: Caller, page: Page) -> list[dict[str, Any]]:
    """List the entities that the caller deleted, as TrashedEntity, newest first."""
    rows = session.execute(
        select(Trashed, Entity.concrete_type)
        .join(Entity, Entity.id == Trashed.entity_id)
        .where(Trashed.deleted_by == caller.id)
        .order_by(Trashed.deleted_on.desc(), Trashed.entity_id.desc())
        .limit(page.limit)
        .offset(page.offset)
    )
    return [
        {
            "entityId": format_entity_id(each.entity_id),
            "entityName": each.original_name,
            "entityType": ENTITY_TYPES[concrete_type],
            "deletedByPrincipalId": str(each.deleted_by),
            "deletedOn": to_iso(each.deleted_on),
            "originalParentId": format_entity_id(each.original_parent_id),
        }
        for each, concrete_type in rows
    ]
