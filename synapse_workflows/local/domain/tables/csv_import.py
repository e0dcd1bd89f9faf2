"""Import of CSV files into tables (UploadToTableRequest)."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, Final, TextIO

from synapse_workflows.constants import MODEL, ROW_ID, ROW_METADATA, ROW_VERSION, GiB
from synapse_workflows.local.domain import file_handles, request_fields
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.tables import (
    cell_values,
    column_cells,
    csv_batches,
    csv_dialect,
)
from synapse_workflows.local.domain.tables.column_layout import StoredColumn
from synapse_workflows.local.domain.tables.columns import parse_ids
from synapse_workflows.local.domain.tables.csv_batches import CsvBatch
from synapse_workflows.local.domain.tables.csv_dialect import CsvDialect, CsvRecord
from synapse_workflows.local.domain.tables.row_changes import RowChangeSet
from synapse_workflows.local.domain.tables.table_update import TableUpdate
from synapse_workflows.local.errors import BadRequest

RESULT: Final = f"{MODEL}.table.UploadToTableResult"
MAX_SIZE: Final = GiB
#: Maximum number of digits with which every number fits into 64 bits.
_MAX_DIGITS: Final = 18

#: Row ID, version, and the values of the columns.
_RowUpdate = tuple[int, int | None, Sequence[cell_values.StoredValue]]


class ByteStream(io.RawIOBase):
    """Readable binary file whose content comes from an iterator of chunks.

    Attributes:
        bytes_read: The number of bytes read so far.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self.bytes_read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes into `buffer`. Return the number of bytes, 0 at the end of the file."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        self.bytes_read += len(taken)
        return len(taken)


def decode_text(stream: ByteStream) -> io.TextIOWrapper:
    """Decode a stream as UTF-8. Drop a byte order mark and keep line ends unchanged."""
    return io.TextIOWrapper(io.BufferedReader(stream, 1 << 17), encoding="utf-8-sig", newline="")


@dataclass(frozen=True)
class UploadedCsv:
    """An uploaded CSV file, open for reading.

    Args:
        text: The decoded content.
        stream: The undecoded content; counts the bytes that were read.
        size: Size of the file, in bytes.
        dialect: The CSV dialect.
        skip: Number of lines to skip at the start.
    """

    text: TextIO
    stream: ByteStream
    size: int
    dialect: CsvDialect
    skip: int

    def records(self) -> Iterator[CsvRecord]:
        """Yield the records of the file.

        Raises:
            BadRequest: The file is not valid CSV or not UTF-8.
        """
        return csv_dialect.read_records(self.text, self.dialect, skip=self.skip)

    def batches(self) -> Iterator[CsvBatch]:
        """Yield the records of the file in batches. The first batch is the first record alone.

        Raises:
            BadRequest: The file is not valid CSV or not UTF-8.
        """
        return csv_batches.read_batches(self.text, self.dialect, skip=self.skip)


@contextmanager
def open_csv(run: JobRun, request: Mapping[str, Any]) -> Iterator[UploadedCsv]:
    """Open the CSV file with the `uploadFileHandleId` of a request.

    Raises:
        BadRequest: The file is too large or not stored in Synapse, or its descriptor is invalid.
        Forbidden: The file handle belongs to another user.
        NotFound: The file handle does not exist.
    """
    dialect = csv_dialect.parse_dialect(request_fields.get_object(request, "csvTableDescriptor"))
    skip = max(request_fields.get_integer(request, "linesToSkip") or 0, 0)
    handle_id = parse_id(
        request_fields.get_required_text(request, "uploadFileHandleId"), "uploadFileHandleId"
    )
    with run.service.database.read_transaction() as session:
        handle = file_handles.get_own_handle(session, run.caller, handle_id)
        pieces = file_handles.list_stored_files(session, handle)
    size = handle.content_size or 0
    if handle.blob_id is None or size > MAX_SIZE:
        raise BadRequest(
            f"The CSV must be stored in Synapse and have at most {MAX_SIZE} bytes; "
            f"file handle {handle_id} has {size} bytes."
        )
    stream = ByteStream(run.service.blobs.read(pieces))
    with decode_text(stream) as text:
        yield UploadedCsv(text, stream, size, dialect, skip)


