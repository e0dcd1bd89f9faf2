"""Where entities lie: parents, names within a parent, subtrees, and whose ACL applies."""

from typing import Final

from sqlalchemy import exists, func, literal, select, update
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.entity_types import EntityType
from synapse_workflows.local.domain.ids import ROOT, TRASH, format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, Conflict, Forbidden
from synapse_workflows.local.storage.models import Acl, Entity

MAX_DEPTH: Final = 50
MAX_CHILDREN: Final = 10_000


def require_parent(
    session: Session, caller: Caller, kind: EntityType, parent_id: int | None, *, height: int = 1
) -> Entity:
    """Give the container when the caller may put something into it.

    Args:
        session: reads the tables.
        caller: who asks; needs CREATE.
        kind: the class of what is to be put there.
        parent_id: the container; None is refused for all but projects, which name the root.
        height: levels of the subtree that is to be put there.

    Raises:
        BadRequest: the class may not lie there, the path gets too deep, the container is full.
        Forbidden: the container is in the trash can, or the caller lacks CREATE.
        NotFound: there is no such container.
    """
    parent = access.get_entity(session, ROOT if parent_id is None else parent_id)
    if parent.id == TRASH or access.is_trashed(parent):
        raise Forbidden(f"The parent {format_entity_id(parent.id)} is in trash can.")
    _check_parent_type(kind, parent)
    access.require(session, caller, parent.id, AccessType.CREATE, new_type=kind.concrete_type)
    depth = sum(1 for _ in access.iter_ancestors(session, parent)) + height
    if depth > MAX_DEPTH:
        raise BadRequest(f"The entity would lie {depth} levels deep; {MAX_DEPTH} is the limit.")
    if parent.id != ROOT and _count_children(session, parent.id) >= MAX_CHILDREN:
        raise BadRequest(
            f"Limit of {MAX_CHILDREN} children exceeded for parent: {format_entity_id(parent.id)}"
        )
    return parent


def _check_parent_type(kind: EntityType, parent: Entity) -> None:
    fits = parent.concrete_type in kind.parents and parent.id != ROOT
    if not (fits or (not kind.parents and parent.id == ROOT)):
        where = "the root" if parent.id == ROOT else f"a {parent.concrete_type}"
        raise BadRequest(f"A {kind.concrete_type} may not have {where} as its parent.")


def _count_children(session: Session, parent_id: int) -> int:
    count = select(func.count()).select_from(Entity).where(Entity.parent_id == parent_id)
    return session.scalar(count) or 0


def check_name_available(session: Session, parent_id: int, name: str) -> None:
    """Check that no child of the parent has the name.

    Raises:
        Conflict: one has.
    """
    taken = exists().where(Entity.parent_id == parent_id, Entity.name == name)
    if session.scalar(select(taken)):
        raise Conflict(
            f"An entity with the name: {name} already exists "
            f"with a parentId: {format_entity_id(parent_id)}"
        )


def list_subtree(session: Session, entity_id: int) -> list[tuple[int, int]]:
    """List the entity and all below it, top down.

    Returns:
        Pairs of entity id and level, the entity itself on level 1.
    """
    top = select(Entity.id, literal(1).label("level")).where(Entity.id == entity_id)
    tree = top.cte(recursive=True)
    below = select(Entity.id, tree.c.level + 1).join(tree, Entity.parent_id == tree.c.id)
    tree = tree.union_all(below)
    return [(row[0], row[1]) for row in session.execute(select(tree).order_by(tree.c.level))]


def set_benefactor(
    session: Session, entity: Entity, benefactor_id: int, *, everything: bool = False
) -> None:
    """Let the entity, and all below it that shared its ACL, follow another one.

    Args:
        session: writes the tables.
        entity: the top of the subtree.
        benefactor_id: the entity whose ACL is to apply.
        everything: also what has an ACL of its own.
    """
    session.flush()
    ids = [each for each, _ in list_subtree(session, entity.id)]
    for start in range(0, len(ids), 500):  # SQLite bounds the number of parameters
        change = update(Entity).where(Entity.id.in_(ids[start : start + 500]))
        if not everything:
            change = change.where(Entity.benefactor_id == entity.benefactor_id)
        session.execute(
            change.values(benefactor_id=benefactor_id),
            execution_options={"synchronize_session": False},
        )
    session.expire_all()


def has_own_acl(session: Session, entity_id: int) -> bool:
    """Tell whether the entity owns an ACL."""
    return session.get(Acl, (access.ENTITY_ACL, entity_id)) is not None


def move(
    session: Session, caller: Caller, entity: Entity, kind: EntityType, place: tuple[int, str]
) -> None:
    """Put an entity into another container, under a name.

    Args:
        session: writes the tables.
        caller: who asks.
        entity: what is moved.
        kind: its class.
        place: id of the container, and the name of the entity there.

    Raises:
        BadRequest: the container does not fit, or lies below the entity.
        Conflict: the name is taken there.
        Forbidden: the caller lacks CREATE on the container or CHANGE_PERMISSIONS on the entity.
        NotFound: there is no such container.
    """
    parent_id, name = place
    below = list_subtree(session, entity.id)
    if parent_id in {each for each, _ in below}:
        raise BadRequest(
            f"{format_entity_id(entity.id)} cannot be moved into {format_entity_id(parent_id)}: "
            "it would lie in itself."
        )
    access.require(session, caller, entity.id, AccessType.CHANGE_PERMISSIONS)
    height = max(level for _, level in below)
    parent = require_parent(session, caller, kind, parent_id, height=height)
    check_name_available(session, parent.id, name)
    entity.parent_id = parent.id
    entity.name = name
    if not has_own_acl(session, entity.id):
        set_benefactor(session, entity, parent.benefactor_id)
