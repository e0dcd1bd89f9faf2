"""Index of the keys of a table, in a temporary SQLite file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

_SCHEMA: Final = """
PRAGMA journal_mode=OFF;
PRAGMA synchronous=OFF;
PRAGMA cache_size=-32000;
PRAGMA temp_store=FILE;
CREATE TABLE row_index (
    key BLOB PRIMARY KEY, row_id INTEGER, version INTEGER, content BLOB, source_row INTEGER,
    duplicate_id INTEGER
) WITHOUT ROWID;
BEGIN;
"""


@dataclass(frozen=True, slots=True)
class IndexedRow:
    """A key, with the table row and the source row that have this key.

    Args:
        row_id: Row ID in the table; None if only the source has the key.
        version: Version of the row in the table.
        content: Hash of the cells in the table.
        source_row: Number of the row in the source; None until `match` is called with the key.
        duplicate_id: Row ID of another table row with the same key; None without a
            duplicate.
    """

    row_id: int | None
    version: int | None
    content: bytes | None
    source_row: int | None
    duplicate_id: int | None


class UpsertIndex:
    """Index of rows by the hashes of their keys.

    Args:
        connection: Connection to an empty database.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
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

    def add(self, key: bytes, row_id: int, version: int, content: bytes) -> bool:
        """Add a row of the table; return False if its key is in the index already."""
        added = self._connection.execute(
            "INSERT OR IGNORE INTO row_index VALUES (?, ?, ?, ?, NULL, NULL)",
            (key, row_id, version, content),
        )
        return added.rowcount == 1

    def add_duplicate(self, key: bytes, row_id: int) -> None:
        """Record another row of the table with the same key."""
        self._connection.execute(
            "UPDATE row_index SET duplicate_id = ? WHERE key = ? AND duplicate_id IS NULL",
            (row_id, key),
        )

    def find(self, key: bytes) -> IndexedRow | None:
        """Return the row with a key, or None if the index does not have the key."""
        row = self._connection.execute(
            "SELECT row_id, version, content, source_row, duplicate_id FROM row_index"
            " WHERE key = ?",
            (key,),
        ).fetchone()
        return None if row is None else IndexedRow(*row)

    def is_in_source(self, key: bytes) -> bool:
        """Return whether `match` was called with a key."""
        row = self.find(key)
        return row is not None and row.source_row is not None

    def match(self, key: bytes, source_row: int) -> IndexedRow | None:
        """Record that the source has a key; return the indexed row as it was before the call.

        Args:
            key: Hash of the key.
            source_row: Number of the row in the source.
        """
        row = self.find(key)
        if row is None:
            self._connection.execute(
                "INSERT INTO row_index VALUES (?, NULL, NULL, NULL, ?, NULL)", (key, source_row)
            )
        elif row.source_row is None:
            self._connection.execute(
                "UPDATE row_index SET source_row = ? WHERE key = ?", (source_row, key)
            )
        return row
