"""Entity types that can be queried, and the function that opens each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

from synapse_workflows.constants import MATERIALIZED_VIEW, TABLE, AccessType
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.table_queryable import open_table
from synapse_workflows.local.domain.views import cache, materialized_rows, materialized_views
from synapse_workflows.local.domain.views.cache import OpenRows
from synapse_workflows.local.domain.views.registry import VIEW_TYPES
from synapse_workflows.local.domain.views.view_queryable import open_view
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.query_sandbox import QueryLimits

Opener = Callable[[QueryTarget], AbstractContextManager[Queryable]]


def open_view_rows(
    service: Service, view_id: int, limits: QueryLimits, concrete_type: str
) -> OpenRows:
    """Open all current rows of a view or materialized view, without an access check.

    Raises:
        BadRequest: A value is too long for its column, or the definingSQL cannot be evaluated.
            Raised when the context is entered.
        NotFound: The view or a source does not exist. Raised when the context is entered.
    """
    if concrete_type == MATERIALIZED_VIEW:
        return materialized_rows.open_rows(service, view_id, limits, open_queryable)
    return cache.open_rows(service, view_id, limits)


@contextmanager
def _open_materialized_view(target: QueryTarget) -> Iterator[Queryable]:
    """Open the rows of a materialized view that a caller may read, who may query its sources."""
    with target.service.database.read_transaction() as session:
        view = access.require(session, target.caller, target.entity_id, AccessType.READ)
        version = entities.get_version(session, view, target.number)
        materialized_views.require_access(session, target.caller, version.properties)
    open_rows = partial(open_view_rows, concrete_type=MATERIALIZED_VIEW)
    with open_view(target, open_rows) as queryable:
        yield queryable


#: Concrete type of an entity -> function that opens its rows.
OPENERS: Final[Mapping[str, Opener]] = {
    TABLE: open_table,
    **dict.fromkeys(VIEW_TYPES, partial(open_view, open_rows=cache.open_rows)),
    MATERIALIZED_VIEW: _open_materialized_view,
}


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
