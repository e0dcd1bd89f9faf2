"""What a query of a view reads: its rows as they are now, or as a version was frozen."""

import hashlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.ids import entity_text
from synapse_workflows.local.domain.reading import readable_by
from synapse_workflows.local.domain.tables import columns, schemas
from synapse_workflows.local.domain.tables.schemas import Schema
from synapse_workflows.local.domain.tables.sources import Asked, Source
from synapse_workflows.local.domain.tables.sql.compiler import Relation
from synapse_workflows.local.domain.views import rows, scopes
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.tables import Entity, EntityVersion
from synapse_workflows.local.storage.view_records import ViewSnapshot, ViewSnapshotRow
from synapse_workflows.vocabulary import AccessType

Line = tuple[object, ...]


@contextmanager
def opened(asked: Asked) -> Iterator[Source]:
    """Open a view: what the caller may see of it, copied into a database of its own.

    Raises:
        BadRequest: a value is too long for its column.
        Forbidden: the caller may not READ the view.
        NotFound: there is no such view or version.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        with asked.service.database.reading() as session:
            entity = access.require(session, asked.caller, asked.entity_id, AccessType.READ)
            version = entities.version_of(session, entity, asked.number)
            read = _live if version.number == entity.current_version else _frozen
            source = read(session, asked, version, connection)
        yield source


def _live(
    session: Session, asked: Asked, version: EntityVersion, connection: sqlite3.Connection
) -> Source:
    schema = schemas.of_version(session, version)
    scope = scopes.of(version.properties)
    changed = [version.modified_on]

    def lines() -> Iterator[Line]:
        for row in rows.listing(session, scope, schema, readable_by(asked.caller)):
            changed[0] = max(changed[0], row.modified_on)
            yield (row.row_id, row.version, row.etag, *row.cells)

    etag = _fill(connection, schema, lines())
    return _source(asked, schema, connection, etag, changed[0])


def _frozen(
    session: Session, asked: Asked, version: EntityVersion, connection: sqlite3.Connection
) -> Source:
    snapshot = session.get(ViewSnapshot, (version.entity_id, version.number))
    if snapshot is None:
        raise NotFound(f"{entity_text(version.entity_id)}.{version.number} has no snapshot.")
    schema = columns.load(session, snapshot.column_ids)
    readable = select(Entity.benefactor_id).where(readable_by(asked.caller)).distinct()
    found = session.scalars(
        select(ViewSnapshotRow)
        .where(
            ViewSnapshotRow.entity_id == snapshot.entity_id,
            ViewSnapshotRow.number == snapshot.number,
            ViewSnapshotRow.benefactor_id.in_(readable),
        )
        .order_by(ViewSnapshotRow.row_id)
    )
    lines = ((row.row_id, row.version, row.etag, *row.cells) for row in found)
    etag = _fill(connection, schema, lines)
    return _source(asked, schema, connection, etag, snapshot.made_on)


def _fill(connection: sqlite3.Connection, schema: Schema, lines: Iterable[Line]) -> str:
    """Put the rows into a table; give an etag that is the same for the same rows alone."""
    digest = hashlib.sha256()

    def noted() -> Iterator[Line]:
        for line in lines:
            digest.update(repr(line).encode())
            yield line

    names = ["row_id INTEGER PRIMARY KEY", "version", "etag", *(f"c{each.id}" for each in schema)]
    marks = ", ".join("?" * len(names))
    connection.execute(f"CREATE TABLE live ({', '.join(names)})")
    connection.execute("BEGIN")
    connection.executemany(f"INSERT INTO live VALUES ({marks})", noted())  # noqa: S608 - ours
    connection.execute("COMMIT")
    return str(uuid.UUID(bytes=digest.digest()[:16]))


def _source(
    asked: Asked, schema: Schema, connection: sqlite3.Connection, etag: str, changed_on: int
) -> Source:
    return Source(
        table_id=entity_text(asked.entity_id),
        number=asked.number,
        schema=schema,
        relation=Relation("live", (), {each.id: f"c{each.id}" for each in schema}, has_etags=True),
        connection=connection,
        etag=etag,
        changed_on=changed_on,
    )
