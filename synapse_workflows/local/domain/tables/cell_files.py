"""Files in the cells of tables and views: download permission and look-up of file handles."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import MATERIALIZED_VIEW, AccessType, ColumnType
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.queryable_registry import open_queryable
from synapse_workflows.local.domain.views import materialized_views
from synapse_workflows.local.domain.views.registry import VIEW_TYPES
from synapse_workflows.local.domain.views.view_types import ViewScope
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: Key of the cache of view scopes in `Session.info`.
_SCOPES: Final = "scopes of views"


def can_download(session: Session, caller: Caller, table_id: int, handle_id: int) -> bool:
    """Return whether a caller may download a file through a table or view.

    A table gives access to the files in its cells to callers with DOWNLOAD on the table. A view
    gives access to the files of its entities to callers with DOWNLOAD on the entity. A
    materialized view gives access to the files of its sources.
    """
    table = session.get(Entity, table_id)
    if table is None or not access.is_allowed(session, caller, table_id, AccessType.READ):
        return False
    if table.concrete_type == MATERIALIZED_VIEW:
        sources = materialized_views.list_source_ids(
            entities.get_version(session, table).properties
        )
        return any(can_download(session, caller, each, handle_id) for each in sources)
    if table.concrete_type in VIEW_TYPES:
        return _can_download_from_view(session, caller, table, handle_id)
    is_allowed = access.is_allowed(session, caller, table_id, AccessType.DOWNLOAD)
    return is_allowed and entities.has_cell_file_handle(session, table_id, handle_id)


def _can_download_from_view(
    session: Session, caller: Caller, view: Entity, handle_id: int
) -> bool:
    scope = _get_scope(session, view)
    owners = select(EntityVersion.entity_id).where(EntityVersion.file_handle_id == handle_id)
    return any(
        access.is_allowed(session, caller, owner, AccessType.DOWNLOAD)
        and scope.contains(session, owner)
        for owner in session.scalars(owners.distinct()).all()
    )


def _get_scope(session: Session, view: Entity) -> ViewScope:
    """Return the scope of a view, cached because a request may contain many files of the view."""
    cache: dict[tuple[int, str], ViewScope] = session.info.setdefault(_SCOPES, {})
    key = view.id, view.etag
    if key not in cache:
        view_type = VIEW_TYPES[view.concrete_type]
        cache[key] = view_type.get_scope(entities.get_version(session, view).properties)
    return cache[key]


def get_handle_id(target: QueryTarget, column_id: int, row_id: int, version: int) -> int:
    """Return the file handle ID in a cell of a table or view.

    Raises:
        BadRequest: The entity is neither a table nor a view, or the column does not hold files.
        Forbidden: The caller may not read the rows.
        NotFound: The entity, column or row does not exist, or the cell is empty.
    """
    with open_queryable(target) as queryable:
        column = _get_column(queryable, column_id)
        relation = queryable.relation
        query = (
            f"SELECT {relation.cells[column.id]} FROM {relation.sql} "  # noqa: S608 - own names
            "WHERE row_id = ? AND version = ?"
        )
        params = (*relation.params, row_id, version)
        row = queryable.connection.execute(query, params).fetchone()
    if row is None:
        raise NotFound(
            f"Row {row_id} of {queryable.table_id} does not exist in version {version}."
        )
    if row[0] is None:
        raise NotFound(f"Row {row_id} has no file in the column '{column.name}'.")
    return int(row[0])


def _get_column(queryable: Queryable, column_id: int) -> Column:
    """Return a column of file handles."""
    for column in queryable.schema:
        if column.id == column_id:
            if column.type is not ColumnType.FILEHANDLEID:
                raise BadRequest(
                    f"The column '{column.name}' has the type {column.type}; "
                    f"expected {ColumnType.FILEHANDLEID}."
                )
            return column
    raise NotFound(f"{queryable.table_id} has no column with ID {column_id}.")
