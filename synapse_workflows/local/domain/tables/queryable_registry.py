"""Entity types that can be queried, and the function that opens each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from synapse_workflows.constants import TABLE, AccessType
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.table_queryable import open_table
from synapse_workflows.local.domain.views.registry import VIEW_TYPES
from synapse_workflows.local.domain.views.view_queryable import open_view
from synapse_workflows.local.errors import BadRequest

Opener = Callable[[QueryTarget], AbstractContextManager[Queryable]]

#: Concrete type of an entity -> function that opens its rows.
OPENERS: Final[Mapping[str, Opener]] = {TABLE: open_table, **dict.fromkeys(VIEW_TYPES, open_view)}


@contextmanager
def open_queryable(target: QueryTarget) -> Iterator[Queryable]:
    """Open the rows of a table or view.

    Raises:
        BadRequest: The entity is neither a table nor a view.
        Forbidden: The caller may not read its rows.
        NotFound: The entity or version does not exist.
    """
    with target.service.database.read_transaction() as session:
        entity = access.require(session, target.caller, target.entity_id, AccessType.READ)
        opener = OPENERS.get(entity.concrete_type)
        if opener is None:
            raise BadRequest(f"{format_entity_id(entity.id)} is not a table or view.")
    with opener(target) as queryable:
        yield queryable
