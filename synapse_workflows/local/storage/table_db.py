"""What one table's file holds, read and written; `table_files` says what the tables in it are."""
# ruff: noqa: S608 - names of tables and slots are our own, never a caller's

import json
import os
import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Layout = tuple[tuple[int, int], ...]

#: Slots that a table may have; SQLite's bound is 2000 columns.
_SLOTS: Final = 1900


class SlotLimitError(Exception):
    """The snapshots of a table show so many different columns that no more can be made."""


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

    def get_last_change(self, until: int | None = None) -> ChangeSet | None:
        """Give the last change set, or the last one up to a version."""
        found = self._one(
            "SELECT version, etag, made_on, made_by FROM change_set"
            " WHERE version <= ? ORDER BY version DESC LIMIT 1",
            1 << 62 if until is None else until,
        )
        return None if found is None else ChangeSet(*found)

    def get_layout(self, version: int | None = None) -> Layout:
        """Give the columns and their slots, now or as of a change set."""
        found = self._one(
            "SELECT slots FROM layout WHERE version <= ? ORDER BY version DESC LIMIT 1",
            1 << 62 if version is None else version,
        )
        return () if found is None else tuple((each[0], each[1]) for each in json.loads(found[0]))

    def get_etag_version(self, etag: str) -> int | None:
        """Give the number of the change set that has an etag."""
        found = self._one("SELECT version FROM change_set WHERE etag = ?", etag)
        return None if found is None else int(found[0])

    def get_snapshot_version(self, number: int) -> int | None:
        """Give the last change set that a snapshot shows."""
        found = self._one("SELECT version FROM snapshot WHERE number = ?", number)
        return None if found is None else int(found[0])

    def get_outbox(self, number: int) -> str | None:
        """Give the effects that were committed under a number."""
        found = self._one("SELECT effects FROM outbox WHERE id = ?", number)
        return None if found is None else str(found[0])


class TableWriter(TableReader):
    """A table's file within one transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection)
        self._path = path

    def create_change_set(self, etag: str, made_on: int, made_by: int) -> int:
        """Number a new change set."""
        last = self.get_last_change()
        version = 0 if last is None else last.version + 1
        self.connection.execute(
            "INSERT INTO change_set VALUES (?, ?, ?, ?)", (version, etag, made_on, made_by)
        )
        return version

    def set_schema_number(self, number: int) -> None:
        """Note which of the entity's schema changes was carried out last."""
        self.connection.execute("UPDATE state SET schema_number = ?", (number,))

    @property
    def next_row_id(self) -> int:
        """The id of the next row."""
        return int(self._one("SELECT next_row FROM state")[0])

    def allocate_row_ids(self, count: int) -> int:
        """Take ids for new rows; give the first of them."""
        first = self.next_row_id
        self.connection.execute("UPDATE state SET next_row = ?", (first + count,))
        return first

    def set_layout(self, version: int, layout: Layout) -> None:
        """Say in which slots the columns lie from a change set on."""
        self.connection.execute(
            "INSERT OR REPLACE INTO layout VALUES (?, ?)", (version, json.dumps(layout))
        )

    def allocate_slots(self, count: int, taken: set[int]) -> list[int]:
        """Give slots that neither `taken` nor any snapshot uses; more are made when needed.

        Raises:
            FullError: there cannot be so many.
        """
        used = set(taken)
        for (version,) in self.connection.execute("SELECT version FROM snapshot").fetchall():
            used |= {slot for _, slot in self.get_layout(version)}
        columns = self.connection.execute("SELECT name FROM pragma_table_info('live')").fetchall()
        there = sorted(int(name[1:]) for (name,) in columns if name[1:].isdecimal())
        free = [slot for slot in there if slot not in used][:count]
        if len(there) + count - len(free) > _SLOTS:
            raise SlotLimitError
        for slot in range(len(there) + 1, len(there) + 1 + count - len(free)):
            for table in ("live", "past"):
                self.connection.execute(f"ALTER TABLE {table} ADD COLUMN c{slot}")
            free.append(slot)
        return free

    def fill_slot(self, slot: int, value: Any) -> None:
        """Set a slot of all rows."""
        unless = "" if value is not None else f" WHERE c{slot} IS NOT NULL"
        self.connection.execute(f"UPDATE live SET c{slot} = ?{unless}", (value,))

    def convert_slot(
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

    def get_distinct_values(self, slot: int) -> set[Any]:
        """List what the cells of a slot hold."""
        sql = f"SELECT DISTINCT c{slot} FROM live WHERE c{slot} IS NOT NULL"
        return {value for (value,) in self.connection.execute(sql)}

    def set_snapshot(self, number: int, version: int) -> None:
        """Let a snapshot show all up to a change set."""
        self.connection.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?)", (number, version))

    def retain_snapshots(self, numbers: Collection[int]) -> None:
        """Forget snapshots of versions that are no more, and rows that only those show."""
        there = {row[0] for row in self.connection.execute("SELECT number FROM snapshot")}
        gone = [(number,) for number in there.difference(numbers)]
        if gone:
            self.connection.executemany("DELETE FROM snapshot WHERE number = ?", gone)
            self.connection.execute(
                "DELETE FROM past WHERE NOT EXISTS (SELECT 1 FROM snapshot"
                " WHERE snapshot.version >= past.version AND snapshot.version < past.until)"
            )

    def set_outbox(self, number: int, effects: str) -> None:
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
