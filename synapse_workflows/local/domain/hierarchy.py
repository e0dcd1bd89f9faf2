"""The entity tree: parents, names within a parent, subtrees and benefactors."""

from typing import Final

from sqlalchemy import bindparam, func, literal, select, update
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.entity_types import EntityType
from synapse_workflows.local.domain.ids import ROOT, TRASH, format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import sts_rules
from synapse_workflows.local.errors import BadRequest, Conflict, Forbidden
from synapse_workflows.local.storage.database import fetch_rows
from synapse_workflows.local.storage.models import Acl, Entity

MAX_DEPTH: Final = 50
MAX_CHILDREN: Final = 10_000
_DEPTH = select(func.count()).select_from(access.PATH)
_IS_CHILD = Entity.parent_id == bindparam("parent_id")
_CHILD_COUNT = select(func.count()).select_from(Entity).where(_IS_CHILD)
_CHILD_OF_NAME = select(Entity.id).where(_IS_CHILD, Entity.name == bindparam("name"))


def require_parent(
    session: Session,
    caller: Caller,
    entity_type: EntityType,
    parent_id: int | None,
    *,
    height: int = 1,
) -> Entity:
    """Return a container if the caller can create or move an entity into it.

    Args:
        session: Database session.
        caller: User of the request; needs CREATE.
        entity_type: Type of the entity.
        parent_id: ID of the container; None for the root folder.
        height: Number of levels of the subtree of the entity.

    Raises:
        BadRequest: The entity type is not allowed in the container, the tree would be too deep, or
            the container is full.
        Forbidden: The container is in the trash can, or the caller lacks CREATE.
        NotFound: No such container.
    """
    parent = access.get_entity(session, ROOT if parent_id is None else parent_id)
    if parent.id == TRASH or access.is_trashed(parent):
        raise Forbidden(f"The parent {format_entity_id(parent.id)} is in trash can.")
    _check_parent_type(entity_type, parent)
    access.require(
        session, caller, parent.id, AccessType.CREATE, new_type=entity_type.concrete_type
    )
    [(parent_depth,)] = fetch_rows(session, _DEPTH, entity_id=parent.id)
    depth = parent_depth + height
    if depth > MAX_DEPTH:
        raise BadRequest(f"The entity would be at depth {depth}; the limit is {MAX_DEPTH}.")
    if parent.id != ROOT and _count_children(session, parent.id) >= MAX_CHILDREN:
        raise BadRequest(
            f"Limit of {MAX_CHILDREN} children exceeded for parent: {format_entity_id(parent.id)}"
        )
    return parent


def _check_parent_type(entity_type: EntityType, parent: Entity) -> None:
    if parent.id == ROOT:
        is_valid = not entity_type.parents
    else:
        is_valid = parent.concrete_type in entity_type.parents
    if not is_valid:
        name = "the root" if parent.id == ROOT else f"a {parent.concrete_type}"
        raise BadRequest(f"A {entity_type.concrete_type} may not have {name} as its parent.")


def _count_children(session: Session, parent_id: int) -> int:
    [(count,)] = fetch_rows(session, _CHILD_COUNT, parent_id=parent_id)
    return count


def find_child(session: Session, parent_id: int, name: str) -> int | None:
    """Return the ID of the child of an entity with a name; None if there is none."""
    children = fetch_rows(session, _CHILD_OF_NAME, parent_id=parent_id, name=name)
    return next((child_id for (child_id,) in children), None)


def check_name_available(session: Session, parent_id: int, name: str) -> None:
    """Check that no child of the parent has the name.

    Raises:
        Conflict: The name is in use.
    """
    if find_child(session, parent_id, name) is not None:
        raise Conflict(
            f"An entity with the name: {name} already exists "
            f"with a parentId: {format_entity_id(parent_id)}"
        )


def list_subtree(session: Session, entity_id: int) -> list[tuple[int, int]]:
    """List an entity and its descendants, top down.

    Returns:
        Pairs of entity ID and level; the entity has level 1.
    """
    top = select(Entity.id, literal(1).label("level")).where(Entity.id == entity_id)
    tree = top.cte(recursive=True)
    below = select(Entity.id, tree.c.level + 1).join(tree, Entity.parent_id == tree.c.id)
    tree = tree.union_all(below)
    return [(row[0], row[1]) for row in session.execute(select(tree).order_by(tree.c.level))]


def set_benefactor(
    session: Session, entity: Entity, benefactor_id: int, *, include_own_acls: bool = False
) -> None:
    """Set the benefactor of an entity and of the descendants that share its ACL.

    Args:
        session: Database session with write access.
        entity: Top of the subtree.
        benefactor_id: ID of the entity whose ACL applies.
        include_own_acls: Also change descendants that have an ACL of their own.
    """
    session.flush()
    ids = [each for each, _ in list_subtree(session, entity.id)]
    for start in range(0, len(ids), 500):  # SQLite limits the number of parameters
        statement = update(Entity).where(Entity.id.in_(ids[start : start + 500]))
        if not include_own_acls:
            statement = statement.where(Entity.benefactor_id == entity.benefactor_id)
        session.execute(
            statement.values(benefactor_id=benefactor_id),
            execution_options={"synchronize_session": False},
        )
    session.expire_all()


def has_own_acl(session: Session, entity_id: int) -> bool:
    """Return whether the entity has an ACL of its own."""
    return session.get(Acl, (access.ENTITY_ACL, entity_id)) is not None


def move(
    session: Session,
    caller: Caller,
    entity: Entity,
    entity_type: EntityType,
    target: tuple[int, str],
) -> None:
    """Move an entity to another container.

    Args:
        session: Database session with write access.
        caller: User of the request.
        entity: Entity to move.
        entity_type: Type of the entity.
        target: ID of the new parent, and the new name.

    Raises:
        BadRequest: The entity is not allowed in the container, the container is in the subtree of
            the entity, or a rule of STS-enabled folders is violated.
        Conflict: The name is in use.
        Forbidden: The caller lacks CREATE on the container or CHANGE_PERMISSIONS on the entity.
        NotFound: No such container.
    """
    parent_id, name = target
    subtree = list_subtree(session, entity.id)
    if parent_id in {each for each, _ in subtree}:
        raise BadRequest(
            f"{format_entity_id(entity.id)} cannot be moved into {format_entity_id(parent_id)}: "
            "it would contain itself."
        )
    access.require(session, caller, entity.id, AccessType.CHANGE_PERMISSIONS)
    height = max(level for _, level in subtree)
    parent = require_parent(session, caller, entity_type, parent_id, height=height)
    check_name_available(session, parent.id, name)
    sts_rules.check_placement(session, entity, parent)
    entity.parent_id = parent.id
    entity.name = name
    if not has_own_acl(session, entity.id):
        set_benefactor(session, entity, parent.benefactor_id)
