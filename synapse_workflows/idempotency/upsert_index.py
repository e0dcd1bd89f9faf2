"""Index of the keys of a table, in a temporary SQLite file."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, Self

_SCHEMA: Final = """
PRAGMA journal_mode=OFF;
PRAGMA synchronous=OFF;
PRAGMA cache_size=-32000;
PRAGMA temp_store=FILE;
CREATE TABLE table_row (
    number INTEGER PRIMARY KEY, key BLOB, row_id INTEGER, version INTEGER, start INTEGER,
    size INTEGER
);
CREATE TABLE new_key (key BLOB PRIMARY KEY) WITHOUT ROWID;
BEGIN;
"""
#: Maximum number of values bound by one statement.
_MAX_BOUND_VALUES: Final = 500


class TableRow(NamedTuple):
    """A row of the table.

    Args:
        number: Number of the row in the result of the query, from 0.
        key: Hash of the key; None if a key cell is empty.
        row_id: Row ID in the table.
        version: Version of the row.
        start: Position of the row in the file of the query, in bytes.
        size: Size of the row in this file, in bytes.
    """

    number: int
    key: bytes | None
    row_id: int
    version: int
    start: int
    size: int


class UpsertIndex:
    """Index of the rows of a table by the hashes of their keys, and of the keys of a source.

    Args:
        connection: Connection to an empty database.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        #: For each row of the table, whether its key is in the source.
        self._is_in_source = bytearray()
        connection.executescript(_SCHEMA)

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator[Self]:
        """Create an index in a temporary file, deleted at the end of the block."""
        with (
            TemporaryDirectory(prefix="synapse-") as folder,
            closing(sqlite3.connect(Path(folder) / "keys.db", isolation_level=None)) as connection,
        ):
            yield cls(connection)

    def add_table_rows(self, rows: Iterable[TableRow]) -> int:
        """Add all rows of the table, numbered from 0; return their number."""
        self._connection.executemany("INSERT INTO table_row VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._connection.execute("CREATE INDEX table_row_key ON table_row (key)")
        (count,) = self._connection.execute("SELECT count(*) FROM table_row").fetchone()
        self._is_in_source = bytearray(count)
        return int(count)

    def get_max_row_id(self) -> int:
        """Return the highest row ID; 0 without rows."""
        (row_id,) = self._connection.execute("SELECT max(row_id) FROM table_row").fetchone()
        return int(row_id or 0)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, list[TableRow]]:
        """Return the rows with these keys, in their order. Other keys are omitted."""
        found: dict[bytes, list[TableRow]] = {}
        for row in self._select("SELECT * FROM table_row WHERE key IN ({}) ORDER BY number", keys):
            found.setdefault(row[1], []).append(TableRow(*row))
        return found

    def find_new(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of the keys that `add_new` was called with."""
        return {key for (key,) in self._select("SELECT key FROM new_key WHERE key IN ({})", keys)}

    def mark_in_source(self, row: TableRow) -> bool:
        """Record that the source has the key of a row; return False if it was recorded before."""
        if self._is_in_source[row.number]:
            return False
        self._is_in_source[row.number] = True
        return True

    def add_new(self, keys: Iterable[bytes]) -> None:
        """Record keys that only the source has."""
        self._connection.executemany("INSERT INTO new_key VALUES (?)", ((key,) for key in keys))

    def iter_missing(self) -> Iterator[tuple[int, int]]:
        """Yield row ID and version of the rows of the table whose key is not in the source."""
        rows = self._connection.execute("SELECT number, row_id, version FROM table_row")
        return (
            (row_id, version) for number, row_id, version in rows if not self._is_in_source[number]
        )

    def _select(self, sql: str, keys: Sequence[bytes]) -> Iterator[tuple[Any, ...]]:
        for first in range(0, len(keys), _MAX_BOUND_VALUES):
            batch = keys[first : first + _MAX_BOUND_VALUES]
            yield from self._connection.execute(sql.format(", ".join("?" * len(batch))), batch)
