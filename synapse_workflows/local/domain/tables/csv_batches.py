"""Reading of CSV records in batches, with the records of `csv_dialect.read_records`.

A batch is parsed as one block of lines, in a fraction of the time. A block with an unusual record
is parsed record by record.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from synapse_workflows.csv_blocks import BLOCK_SIZE, BlockParser
from synapse_workflows.local.domain.tables import csv_dialect
from synapse_workflows.local.domain.tables.csv_dialect import (
    MAX_RECORD_SIZE,
    CsvDialect,
    CsvRecord,
)
from synapse_workflows.local.errors import BadRequest

#: Number of characters after which no more lines are added to complete the last record.
_MAX_ADDED: Final = 1 << 20


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
    parser = BlockParser(dialect.separator, dialect.quote, dialect.escape)
    has_single_field = len(first) == 1
    while block := _read_block(stream, parser, block_size):
        columns = parser.parse(block) if len(block) < MAX_RECORD_SIZE else None
        records = []
        if columns is None:
            records = _read_records(block, stream, dialect, has_single_field=has_single_field)
        batch = CsvBatch(records, columns)
        widths = map(len, batch.records) if batch.columns is None else [len(batch.columns)]
        has_single_field = has_single_field or 1 in widths
        yield batch


def _read_block(stream: TextIO, parser: BlockParser, size: int) -> str:
    """Read lines that probably end with a complete record; return an empty text at the end."""
    try:
        block = stream.read(size) + stream.readline(MAX_RECORD_SIZE)
        is_open = parser.is_open(block)
        lines, added = [], 0
        while is_open and added < _MAX_ADDED:
            line = stream.readline(MAX_RECORD_SIZE)
            lines.append(line)
            added += len(line)
            is_open = bool(line) and not parser.is_open(line)
    except UnicodeDecodeError as error:
        raise BadRequest(f"The CSV is not UTF-8: {error}") from None
    return block + "".join(lines)


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
