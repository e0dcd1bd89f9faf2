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

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from synapse_workflows.local.storage.table_db import TableReader, TableWriter

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


class TableLockedError(Exception):
    """Another writer has the table, and did not end in time."""


class TableStore:
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
    def open_reader(self, table: int) -> Iterator[TableReader | None]:
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
    def open_writer(self, table: int, *, wait: float = -1) -> Iterator[TableWriter]:
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
            raise TableLockedError
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
                connection.execute("PRAGMA busy_timeout=0")  # readers are not waited for
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
