"""The trash can: what is deleted lies there, can be brought back, or goes for good."""

from typing import Any

from sqlalchemy import delete as sql_delete, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ENTITY_TYPES, PROJECT, AccessType
from synapse_workflows.local.domain import access, access_lists, entities, entity_writes, hierarchy
from synapse_workflows.local.domain.access import get_acl_owner
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import CONCRETE_TYPES
from synapse_workflows.local.domain.ids import TRASH, format_entity_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import Forbidden, NotFound
from synapse_workflows.local.storage.models import Entity, Trashed


def delete(session: Session, caller: Caller, entity_id: int, *, for_good: bool = False) -> None:
    """Delete an entity with all below it; what lies in the trash can already stays there.

    Args:
        session: writes the tables.
        caller: who asks.
        entity_id: what to delete.
        for_good: leave nothing in the trash can.

    Raises:
        Forbidden: the caller lacks DELETE, or the service stands on the entity.
        NotFound: there is no such entity.
    """
    entity = access.get_entity(session, entity_id)
    if access.is_trashed(entity):
        return
    entity_writes.check_not_builtin(entity)
    access.require(session, caller, entity_id, AccessType.DELETE)
    if for_good:
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
    entity.etag = entities.generate_etag()
    hierarchy.set_benefactor(session, entity, TRASH, everything=True)


def _delete_acls(session: Session, top: Entity) -> None:
    for number, _ in hierarchy.list_subtree(session, top.id):
        owned = access_lists.find_acl(session, get_acl_owner(number))
        if owned is not None:
            access_lists.delete(session, owned)


def _delete_permanently(session: Session, top: Entity) -> None:
    """Remove an entity and all below it from the tables, bottom up."""
    _delete_acls(session, top)
    session.flush()
    for number, _ in reversed(hierarchy.list_subtree(session, top.id)):
        session.execute(sql_delete(Entity).where(Entity.id == number))
    session.expire_all()


def _get_trashed(session: Session, caller: Caller, entity_id: int) -> Trashed:
    found = session.get(Trashed, entity_id)
    if found is None:
        raise NotFound(f"The entity {format_entity_id(entity_id)} is not in the trash can.")
    if not (caller.is_admin or found.deleted_by == caller.id):
        raise Forbidden(f"{format_entity_id(entity_id)} was deleted by somebody else.")
    return found


def restore(
    session: Session, caller: Caller, entity_id: int, parent_id: int | None = None
) -> None:
    """Bring an entity back, with its name and all below it.

    Args:
        session: writes the tables.
        caller: who asks: the one who deleted it, with CREATE on the container.
        entity_id: what to bring back.
        parent_id: the container to put it into; None for where it came from.

    Raises:
        Conflict: the name is taken there.
        Forbidden: the caller may not, or the container is itself in the trash can.
        NotFound: it is not in the trash can, or there is no such container.
    """
    found = _get_trashed(session, caller, entity_id)
    entity = access.get_entity(session, entity_id)
    kind = CONCRETE_TYPES[entity.concrete_type]
    height = max(level for _, level in hierarchy.list_subtree(session, entity_id))
    target = found.original_parent_id if parent_id is None else parent_id
    parent = hierarchy.require_parent(session, caller, kind, target, height=height)
    hierarchy.check_name_available(session, parent.id, found.original_name)
    entity.name, entity.parent_id = found.original_name, parent.id
    entity.etag = entities.generate_etag()
    session.delete(found)
    benefactor = parent.benefactor_id
    if entity.concrete_type == PROJECT:
        benefactor = entity.id
        entity_writes.create_project_acl(session, caller, entity.id)
    hierarchy.set_benefactor(session, entity, benefactor, everything=True)


def purge(session: Session, caller: Caller, entity_id: int) -> None:
    """Remove from the trash can for good.

    Raises:
        Forbidden: somebody else deleted it.
        NotFound: it is not in the trash can.
    """
    _get_trashed(session, caller, entity_id)
    _delete_permanently(session, access.get_entity(session, entity_id))


def list_trashed(session: Session, caller: Caller, asked: Page) -> list[dict[str, Any]]:
    """List what the caller deleted, as TrashedEntity, newest first."""
    found = session.execute(
        select(Trashed, Entity.concrete_type)
        .join(Entity, Entity.id == Trashed.entity_id)
        .where(Trashed.deleted_by == caller.id)
        .order_by(Trashed.deleted_on.desc(), Trashed.entity_id.desc())
        .limit(asked.limit)
        .offset(asked.offset)
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
        for each, concrete_type in found
    ]
