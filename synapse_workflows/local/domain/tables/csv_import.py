"""Rows that come as a CSV file: UploadToTableRequest."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import Any, Final, TextIO

from synapse_workflows.constants import MODEL, ROW_ID, ROW_METADATA, ROW_VERSION, GiB
from synapse_workflows.local.domain import file_handles, request_fields
from synapse_workflows.local.domain.async_jobs import Run
from synapse_workflows.local.domain.ids import decimal
from synapse_workflows.local.domain.tables import cell_values, csv_dialect
from synapse_workflows.local.domain.tables.column_layout import StoredColumn
from synapse_workflows.local.domain.tables.columns import parse_ids
from synapse_workflows.local.domain.tables.csv_dialect import CsvDialect, CsvRecord
from synapse_workflows.local.domain.tables.row_changes import RowChangeSet
from synapse_workflows.local.domain.tables.table_update import TableUpdate
from synapse_workflows.local.errors import BadRequest

RESULT: Final = f"{MODEL}.table.UploadToTableResult"
MAX_SIZE: Final = GiB
_AT_A_TIME: Final = 1000
#: Digits of a number that surely has 64 bits.
_DIGITS: Final = 18

_Edit = tuple[int, int | None, list[cell_values.StoredValue]]


class ByteStream(io.RawIOBase):
    """Chunks of bytes, to be read as a file; counts what was read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self.done = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with what comes next; 0 at the end."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        self.done += len(taken)
        return len(taken)


def decode_text(stream: ByteStream) -> io.TextIOWrapper:
    """Read bytes as UTF-8, without a byte order mark and with line ends as they are."""
    return io.TextIOWrapper(io.BufferedReader(stream, 1 << 17), encoding="utf-8-sig", newline="")


@dataclass(frozen=True)
class UploadedCsv:
    """A CSV file that was uploaded, open to be read.

    Args:
        text: what is in it.
        stream: tells how far it was read.
        size: bytes.
        form: how it is written.
        skip: lines to drop first.
    """

    text: TextIO
    stream: ByteStream
    size: int
    form: CsvDialect
    skip: int

    def records(self) -> Iterator[CsvRecord]:
        """Read it line by line.

        Raises:
            BadRequest: it is no CSV, or no UTF-8.
        """
        return csv_dialect.read_records(self.text, self.form, skip=self.skip)


@contextmanager
def open_csv(run: Run, request: Mapping[str, Any]) -> Iterator[UploadedCsv]:
    """Open the file that a request names by `uploadFileHandleId`.

    Raises:
        BadRequest: it is too large, lies elsewhere, or cannot be described so.
        Forbidden: the file handle is somebody else's.
        NotFound: there is no such file handle.
    """
    form = csv_dialect.parse_dialect(request_fields.mapping(request, "csvTableDescriptor"))
    skip = max(request_fields.integer(request, "linesToSkip") or 0, 0)
    handle_id = decimal(
        request_fields.required(request, "uploadFileHandleId"), "uploadFileHandleId"
    )
    with run.service.database.reading() as session:
        handle = file_handles.require_owner(session, run.caller, handle_id)
        pieces = file_handles.pieces(session, handle)
    size = handle.content_size or 0
    if handle.blob_id is None or size > MAX_SIZE:
        raise BadRequest(f"The CSV must lie in Synapse and have at most {MAX_SIZE} bytes.")
    stream = ByteStream(run.service.blobs.read(pieces))
    with decode_text(stream) as text:
        yield UploadedCsv(text, stream, size, form, skip)


@dataclass(frozen=True)
class FieldMapping:
    """What the fields of a CSV are.

    Args:
        bound: the columns, in the order of their fields.
        at: the index of each column's field.
        row_id: index of the field that holds ROW_ID.
        row_version: index of the field that holds ROW_VERSION.
        width: fields that a line may have.
    """

    bound: tuple[StoredColumn, ...]
    at: tuple[int, ...]
    row_id: int | None
    row_version: int | None
    width: int


def import_csv(update: TableUpdate, request: Mapping[str, Any]) -> dict[str, Any]:
    """Put in, change or delete the rows of a CSV file.

    Returns:
        An UploadToTableResult.

    Raises:
        BadRequest: the file is no CSV of this table, or a value is not what it should be.
        Forbidden: the file handle is somebody else's.
        NotFound: there is no such file handle.
        ServiceError: 412, somebody changed one of the rows.
    """
    update.require_columns()
    run = update.run
    with open_csv(run, request) as csv:
        change = RowChangeSet(update)
        change.read_at_etag(request_fields.text(request, "updateEtag"))
        has_header = csv.form.has_header
        plan, rows = _map_fields(update, request, csv.records(), has_header=has_header)
        load = _RowLoader(change, plan)
        while some := list(islice(rows, _AT_A_TIME)):
            load.take(some)
            run.progress.report(csv.stream.done, csv.size, f"Read {load.count} rows")
    change.close()
    return {"concreteType": RESULT, "rowsProcessed": load.count, "etag": change.etag}


