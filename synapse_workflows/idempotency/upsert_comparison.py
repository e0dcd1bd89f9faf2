"""Comparison of a table with a source by key, and upload of the differences."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.constants import ROW_ID, ROW_VERSION
from synapse_workflows.idempotency.cell_normalization import hash_key
from synapse_workflows.idempotency.row_scope import RowScope
from synapse_workflows.idempotency.row_source import SYNAPSE_CSV, IncompleteRow, RowSource
from synapse_workflows.idempotency.row_upload import RowUpload
from synapse_workflows.idempotency.table_reader import TableReader, quote_columns
from synapse_workflows.idempotency.transaction import RowCounts
from synapse_workflows.idempotency.upsert_index import TableRow, UpsertIndex

_BATCH_ROWS: Final = 500
_IDS: Final = (ROW_ID, ROW_VERSION)
#: Start of a serialized row without row ID and version.
_NEW_ROW: Final = b",,"


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


class _Match(NamedTuple):
    """Number and cells of a source row, and the row of the table that has the same key."""

    number: int
    line: CsvRow
    row: TableRow | None


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
        #: Row ID and version of rows that other tasks added with keys that this task added.
        self._duplicates: list[tuple[int, int]] = []
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
            with path.open(encoding="utf-8", newline="") as file:
                table_rows = self._read_table_rows(SYNAPSE_CSV.parse_records(file))
                self.rows = index.add_table_rows(table_rows)
            self.max_row_id = index.get_max_row_id()
            added, changed = self._upload_edits(upload, index, stored_rows.fileno())
            missing = index.iter_missing() if self.options.delete_missing else ()
            deleted = chain(self._duplicates, missing)
            number = upload.upload(_IDS, ([str(value) for value in row] for row in deleted))
        return RowCounts(added, changed, number)

    def check_source(self) -> None:
        """Check the keys and the scope of all source rows without reading the table.

        The scope is not checked for rows that lack columns, which the table may have.

        Raises:
            AirflowFailException: A key is empty or not unique, or a row is out of the scope.
        """
        rows = enumerate(self.source.iter_rows(), 1)
        with UpsertIndex.temporary() as index:
            while batch := list(islice(rows, _BATCH_ROWS)):
                for match in self._match(index, batch):
                    if not isinstance(match.line, IncompleteRow):
                        self._require_in_scope(match.number, match.line)

    def _read_table_rows(self, records: Iterator[tuple[CsvRow, str]]) -> Iterator[TableRow]:
        start = 0
        stored_key = self.source.normalizer.stored_key
        key = [index + len(_IDS) for index in self._key]
        for number, (cells, text) in enumerate(records, -1):
            size = len(text) if text.isascii() else len(text.encode())
            if number >= 0:  # the first record is the header
                values = stored_key([cells[index] for index in key], self._key)
                key_hash = None if values is None else hash_key(values)
                row_id, version = int(cells[0] or 0), int(cells[1] or 0)
                yield TableRow(number, key_hash, row_id, version, start, size)
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
        added = changed = 0

        def edits() -> Iterator[bytes]:
            nonlocal added, changed
            rows = enumerate(self.source.iter_rows(), 1)
            while batch := list(islice(rows, _BATCH_ROWS)):
                for edit in self._compare(self._match(index, batch), stored_rows):
                    is_new = edit.startswith(_NEW_ROW)
                    added, changed = added + is_new, changed + (not is_new)
                    yield edit

        header = SYNAPSE_CSV.format_row([*_IDS, *self.source.names]).encode()
        upload.upload_serialized(header, edits())
        return added, changed

    def _match(self, index: UpsertIndex, batch: Sequence[tuple[int, CsvRow]]) -> list[_Match]:
        """Find the table rows that have the keys of source rows."""
        key_values = self.source.normalizer.key_values
        keys = [hash_key(key_values(number, line, self._key)) for number, line in batch]
        found = index.find(keys)
        new = index.find_new([key for key in keys if key not in found])
        known, matches = len(new), []
        for key, (number, line) in zip(keys, batch, strict=True):
            rows = found.get(key, [])
            if key in new or (rows and not index.mark_in_source(rows[0])):
                raise self._duplicate_source_error(number, line)
            for duplicate in rows[1:]:
                self._add_duplicate(index, duplicate, rows[0], (number, line))
            if not rows:
                new.add(key)
            matches.append(_Match(number, line, rows[0] if rows else None))
        if len(new) > known:
            index.add_new(key for key in keys if key not in found)
        return matches

    def _compare(self, matches: Sequence[_Match], stored_rows: int) -> Iterator[bytes]:
        """Yield the rows to add and to change, serialized."""
        edits: list[tuple[_Match, bytes]] = []
        different: list[str] = []
        for match in matches:
            edit = _serialize(match.row, match.line)
            if match.row is not None:
                stored = os.pread(stored_rows, match.row.size, match.row.start)
                if self._is_same_text(match.line, edit, stored):
                    self._require_in_scope(match.number, match.line)
                    continue
                different.append(stored.decode())
            edits.append((match, edit))
        parsed = SYNAPSE_CSV.parse_rows(different)
        for match, edit in edits:
            line = match.line
            if match.row is not None:
                stored_cells = next(parsed)[len(_IDS) :]
                line = _with_stored_cells(line, stored_cells)
                if self.source.normalizer.is_equal(line, stored_cells):
                    self._require_in_scope(match.number, line)
                    continue
            self._require_in_scope(match.number, line)
            yield edit if line is match.line else _serialize(match.row, line)

    def _is_same_text(self, line: CsvRow, edit: bytes, stored: bytes) -> bool:
        """Return whether a source row is written like its table row, and changes nothing."""
        is_complete = not isinstance(line, IncompleteRow)
        return edit == stored and is_complete and not self.source.normalizer.has_defaults

    def _require_in_scope(self, number: int, line: CsvRow) -> None:
        if self._scope is not None:
            self._scope.require(number, line)

    def _add_duplicate(
        self,
        index: UpsertIndex,
        duplicate: TableRow,
        first: TableRow,
        source_row: tuple[int, CsvRow],
    ) -> None:
        """Record that a row was added twice, if another task added it since this task started.

        Raises:
            AirflowFailException: The row was added before.
        """
        if self.since is None or duplicate.row_id <= self.since:
            values = self.source.normalizer.key_values(*source_row, self._key)
            raise AirflowFailException(
                f"The key {values} is in the table more than once: in the rows {first.row_id} and "
                f"{duplicate.row_id} ({ROW_ID}). Delete one of them, or use other key columns"
            )
        index.mark_in_source(duplicate)
        self._duplicates.append((duplicate.row_id, duplicate.version))

    def _duplicate_source_error(self, number: int, line: CsvRow) -> AirflowFailException:
        key_values = self.source.normalizer.key_values
        values = key_values(number, line, self._key)
        rows = enumerate(self.source.iter_rows(), 1)
        first = next(
            other for other, cells in rows if key_values(other, cells, self._key) == values
        )
        return AirflowFailException(
            f"The key {values} is in the source more than once: in the rows {first} and {number} "
            f"of {self.source.label}. Remove one of the rows, or use other key columns"
        )


def _serialize(row: TableRow | None, line: CsvRow) -> bytes:
    """Serialize a row to add, or the new cells of a row of the table."""
    body = SYNAPSE_CSV.format_row(line).encode()
    return _NEW_ROW + body if row is None else b'"%d","%d",%b' % (row.row_id, row.version, body)


def _with_stored_cells(line: CsvRow, stored_cells: CsvRow) -> CsvRow:
    """Return a source row with the cells of its table row in the columns that it lacks."""
    if not isinstance(line, IncompleteRow):
        return line
    cells = enumerate(zip(line, stored_cells, strict=True))
    return [stored if index in line.absent else cell for index, (cell, stored) in cells]
