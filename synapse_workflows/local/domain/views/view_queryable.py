"""What a query of a view reads: what it shows now, or what a version of it was frozen with.

A copy holds all rows. Which of them the caller may see is decided anew at every query.
"""

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.tables import columns
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.sql.compiler import Relation
from synapse_workflows.local.domain.views import cache
from synapse_workflows.local.domain.views.registry import VIEW_TYPES
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.view_models import ViewSnapshot
from synapse_workflows.local.storage.view_store import ViewFile


@contextmanager
def open_view(asked: QueryTarget) -> Iterator[Queryable]:
    """Open what a caller may see of a view.

    Raises:
        BadRequest: a value is too long for its column.
        Forbidden: the caller may not READ the view.
        NotFound: there is no such view or version.
    """
    service = asked.service
    with service.database.reading() as session:
        view = access.require(session, asked.caller, asked.entity_id, AccessType.READ)
        version = entities.get_version(session, view, asked.number)
        is_live = version.number == view.current_version
        frozen = session.get(ViewSnapshot, (view.id, version.number))
    if is_live:
        with cache.open_rows(service, view.id) as (copy, connection):
            yield _create_queryable(
                asked, view.concrete_type, copy, connection, version.modified_on
            )
    elif frozen is None or not service.views.has(frozen.file):
        raise NotFound(f"{format_entity_id(view.id)}.{version.number} has no snapshot.")
    else:
        copy = ViewFile(frozen.file, tuple(frozen.column_ids), tuple(frozen.guards), frozen.digest)
        with service.views.reading(copy.file) as connection:
            yield _create_queryable(asked, view.concrete_type, copy, connection, frozen.made_on)


def _create_queryable(
    asked: QueryTarget,
    concrete_type: str,
    copy: ViewFile,
    connection: sqlite3.Connection,
    changed_on: int,
) -> Queryable:
    with asked.service.database.reading() as session:
        visible = VIEW_TYPES[concrete_type].open_to(session, asked.caller, copy.guards)
        schema = columns.load(session, copy.column_ids)
    text, bound = _build_source(copy, visible)
    last = f"SELECT max(modified_on) FROM {text}"  # noqa: S608 - our own names
    shown_on = connection.execute(last, bound).fetchone()[0] or 0
    cells = {number: f"c{number}" for number in copy.column_ids}
    return Queryable(
        table_id=format_entity_id(asked.entity_id),
        number=asked.number,
        schema=schema,
        relation=Relation(text, bound, cells, has_etags=True),
        connection=connection,
        etag=_compute_etag(copy, visible),
        changed_on=max(changed_on, shown_on),
        size_column="file_size",
    )


def _build_source(copy: ViewFile, visible: Collection[int]) -> tuple[str, tuple[str, ...]]:
    """Give the rows that are behind a guard who lets the caller see them."""
    if len(visible) == len(copy.guards):
        return "live", ()
    guarded = "(SELECT * FROM live WHERE guard IN (SELECT value FROM json_each(?)))"
    return guarded, (json.dumps(sorted(visible)),)


def _compute_etag(copy: ViewFile, visible: Collection[int]) -> str:
    """Make an etag that is the same for the same visible rows alone."""
    told = f"{copy.digest} {sorted(visible)}"
    return str(uuid.UUID(bytes=hashlib.sha256(told.encode()).digest()[:16]))
