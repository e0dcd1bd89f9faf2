"""Rows of one table within one change set: put in, changed, deleted, in batches."""
# ruff: noqa: S608 - names of tables and slots are our own, never a caller's

from collections.abc import Iterable, Sequence
from typing import Any, Final

from synapse_workflows.local.storage.table_db import TableWriter

#: Values that one statement binds at most.
_BOUND: Final = 500


class RowWriter:
    """Writes the rows of one change set.

    Args:
        writer: the table.
        version: the change set; rows from `first_new` on are new in it.
    """

    def __init__(self, writer: TableWriter, version: int) -> None:
        self._writer = writer
        self._connection = writer.connection
        self.version = version
        self.first_new = writer.next_row_id
        shown = self._connection.execute("SELECT max(version) FROM snapshot").fetchone()[0]
        self._shown: int = -1 if shown is None else shown
        columns = self._connection.execute("SELECT name FROM pragma_table_info('past')")
        slots = [name for (name,) in columns if name[0] == "c" and name[1:].isdecimal()]
        cells = "".join(f", {slot}" for slot in slots)
        self._remember = (
            f"INSERT OR IGNORE INTO past (row_id, version, until{cells})"
            f" SELECT row_id, version, ?{cells} FROM live WHERE row_id = ? AND version <= ?"
        )

    def is_empty(self) -> bool:
        """Tell whether the table has no rows."""
        return self._connection.execute("SELECT 1 FROM live LIMIT 1").fetchone() is None

    def insert(self, slots: Sequence[int], rows: Sequence[Sequence[Any]]) -> range:
        """Put rows in; each has a value for every slot.

        Returns:
            The ids of the rows.
        """
        first = self._writer.allocate_row_ids(len(rows))
        names = "".join(f", c{slot}" for slot in slots)
        marks = ", ?" * len(slots)
        self._connection.executemany(
            f"INSERT INTO live (row_id, version{names}) VALUES (?, {self.version:d}{marks})",
            ((number, *row) for number, row in enumerate(rows, first)),
        )
        return range(first, first + len(rows))

    def versions(self, row_ids: Sequence[int]) -> dict[int, tuple[int, bool]]:
        """Tell when rows were changed last, and whether they are still there.

        Rows that never were are left out.
        """
        found: dict[int, tuple[int, bool]] = {}
        for start in range(0, len(row_ids), _BOUND):
            some = row_ids[start : start + _BOUND]
            marks = ", ".join("?" * len(some))
            for table, there in (("gone", False), ("live", True)):
                rows = self._connection.execute(
                    f"SELECT row_id, version FROM {table} WHERE row_id IN ({marks})", some
                )
                found.update({row_id: (version, there) for row_id, version in rows})
        return found

    def _keep_past(self, row_ids: Iterable[int]) -> None:
        """Keep rows as they are for the snapshots that show them; one may be named twice."""
        if self._shown >= 0:
            self._connection.executemany(
                self._remember, ((self.version, row_id, self._shown) for row_id in row_ids)
            )

    def update(self, slots: Sequence[int], rows: Sequence[tuple[int, Sequence[Any]]]) -> None:
        """Change cells of rows that are there: (row id, a value for every slot)."""
        self._keep_past(row_id for row_id, _ in rows)
        cells = "".join(f", c{slot} = ?" for slot in slots)
        self._connection.executemany(
            f"UPDATE live SET version = {self.version:d}{cells} WHERE row_id = ?",
            ((*values, row_id) for row_id, values in rows),
        )

    def delete(self, row_ids: Sequence[int]) -> None:
        """Delete rows."""
        self._keep_past(row_ids)
        self._connection.executemany(
            "INSERT OR REPLACE INTO gone VALUES (?, ?)",
            ((row_id, self.version) for row_id in row_ids),
        )
        self._connection.executemany(
            "DELETE FROM live WHERE row_id = ?", ((row_id,) for row_id in row_ids)
        )