@dataclass(frozen=True)
class FieldMapping:
    """Mapping of the fields of a CSV record to the columns of a table.

    Args:
        columns: The columns of the table, in the order of their fields.
        indexes: For each column, the index of its field in the record.
        row_id: Index of the ROW_ID field; None if there is none.
        row_version: Index of the ROW_VERSION field; None if there is none.
        width: Maximum number of fields of a record.
    """

    columns: tuple[StoredColumn, ...]
    indexes: tuple[int, ...]
    row_id: int | None
    row_version: int | None
    width: int


def import_csv(update: TableUpdate, request: Mapping[str, Any]) -> dict[str, Any]:
    """Insert, update or delete the rows of a CSV file.

    Returns:
        An UploadToTableResult.

    Raises:
        BadRequest: The file is invalid or does not match the table.
        Forbidden: The file handle belongs to another user.
        NotFound: The file handle does not exist.
        PreconditionFailed: A row was changed after the caller read it.
    """
    run = update.run
    with open_csv(run, request) as csv:
        changes = RowChangeSet(update)
        changes.set_read_etag(request_fields.get_text(request, "updateEtag"))
        has_header = csv.dialect.has_header
        fields, batches = _map_fields(update, request, csv.batches(), has_header=has_header)
        loader = _RowLoader(changes, fields)
        for batch in batches:
            loader.load(batch)
            run.progress.report(csv.stream.bytes_read, csv.size, f"Read {loader.count} rows")
    changes.check_conflicts()
    return {"concreteType": RESULT, "rowsProcessed": loader.count, "etag": changes.etag}


def _map_fields(
    update: TableUpdate,
    request: Mapping[str, Any],
    batches: Iterator[CsvBatch],
    *,
    has_header: bool,
) -> tuple[FieldMapping, Iterator[CsvBatch]]:
    """Return the mapping of the fields, and the batches of records without the header."""
    header = next(batches, None)
    if header is None:
        raise BadRequest("The CSV is empty." if has_header else "The CSV has no rows.")
    first = header.records[0]
    rows = batches if has_header else chain([header], batches)
    if request.get("columnIds"):
        by_id = update.columns_by_id()
        names: list[str] = []
        for number in parse_ids(request, "columnIds"):
            if number not in by_id:
                raise BadRequest(f"columnIds: the table has no column with ID {number}.")
            names.append(by_id[number].column.name)
        return _map_named(update, names), rows
    if has_header:
        return _map_named(update, [name or "" for name in first]), rows
    return _map_unnamed(update, len(first)), rows


def _map_named(update: TableUpdate, names: Sequence[str]) -> FieldMapping:
    by_name = {each.column.name: each for each in update.columns}
    columns, indexes, metadata = [], [], {}
    for index, field in enumerate(names):
        name = field.strip()
        if name.upper() in ROW_METADATA:
            name = name.upper()
            is_duplicate = name in metadata
            metadata[name] = index
        elif name in by_name:
            is_duplicate = by_name[name] in columns
            columns.append(by_name[name])
            indexes.append(index)
        else:
            raise build_header_error(field, names)
        if is_duplicate:
            raise BadRequest(f"The CSV has two columns named '{name}'.")
    update.require_columns()
    return _create_mapping(tuple(columns), tuple(indexes), metadata, len(names))


def build_header_error(field: str, header: Sequence[str]) -> BadRequest:
    """Return the error for a header with a field that is not a column."""
    return BadRequest(
        "The first line is expected to be a header but the values do not match the names of of "
        f"the columns of the table ({field} is not a valid column name or id). "
        f"Header row: {','.join(header)}"
    )


def _map_unnamed(update: TableUpdate, width: int) -> FieldMapping:
    """Map the fields of a file without a header to the columns, in order.

    If there are two more fields than columns, the first two are ROW_ID and ROW_VERSION.
    """
    update.require_columns()
    metadata = {ROW_ID: 0, ROW_VERSION: 1} if width == len(update.columns) + 2 else {}
    columns = update.columns[: width - len(metadata)]
    if len(columns) + len(metadata) < width:
        raise BadRequest(f"The CSV has {width} columns, but the table has {len(update.columns)}.")
    return _create_mapping(columns, tuple(range(len(metadata), width)), metadata, width)


