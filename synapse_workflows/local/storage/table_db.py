"""Reading and writing the file of one table; `table_store` documents its SQLite tables."""
# ruff: noqa: S608 - the names of tables and slots in the SQL come from this package

import json
import os
import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: Pairs of column ID and slot, in the order of the columns.
Layout = tuple[tuple[int, int], ...]

#: Maximum number of slots of a table; SQLite allows 2000 columns.
_MAX_SLOTS: Final = 1900
_NO_LIMIT: Final = 1 << 62
_CONVERTED_ROWS: Final = 1000


class SlotLimitError(Exception):
    """The snapshots of a table use so many different columns that no slot is free."""


@dataclass(frozen=True)
class ChangeSet:
    """An accepted change of a table. `made_on` is in milliseconds since the epoch."""

    version: int
    etag: str
    made_on: int
    made_by: int


class TableReader:
    """The content of a table's file in one consistent state."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def _fetch_one(self, sql: str, *values: Any) -> Any:
        return self.connection.execute(sql, values).fetchone()

    @property
    def schema_number(self) -> int:
        """The number of the last applied schema change of the entity; -1 if there is none."""
        return int(self._fetch_one("SELECT schema_number FROM state")[0])

    def get_last_change(self, until: int | None = None) -> ChangeSet | None:
        """Return the last change set, or the last change set up to version `until`."""
        row = self._fetch_one(
            "SELECT version, etag, made_on, made_by FROM change_set"
            " WHERE version <= ? ORDER BY version DESC LIMIT 1",
            _NO_LIMIT if until is None else until,
        )
        return None if row is None else ChangeSet(*row)

    def get_layout(self, version: int | None = None) -> Layout:
        """Return the columns and their slots, as of change set `version` or (None) now."""
        row = self._fetch_one(
            "SELECT slots FROM layout WHERE version <= ? ORDER BY version DESC LIMIT 1",
            _NO_LIMIT if version is None else version,
        )
        return () if row is None else tuple((each[0], each[1]) for each in json.loads(row[0]))

    def get_etag_version(self, etag: str) -> int | None:
        """Return the version of the change set with an etag; None if there is none."""
        row = self._fetch_one("SELECT version FROM change_set WHERE etag = ?", etag)
        return None if row is None else int(row[0])

    def get_snapshot_version(self, number: int) -> int | None:
        """Return the version of the last change set that a snapshot contains."""
        row = self._fetch_one("SELECT version FROM snapshot WHERE number = ?", number)
        return None if row is None else int(row[0])

    def get_outbox(self, number: int) -> str | None:
        """Return the outbox entry with a number; None if the entry was not committed."""
        row = self._fetch_one("SELECT effects FROM outbox WHERE id = ?", number)
        return None if row is None else str(row[0])


class TableWriter(TableReader):
    """The content of a table's file within one write transaction.

    Args:
        connection: The connection of the transaction.
        path: The file to sync to disk; None if commits need not survive a power failure.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        super().__init__(connection)
        self._path = path

    def create_change_set(self, etag: str, made_on: int, made_by: int) -> int:
        """Create a change set and return its version."""
        last = self.get_last_change()
        version = 0 if last is None else last.version + 1
        self.connection.execute(
            "INSERT INTO change_set VALUES (?, ?, ?, ?)", (version, etag, made_on, made_by)
        )
        return version

    def set_schema_number(self, number: int) -> None:
        """Record the number of the last applied schema change of the entity."""
        self.connection.execute("UPDATE state SET schema_number = ?", (number,))

    @property
    def next_row_id(self) -> int:
        """The ID of the next new row."""
        return int(self._fetch_one("SELECT next_row FROM state")[0])

    def allocate_row_ids(self, count: int) -> int:
        """Reserve consecutive IDs for new rows and return the first of them."""
        first = self.next_row_id
        self.connection.execute("UPDATE state SET next_row = ?", (first + count,))
        return first

    def set_layout(self, version: int, layout: Layout) -> None:
        """Set the columns and their slots, valid from a change set on."""
        self.connection.execute(
            "INSERT OR REPLACE INTO layout VALUES (?, ?)", (version, json.dumps(layout))
        )

    def allocate_slots(self, count: int, taken: set[int]) -> list[int]:
        """Return slots that no snapshot uses. Add slots to the table if too few are free.

        Args:
            count: The number of slots.
            taken: Slots that must not be returned, in addition to the slots of snapshots.

        Raises:
            SlotLimitError: The table would have too many slots.
        """
        used = set(taken)
        for (version,) in self.connection.execute("SELECT version FROM snapshot").fetchall():
            used |= {slot for _, slot in self.get_layout(version)}
        columns = self.connection.execute("SELECT name FROM pragma_table_info('live')").fetchall()
        existing = sorted(int(name[1:]) for (name,) in columns if name[1:].isdecimal())
        free = [slot for slot in existing if slot not in used][:count]
        total = len(existing) + count - len(free)
        if total > _MAX_SLOTS:
            raise SlotLimitError
        for slot in range(len(existing) + 1, total + 1):
            for table in ("live", "past"):
                self.connection.execute(f"ALTER TABLE {table} ADD COLUMN c{slot}")
            free.append(slot)
        return free

    def fill_slot(self, slot: int, value: Any) -> None:
        """Set a slot of all rows to one value."""
        condition = "" if value is not None else f" WHERE c{slot} IS NOT NULL"
        self.connection.execute(f"UPDATE live SET c{slot} = ?{condition}", (value,))

    def convert_slot(
        self, old: int, new: int, convert: Callable[[Any], Any], should_stop: Callable[[], bool]
    ) -> None:
        """Set a slot of all rows to the converted value of another slot.

        Args:
            old: The slot to read.
            new: The slot to write.
            convert: Function that returns the new value for an old value.
            should_stop: Called between batches of rows; returns True to end early.
        """
        self.connection.create_function("convert_cell", 1, convert)
        last = 0
        while not should_stop():
            end = self._fetch_one(
                "SELECT max(row_id) FROM (SELECT row_id FROM live WHERE row_id > ?"
                f" ORDER BY row_id LIMIT {_CONVERTED_ROWS})",
                last,
            )[0]
            if end is None:
                return
            self.connection.execute(
                f"UPDATE live SET c{new} = convert_cell(c{old}) WHERE row_id BETWEEN ? AND ?",
                (last + 1, end),
            )
            last = end

    def get_distinct_values(self, slot: int) -> set[Any]:
        """Return the distinct values of a slot, without null."""
        sql = f"SELECT DISTINCT c{slot} FROM live WHERE c{slot} IS NOT NULL"
        return {value for (value,) in self.connection.execute(sql)}

    def set_snapshot(self, number: int, version: int) -> None:
        """Record that a snapshot contains the rows as of a change set."""
        self.connection.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?)", (number, version))

    def retain_snapshots(self, numbers: Collection[int]) -> None:
        """Delete all other snapshots, and the past rows that no remaining snapshot contains."""
        existing = {row[0] for row in self.connection.execute("SELECT number FROM snapshot")}
        deleted = [(number,) for number in existing.difference(numbers)]
        if deleted:
            self.connection.executemany("DELETE FROM snapshot WHERE number = ?", deleted)
            self.connection.execute(
                "DELETE FROM past WHERE NOT EXISTS (SELECT 1 FROM snapshot"
                " WHERE snapshot.version >= past.version AND snapshot.version < past.until)"
            )

    def set_outbox(self, number: int, entry: str) -> None:
        """Replace the outbox entry. Entries of earlier commits have been applied by now."""
        self.connection.execute("DELETE FROM outbox")
        self.connection.execute("INSERT INTO outbox VALUES (?, ?)", (number, entry))

    def flush(self) -> None:
        """Sync the write-ahead log to disk, so that the commit itself is short."""
        if self._path is None:
            return
        log = self._path.with_name(self._path.name + "-wal")
        with suppress(FileNotFoundError):
            file = os.open(log, os.O_RDWR)
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def commit(self) -> None:
        """Commit the transaction."""
        self.connection.execute("COMMIT")
