"""Entity views: the current versions of entities that lie in containers."""

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
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Entity, EntityVersion


class EntityScope(ContainerScope):
    """What is in an entity view."""

    def items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[EntityItem]:
        """Give the current versions of the entities."""
        current = EntityVersion.number == Entity.current_version
        query = entity_rows.select_versions().where(current, self.members(), *where)
        return entity_rows.iter_items(session, query)

    @cached_property
    def _named(self) -> frozenset[int]:
        return frozenset(self.ids)

    def shows(self, session: Session, entity_id: int) -> bool:
        """Tell whether an entity is in the view: looks upwards, which is short."""
        entity = entity_rows.find_not_trashed(session, entity_id)
        if entity is None or entity.concrete_type not in type_masks.list_concrete_types(self.mask):
            return False
        if entity.concrete_type == PROJECT:
            return entity_id in self._named
        above = islice(access.iter_ancestors(session, entity), 1, None)
        return any(each.id in self._named for each in above)

    def targets(self, session: Session, caller: Caller) -> EntityTargets:
        """Give the entities that updates write to."""
        return EntityTargets(session, caller)


def _get_scope(properties: Mapping[str, Any]) -> EntityScope:
    found = container_scope.get_scope(properties)
    return EntityScope(found.ids, found.mask)


def _parse_view_scope(body: Mapping[str, Any]) -> EntityScope:
    mask = type_masks.parse_mask(body, "viewType")
    type_masks.check_combination(mask)
    return EntityScope(
        container_scope.parse_ids(request_fields.get_list(body, "scope") or []), mask
    )


def _get_default_columns(mask: int | None) -> Sequence[DefaultColumn[EntityItem]]:
    if mask is None:
        raise BadRequest("viewTypeMask is required.")
    return entity_rows.get_default_columns(mask)


ENTITY_VIEW_TYPE: Final = ViewType(
    concrete_type=ENTITY_VIEW,
    word="entityview",
    fields=entity_rows.DEFAULT_COLUMNS,
    defaults=_get_default_columns,
    scope=_get_scope,
    asked_scope=_parse_view_scope,
    visible_to=entity_rows.is_visible_to,
    open_to=entity_rows.find_readable,
    row_text=format_entity_id,
)
