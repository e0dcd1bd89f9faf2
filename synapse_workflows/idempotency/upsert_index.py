"""Which row of a table has which key: kept in a file, so that no table is too large."""

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
CREATE TABLE known (
    key BLOB PRIMARY KEY, row_id INTEGER, version INTEGER, content BLOB, line INTEGER,
    other INTEGER
) WITHOUT ROWID;
BEGIN;
"""


@dataclass(frozen=True, slots=True)
class IndexedRow:
    """A row of a table.

    Args:
        row_id: its id; None when it is only in the source.
        version: in which it was read.
        content: digest of its cells.
        line: the row of the source that has the same key; None while none was found.
        other: id of another row of the table that has the same key; None where there is none.
    """

    row_id: int | None
    version: int | None
    content: bytes | None
    line: int | None
    other: int | None


class UpsertIndex:
    """Rows by the digests of their keys.

    Args:
        connection: to a database that is empty, and goes at the end.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(_SCHEMA)

    @classmethod
    @contextmanager
    def in_a_file(cls) -> Iterator[Self]:
        """Make an empty one on the disk, which goes at the end."""
        with (
            TemporaryDirectory(prefix="synapse-") as folder,
            closing(sqlite3.connect(Path(folder) / "keys.db", isolation_level=None)) as made,
        ):
            yield cls(made)

    def add(self, key: bytes, row_id: int, version: int, content: bytes) -> bool:
        """Note a row of the table; tell whether no other has its key."""
        added = self._connection.execute(
            "INSERT OR IGNORE INTO known VALUES (?, ?, ?, ?, NULL, NULL)",
            (key, row_id, version, content),
        )
        return added.rowcount == 1

    def double(self, key: bytes, row_id: int) -> None:
        """Note another row of the table that has a key."""
        self._connection.execute(
            "UPDATE known SET other = ? WHERE key = ? AND other IS NULL", (row_id, key)
        )

    def find(self, key: bytes) -> IndexedRow | None:
        """Give the row that has a key."""
        found = self._connection.execute(
            "SELECT row_id, version, content, line, other FROM known WHERE key = ?", (key,)
        ).fetchone()
        return None if found is None else IndexedRow(*found)

    def is_given(self, key: bytes) -> bool:
        """Tell whether the source has a key, of what was taken of it so far."""
        found = self.find(key)
        return found is not None and found.line is not None

    def take(self, key: bytes, line: int) -> IndexedRow | None:
        """Give the row that has a key, as it was before, and note that the source has it too.

        Args:
            key: digest of the key.
            line: number of the row in the source.
        """
        found = self.find(key)
        if found is None:
            self._connection.execute(
                "INSERT INTO known VALUES (?, NULL, NULL, NULL, ?, NULL)", (key, line)
            )
        elif found.line is None:
            self._connection.execute("UPDATE known SET line = ? WHERE key = ?", (line, key))
        return found
