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
from synapse_workflows.local.domain.views import cells
from synapse_workflows.local.domain.views.registry import VIEWS
from synapse_workflows.local.domain.views.view_types import Scope, ViewKind
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.view_models import Revision
from synapse_workflows.local.storage.view_store import Copy, Line

Live = AbstractContextManager[tuple[Copy, sqlite3.Connection]]


def revision(session: Session) -> int:
    """Tell how often something changed that views may show."""
    return session.scalars(select(Revision.number)).one()


def live(service: Service, view_id: int) -> Live:
    """Open a copy of what a view shows now, all rows of it.

    What was committed before is in it. Entering it raises BadRequest where a value is too long
    for its column, and NotFound where there is no such view.
    """
    with service.database.reading() as session:
        least = revision(session)
    return service.views.live(view_id, least, lambda: _made(service, view_id))


def _made(service: Service, view_id: int) -> tuple[int, Copy]:
    """Copy a view in one consistent state; the first look at the database fixes it."""
    with service.database.reading() as session:
        shown = revision(session)
        view = access.get_not_trashed(session, view_id)
        version = entities.get_version(session, view, None)
        schema = schemas.get_version_schema(session, version)
        kind = VIEWS[view.concrete_type]
        lines = _lines(session, kind, kind.scope(version.properties), schema)
        texts = [each for each in schema if each.type in TEXT_TYPES]
        copy, longest = service.views.write(
            [each.id for each in schema], lines, [each.id for each in texts]
        )
    try:
        for column, length in zip(texts, longest, strict=True):
            cells.require_fit(column, length)
    except BadRequest:
        service.views.remove(copy.file)
        raise
    return shown, copy


def _lines(session: Session, kind: ViewKind, scope: Scope, schema: Schema) -> Iterator[Line]:
    readers = [cells.reader(kind, column) for column in schema]
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
