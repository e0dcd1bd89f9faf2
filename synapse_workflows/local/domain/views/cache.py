"""Cache of the current rows of views. Changes of the database invalidate the cache."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.tables import schemas
from synapse_workflows.local.domain.tables.column_types import TEXT_TYPES
from synapse_workflows.local.domain.tables.schemas import Schema
from synapse_workflows.local.domain.views import cell_values
from synapse_workflows.local.domain.views.registry import VIEW_TYPES
from synapse_workflows.local.domain.views.view_types import ViewScope, ViewType
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.query_sandbox import QueryLimits
from synapse_workflows.local.storage.view_models import ViewRevision
from synapse_workflows.local.storage.view_store import ViewFile, ViewRow

OpenRows = AbstractContextManager[tuple[ViewFile, sqlite3.Connection]]


def get_revision(session: Session) -> int:
    """Return the revision: the number of changes so far to the data that views show."""
    return session.scalars(select(ViewRevision.number)).one()


def open_rows(service: Service, view_id: int, limits: QueryLimits) -> OpenRows:
    """Open the current rows of a view without an access check.

    The rows include all changes committed before this call.

    Raises:
        BadRequest: A value is too long for its column. Raised when the context is entered.
        NotFound: The view does not exist. Raised when the context is entered.
        QueryCancelledError: The query was cancelled. Raised when the context is entered.
        QueryTimeoutError: The time limit was exceeded. Raised when the context is entered.
    """
    with service.database.read_transaction() as session:
        revision = get_revision(session)
    return service.views.open_current(
        view_id,
        lambda known: known >= revision,
        lambda: _materialize(service, view_id, limits),
        limits.check,
    )


def _materialize(service: Service, view_id: int, limits: QueryLimits) -> tuple[int, ViewFile]:
    """Write the rows of a view to a file.

    Returns:
        The revision of the rows and the file.
    """
    with service.database.read_transaction() as session:
        revision = get_revision(session)  # first query: starts the read snapshot
        view = access.get_not_trashed(session, view_id)
        version = entities.get_version(session, view)
        schema = schemas.get_version_schema(session, version)
        view_type = VIEW_TYPES[view.concrete_type]
        rows = _iter_rows(session, view_type, view_type.get_scope(version.properties), schema)
        file = write_rows(service, schema, rows, limits)
    return revision, file


def write_rows(
    service: Service, schema: Schema, rows: Iterable[ViewRow], limits: QueryLimits
) -> ViewFile:
    """Write rows to a new file, and check that no text is too long for its column.

    Raises:
        BadRequest: A text is too long.
        QueryCancelledError: The query was cancelled.
        QueryTimeoutError: The time limit was exceeded.
    """
    text_columns = [each for each in schema if each.type in TEXT_TYPES]
    file, lengths = service.views.write(
        [each.id for each in schema], limits.iter_checked(rows), [each.id for each in text_columns]
    )
    try:
        for column, length in zip(text_columns, lengths, strict=True):
            cell_values.check_column_size(column, length)
    except BadRequest:
        service.views.delete(file.name)
        raise
    return file


def _iter_rows(
    session: Session, view_type: ViewType, scope: ViewScope, schema: Schema
) -> Iterator[ViewRow]:
    getters = [cell_values.get_cell_getter(view_type, column) for column in schema]
    for item in scope.iter_items(session):
        yield (
            item.row_id,
            item.version,
            item.etag,
            item.benefactor_id,
            item.modified_on,
            item.file_size,
            *[get_cell(item) for get_cell in getters],
        )
