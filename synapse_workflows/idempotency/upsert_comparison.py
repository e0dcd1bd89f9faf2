"""Comparison of a table with a source by key, and upload of the differences."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.constants import ROW_ID, ROW_VERSION
from synapse_workflows.idempotency.cell_normalization import hash_key
from synapse_workflows.idempotency.row_scope import RowScope
from synapse_workflows.idempotency.row_source import SYNAPSE_CSV, IncompleteRow, RowSource
from synapse_workflows.idempotency.row_upload import RowUpload
from synapse_workflows.idempotency.table_reader import TableReader, quote_columns
from synapse_workflows.idempotency.transaction import RowCounts
from synapse_workflows.idempotency.upsert_index import IndexedRow, TableRow, UpsertIndex

_BATCH_ROWS: Final = 500
_IDS: Final = (ROW_ID, ROW_VERSION)


@dataclass(frozen=True)
class UpsertOptions:
    """Options of an upsert.

    Args:
        key: Names of the columns that identify a row.
        where: Condition of the rows to compare, as `RowScope.parse` takes it; None for all rows.
        delete_missing: Whether to delete the rows of the table whose key is not in the source.
    """

    key: Sequence[str]
    where: str | Mapping[str, Any] | None = None
    delete_missing: bool = False


@dataclass
class UpsertComparison:
    """Comparison of the rows of a table with those of a source.

    Args:
        reader: Reads the table.
        source: The rows.
        options: Key and scope.
        since: Highest row ID before this task added rows; None if the task added no row.
        max_row_id: Highest row ID among the compared rows of the table.
        rows: Number of compared rows of the table.

    Raises:
        AirflowFailException: A key column is not in the source, or the condition of the scope is
            invalid.
    """

    reader: TableReader
    source: RowSource
    options: UpsertOptions
    since: int | None = None
    max_row_id: int = field(default=0, init=False)
    rows: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        names = self.source.names
        missing = [name for name in self.options.key if name not in names]
        if missing or not self.options.key:
            raise AirflowFailException(
                f"{self.source.label} does not have the key columns {missing}. Choose key "
                f"columns from {list(names)}"
            )
        self._key = [names.index(name) for name in self.options.key]
        where = self.options.where
        self._scope = None if where is None else RowScope.parse(where, self.source)

    def upload_changes(self, upload: RowUpload) -> RowCounts:
        """Upload the rows to add, to change and to delete; return the number of each.

        Raises:
            AirflowFailException: A key is empty or not unique, or a row is out of the scope.
        """
        condition = f"where {self._scope.sql} " if self._scope else ""
        columns, rest = quote_columns(self.source.names), f"{condition}order by {ROW_ID}"
        with (
            self.reader.download(columns, rest, row_ids=True) as path,
            UpsertIndex.temporary() as index,
            path.open("rb") as stored_rows,
        ):
            self._index_table(index, path)
            added, changed = self._upload_edits(upload, index, stored_rows.fileno())
            deleted = index.iter_duplicates()
            if self.options.delete_missing:
                deleted = chain(deleted, index.iter_missing())
            number = upload.upload(_IDS, ([str(value) for value in row] for row in deleted))
        return RowCounts(added, changed, number)

    def _index_table(self, index: UpsertIndex, path: Path) -> None:
        """Add the rows of a downloaded file to an index."""
        with path.open(encoding="utf-8", newline="") as file:
            rows = self._read_table_rows(SYNAPSE_CSV.parse_records(file))
            while batch := list(islice(rows, _BATCH_ROWS)):
                index.add_table_rows(batch)
                self.max_row_id = max(self.max_row_id, batch[-1].row_id)
                self.rows += len(batch)

    def _read_table_rows(self, records: Iterator[tuple[CsvRow, str]]) -> Iterator[TableRow]:
        start = 0
        stored_key = self.source.normalizer.stored_key
        key = [index + len(_IDS) for index in self._key]
        for number, (cells, text) in enumerate(records):
            size = len(text) if text.isascii() else len(text.encode())
            if number:  # the first record is the header
                values = stored_key([cells[index] for index in key], self._key)
                key_hash = None if values is None else hash_key(values)
                yield TableRow(key_hash, int(cells[0] or 0), int(cells[1] or 0), start, size)
            start += size

    def _upload_edits(
        self, upload: RowUpload, index: UpsertIndex, stored_rows: int
    ) -> tuple[int, int]:
        """Upload the rows to add and the rows to change; return the number of each.

        Args:
            upload: Uploads the rows.
            index: Index of the table.
            stored_rows: File descriptor of the rows of the table.
        """
        counts = [0, 0]

        def edits() -> Iterator[bytes]:
            for number, line, row in self._iter_matches(index):
                if row is None:
                    self._require_in_scope(number, line)
                    counts[0] += 1
                    yield f",,{SYNAPSE_CSV.format_row(line)}".encode()
                    continue
                stored = os.pread(stored_rows, row.size, row.start)
                cells = _with_stored_cells(line, stored)
                self._require_in_scope(number, cells)
                body = SYNAPSE_CSV.format_row(cells)
                edit = f'"{row.row_id}","{row.version}",{body}'.encode()
                if not self._is_equal(cells, edit, stored):
                    counts[1] += 1
                    yield edit

        header = SYNAPSE_CSV.format_row([*_IDS, *self.source.names]).encode()
        upload.upload_serialized(header, edits())
        return counts[0], counts[1]

    def _is_equal(self, line: CsvRow, edit: bytes, stored: bytes) -> bool:
        """Return whether a source row changes nothing in its table row.

        Args:
            line: Cells of the source row.
            edit: The source row with the row ID and version of the table row, serialized.
            stored: The table row, serialized.
        """
        normalizer = self.source.normalizer
        if edit == stored and not normalizer.has_defaults:
            return True
        return normalizer.is_equal(line, _parse_cells(stored))

    def _require_in_scope(self, number: int, line: CsvRow) -> None:
        if self._scope is not None:
            self._scope.require(number, line)

    def _iter_matches(self, index: UpsertIndex) -> Iterator[tuple[int, CsvRow, IndexedRow | None]]:
        """Yield number and cells of the source rows, and the table row with the same key."""
        normalizer = self.source.normalizer
        rows = enumerate(self.source.iter_rows(), 1)
        while batch := list(islice(rows, _BATCH_ROWS)):
            keys = [
                hash_key(normalizer.key_values(number, line, self._key)) for number, line in batch
            ]
            known = index.find(keys)
            for key, (number, line) in zip(keys, batch, strict=True):
                row = known.setdefault(key, IndexedRow())
                if row.source_row is not None or row.row_id is not None:
                    self._require_unique(index, key, (number, line), row)
                row.source_row = number
                yield number, line, None if row.row_id is None else row
            index.add_source_rows(zip(keys, (number for number, _ in batch), strict=True))

    def _require_unique(
        self, index: UpsertIndex, key: bytes, source_row: tuple[int, CsvRow], row: IndexedRow
    ) -> None:
        number, line = source_row
        duplicate_id = index.find_duplicate(key, self.since) if index.has_other_rows else None
        if row.source_row is None and duplicate_id is None:
            return
        values = self.source.normalizer.key_values(number, line, self._key)
        if row.source_row is not None:
            raise AirflowFailException(
                f"The key {values} is in the source more than once: in the rows {row.source_row} "
                f"and {number} of {self.source.label}. Remove one of the rows, or use other key "
                "columns"
            )
        raise AirflowFailException(
            f"The key {values} is in the table more than once: in the rows {row.row_id} and "
            f"{duplicate_id} ({ROW_ID}). Delete one of them, or use other key columns"
        )


def _with_stored_cells(line: CsvRow, stored: bytes) -> CsvRow:
    """Return a source row with the cells of its table row in the columns that it lacks."""
    if not isinstance(line, IncompleteRow):
        return line
    cells = enumerate(zip(line, _parse_cells(stored), strict=True))
    return [stored_cell if index in line.absent else cell for index, (cell, stored_cell) in cells]


def _parse_cells(stored: bytes) -> CsvRow:
    """Parse a row of a query; return its cells without row ID and version."""
    (row,) = SYNAPSE_CSV.parse_rows([stored.decode()])
    return row[len(_IDS) :]
