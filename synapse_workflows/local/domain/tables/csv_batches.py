"""Reading of CSV records in batches, with the records of `csv_dialect.read_records`.

A batch is parsed as one block of lines, in a fraction of the time. Quoted empty fields are marked
before the csv module parses the block, because it does not tell them from unquoted ones. A block
with an unusual record is parsed record by record.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, TextIO

from synapse_workflows.local.domain.tables import csv_dialect
from synapse_workflows.local.domain.tables.csv_dialect import (
    MAX_RECORD_SIZE,
    CsvDialect,
    CsvRecord,
)
from synapse_workflows.local.errors import BadRequest

#: Number of characters of a block, without the rest of its last record. Larger ones are slower.
BLOCK_SIZE: Final = 1 << 17
#: Number of characters after which no more lines are added to complete the last record.
_MAX_ADDED: Final = 1 << 20
#: Text of a quoted empty field while a block is parsed: a character for private use.
_MARK: Final = "\ue0f1"
_UNMARK: Final = {"": None, _MARK: ""}
#: A record after the block, which is only found if the last record of the block is complete.
_END: Final = "end"


@dataclass(frozen=True)
class CsvBatch:
    """Consecutive records of a CSV file.

    Args:
        records: The records; empty if `columns` is given.
        columns: The fields of all records, column by column; None if the records have different
            numbers of fields.
    """

    records: Sequence[CsvRecord]
    columns: Sequence[Sequence[str | None]] | None = None

    def iter_records(self) -> Iterator[CsvRecord]:
        """Iterate over the records."""
        if self.columns is None:
            return iter(self.records)
        return map(list, zip(*self.columns, strict=True))


def read_batches(
    stream: TextIO, dialect: CsvDialect, *, skip: int = 0, block_size: int = BLOCK_SIZE
) -> Iterator[CsvBatch]:
    """Yield the records of a CSV file in batches. The first batch is the first record alone.

    Args:
        stream: Text with its original line ends, without a byte order mark.
        dialect: The CSV dialect.
        skip: Number of lines to skip at the start.
        block_size: Number of characters of a block, without the rest of its last record.

    Raises:
        BadRequest: The file is not valid CSV or not UTF-8.
    """
    first = next(csv_dialect.read_records(stream, dialect, skip=skip), None)
    if first is None:
        return
    yield CsvBatch([first])
    parser = _BlockParser(dialect)
    has_single_field = len(first) == 1
    while block := _read_block(stream, dialect, block_size):
        batch = parser.parse(block)
        if batch is None:
            records = _read_records(block, stream, dialect, has_single_field=has_single_field)
            batch = CsvBatch(records)
        widths = map(len, batch.records) if batch.columns is None else [len(batch.columns)]
        has_single_field = has_single_field or 1 in widths
        yield batch


def _read_block(stream: TextIO, dialect: CsvDialect, size: int) -> str:
    """Read lines that probably end with a complete record; return an empty text at the end."""
    try:
        block = stream.read(size) + stream.readline(MAX_RECORD_SIZE)
        is_open = block.count(dialect.quote) % 2 == 1
        lines, added = [], 0
        while is_open and added < _MAX_ADDED:
            line = stream.readline(MAX_RECORD_SIZE)
            lines.append(line)
            added += len(line)
            is_open = bool(line) and line.count(dialect.quote) % 2 == 0
    except UnicodeDecodeError as error:
        raise BadRequest(f"The CSV is not UTF-8: {error}") from None
    return block + "".join(lines)


class _BlockParser:
    """Parser of blocks of lines, for records with the same number of fields.

    Args:
        dialect: The CSV dialect.
    """

    def __init__(self, dialect: CsvDialect) -> None:
        self._dialect = dialect
        self._empty_text = dialect.quote * 2
        empty, separator = re.escape(self._empty_text), re.escape(dialect.separator)
        self._empty_field = re.compile(
            rf"{empty}(?<![^{separator}\r\n]{empty})(?![^{separator}\r\n])"
        )
        self._marked_field = f"{dialect.quote}{_MARK}{dialect.quote}".replace("\\", r"\\")

    def parse(self, block: str) -> CsvBatch | None:
        """Parse the records of a block; return None if they have to be read one by one."""
        if _MARK in block or len(block) >= MAX_RECORD_SIZE:
            return None
        marks = 0
        if self._empty_text in block:
            block, marks = self._empty_field.subn(self._marked_field, block)
        lines = chain(io.StringIO(block, newline=""), [f"{_END}\n"])
        try:
            rows = list(csv_dialect.create_reader(lines, self._dialect))
        except csv.Error:
            return None
        if rows.pop() != [_END] or len({*map(len, rows)}) != 1:
            return None
        columns: list[Sequence[str | None]] = list(zip(*rows, strict=True))
        # a mark within a quoted field is not a field of its own
        found = [column.count(_MARK) for column in columns] if marks else [0] * len(columns)
        if not columns or sum(found) != marks:
            return None
        return CsvBatch([], [*map(_replace_nulls, columns, found)])


def _replace_nulls(column: Sequence[str | None], marks: int) -> Sequence[str | None]:
    """Replace unquoted empty fields by None, and marks by empty text."""
    if marks:
        return [_UNMARK.get(cell, cell) if cell else None for cell in column]
    return [cell or None for cell in column] if "" in column else column


class _BlockStream:
    """Stream of the lines of a block, followed by the lines of the stream that it was read from.

    Args:
        block: The lines of the block.
        stream: The stream.
    """

    def __init__(self, block: str, stream: TextIO) -> None:
        self._block = io.StringIO(block, newline="")
        self._size = len(block)
        self._stream = stream

    def readline(self, size: int) -> str:
        """Return the next line, at most `size` characters."""
        return self._block.readline(size) or self._stream.readline(size)

    @property
    def is_block_read(self) -> bool:
        """Whether all lines of the block were read."""
        return self._block.tell() == self._size


def _read_records(
    block: str, stream: TextIO, dialect: CsvDialect, *, has_single_field: bool
) -> list[CsvRecord]:
    """Read the records of a block one by one, and from the stream the rest of the last record."""
    source = _BlockStream(block, stream)
    records = []
    for record in csv_dialect.read_records(source, dialect, has_single_field=has_single_field):
        records.append(record)
        if source.is_block_read:
            break
    return records
