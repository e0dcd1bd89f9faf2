"""Rows that are put in, changed and deleted together, and the check that nobody was faster."""

from collections.abc import Sequence
from typing import Any

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain import entities
from synapse_workflows.local.domain.tables.column_layout import StoredColumn
from synapse_workflows.local.domain.tables.table_update import TableUpdate
from synapse_workflows.local.errors import BadRequest, ServiceError
from synapse_workflows.local.storage.table_rows import RowWriter


class RowChangeSet:
    """Rows that are put in, changed and deleted together; has the next number of the table."""

    def __init__(self, update: TableUpdate) -> None:
        self.update = update
        self.etag = entities.new_etag()
        now, caller = update.run.service.now(), update.run.caller
        self.version = update.writer.create_change_set(self.etag, now, caller.id)
        self.rows = RowWriter(update.writer, self.version)
        self._read_at = -1
        self._touched = (-1, 0)
        self._missing: int | None = None

    def read_at_etag(self, etag: str | None) -> None:
        """Note the state of the table that the author of the changes saw.

        Raises:
            BadRequest: the table never had the etag.
        """
        if not etag:
            return
        version = self.update.writer.get_etag_version(etag)
        if version is None:
            raise BadRequest(f"Invalid etag: {etag}")
        self._read_at = max(self._read_at, version)

    def insert(self, bound: Sequence[StoredColumn], rows: Sequence[Sequence[Any]]) -> range:
        """Put rows in; columns that are not given get their defaults.

        Returns:
            The ids of the rows.
        """
        self._use_handles(bound, rows)
        given = {each.slot for each in bound}
        others = [each for each in self.update.bound if each.slot not in given]
        constant = [(each.slot, each.default()) for each in others]
        constant = [(slot, value) for slot, value in constant if value is not None]
        slots = [each.slot for each in bound] + [slot for slot, _ in constant]
        tail = [value for _, value in constant]
        return self.rows.insert(slots, [[*row, *tail] for row in rows] if tail else rows)

    def change(
        self,
        bound: Sequence[StoredColumn],
        rows: Sequence[tuple[int, int | None, Sequence[Any]]],
        *,
        partial: bool = False,
    ) -> None:
        """Change cells of rows.

        Args:
            bound: the columns to change.
            rows: (row id, the version that was read, a value for each column).
            partial: whether rows come without versions and so without conflicts.

        Raises:
            BadRequest: a row has no version or does not exist.
        """
        self._use_handles(bound, [row for _, _, row in rows])
        there = self._look([(row_id, version) for row_id, version, _ in rows], partial=partial)
        slots = [each.slot for each in bound]
        self.rows.update(slots, [(row_id, row) for row_id, _, row in rows if row_id in there])

    def delete(self, rows: Sequence[tuple[int, int | None]]) -> None:
        """Delete rows: (row id, the version that was read).

        Raises:
            BadRequest: a row has no version or does not exist.
        """
        there = self._look(rows, deletes=True)
        self.rows.delete([row_id for row_id, _ in rows if row_id in there])

    def _look(
        self,
        rows: Sequence[tuple[int, int | None]],
        *,
        partial: bool = False,
        deletes: bool = False,
    ) -> set[int]:
        """Find the rows, and note when they were changed last."""
        found = self.rows.versions([row_id for row_id, _ in rows])
        for row_id, version in rows:
            if row_id not in found or row_id >= self.rows.first_new:
                raise BadRequest(f"Cannot update row: {row_id} because it does not exist.")
            if version is None and not partial:
                raise BadRequest("Row version number cannot be null")
            self._read_at = max(self._read_at, -1 if version is None else version)
            touched, is_there = found[row_id]
            if not partial and touched != self.version:
                self._touched = max(self._touched, (touched, row_id))
            if not is_there and not (deletes and touched == self.version):
                self._missing = row_id
        return {row_id for row_id, (_, is_there) in found.items() if is_there}

    def _use_handles(self, bound: Sequence[StoredColumn], rows: Sequence[Sequence[Any]]) -> None:
        at = [
            index
            for index, each in enumerate(bound)
            if each.column.type is ColumnType.FILEHANDLEID
        ]
        if at:
            found = {row[index] for row in rows for index in at}
            self.update.use_handles(found - {None})

    def close(self) -> None:
        """Check that nobody changed a row since its author read it.

        Raises:
            ServiceError: 412, somebody did.
            BadRequest: a row was deleted before.
        """
        version, row_id = self._touched
        if version > self._read_at:
            raise ServiceError(
                f"Row id: {row_id} has been changed since last read.  Please get the latest "
                "value for this row and then attempt to update it again.",
                status=412,
            )
        if self._missing is not None:
            raise BadRequest(f"Cannot update row: {self._missing} because it does not exist.")
