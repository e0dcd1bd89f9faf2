"""Which entities a view shows: those of its types that lie in its containers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, String, and_, func, literal, or_, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import ids
from synapse_workflows.local.domain.views import masks
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.tables import Entity
from synapse_workflows.vocabulary import CONTAINERS, ENTITY_VIEW, PROJECT

#: Containers that a scope may have, with all that lie below.
MAX_CONTAINERS: Final = 35_000


@dataclass(frozen=True)
class Scope:
    """Where a view looks, and for what.

    Args:
        ids: containers; for projects, the projects themselves.
        mask: the types.
    """

    ids: tuple[int, ...]
    mask: int

    def _given(self) -> Any:
        """Make the query of the ids, however many there are."""
        each = func.json_each(literal(json.dumps(self.ids), String)).table_valued("value")
        return select(each.c.value)

    def containers(self) -> CTE:
        """Make the query of the containers and of all containers below them."""
        top = select(Entity.id).where(
            Entity.id.in_(self._given()), Entity.concrete_type.in_(CONTAINERS)
        )
        tree = top.cte(recursive=True)
        below = (
            select(Entity.id)
            .join(tree, Entity.parent_id == tree.c.id)
            .where(Entity.concrete_type.in_(CONTAINERS))
        )
        return tree.union(below)

    def members(self) -> ColumnElement[bool]:
        """Make the condition that an entity is in scope, whoever looks."""
        inside = and_(
            Entity.concrete_type.in_(set(masks.classes(self.mask)) - {PROJECT}),
            Entity.parent_id.in_(select(self.containers().c.id)),
        )
        if not self.mask & masks.PROJECTS:
            return inside
        named = and_(Entity.concrete_type == PROJECT, Entity.id.in_(self._given()))
        return or_(named, inside)


def read_ids(values: list[Any]) -> tuple[int, ...]:
    """Read the ids of a scope.

    Raises:
        BadRequest: one is no entity id.
    """
    return tuple(dict.fromkeys(ids.entity_id(each) for each in values))


def of(properties: Mapping[str, Any]) -> Scope:
    """Give the scope of a version of a view."""
    return Scope(read_ids(properties.get("scopeIds") or []), properties["viewTypeMask"])


def require_size(session: Session, scope: Scope) -> None:
    """Check that there are not too many containers in a scope.

    Raises:
        BadRequest: there are.
    """
    if scope.mask == masks.PROJECTS:
        count = len(scope.ids)
    else:
        tree = scope.containers()
        count = session.scalar(select(func.count()).select_from(tree)) or 0
    if count > MAX_CONTAINERS:
        raise BadRequest(
            f"The view's scope exceeds the maximum number of {MAX_CONTAINERS} containers. "
            "Note: The sub-folders of each project and folder in the scope count towards it."
        )


def require(session: Session, concrete_type: str, properties: Mapping[str, Any]) -> None:
    """Check the scope that an entity is to have, when it is a view.

    Raises:
        BadRequest: there are too many containers in it.
    """
    if concrete_type == ENTITY_VIEW:
        require_size(session, of(properties))