def _create_mapping(
    columns: tuple[StoredColumn, ...],
    indexes: tuple[int, ...],
    metadata: Mapping[str, int],
    width: int,
) -> FieldMapping:
    if not columns and ROW_ID not in metadata:
        raise BadRequest("The CSV has no columns of the table.")
    return FieldMapping(columns, indexes, metadata.get(ROW_ID), metadata.get(ROW_VERSION), width)


class _RowLoader:
    """Loader of the records of a CSV file into a change set.

    Attributes:
        count: The number of records loaded so far.
    """

    def __init__(self, changes: RowChangeSet, fields: FieldMapping) -> None:
        self._changes = changes
        self._fields = fields
        self._parsers = [cell_values.get_cell_parser(each.column) for each in fields.columns]
        self._column_parsers = [
            column_cells.get_column_parser(each.column) for each in fields.columns
        ]
        self._defaults = [parse(None) for parse in self._parsers]
        is_new_content = bool(fields.columns) and changes.rows.is_empty()
        self._ignores_ids = fields.row_id is None or is_new_content
        self.count = 0

    def load(self, batch: CsvBatch) -> None:
        """Load a batch of records. A record that has a row ID and no values deletes its row.

        Raises:
            BadRequest: A record has too many fields, or a value is invalid.
        """
        columns = self._parse_columns(batch)
        if columns and self._ignores_ids:
            self._changes.insert(self._fields.columns, columns)
            self.count += len(columns[0])
            return
        parsed = list(zip(*columns, strict=True)) if columns else None
        inserts: list[Sequence[cell_values.StoredValue]] = []
        updates: list[_RowUpdate] = []
        for index, record in enumerate(batch.iter_records()):
            cells = self._parse_cells(record) if parsed is None else parsed[index]
            ignores_id = self._ignores_ids and bool(cells)
            row_id = None if ignores_id else self._parse_id(record, self._fields.row_id)
            if row_id is None:
                inserts.append([*cells, *self._defaults[len(cells) :]])
            else:
                version = self._parse_id(record, self._fields.row_version)
                updates.append((row_id, version, cells))
            self.count += 1
        self._apply(inserts, updates)

    def _parse_columns(self, batch: CsvBatch) -> list[Sequence[cell_values.StoredValue]] | None:
        """Return the values of each column; None if the records have to be parsed one by one."""
        if batch.columns is None or len(batch.columns) != self._fields.width:
            return None
        try:
            return [
                parse(batch.columns[index])
                for parse, index in zip(self._column_parsers, self._fields.indexes, strict=True)
            ]
        except cell_values.CellError:
            return None

    def _apply(
        self, inserts: list[Sequence[cell_values.StoredValue]], updates: list[_RowUpdate]
    ) -> None:
        columns = self._fields.columns
        if inserts and not columns:
            raise BadRequest("A row without ROW_ID has no values.")
        if inserts:
            self._changes.insert(columns, list(zip(*inserts, strict=True)))
        for size, group in groupby(updates, key=lambda each: len(each[2])):
            if size:
                self._changes.update(columns[:size], list(group))
            else:
                self._changes.delete([(row_id, version) for row_id, version, _ in group])

    def _parse_cells(self, record: CsvRecord) -> list[cell_values.StoredValue]:
        """Return the values of a record. A short record has values for the first columns only."""
        if len(record) > self._fields.width:
            raise BadRequest(
                f"Row {self.count} has {len(record)} fields, "
                f"but the first line has {self._fields.width}."
            )
        values: list[cell_values.StoredValue] = []
        size = len(record)
        for parse, index in zip(self._parsers, self._fields.indexes, strict=True):
            if index >= size:
                break
            try:
                values.append(parse(record[index]))
            except cell_values.CellError as error:
                kind = self._fields.columns[len(values)].column.type
                raise BadRequest(
                    f"Value at [{self.count},{index}] was not a valid {kind}. {error}"
                ) from None
        return values

    def _parse_id(self, record: CsvRecord, index: int | None) -> int | None:
        if index is None or index >= len(record) or not record[index]:
            return None
        text = (record[index] or "").strip()
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
            raise BadRequest(
                f"Value at [{self.count},{index}] is not a valid row ID or version: {text!r:.100}"
            )
        return int(text)
