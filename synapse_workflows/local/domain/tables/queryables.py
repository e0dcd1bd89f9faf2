"""Which entities can be queried, and how each kind is opened."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from synapse_workflows.constants import TABLE, AccessType
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.ids import entity_text
from synapse_workflows.local.domain.tables import table_queryable
from synapse_workflows.local.domain.tables.table_queryable import Asked, Source
from synapse_workflows.local.domain.views import view_queryable as view_sources
from synapse_workflows.local.domain.views.registry import VIEWS
from synapse_workflows.local.errors import BadRequest

Opener = Callable[[Asked], AbstractContextManager[Source]]

#: Class of an entity -> what opens it.
OPENERS: Final[Mapping[str, Opener]] = {
    TABLE: table_queryable.opened,
    **dict.fromkeys(VIEWS, view_sources.opened),
}


@contextmanager
def opened(asked: Asked) -> Iterator[Source]:
    """Open what an entity gives to queries.

    Raises:
        BadRequest: the entity is nothing to query.
        Forbidden: the caller may not read its rows.
        NotFound: there is no such entity or version.
    """
    with asked.service.database.reading() as session:
        entity = access.require(session, asked.caller, asked.entity_id, AccessType.READ)
        opener = OPENERS.get(entity.concrete_type)
        if opener is None:
            raise BadRequest(f"{entity_text(entity.id)} is not a table or view.")
    with opener(asked) as source:
        yield source
