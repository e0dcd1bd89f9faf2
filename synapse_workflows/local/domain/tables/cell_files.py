"""The files in the cells of tables and views: who may have them, and which lies in a cell."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType, ColumnType
from synapse_workflows.local.domain import access, entities, request_fields
from synapse_workflows.local.domain.ids import decimal
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import queryable_registry
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.views.registry import VIEWS
from synapse_workflows.local.domain.views.view_types import Scope
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: Where a session keeps the scopes of views.
_SCOPES: Final = "scopes of views"


def can_download(session: Session, caller: Caller, table_id: int, handle_id: int) -> bool:
    """Tell whether a caller has a file through a table or view.

    A table gives the files in its cells to whoever may DOWNLOAD it. A view has no files: it shows
    those of its entities, and gives them to whoever may DOWNLOAD the entity.
    """
    table = session.get(Entity, table_id)
    if table is None or not access.allowed(session, caller, table_id, AccessType.READ):
        return False
    if table.concrete_type in VIEWS:
        return _can_download_from_view(session, caller, table, handle_id)
    may = access.allowed(session, caller, table_id, AccessType.DOWNLOAD)
    return may and entities.has_in_cells(session, table_id, handle_id)


def _can_download_from_view(
    session: Session, caller: Caller, view: Entity, handle_id: int
) -> bool:
    scope = _get_scope(session, view)
    holders = select(EntityVersion.entity_id).where(EntityVersion.file_handle_id == handle_id)
    return any(
        access.allowed(session, caller, holder, AccessType.DOWNLOAD)
        and scope.shows(session, holder)
        for holder in session.scalars(holders.distinct()).all()
    )


def _get_scope(session: Session, view: Entity) -> Scope:
    """Give the scope of a view; it is made once for the many files of one request."""
    known: dict[tuple[int, str], Scope] = session.info.setdefault(_SCOPES, {})
    key = view.id, view.etag
    if key not in known:
        kind = VIEWS[view.concrete_type]
        known[key] = kind.scope(entities.version_of(session, view, None).properties)
    return known[key]


class FileCells:
    """The cells of a table or view that hold files, for a caller who may read it."""

    def __init__(self, source: Queryable) -> None:
        self._source = source

    def column(self, column_id: int) -> Column:
        """Give a column that holds files.

        Raises:
            BadRequest: the column holds no files.
            NotFound: the table has no such column.
        """
        for column in self._source.schema:
            if column.id == column_id:
                if column.type is not ColumnType.FILEHANDLEID:
                    raise BadRequest(f"The column '{column.name}' holds no files.")
                return column
        raise NotFound(f"The column {column_id} is none of {self._source.table_id}.")

    def handle_id(self, column: Column, row_id: int, version: int) -> int | None:
        """Give the file handle in a cell; None for an empty cell.

        Raises:
            NotFound: there is no such row, or it has another version by now.
        """
        relation = self._source.relation
        query = (
            f"SELECT {relation.cells[column.id]} FROM {relation.text} "  # noqa: S608 - ours
            "WHERE row_id = ? AND version = ?"
        )
        bound = (*relation.bound, row_id, version)
        found = self._source.connection.execute(query, bound).fetchone()
        if found is None:
            raise NotFound(
                f"Row {row_id} of {self._source.table_id} is not there in version {version}."
            )
        return None if found[0] is None else int(found[0])


@contextmanager
def open_cells(asked: QueryTarget) -> Iterator[FileCells]:
    """Open the cells of a table or view.

    Raises:
        BadRequest: it is neither.
        Forbidden: the caller may not read its rows.
        NotFound: there is no such entity or version.
    """
    with queryable_registry.open_queryable(asked) as source:
        yield FileCells(source)


def get_handle_id(asked: QueryTarget, column_id: int, row_id: int, version: int) -> int:
    """Give the file handle in one cell.

    Raises:
        BadRequest: the column holds no files.
        Forbidden: the caller may not read the rows.
        NotFound: no such table, column or row, or the cell is empty.
    """
    with open_cells(asked) as cells:
        column = cells.column(column_id)
        found = cells.handle_id(column, row_id, version)
    if found is None:
        raise NotFound(f"Row {row_id} has no file in the column '{column.name}'.")
    return found


def list_handle_ids(asked: QueryTarget, body: Mapping[str, Any]) -> list[list[int]]:
    """Give the file handles in the cells that a RowReferenceSet names, row by row.

    Raises:
        BadRequest: the set is malformed, or a column holds no files.
        Forbidden: the caller may not read the rows.
        NotFound: no such table, column or row.
    """
    headers = [decimal(each.get("id"), "headers.id") for each in _objects(body, "headers")]
    rows = [
        (decimal(each.get("rowId"), "rowId"), decimal(each.get("versionNumber"), "versionNumber"))
        for each in _objects(body, "rows")
    ]
    with open_cells(asked) as cells:
        columns = [cells.column(each) for each in headers]
        return [
            [found for column in columns if (found := cells.handle_id(column, *row)) is not None]
            for row in rows
        ]


def _objects(body: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    found = request_fields.items(body, key) or []
    if not found or not all(isinstance(each, dict) for each in found):
        raise BadRequest(f"{key} must be an array of at least one object.")
    return found
