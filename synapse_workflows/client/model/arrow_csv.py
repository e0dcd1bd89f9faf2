"""Parsing of CSV files with pyarrow, an optional dependency: in parallel, into columns of text."""

import gzip
import io
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, cast

from synapse_workflows.client.model import csv_io
from synapse_workflows.client.model.csv_dialect import CsvDialect
from synapse_workflows.client.model.csv_io import CsvFile
from synapse_workflows.client.model.paths import expand_home
from synapse_workflows.constants import MiB

#: Size of the blocks that are parsed in parallel; a longer row cannot be parsed.
_BLOCK_SIZE: Final = MiB


def is_available(dialect: CsvDialect) -> bool:
    """Return whether pyarrow is installed and parses a dialect."""
    if not (dialect.separator + dialect.quote + dialect.escape).isascii():
        return False
    try:
        from pyarrow import csv  # noqa: F401
    except ImportError:
        return False
    return True


def create_parse_options(dialect: CsvDialect, *, ignore_empty_lines: bool) -> Any:
    """Create the ParseOptions of a dialect.

    Args:
        dialect: The CSV dialect.
        ignore_empty_lines: False for a table with one column, where an empty line is a null.
    """
    from pyarrow import csv

    return csv.ParseOptions(
        delimiter=dialect.separator,
        quote_char=dialect.quote,
        double_quote=True,
        escape_char=False if dialect.escape == dialect.quote else dialect.escape,
        newlines_in_values=True,
        ignore_empty_lines=ignore_empty_lines,
    )


def create_convert_options(types: dict[str, Any], **options: Any) -> Any:
    """Create ConvertOptions: an empty cell is null if unquoted, and empty text if quoted.

    Args:
        types: Names of the columns and their pyarrow types.
        **options: Further options.
    """
    from pyarrow import csv

    return csv.ConvertOptions(
        column_types=types,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        **options,
    )


def read_columns(file: CsvFile, width: int, *, block_size: int = _BLOCK_SIZE) -> list[Any] | None:
    """Parse a CSV file into columns of text.

    Args:
        file: The file; see `is_available`.
        width: Number of cells of a row.
        block_size: Number of bytes to parse at a time; maximum size of a row.

    Returns:
        One `pyarrow.ChunkedArray` of strings for each column. None if rows have fewer or more
        cells, or the file is not valid CSV or not UTF-8, or has no rows.
    """
    import pyarrow as pa
    from pyarrow import csv

    names = [str(index) for index in range(width)]  # columns of a table may have equal names
    with _open_with_last_row(file, file.dialect.separator * (width - 1)) as content:
        try:
            table = csv.read_csv(
                content,
                csv.ReadOptions(
                    column_names=names,
                    skip_rows=file.skip,
                    skip_rows_after_names=int(file.header),
                    block_size=block_size,
                ),
                create_parse_options(file.dialect, ignore_empty_lines=file.header and width > 1),
                create_convert_options(dict.fromkeys(names, pa.string())),
            )
        except (pa.ArrowException, EOFError, OSError):
            return None
    count = table.num_rows - 1
    if count < 0 or any(column[count].is_valid for column in table.columns):
        return None
    return [column.slice(0, count) for column in table.columns]


@contextmanager
def _open_with_last_row(file: CsvFile, last_row: str) -> Generator[io.RawIOBase]:
    """Open a file, decompressed and followed by one more row."""
    path = expand_home(file.path)
    opener = gzip.open if csv_io.is_compressed(path) else open
    with opener(path, "rb") as content:
        yield _AppendedFile(cast("BinaryIO", content), last_row.encode())


class _AppendedFile(io.RawIOBase):
    """Binary file followed by one more row.

    pyarrow accepts a file that ends inside a quoted cell. In such a file, the additional row is a
    part of that cell.

    Args:
        file: The file.
        row: The row, without line ending.
    """

    def __init__(self, file: BinaryIO, row: bytes) -> None:
        self._file = file
        self._row: bytes | None = row
        self._last = b"\n"

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        data = self._file.read(size)
        if data:
            self._last = data[-1:]
            return data
        row, self._row = self._row, None
        if row is None:
            return b""
        # Not "\n", which after "\r" would not end another line.
        return (b"" if self._last in b"\r\n" else b"\r") + row + b"\r"
