"""The rows of tables: one SQLite file per table, so that a long write blocks nobody else.

<root>/<entity id>.db

    live       the rows as they are now; slots c1, c2, ... hold the cells
    past       rows that were changed or deleted since, as snapshots still show them: a row was
               so from change set `version` on and before change set `until`
    gone       rows that were deleted, and in which change set
    change_set every accepted change of rows or columns, numbered from 0
    layout     from which change set on which column lies in which slot, in order
    snapshot   number of an entity version -> the last change set that it shows
    outbox     what a commit here means for the service's database; see `tables.commits`

A writer holds the turn of its table; readers see one consistent state and never wait.
"""
# ruff: noqa: S608 - names of tables and slots are our own, never a caller's

import json
import os
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_TABLES: Final = """
CREATE TABLE live (row_id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE past (
    row_id INTEGER NOT NULL, version INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (row_id, version)
);
CREATE TABLE gone (row_id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE change_set (
    version INTEGER PRIMARY KEY, etag TEXT NOT NULL UNIQUE, made_on INTEGER, made_by INTEGER
);
CREATE TABLE layout (version INTEGER PRIMARY KEY, slots TEXT NOT NULL);
CREATE TABLE snapshot (number INTEGER PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE outbox (id INTEGER PRIMARY KEY, effects TEXT NOT NULL);
CREATE TABLE state (next_row INTEGER NOT NULL, schema_number INTEGER NOT NULL);
INSERT INTO state VALUES (1, -1);
"""

Layout = tuple[tuple[int, int], ...]


class BusyError(Exception):
    """Another writer has the table, and did not end in time."""


@dataclass(frozen=True)
class ChangeSet:
    """One accepted change of a table. `made_on` is in milliseconds since the epoch."""

    version: int
    etag: str
    made_on: int
    made_by: int


class TableReader:
    """What a table's file holds, in one consistent state."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def _one(self, sql: str, *values: Any) -> Any:
        return self.connection.execute(sql, values).fetchone()

    @property
    def schema_number(self) -> int:
        """The last of the entity's schema changes that was carried out; -1 for none."""
        return int(self._one("SELECT schema_number FROM state")[0])

    def last_change(self, until: int | None = None) -> ChangeSet | None:
        """Give the last change set, or the last one up to a version."""
        found = self._one(
            "SELECT version, etag, made_on, made_by FROM change_set"
            " WHERE version <= ? ORDER BY version DESC LIMIT 1",
            1 << 62 if until is None else until,
        )
        return None if found is None else ChangeSet(*found)

    def layout(self, version: int | None = None) -> Layout:
        """Give the columns and their slots, now or as of a change set."""
        found = self._one(
            "SELECT slots FROM layout WHERE version <= ? ORDER BY version DESC LIMIT 1",
            1 << 62 if version is None else version,
        )
        return () if found is None else tuple((each[0], each[1]) for each in json.loads(found[0]))

    def version_of_etag(self, etag: str) -> int | None:
        """Give the number of the change set that has an etag."""
        found = self._one("SELECT version FROM change_set WHERE etag = ?", etag)
        return None if found is None else int(found[0])

    def snapshot_version(self, number: int) -> int | None:
        """Give the last change set that a snapshot shows."""
        found = self._one("SELECT version FROM snapshot WHERE number = ?", number)
        return None if found is None else int(found[0])

    def outbox(self, number: int) -> str | None:
        """Give the effects that were committed under a number."""
        found = self._one("SELECT effects FROM outbox WHERE id = ?", number)
        return None if found is None else str(found[0])


