"""Change sets of rows: inserts, updates and deletes with conflict detection."""

from collections.abc import Iterable, Sequence
from typing import Any

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.ids import generate_etag
from synapse_workflows.local.domain.tables.cell_values import StoredValue
from synapse_workflows.local.domain.tables.column_layout import StoredColumn
from synapse_workflows.local.domain.tables.table_update import TableUpdate
from synapse_workflows.local.errors import BadRequest, PreconditionFailed
from synapse_workflows.local.storage.table_rows import RowWriter


class RowChangeSet:
    """Changes of rows that share one version number and etag.

    A change conflicts if a row was changed after the caller read the row. The versions of the rows
    and the etag of the table in the request identify the state that the caller read. If they
    differ, the latest state counts.

    Args:
        update: The table.
    """

    def __init__(self, update: TableUpdate) -> None:
        self._update = update
        self.etag = generate_etag()
        now, caller = update.run.service.now(), update.run.caller
        self.version = update.writer.create_change_set(self.etag, now, caller.id)
        self.rows = RowWriter(update.writer, self.version)
        self._read_version = -1
        #: Version and ID of the row that was changed last before this change set.
        self._last_changed = (-1, 0)
        self._missing_row: int | None = None

    def set_read_etag(self, etag: str | None) -> None:
        """Set the state of the table that the caller read, given as an etag of the table.

        Raises:
            BadRequest: The table never had this etag.
        """
        if not etag:
            return
        version = self._update.writer.get_etag_version(etag)
        if version is None:
            raise BadRequest(f"Invalid etag: {etag}")
        self._read_version = max(self._read_version, version)

    def insert(
        self, columns: Sequence[StoredColumn], cells: Sequence[Sequence[StoredValue]]
    ) -> range:
        """Insert rows. Other columns of the table get their defaults.

        Args:
            columns: At least one column of the table.
            cells: For each of the columns, the values of all rows.

        Returns:
            The IDs of the rows.
        """
        self._check_file_handles(columns, cells)
        count = len(cells[0])
        slots = [each.slot for each in columns]
        others = [each for each in self._update.columns if each.slot not in slots]
        defaults = {each.slot: each.default() for each in others}
        defaults = {slot: value for slot, value in defaults.items() if value is not None}
        repeated = [[value] * count for value in defaults.values()]
        return self.rows.insert([*slots, *defaults], [*cells, *repeated])

    def update(
        self,
        columns: Sequence[StoredColumn],
        rows: Sequence[tuple[int, int | None, Sequence[Any]]],
        *,
        partial: bool = False,
    ) -> None:
        """Update cells of rows.

        Args:
            columns: The columns to update.
            rows: Row ID, version that the caller read, and one value for each of the columns.
            partial: Whether rows have no version, and so cannot conflict.

        Raises:
            BadRequest: A row has no version or does not exist.
        """
        self._check_file_handles(columns, zip(*(row for _, _, row in rows), strict=True))
        existing = self._check_rows(
            [(row_id, version) for row_id, version, _ in rows], partial=partial
        )
        slots = [each.slot for each in columns]
        self.rows.update(slots, [(row_id, row) for row_id, _, row in rows if row_id in existing])

    def delete(self, rows: Sequence[tuple[int, int | None]]) -> None:
        """Delete rows, given as pairs of row ID and the version that the caller read.

        Raises:
            BadRequest: A row has no version or does not exist.
        """
        existing = self._check_rows(rows, deletes=True)
        self.rows.delete([row_id for row_id, _ in rows if row_id in existing])

    def _check_rows(
        self,
        rows: Sequence[tuple[int, int | None]],
        *,
        partial: bool = False,
        deletes: bool = False,
    ) -> set[int]:
        """Record the last changes of the rows. Return the IDs of the rows that still exist."""
        versions = self.rows.get_versions([row_id for row_id, _ in rows])
        for row_id, version in rows:
            if row_id not in versions or row_id >= self.rows.first_new:
                raise BadRequest(f"Cannot update row: {row_id} because it does not exist.")
            if version is None and not partial:
                raise BadRequest("Row version number cannot be null")
            self._read_version = max(self._read_version, -1 if version is None else version)
            last_change, exists = versions[row_id]
            if not partial and last_change != self.version:
                self._last_changed = max(self._last_changed, (last_change, row_id))
            if not exists and not (deletes and last_change == self.version):
                self._missing_row = row_id
        return {row_id for row_id, (_, exists) in versions.items() if exists}

    def _check_file_handles(
        self, columns: Sequence[StoredColumn], cells: Iterable[Sequence[StoredValue]]
    ) -> None:
        handle_ids = {
            int(value)
            for each, values in zip(columns, cells, strict=True)
            if each.column.type is ColumnType.FILEHANDLEID
            for value in values
            if value is not None
        }
        if handle_ids:
            self._update.add_file_handles(handle_ids)

    def check_conflicts(self) -> None:
        """Check that no row of this change set was changed after the caller read the row.

        Raises:
            PreconditionFailed: A row was changed.
            BadRequest: A row was deleted.
        """
        version, row_id = self._last_changed
        if version > self._read_version:
            raise PreconditionFailed(
                f"Row id: {row_id} has been changed since last read.  Please get the latest "
                "value for this row and then attempt to update it again."
            )
        if self._missing_row is not None:
            raise BadRequest(f"Cannot update row: {self._missing_row} because it does not exist.")