def _map_fields(
    update: TableUpdate, request: Mapping[str, Any], rows: Iterator[CsvRecord], *, has_header: bool
) -> tuple[FieldMapping, Iterator[CsvRecord]]:
    """Find out what the fields are; give the rows that hold data, too."""
    first = next(rows, None)
    if first is None:
        raise BadRequest("The CSV is empty." if has_header else "The CSV has no rows.")
    if request.get("columnIds"):
        by_id = update.bound_by_id()
        names: list[str] = []
        for number in parse_ids(request, "columnIds"):
            if number not in by_id:
                raise BadRequest(f"columnIds: {number} is no column of this table.")
            names.append(by_id[number].column.name)
        return _named(update, names), rows if has_header else chain([first], rows)
    if has_header:
        return _named(update, [name or "" for name in first]), rows
    return _unnamed(update, len(first)), chain([first], rows)


def _named(update: TableUpdate, names: Sequence[str]) -> FieldMapping:
    by_name = {each.column.name: each for each in update.bound}
    bound, at, system = [], [], {}
    for index, given in enumerate(names):
        name = given.strip()
        if name.upper() in ROW_METADATA:
            name = name.upper()
            found = name in system
            system[name] = index
        elif name in by_name:
            found = by_name[name] in bound
            bound.append(by_name[name])
            at.append(index)
        else:
            raise BadRequest(
                f"The first line is expected to be a header but the value '{given}' does not "
                "match the name of a column of the table, nor ROW_ID or ROW_VERSION."
            )
        if found:
            raise BadRequest(f"The CSV names the column '{name}' twice.")
    return _checked(tuple(bound), tuple(at), system, len(names))


def _unnamed(update: TableUpdate, width: int) -> FieldMapping:
    """Take fields in the order of the columns, after a pair of row id and version if it fits."""
    system = {ROW_ID: 0, ROW_VERSION: 1} if width == len(update.bound) + 2 else {}
    bound = update.bound[: width - len(system)]
    if len(bound) + len(system) < width:
        raise BadRequest(f"The CSV has {width} columns, the table {len(update.bound)}.")
    return _checked(bound, tuple(range(len(system), width)), system, width)


def _checked(
    bound: tuple[StoredColumn, ...], at: tuple[int, ...], system: Mapping[str, int], width: int
) -> FieldMapping:
    if not bound and ROW_ID not in system:
        raise BadRequest("The CSV has no columns of the table.")
    return FieldMapping(bound, at, system.get(ROW_ID), system.get(ROW_VERSION), width)


class _RowLoader:
    """The rows of one file on their way into a change set."""

    def __init__(self, change: RowChangeSet, plan: FieldMapping) -> None:
        self._change = change
        self._plan = plan
        self._parsers = [cell_values.get_cell_parser(each.column) for each in plan.bound]
        self._defaults = [parse(None) for parse in self._parsers]
        self._ignores_ids = plan.row_id is None or (bool(plan.bound) and change.rows.is_empty())
        self.count = 0

    def take(self, rows: Sequence[CsvRecord]) -> None:
        """Put some rows into the table.

        Raises:
            BadRequest: a row is too long, or a value is not what it should be.
        """
        inserts: list[list[cell_values.StoredValue]] = []
        edits: list[_Edit] = []
        for row in rows:
            if len(row) > self._plan.width:
                raise BadRequest(
                    f"Row {self.count} has {len(row)} fields, the first line {self._plan.width}."
                )
            cells = self._cells(row)
            row_id = None if self._ignores_ids else self._number(row, self._plan.row_id)
            if row_id is None:
                inserts.append(cells + self._defaults[len(cells) :])
            else:
                version = self._number(row, self._plan.row_version)
                edits.append((row_id, version, cells))
            self.count += 1
        self._apply(inserts, edits)

    def _apply(self, inserts: list[list[cell_values.StoredValue]], edits: list[_Edit]) -> None:
        bound = self._plan.bound
        if inserts and not bound:
            raise BadRequest("A row without ROW_ID has no values.")
        if inserts:
            self._change.insert(bound, inserts)
        for size, some in groupby(edits, key=lambda edit: len(edit[2])):
            if bound:
                self._change.change(bound[:size], list(some))
            else:
                self._change.delete([(row_id, version) for row_id, version, _ in some])

    def _cells(self, row: CsvRecord) -> list[cell_values.StoredValue]:
        """Read the cells of a line; a short line has those of the first columns."""
        found: list[cell_values.StoredValue] = []
        size = len(row)
        for parse, index in zip(self._parsers, self._plan.at, strict=True):
            if index >= size:
                break
            try:
                found.append(parse(row[index]))
            except cell_values.CellError as error:
                kind = self._plan.bound[len(found)].column.type
                raise BadRequest(
                    f"Value at [{self.count},{index}] was not a valid {kind}. {error}"
                ) from None
        return found

    def _number(self, row: CsvRecord, index: int | None) -> int | None:
        if index is None or index >= len(row) or not row[index]:
            return None
        text = (row[index] or "").strip()
        if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
            raise BadRequest(
                f"Value at [{self.count},{index}] is no row id or version: {text!r:.100}"
            )
        return int(text)