class TableWriter(TableReader):
    """A table's file within one transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection)
        self._path = path

    def begin_change(self, etag: str, made_on: int, made_by: int) -> int:
        """Number a new change set."""
        last = self.last_change()
        version = 0 if last is None else last.version + 1
        self.connection.execute(
            "INSERT INTO change_set VALUES (?, ?, ?, ?)", (version, etag, made_on, made_by)
        )
        return version

    def set_schema_number(self, number: int) -> None:
        """Note which of the entity's schema changes was carried out last."""
        self.connection.execute("UPDATE state SET schema_number = ?", (number,))

    def take_row_ids(self, count: int) -> int:
        """Take ids for new rows; give the first of them."""
        first = int(self._one("SELECT next_row FROM state")[0])
        self.connection.execute("UPDATE state SET next_row = ?", (first + count,))
        return first

    def set_layout(self, version: int, layout: Layout) -> None:
        """Say in which slots the columns lie from a change set on."""
        self.connection.execute(
            "INSERT OR REPLACE INTO layout VALUES (?, ?)", (version, json.dumps(layout))
        )

    def free_slots(self, count: int, taken: set[int]) -> list[int]:
        """Give slots that neither `taken` nor any snapshot uses; more are made when needed."""
        used = set(taken)
        for (version,) in self.connection.execute("SELECT version FROM snapshot").fetchall():
            used |= {slot for _, slot in self.layout(version)}
        columns = self.connection.execute("SELECT name FROM pragma_table_info('live')").fetchall()
        there = sorted(int(name[1:]) for (name,) in columns if name[1:].isdecimal())
        free = [slot for slot in there if slot not in used][:count]
        for slot in range(len(there) + 1, len(there) + 1 + count - len(free)):
            for table in ("live", "past"):
                self.connection.execute(f"ALTER TABLE {table} ADD COLUMN c{slot}")
            free.append(slot)
        return free

    def fill(self, slot: int, value: Any) -> None:
        """Set a slot of all rows."""
        unless = "" if value is not None else f" WHERE c{slot} IS NOT NULL"
        self.connection.execute(f"UPDATE live SET c{slot} = ?{unless}", (value,))

    def convert(
        self, old: int, new: int, one: Callable[[Any], Any], is_over: Callable[[], bool]
    ) -> None:
        """Set a slot of all rows to what becomes of another; ends early when `is_over`."""
        self.connection.create_function("convert_cell", 1, one)
        last = 0
        while not is_over():
            batch = self._one(
                "SELECT max(row_id) FROM (SELECT row_id FROM live WHERE row_id > ?"
                " ORDER BY row_id LIMIT 1000)",
                last,
            )[0]
            if batch is None:
                return
            self.connection.execute(
                f"UPDATE live SET c{new} = convert_cell(c{old}) WHERE row_id BETWEEN ? AND ?",
                (last + 1, batch),
            )
            last = batch

    def put_snapshot(self, number: int, version: int) -> None:
        """Let a snapshot show all up to a change set."""
        self.connection.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?)", (number, version))

    def put_outbox(self, number: int, effects: str) -> None:
        """Note what the commit means; what earlier commits meant is carried out by now."""
        self.connection.execute("DELETE FROM outbox")
        self.connection.execute("INSERT INTO outbox VALUES (?, ?)", (number, effects))

    def flush(self) -> None:
        """Bring what was written so far to the disk, so that the commit is short."""
        log = self._path.with_name(self._path.name + "-wal")
        with suppress(FileNotFoundError):
            file = os.open(log, os.O_RDWR)
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def commit(self) -> None:
        """Keep all of it."""
        self.connection.execute("COMMIT")


class TableFiles:
    """The files of all tables of a service.

    Args:
        root: directory that holds them; created when missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root.mkdir(parents=True, exist_ok=True)
        self._guard = threading.Lock()
        self._turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def path(self, table: int) -> Path:
        """Give the path of a table's file, whether it is there or not."""
        return self._root / f"{table}.db"

    @contextmanager
    def reading(self, table: int) -> Iterator[TableReader | None]:
        """Open a table to read, in one state; None when it never had a row or a change."""
        path = self.path(table)
        if not path.exists():
            yield None
            return
        with closing(_connect(path, "ro")) as connection:
            connection.execute("BEGIN")
            ready = connection.execute("SELECT 1 FROM sqlite_master WHERE name='state'").fetchone()
            yield TableReader(connection) if ready else None

    @contextmanager
    def writing(self, table: int, *, wait: float = -1) -> Iterator[TableWriter]:
        """Open a table to write; what is not committed within is undone.

        Args:
            table: entity id.
            wait: seconds to wait for the turn; -1 waits however long it takes.

        Raises:
            BusyError: another writer did not end in time.
        """
        with self._guard:
            turn = self._turns[table]
        if not turn.acquire(timeout=wait):
            raise BusyError
        try:
            path = self.path(table)
            with closing(_connect(path, "rwc")) as connection:
                _prepare(connection)
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield TableWriter(connection, path)
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                with suppress(sqlite3.OperationalError):
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            turn.release()

    def sweep(self, wanted: set[int]) -> int:
        """Remove the files of tables that are no more; only before the service answers."""
        waste = [path for path in self._root.iterdir() if not _is_of(path, wanted)]
        for path in waste:
            path.unlink()
        return len(waste)


def _is_of(path: Path, tables: set[int]) -> bool:
    head = path.name.partition(".")[0]
    return head.isdecimal() and int(head) in tables


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=64,
    )
    for pragma in ("busy_timeout=30000", "cache_size=-8000", "temp_store=FILE"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Set up a writer; the log is brought into the file by us, not in the middle of a commit."""
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=0",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name='state'").fetchone() is None:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
