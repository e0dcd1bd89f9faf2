"""Index of the keys of a table, in a temporary SQLite file."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

_SCHEMA: Final = """
PRAGMA journal_mode=OFF;
PRAGMA synchronous=OFF;
PRAGMA cache_size=-64000;
PRAGMA temp_store=FILE;
CREATE TABLE row_index (
    key BLOB PRIMARY KEY, row_id INTEGER, version INTEGER, start INTEGER, size INTEGER,
    source_row INTEGER
) WITHOUT ROWID;
CREATE TABLE other_row (row_id INTEGER PRIMARY KEY, version INTEGER, key BLOB);
CREATE INDEX other_row_key ON other_row (key);
BEGIN;
"""
#: Maximum number of values bound by one statement.
_MAX_BOUND_VALUES: Final = 500


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of the table.

    Args:
        key: Hash of the key; None if a key cell is empty.
        row_id: Row ID in the table.
        version: Version of the row.
        start: Position of the row in the file of the query, in bytes.
        size: Size of the row in this file, in bytes.
    """

    key: bytes | None
    row_id: int
    version: int
    start: int
    size: int


@dataclass(slots=True)
class IndexedRow:
    """A key, with the table row and the source row that have this key.

    Args:
        row_id: Row ID in the table; None if only the source has the key.
        version: Version of the row in the table.
        start: Position of the row in the file of the query, in bytes.
        size: Size of the row in this file, in bytes.
        source_row: Number of the row in the source; None until `add_source_rows` is called with
            the key.
    """

    row_id: int | None = None
    version: int = 0
    start: int = 0
    size: int = 0
    source_row: int | None = None


class UpsertIndex:
    """Index of rows by the hashes of their keys.

    If several rows of the table have one key, the index contains the first of them. The others,
    and the rows without a key, are the other rows of the table.

    Args:
        connection: Connection to an empty database.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        #: Whether the table has other rows.
        self.has_other_rows = False
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

    def add_table_rows(self, rows: Sequence[TableRow]) -> None:
        """Add rows of the table, in the order of their row IDs."""
        before = self._connection.total_changes
        self._connection.executemany(
            "INSERT OR IGNORE INTO row_index VALUES (?, ?, ?, ?, ?, NULL)",
            (
                (row.key, row.row_id, row.version, row.start, row.size)
                for row in rows
                if row.key is not None
            ),
        )
        if self._connection.total_changes - before == len(rows):
            return
        self.has_other_rows = True
        known = self.find([row.key for row in rows if row.key is not None])
        self._connection.executemany(
            "INSERT INTO other_row VALUES (?, ?, ?)",
            (
                (row.row_id, row.version, row.key)
                for row in rows
                if row.key is None or known[row.key].row_id != row.row_id
            ),
        )

    def find(self, keys: Sequence[bytes]) -> dict[bytes, IndexedRow]:
        """Return the rows with these keys. Keys that are not in the index are omitted."""
        found: dict[bytes, IndexedRow] = {}
        for first in range(0, len(keys), _MAX_BOUND_VALUES):
            batch = keys[first : first + _MAX_BOUND_VALUES]
            marks = ", ".join("?" * len(batch))
            rows = self._connection.execute(
                f"SELECT * FROM row_index WHERE key IN ({marks})",  # noqa: S608 - only marks
                batch,
            )
            found.update({key: IndexedRow(*row) for key, *row in rows})
        return found

    def find_duplicate(self, key: bytes, until: int | None) -> int | None:
        """Return the row ID of another table row with a key; None if there is none.

        Args:
            key: Hash of the key.
            until: Highest row ID to search; None for no limit.
        """
        found = self._connection.execute(
            "SELECT row_id FROM other_row WHERE key = ? AND row_id <= coalesce(?, row_id)"
            " ORDER BY row_id LIMIT 1",
            (key, until),
        ).fetchone()
        return None if found is None else int(found[0])

    def add_source_rows(self, rows: Iterable[tuple[bytes, int]]) -> None:
        """Record the keys of source rows, given as pairs of a hash and the number of the row."""
        self._connection.executemany(
            "INSERT INTO row_index (key, source_row) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET source_row = excluded.source_row",
            rows,
        )

    def iter_duplicates(self) -> Iterator[tuple[int, int]]:
        """Yield row ID and version of the other rows of the table whose key is in the source."""
        yield from self._connection.execute(
            "SELECT other_row.row_id, other_row.version FROM other_row JOIN row_index USING (key)"
            " WHERE source_row IS NOT NULL ORDER BY other_row.row_id"
        )

    def iter_missing(self) -> Iterator[tuple[int, int]]:
        """Yield row ID and version of the rows of the table whose key is not in the source."""
        yield from self._connection.execute(
            "SELECT row_id, version FROM row_index WHERE source_row IS NULL"
            " UNION ALL SELECT other_row.row_id, other_row.version"
            " FROM other_row LEFT JOIN row_index USING (key) WHERE source_row IS NULL"
            " ORDER BY 1"
        )
