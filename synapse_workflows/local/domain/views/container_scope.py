"""Container scopes: entities of given types in projects, folders and their sub-folders."""

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
    """Return a query whose rows are the numbers.

    Unlike a list of query parameters, the query has no maximum length.
    """
    each = func.json_each(literal(json.dumps([*numbers]), String)).table_valued("value")
    return select(each.c.value)


@dataclass(frozen=True)
class ContainerScope:
    """Entities of given types in containers.

    Args:
        ids: IDs of the containers; if the mask selects projects, IDs of the projects themselves.
        mask: Type mask of the entities.
    """

    ids: tuple[int, ...]
    mask: int

    def select_containers(self) -> CTE:
        """Return the query of the containers and their sub-folders."""
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

    def is_in_scope(self) -> ColumnElement[bool]:
        """Return the SQL condition that an entity is in scope."""
        inside = and_(
            Entity.concrete_type.in_(set(type_masks.list_concrete_types(self.mask)) - {PROJECT}),
            Entity.parent_id.in_(select(self.select_containers().c.id)),
        )
        if not self.mask & type_masks.PROJECTS:
            return inside
        is_project = and_(Entity.concrete_type == PROJECT, Entity.id.in_(select_values(self.ids)))
        return or_(is_project, inside)

    def check_size(self, session: Session) -> None:
        """Check that the scope does not have too many containers.

        Raises:
            BadRequest: The scope has too many containers.
        """
        if self.mask == type_masks.PROJECTS:
            count = len(self.ids)
        else:
            tree = self.select_containers()
            count = session.scalar(select(func.count()).select_from(tree)) or 0
        view_types.check_scope_size(count)


def parse_ids(values: list[Any]) -> tuple[int, ...]:
    """Parse the entity IDs of a scope and remove duplicates.

    Raises:
        BadRequest: A value is not an entity ID.
    """
    return tuple(dict.fromkeys(ids.parse_entity_id(each) for each in values))


def get_scope(properties: Mapping[str, Any]) -> ContainerScope:
    """Return the scope in the properties of an entity view version."""
    return ContainerScope(parse_ids(properties.get("scopeIds") or []), properties["viewTypeMask"])
