"""Rows of a table for queries: the current rows, or those of a snapshot."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.tables import cell_values, columns, outbox, schemas
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.schemas import Schema, StoredChange
from synapse_workflows.local.domain.tables.sql.compiler import Relation
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.table_db import ChangeSet, TableReader


@contextmanager
def open_table(target: QueryTarget) -> Iterator[Queryable]:
    """Open the rows of a table in one consistent state.

    A table's file is committed before the service's database. If the file was opened before a
    commit that the database already contains, the file is opened again.

    Raises:
        DataLost: The file with the rows is missing.
        Forbidden: The caller may not DOWNLOAD the table.
        NotFound: The table or version does not exist.
    """
    service = target.service
    with ExitStack() as stack:
        reader = stack.enter_context(service.tables.open_reader(target.entity_id))
        with service.database.read_transaction() as session:
            state = _read_state(session, target)
        if not state.is_contained_in(reader):
            reader = stack.enter_context(service.tables.open_reader(target.entity_id))
        if reader is None and state.has_file:
            raise outbox.build_lost_file_error(target.entity_id)
        if reader is None:
            empty = stack.enter_context(closing(sqlite3.connect(":memory:", isolation_level=None)))
            empty.execute("CREATE TABLE live (row_id INTEGER PRIMARY KEY, version INTEGER)")
            yield _open_current(state, None, empty)
        elif state.snapshot is None:
            yield _open_current(state, reader, reader.connection)
        else:
            yield _open_snapshot(state, reader, state.snapshot)


@dataclass(frozen=True)
class _TableState:
    """State of a queried table in the service's database.

    Args:
        target: The table, version and caller.
        snapshot: Number of the requested snapshot; None for the current version.
        changes: All schema changes of the table, oldest first.
        has_file: Whether the rows were written to a file.
    """

    target: QueryTarget
    snapshot: int | None
    changes: Sequence[StoredChange]
    has_file: bool

    @property
    def last_schema_number(self) -> int:
        return self.changes[-1].number if self.changes else -1

    def is_contained_in(self, reader: TableReader | None) -> bool:
        """Return whether a table's file contains the schema changes and the snapshot."""
        snapshot = self.snapshot
        if reader is None:
            return self.last_schema_number < 0 and snapshot is None and not self.has_file
        has_snapshot = snapshot is None or reader.get_snapshot_version(snapshot) is not None
        return has_snapshot and reader.schema_number >= self.last_schema_number

    def load_columns(self, column_ids: Sequence[int]) -> Schema:
        with self.target.service.database.read_transaction() as session:
            return columns.load(session, column_ids)


def _read_state(session: Session, target: QueryTarget) -> _TableState:
    entity = access.require(session, target.caller, target.entity_id, AccessType.DOWNLOAD)
    snapshot = None
    if target.number is not None:
        entities.get_version(session, entity, target.number)
        snapshot = None if target.number == entity.current_version else target.number
    changes = schemas.list_changes_after(session, entity.id, -1)
    has_file = outbox.has_table_file(session, entity.id)
    return _TableState(target, snapshot, changes, has_file)


def _open_current(
    state: _TableState, reader: TableReader | None, connection: sqlite3.Connection
) -> Queryable:
    """Return the current rows with pending schema changes. New columns get the default."""
    applied = -1 if reader is None else reader.schema_number
    pending = [change for change in state.changes if change.number > applied]
    slots: dict[int, int | None] = dict(() if reader is None else reader.get_layout())
    for change in pending:
        slots = {number: slots.get(number) for number in change.column_ids}
    schema = state.load_columns(list(slots))
    last = pending[-1] if pending or reader is None else reader.get_last_change()
    added = [each for each in schema if slots[each.id] is None]
    cells = {each.id: f"c{slots[each.id]}" for each in schema if slots[each.id] is not None}
    cells |= {each.id: f"d{each.id}" for each in added}
    relation = Relation("live", (), cells)
    if added:
        kept = [cells[each.id] for each in schema if each not in added]
        names = ", ".join(["row_id", "version", *kept, *(f"? AS d{each.id}" for each in added)])
        defaults = tuple(cell_values.get_cell_parser(each)(None) for each in added)
        relation = Relation(f"(SELECT {names} FROM live)", defaults, cells)  # noqa: S608 - own names
    return _create_queryable(state, schema, relation, connection, last)


def _open_snapshot(state: _TableState, reader: TableReader, number: int) -> Queryable:
    """Return the rows and columns of a snapshot."""
    version = reader.get_snapshot_version(number)
    if version is None:
        raise NotFound(f"{format_entity_id(state.target.entity_id)}.{number} has no snapshot.")
    layout = reader.get_layout(version)
    schema = state.load_columns([column_id for column_id, _ in layout])
    cells = {column_id: f"c{slot}" for column_id, slot in layout}
    names = ", ".join(["row_id", "version", *sorted(set(cells.values()))])
    condition = f"version <= {version:d}"
    rows = (
        f"(SELECT {names} FROM live WHERE {condition} UNION ALL "  # noqa: S608 - own names
        f"SELECT {names} FROM past WHERE {condition} AND until > {version:d})"
    )
    last = reader.get_last_change(version)
    return _create_queryable(state, schema, Relation(rows, (), cells), reader.connection, last)


def _create_queryable(
    state: _TableState,
    schema: Schema,
    relation: Relation,
    connection: sqlite3.Connection,
    last_change: StoredChange | ChangeSet | None,
) -> Queryable:
    change = last_change or state.changes[0]  # a table that never had columns has no change set
    return Queryable(
        table_id=format_entity_id(state.target.entity_id),
        number=state.target.number,
        schema=schema,
        relation=relation,
        connection=connection,
        etag=change.etag,
        changed_on=change.made_on,
    )
