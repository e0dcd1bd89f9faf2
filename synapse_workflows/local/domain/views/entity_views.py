"""Entity views: the current versions of entities that lie in containers."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import access, fields
from synapse_workflows.local.domain.caller import Caller
from synapse_workflows.local.domain.ids import entity_text
from synapse_workflows.local.domain.views import entity_rows, masks, scopes
from synapse_workflows.local.domain.views.entity_rows import EntityItem, EntityTargets
from synapse_workflows.local.domain.views.kinds import Field, ViewKind
from synapse_workflows.local.domain.views.scopes import Containers
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.tables import Entity, EntityVersion
from synapse_workflows.vocabulary import ENTITY_VIEW, PROJECT


class EntityScope(Containers):
    """What is in an entity view."""

    def items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[EntityItem]:
        """Give the current versions of the entities."""
        current = EntityVersion.number == Entity.current_version
        query = entity_rows.versions().where(current, self.members(), *where)
        return entity_rows.items(session, query)

    @cached_property
    def _named(self) -> frozenset[int]:
        return frozenset(self.ids)

    def shows(self, session: Session, entity_id: int) -> bool:
        """Tell whether an entity is in the view: looks upwards, which is short."""
        entity = entity_rows.living(session, entity_id)
        if entity is None or entity.concrete_type not in masks.classes(self.mask):
            return False
        if entity.concrete_type == PROJECT:
            return entity_id in self._named
        above = islice(access.lineage(session, entity), 1, None)
        return any(each.id in self._named for each in above)

    def targets(self, session: Session, caller: Caller) -> EntityTargets:
        """Give the entities that updates write to."""
        return EntityTargets(session, caller)


def _scope(properties: Mapping[str, Any]) -> EntityScope:
    found = scopes.of(properties)
    return EntityScope(found.ids, found.mask)


def _asked_scope(body: Mapping[str, Any]) -> EntityScope:
    mask = masks.read(body, "viewType")
    masks.require_uniform(mask)
    return EntityScope(scopes.read_ids(fields.items(body, "scope") or []), mask)


def _defaults(mask: int | None) -> Sequence[Field[EntityItem]]:
    if mask is None:
        raise BadRequest("viewTypeMask is required.")
    return entity_rows.fields_for(mask)


KIND: Final = ViewKind(
    concrete_type=ENTITY_VIEW,
    word="entityview",
    fields=entity_rows.FIELDS,
    defaults=_defaults,
    scope=_scope,
    asked_scope=_asked_scope,
    visible_to=entity_rows.visible_to,
    open_to=entity_rows.open_to,
    row_text=entity_text,
)
