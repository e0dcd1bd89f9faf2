"""Files in the cells of tables and views: download permission and look-up of file handles."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType, ColumnType
from synapse_workflows.local.domain import access, entities, request_fields
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.queryable_registry import open_queryable
from synapse_workflows.local.domain.views.registry import VIEWS
from synapse_workflows.local.domain.views.view_types import Scope
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: Key of the cache of view scopes in `Session.info`.
_SCOPES: Final = "scopes of views"


def can_download(session: Session, caller: Caller, table_id: int, handle_id: int) -> bool:
    """Return whether a caller may download a file through a table or view.

    A table gives access to the files in its cells to callers with DOWNLOAD on the table. A view
    gives access to the files of its entities to callers with DOWNLOAD on the entity.
    """
    table = session.get(Entity, table_id)
    if table is None or not access.is_allowed(session, caller, table_id, AccessType.READ):
        return False
    if table.concrete_type in VIEWS:
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
        and scope.shows(session, owner)
        for owner in session.scalars(owners.distinct()).all()
    )


def _get_scope(session: Session, view: Entity) -> Scope:
    """Return the scope of a view; cached because one request may name many files."""
    cache: dict[tuple[int, str], Scope] = session.info.setdefault(_SCOPES, {})
    key = view.id, view.etag
    if key not in cache:
        kind = VIEWS[view.concrete_type]
        cache[key] = kind.scope(entities.get_version(session, view, None).properties)
    return cache[key]


class FileCells:
    """The file cells of a table or view that the caller may read."""

    def __init__(self, queryable: Queryable) -> None:
        self._queryable = queryable

    def get_column(self, column_id: int) -> Column:
        """Return a column of file handles.

        Raises:
            BadRequest: The column has another type.
            NotFound: The table has no such column.
        """
        for column in self._queryable.schema:
            if column.id == column_id:
                if column.type is not ColumnType.FILEHANDLEID:
                    raise BadRequest(
                        f"The column '{column.name}' has the type {column.type}; "
                        f"expected {ColumnType.FILEHANDLEID}."
                    )
                return column
        raise NotFound(f"{self._queryable.table_id} has no column with ID {column_id}.")

    def get_handle_id(self, column: Column, row_id: int, version: int) -> int | None:
        """Return the file handle ID in a cell; None for an empty cell.

        Raises:
            NotFound: The row does not exist in this version.
        """
        relation = self._queryable.relation
        query = (
            f"SELECT {relation.cells[column.id]} FROM {relation.sql} "  # noqa: S608 - own names
            "WHERE row_id = ? AND version = ?"
        )
        params = (*relation.params, row_id, version)
        found = self._queryable.connection.execute(query, params).fetchone()
        if found is None:
            raise NotFound(
                f"Row {row_id} of {self._queryable.table_id} does not exist in version {version}."
            )
        return None if found[0] is None else int(found[0])


@contextmanager
def open_cells(target: QueryTarget) -> Iterator[FileCells]:
    """Open the file cells of a table or view.

    Raises:
        BadRequest: The entity is neither a table nor a view.
        Forbidden: The caller may not read its rows.
        NotFound: The entity or version does not exist.
    """
    with open_queryable(target) as queryable:
        yield FileCells(queryable)


def get_handle_id(target: QueryTarget, column_id: int, row_id: int, version: int) -> int:
    """Return the file handle ID in a cell.

    Raises:
        BadRequest: The column does not hold files.
        Forbidden: The caller may not read the rows.
        NotFound: The table, column or row does not exist, or the cell is empty.
    """
    with open_cells(target) as cells:
        column = cells.get_column(column_id)
        handle_id = cells.get_handle_id(column, row_id, version)
    if handle_id is None:
        raise NotFound(f"Row {row_id} has no file in the column '{column.name}'.")
    return handle_id


def list_handle_ids(target: QueryTarget, body: Mapping[str, Any]) -> list[list[int]]:
    """Return the file handle IDs in the cells of a RowReferenceSet, for each row.

    Raises:
        BadRequest: The RowReferenceSet is invalid, or a column does not hold files.
        Forbidden: The caller may not read the rows.
        NotFound: The table, a column or a row does not exist.
    """
    headers = [parse_id(each.get("id"), "headers.id") for each in _get_objects(body, "headers")]
    rows = [
        (
            parse_id(each.get("rowId"), "rowId"),
            parse_id(each.get("versionNumber"), "versionNumber"),
        )
        for each in _get_objects(body, "rows")
    ]
    with open_cells(target) as cells:
        columns = [cells.get_column(each) for each in headers]
        return [
            [
                handle_id
                for column in columns
                if (handle_id := cells.get_handle_id(column, *row)) is not None
            ]
            for row in rows
        ]


def _get_objects(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    objects = request_fields.get_objects(body, key)
    if not objects:
        raise BadRequest(f"{key} must not be empty.")
    return objects
