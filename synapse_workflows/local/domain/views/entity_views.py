"""Entity views: the current versions of the entities in containers."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from synapse_workflows.constants import ENTITY_VIEW, PROJECT
from synapse_workflows.local.domain import access, request_fields
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.views import container_scope, entity_rows, type_masks
from synapse_workflows.local.domain.views.container_scope import ContainerScope
from synapse_workflows.local.domain.views.entity_rows import EntityItem, EntityTargets
from synapse_workflows.local.domain.views.view_types import DefaultColumn, ViewType
from synapse_workflows.local.domain.visibility import is_readable_by
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Entity, EntityVersion


class EntityScope(ContainerScope):
    """Scope of an entity view."""

    def iter_items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[EntityItem]:
        """Iterate over the current versions of the entities, ordered by ID."""
        is_current = EntityVersion.number == Entity.current_version
        query = entity_rows.select_versions().where(is_current, self.is_in_scope(), *where)
        return entity_rows.iter_items(session, query)

    @cached_property
    def _id_set(self) -> frozenset[int]:
        return frozenset(self.ids)

    def contains(self, session: Session, entity_id: int) -> bool:
        """Return whether an entity is in the view. Only its ancestors are looked up."""
        entity = entity_rows.find_not_trashed(session, entity_id)
        if entity is None:
            return False
        if entity.concrete_type not in type_masks.list_concrete_types(self.mask):
            return False
        if entity.concrete_type == PROJECT:
            return entity_id in self._id_set
        ancestors = islice(access.iter_ancestors(session, entity), 1, None)
        return any(each.id in self._id_set for each in ancestors)

    def get_targets(self, session: Session, caller: Caller) -> EntityTargets:
        """Return the entities that row updates change."""
        return EntityTargets(session, caller)


def _get_scope(properties: Mapping[str, Any]) -> EntityScope:
    scope = container_scope.get_scope(properties)
    return EntityScope(scope.ids, scope.mask)


def _parse_scope(body: Mapping[str, Any]) -> EntityScope:
    mask = type_masks.parse_mask(body)
    type_masks.check_combination(mask)
    scope = request_fields.get_list(body, "scope") or []
    return EntityScope(container_scope.parse_ids(scope), mask)


def _get_default_columns(mask: int | None) -> Sequence[DefaultColumn[EntityItem]]:
    if mask is None:
        raise BadRequest("viewTypeMask is required.")
    return entity_rows.get_default_columns(mask)


ENTITY_VIEW_TYPE: Final = ViewType(
    concrete_type=ENTITY_VIEW,
    name="entityview",
    columns=entity_rows.DEFAULT_COLUMNS,
    get_default_columns=_get_default_columns,
    get_scope=_get_scope,
    parse_scope=_parse_scope,
    is_visible_to=is_readable_by,
    find_readable=entity_rows.find_readable,
    format_row_id=format_entity_id,
)
