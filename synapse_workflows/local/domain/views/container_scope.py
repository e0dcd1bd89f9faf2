"""Where an entity view looks: containers, all that lie below them, and types of entities."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, String, and_, func, literal, or_, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import CONTAINERS, PROJECT
from synapse_workflows.local.domain import ids
from synapse_workflows.local.domain.views import type_masks, view_types
from synapse_workflows.local.storage.models import Entity


def select_values(numbers: Iterable[int]) -> Select[Any]:
    """Make the query of some numbers, however many there are."""
    each = func.json_each(literal(json.dumps([*numbers]), String)).table_valued("value")
    return select(each.c.value)


@dataclass(frozen=True)
class ContainerScope:
    """Where a view looks, and for what.

    Args:
        ids: containers; for projects, the projects themselves.
        mask: the types.
    """

    ids: tuple[int, ...]
    mask: int

    def containers(self) -> CTE:
        """Make the query of the containers and of all containers below them."""
        top = select(Entity.id).where(
            Entity.id.in_(select_values(self.ids)), Entity.concrete_type.in_(CONTAINERS)
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
            Entity.concrete_type.in_(set(type_masks.list_concrete_types(self.mask)) - {PROJECT}),
            Entity.parent_id.in_(select(self.containers().c.id)),
        )
        if not self.mask & type_masks.PROJECTS:
            return inside
        named = and_(Entity.concrete_type == PROJECT, Entity.id.in_(select_values(self.ids)))
        return or_(named, inside)

    def require_size(self, session: Session) -> None:
        """Check that there are not too many containers.

        Raises:
            BadRequest: there are.
        """
        if self.mask == type_masks.PROJECTS:
            view_types.check_scope_size(len(self.ids))
        else:
            tree = self.containers()
            view_types.check_scope_size(
                session.scalar(select(func.count()).select_from(tree)) or 0
            )


def parse_ids(values: list[Any]) -> tuple[int, ...]:
    """Read the entity ids of a scope, each once.

    Raises:
        BadRequest: one is no entity id.
    """
    return tuple(dict.fromkeys(ids.parse_entity_id(each) for each in values))


def get_scope(properties: Mapping[str, Any]) -> ContainerScope:
    """Give the containers of a version of an entity view."""
    return ContainerScope(parse_ids(properties.get("scopeIds") or []), properties["viewTypeMask"])
