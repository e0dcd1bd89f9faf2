"""Queryable rows of views: the current rows, or the rows of a snapshot.

The files of a view contain all rows. Each query returns only rows that its caller may read.
"""

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.tables import columns
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.sql.compiler import Relation
from synapse_workflows.local.domain.views import materialized_views
from synapse_workflows.local.domain.views.cache import OpenRows
from synapse_workflows.local.domain.views.registry import VIEW_TYPES
from synapse_workflows.local.errors import DataLost, NotFound
from synapse_workflows.local.storage.query_sandbox import QueryLimits
from synapse_workflows.local.storage.view_models import ViewSnapshot
from synapse_workflows.local.storage.view_store import ViewFile


@contextmanager
def open_view(
    target: QueryTarget, open_rows: Callable[[Service, int, QueryLimits], OpenRows]
) -> Iterator[Queryable]:
    """Open the rows of a view that a caller may read.

    Args:
        target: The view, version and caller.
        open_rows: Opens all current rows of a view.

    Raises:
        BadRequest: A value is too long for its column.
        DataLost: The file of the snapshot is missing.
        Forbidden: The caller may not read the view.
        NotFound: The view or version does not exist.
    """
    service = target.service
    with service.database.read_transaction() as session:
        view = access.require(session, target.caller, target.entity_id, AccessType.READ)
        version = entities.get_version(session, view, target.number)
        is_current = version.number == view.current_version
        snapshot = session.get(ViewSnapshot, (view.id, version.number))
    if is_current:
        with open_rows(service, view.id, target.limits) as (file, connection):
            yield _create_queryable(
                target, view.concrete_type, file, connection, version.modified_on
            )
    elif snapshot is None:
        raise NotFound(f"{format_entity_id(view.id)}.{version.number} has no snapshot.")
    elif not service.views.exists(snapshot.file_name):
        raise DataLost(
            f"The rows of {format_entity_id(view.id)}.{version.number} are lost: "
            f"views/{snapshot.file_name}.db of the data directory is missing. "
            "Restore it from a backup, or delete the version."
        )
    else:
        file = ViewFile(
            snapshot.file_name,
            tuple(snapshot.column_ids),
            tuple(snapshot.benefactor_ids),
            snapshot.digest,
        )
        with service.views.open(file.name) as connection:
            yield _create_queryable(
                target, view.concrete_type, file, connection, snapshot.created_on
            )


def _create_queryable(
    target: QueryTarget,
    concrete_type: str,
    file: ViewFile,
    connection: sqlite3.Connection,
    changed_on: int,
) -> Queryable:
    view_type = VIEW_TYPES.get(concrete_type)
    find = materialized_views.find_readable if view_type is None else view_type.find_readable
    with target.service.database.read_transaction() as session:
        readable = find(session, target.caller, file.benefactor_ids)
        schema = columns.load(session, file.column_ids)
    sql, params = _build_source(file, readable)
    query = f"SELECT max(modified_on) FROM {sql}"  # noqa: S608 - own names
    rows_changed_on = connection.execute(query, params).fetchone()[0] or 0
    cells = {number: f"c{number}" for number in file.column_ids}
    return Queryable(
        table_id=format_entity_id(target.entity_id),
        number=target.number,
        schema=schema,
        relation=Relation(sql, params, cells, has_etags=view_type is not None),
        connection=connection,
        etag=_compute_etag(file, readable),
        changed_on=max(changed_on, rows_changed_on),
        size_column=None if view_type is None else "file_size",
    )


def _build_source(file: ViewFile, readable: Collection[Any]) -> tuple[str, tuple[str, ...]]:
    """Return the SQL of the readable rows and its parameters."""
    if len(readable) == len(file.benefactor_ids):
        return "live", ()
    sql = "(SELECT * FROM live WHERE benefactor_id IN (SELECT value FROM json_each(?)))"
    return sql, (json.dumps(sorted(readable)),)


def _compute_etag(file: ViewFile, readable: Collection[Any]) -> str:
    """Return an etag that depends on the readable rows only."""
    text = f"{file.digest} {sorted(readable)}"
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16]))
