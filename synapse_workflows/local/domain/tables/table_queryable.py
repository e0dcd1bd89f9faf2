"""What a query reads: a table as it is, or one of its snapshots, in one consistent state.

Every kind of table-like entity gives a `Source`; the rest of the query knows no difference.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.ids import entity_text
from synapse_workflows.local.domain.tables import cell_values, columns, schemas
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.schemas import Schema
from synapse_workflows.local.domain.tables.sql.compiler import Relation
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.table_db import TableReader
from synapse_workflows.local.storage.table_models import SchemaChange


@contextmanager
def open_table(asked: QueryTarget) -> Iterator[Queryable]:
    """Open a table. Its file is committed before the service's database: read it last.

    Raises:
        Forbidden: the caller may not DOWNLOAD the table.
        NotFound: there is no such table or version.
    """
    service = asked.service
    with ExitStack() as stack:
        reader = stack.enter_context(service.tables.open_reader(asked.entity_id))
        with service.database.reading() as session:
            facts = _facts(session, asked)
        if not facts.are_in(reader):
            reader = stack.enter_context(service.tables.open_reader(asked.entity_id))
        if reader is None:
            empty = stack.enter_context(closing(sqlite3.connect(":memory:", isolation_level=None)))
            empty.execute("CREATE TABLE live (row_id INTEGER PRIMARY KEY, version INTEGER)")
            yield _current(facts, None, empty)
        elif facts.snapshot is None:
            yield _current(facts, reader, reader.connection)
        else:
            yield _snapshot(facts, reader, facts.snapshot)


@dataclass(frozen=True)
class _Facts:
    """What the service's database knows of a table that is queried."""

    asked: QueryTarget
    snapshot: int | None
    changes: tuple[SchemaChange, ...]

    @property
    def last_number(self) -> int:
        return self.changes[-1].number if self.changes else -1

    def are_in(self, reader: TableReader | None) -> bool:
        """Tell whether the file, opened before, holds what the database knows of since."""
        if reader is None:
            return self.last_number < 0 and self.snapshot is None
        snapshot = self.snapshot
        is_there = snapshot is None or reader.get_snapshot_version(snapshot) is not None
        return is_there and reader.schema_number >= self.last_number

    def columns(self, column_ids: Sequence[int]) -> Schema:
        with self.asked.service.database.reading() as session:
            return columns.load(session, column_ids)


def _facts(session: Session, asked: QueryTarget) -> _Facts:
    entity = access.require(session, asked.caller, asked.entity_id, AccessType.DOWNLOAD)
    snapshot = None
    if asked.number is not None:
        entities.numbered(session, entity, asked.number)
        snapshot = None if asked.number == entity.current_version else asked.number
    return _Facts(asked, snapshot, tuple(schemas.list_changes_after(session, entity.id, -1)))


def _current(
    facts: _Facts, reader: TableReader | None, connection: sqlite3.Connection
) -> Queryable:
    """Give the rows as they are, in the columns as the entity's body says by now."""
    done = -1 if reader is None else reader.schema_number
    pending = [change for change in facts.changes if change.number > done]
    slots: dict[int, int | None] = dict(() if reader is None else reader.get_layout())
    for change in pending:
        slots = {number: slots.get(number) for number in change.column_ids}
    schema = facts.columns(list(slots))
    last = pending[-1] if pending else None if reader is None else reader.get_last_change()
    new = [each for each in schema if slots[each.id] is None]
    cells = {each.id: f"c{slots[each.id]}" for each in schema if slots[each.id] is not None}
    cells |= {each.id: f"d{each.id}" for each in new}
    relation = Relation("live", (), cells)
    if new:
        kept = [cells[each.id] for each in schema if each not in new]
        names = ", ".join(["row_id", "version", *kept, *(f"? AS d{each.id}" for each in new)])
        defaults = tuple(cell_values.get_cell_parser(each)(None) for each in new)
        relation = Relation(f"(SELECT {names} FROM live)", defaults, cells)  # noqa: S608 - ours
    return _source(facts, schema, relation, connection, last)


def _snapshot(facts: _Facts, reader: TableReader, number: int) -> Queryable:
    """Give the rows and columns as they were when a version was frozen."""
    version = reader.get_snapshot_version(number)
    if version is None:
        raise NotFound(f"{entity_text(facts.asked.entity_id)}.{number} has no snapshot.")
    layout = reader.get_layout(version)
    schema = facts.columns([column_id for column_id, _ in layout])
    cells = {column_id: f"c{slot}" for column_id, slot in layout}
    names = ", ".join(["row_id", "version", *sorted(set(cells.values()))])
    then = f"version <= {version:d}"
    rows = (
        f"(SELECT {names} FROM live WHERE {then} UNION ALL "  # noqa: S608 - ours
        f"SELECT {names} FROM past WHERE {then} AND until > {version:d})"
    )
    relation = Relation(rows, (), cells)
    return _source(facts, schema, relation, reader.connection, reader.get_last_change(version))


def _source(
    facts: _Facts,
    schema: Schema,
    relation: Relation,
    connection: sqlite3.Connection,
    last: Any,
) -> Queryable:
    return Queryable(
        table_id=entity_text(facts.asked.entity_id),
        number=facts.asked.number,
        schema=schema,
        relation=relation,
        connection=connection,
        etag=last.etag,
        changed_on=last.made_on,
    )
