"""Row storage of tables: one SQLite file per table, so that a long write blocks no other table.

The file of a table is `<root>/<entity id>.db`. The SQLite tables of a file:

    live        current rows; the columns c1, c2, ... (slots) hold the cells
    past        earlier states of rows that snapshots still contain; a state is valid from change
                set `version` (inclusive) to change set `until` (exclusive)
    gone        deleted rows and the change sets that deleted them
    change_set  accepted changes of rows or columns, numbered from 0
    layout      columns and their slots, in order, from a change set on
    snapshot    number of an entity version -> last change set that the snapshot shows; -1 for none
    outbox      updates of the service's database that belong to a commit, see `tables.outbox`

A writer locks its table. Readers see one consistent state and never wait.
"""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from synapse_workflows.local.storage.table_db import TableReader, TableWriter

#: First bytes of every SQLite file.
_MAGIC: Final = b"SQLite format 3\0"
_SCHEMA: Final = """
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
    """Another writer holds the lock of the table and did not release it in time."""


class TableMissingError(Exception):
    """The file of a table is missing or damaged."""


class TableStore:
    """The files of all tables of a service.

    Args:
        root: Directory of the files; created if missing.
        durable: Whether a commit survives a power failure.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._root = root
        self._durable = durable
        self._root.mkdir(parents=True, exist_ok=True)
        self._guard = threading.Lock()
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def _get_path(self, table: int) -> Path:
        return self._root / f"{table}.db"

    @contextmanager
    def open_reader(self, table: int) -> Iterator[TableReader | None]:
        """Open one consistent state of a table; None if the file is missing or damaged."""
        path = self._get_path(table)
        if not _is_database(path):
            yield None
            return
        with closing(_connect(path, "ro")) as connection:
            connection.execute("BEGIN")
            yield TableReader(connection) if _is_initialized(connection) else None

    @contextmanager
    def open_writer(
        self, table: int, *, must_exist: bool = False, wait: float = -1
    ) -> Iterator[TableWriter]:
        """Open a table for writing. Roll back unless the writer is committed.

        Args:
            table: Entity ID.
            must_exist: Do not create a missing file.
            wait: Maximum time to wait for the lock, in seconds; -1 for no maximum.

        Raises:
            TableLockedError: Another writer did not release the lock in time.
            TableMissingError: The file must exist and is missing or damaged.
        """
        with self._guard:
            lock = self._locks[table]
        if not lock.acquire(timeout=wait):
            raise TableLockedError
        try:
            path = self._get_path(table)
            if must_exist and not _is_database(path):
                raise TableMissingError
            with closing(_connect(path, "rwc")) as connection:
                is_new = not _is_initialized(connection)
                if is_new and must_exist:
                    raise TableMissingError
                _configure_writer(connection, durable=self._durable)
                if is_new:
                    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield TableWriter(connection, path if self._durable else None)
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                connection.execute("PRAGMA busy_timeout=0")  # do not wait for readers
                with suppress(sqlite3.OperationalError):
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            lock.release()

    def list_tables(self) -> set[int]:
        """List the tables that have a file."""
        return {int(path.stem) for path in self._root.glob("*.db") if path.stem.isdecimal()}

    def delete(self, table: int) -> None:
        """Delete the files of a table."""
        path = self._get_path(table)
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except FileNotFoundError:
        return False


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


def _configure_writer(connection: sqlite3.Connection, *, durable: bool) -> None:
    """Configure the connection of a writer.

    Automatic checkpoints are off, so that no checkpoint runs within a commit.
    """
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL" if durable else "synchronous=OFF",
        "wal_autocheckpoint=0",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _is_initialized(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE name='state'"
    return connection.execute(query).fetchone() is not None
