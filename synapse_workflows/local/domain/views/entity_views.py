"""Entity views: the current versions of entities that lie in containers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import fields
from synapse_workflows.local.domain.caller import Caller
from synapse_workflows.local.domain.ids import entity_text
from synapse_workflows.local.domain.views import entity_rows, masks, scopes
from synapse_workflows.local.domain.views.entity_rows import EntityItem, EntityTargets
from synapse_workflows.local.domain.views.kinds import Field, ViewKind
from synapse_workflows.local.domain.views.scopes import Containers
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.tables import Entity, EntityVersion
from synapse_workflows.vocabulary import ENTITY_VIEW


class EntityScope(Containers):
    """What is in an entity view."""

    def items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[EntityItem]:
        """Give the current versions of the entities."""
        current = EntityVersion.number == Entity.current_version
        query = entity_rows.versions().where(current, self.members(), *where)
        return entity_rows.items(session, query)

    def shows(self, session: Session, entity_id: int) -> bool:
        """Tell whether an entity is in the view."""
        return entity_rows.is_among(session, entity_id, self.members())

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
