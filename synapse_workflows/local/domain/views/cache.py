"""All that a view shows now, copied once and read by many queries until something changes."""

import sqlite3
from collections.abc import Iterator
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
from synapse_workflows.local.storage.view_models import ViewRevision
from synapse_workflows.local.storage.view_store import ViewFile, ViewRow

OpenRows = AbstractContextManager[tuple[ViewFile, sqlite3.Connection]]


def get_revision(session: Session) -> int:
    """Tell how often something changed that views may show."""
    return session.scalars(select(ViewRevision.number)).one()


def open_rows(service: Service, view_id: int) -> OpenRows:
    """Open a copy of what a view shows now, all rows of it.

    What was committed before is in it. Entering it raises BadRequest where a value is too long
    for its column, and NotFound where there is no such view.
    """
    with service.database.reading() as session:
        least = get_revision(session)
    return service.views.live(view_id, least, lambda: _materialize(service, view_id))


def _materialize(service: Service, view_id: int) -> tuple[int, ViewFile]:
    """Copy a view in one consistent state; the first look at the database fixes it."""
    with service.database.reading() as session:
        shown = get_revision(session)
        view = access.get_not_trashed(session, view_id)
        version = entities.get_version(session, view)
        schema = schemas.get_version_schema(session, version)
        kind = VIEW_TYPES[view.concrete_type]
        lines = _iter_rows(session, kind, kind.scope(version.properties), schema)
        texts = [each for each in schema if each.type in TEXT_TYPES]
        copy, longest = service.views.write(
            [each.id for each in schema], lines, [each.id for each in texts]
        )
    try:
        for column, length in zip(texts, longest, strict=True):
            cell_values.check_column_size(column, length)
    except BadRequest:
        service.views.remove(copy.file)
        raise
    return shown, copy


def _iter_rows(
    session: Session, kind: ViewType, scope: ViewScope, schema: Schema
) -> Iterator[ViewRow]:
    readers = [cell_values.get_cell_getter(kind, column) for column in schema]
    for item in scope.items(session):
        yield (
            item.row_id,
            item.version,
            item.etag,
            item.guard,
            item.modified_on,
            item.file_size,
            *[read(item) for read in readers],
        )
