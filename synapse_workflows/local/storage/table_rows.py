"""Batched inserts, updates and deletes of the rows of one table within one change set."""
# ruff: noqa: S608 - the names of tables and slots in the SQL come from this package

from collections.abc import Iterable, Sequence
from typing import Any, Final

from synapse_workflows.local.storage.table_db import TableWriter

#: Maximum number of values bound by one statement.
_MAX_BOUND_VALUES: Final = 500


class RowWriter:
    """Writer for the rows of one change set.

    Args:
        writer: The table.
        version: The version of the change set.

    Attributes:
        version: The version of the change set.
        first_new: The ID that the first new row of this change set gets.
    """

    def __init__(self, writer: TableWriter, version: int) -> None:
        self._writer = writer
        self._connection = writer.connection
        self.version = version
        self.first_new = writer.next_row_id
        last = self._connection.execute("SELECT max(version) FROM snapshot").fetchone()[0]
        self._last_snapshot: int = -1 if last is None else last
        columns = self._connection.execute("SELECT name FROM pragma_table_info('past')")
        slots = [name for (name,) in columns if name[0] == "c" and name[1:].isdecimal()]
        cells = "".join(f", {slot}" for slot in slots)
        self._copy_to_past = (
            f"INSERT OR IGNORE INTO past (row_id, version, until{cells})"
            f" SELECT row_id, version, ?{cells} FROM live WHERE row_id = ? AND version <= ?"
        )

    def is_empty(self) -> bool:
        """Return whether the table has no rows."""
        return self._connection.execute("SELECT 1 FROM live LIMIT 1").fetchone() is None

    def insert(self, slots: Sequence[int], cells: Sequence[Sequence[Any]]) -> range:
        """Insert rows.

        Args:
            slots: At least one slot.
            cells: For each of the slots, the values of all rows.

        Returns:
            The IDs of the rows.
        """
        count = len(cells[0])
        first = self._writer.allocate_row_ids(count)
        used = [index for index, values in enumerate(cells) if not _are_null(values)]
        names = "".join(f", c{slots[index]}" for index in used)  # other slots are null
        marks = ", ?" * len(used)
        row_ids = range(first, first + count)
        self._connection.executemany(
            f"INSERT INTO live (row_id, version{names}) VALUES (?, {self.version:d}{marks})",
            zip(row_ids, *(cells[index] for index in used), strict=True),
        )
        return row_ids

    def get_versions(self, row_ids: Sequence[int]) -> dict[int, tuple[int, bool]]:
        """Return, by row ID, the version of the last change and whether the row still exists.

        Rows that never existed are omitted.
        """
        versions: dict[int, tuple[int, bool]] = {}
        for start in range(0, len(row_ids), _MAX_BOUND_VALUES):
            batch = row_ids[start : start + _MAX_BOUND_VALUES]
            marks = ", ".join("?" * len(batch))
            for table, exists in (("gone", False), ("live", True)):
                rows = self._connection.execute(
                    f"SELECT row_id, version FROM {table} WHERE row_id IN ({marks})", batch
                )
                versions.update({row_id: (version, exists) for row_id, version in rows})
        return versions

    def _preserve(self, row_ids: Iterable[int]) -> None:
        """Copy the rows that are part of a snapshot to the table `past`. Row IDs may repeat."""
        if self._last_snapshot >= 0:
            self._connection.executemany(
                self._copy_to_past,
                ((self.version, row_id, self._last_snapshot) for row_id in row_ids),
            )

    def update(self, slots: Sequence[int], rows: Sequence[tuple[int, Sequence[Any]]]) -> None:
        """Update rows: pairs of the row ID and the values, one value for each of the slots."""
        self._preserve(row_id for row_id, _ in rows)
        cells = "".join(f", c{slot} = ?" for slot in slots)
        self._connection.executemany(
            f"UPDATE live SET version = {self.version:d}{cells} WHERE row_id = ?",
            ((*values, row_id) for row_id, values in rows),
        )

    def delete(self, row_ids: Sequence[int]) -> None:
        """Delete rows."""
        self._preserve(row_ids)
        self._connection.executemany(
            "INSERT OR REPLACE INTO gone VALUES (?, ?)",
            ((row_id, self.version) for row_id in row_ids),
        )
        self._connection.executemany(
            "DELETE FROM live WHERE row_id = ?", ((row_id,) for row_id in row_ids)
        )


def _are_null(values: Sequence[Any]) -> bool:
    """Return whether all values are None."""
    return values[0] is None and values.count(None) == len(values)
