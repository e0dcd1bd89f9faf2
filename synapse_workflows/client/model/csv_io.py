"""Reading and writing of CSV files in UTF-8."""

import gzip
import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from itertools import islice
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO, Final, TextIO, cast

from synapse_workflows.client.model.csv_dialect import CsvDialect, CsvRow
from synapse_workflows.client.model.disk_space import explain_full_disk
from synapse_workflows.client.model.paths import expand_home
from synapse_workflows.constants import MiB

#: Characters read at a time when a file is validated.
_CHUNK_CHARACTERS: Final = MiB
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ENCODING_HINT: Final = "Save the file as UTF-8; its encoding may be Latin-1 or Windows-1252."


@dataclass(frozen=True)
class CsvFile:
    """A CSV file.

    Args:
        path: Path of the file, in UTF-8; the file may be compressed by gzip.
        dialect: The CSV dialect.
        header: Whether the first row contains the names of the columns.
        skip: Number of lines to skip before the first row.
    """

    path: str
    dialect: CsvDialect
    header: bool = True
    skip: int = 0


@contextmanager
def open_csv(path: str | os.PathLike[str], skip: int = 0) -> Generator[TextIO]:
    """Open a CSV file for reading; the file may be compressed by gzip.

    Args:
        path: Path of the file.
        skip: Number of lines to skip.

    Raises:
        ValueError: Text read inside the block is not UTF-8; the message contains the line number.
        OSError: The file cannot be read.
    """
    expanded = expand_home(path)
    with (
        expanded.open("rb") as raw,
        TextIOWrapper(_decompressed(raw), encoding="utf-8-sig", newline="") as file,
    ):
        try:
            for _ in islice(file, skip):
                pass
            yield file
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{expanded} is not UTF-8{_locate_invalid_byte(expanded)}. {_ENCODING_HINT}"
            ) from error


def _decompressed(file: BufferedReader) -> BinaryIO:
    """Return a file, or its decompressed content if it is compressed by gzip."""
    if file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    return file


def is_compressed(path: Path) -> bool:
    """Return whether a file is compressed by gzip."""
    with path.open("rb") as file:
        return file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def decompress(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write the text of a compressed file to another file."""
    with (
        open_csv(path) as file,
        explain_full_disk(target),
        Path(target).open("w", encoding="utf-8", newline="") as copy,
    ):
        copyfileobj(file, copy)


def has_unknown_escapes(path: str | os.PathLike[str], dialect: CsvDialect) -> bool:
    """Validate the encoding of a file, and return whether a line has unknown escapes.

    See `CsvDialect.has_unknown_escapes`.

    Raises:
        ValueError: The file is not UTF-8; the message contains the line number.
        OSError: The file cannot be read.
    """
    found = False
    with open_csv(path) as file:
        while lines := file.readlines(_CHUNK_CHARACTERS):
            found = found or any(
                dialect.has_unknown_escapes(line) for line in lines if dialect.escape in line
            )
    return found and dialect.escape != dialect.quote


def write_rows(
    file: TextIO, dialect: CsvDialect, rows: Iterable[CsvRow], names: Sequence[str] | None
) -> None:
    """Write rows to a file.

    Args:
        file: File open for writing.
        dialect: CSV dialect.
        rows: Cells of the rows.
        names: Names of the columns, if known.

    Raises:
        ValueError: A cell cannot be encoded as UTF-8; the message contains row and column.
    """
    for number, row in enumerate(rows, 1):
        try:
            file.write(dialect.format_row(row))
        except UnicodeEncodeError as error:
            index = next(i for i, cell in enumerate(row) if cell and not _is_encodable(cell))
            column = names[index] if names is not None else f"number {index + 1}"
            raise ValueError(
                f"Row {number}, column {column!r}: {row[index]!a:.60} contains a lone surrogate, "
                "which cannot be encoded as UTF-8. Decode the text with its original encoding, "
                "or remove the character."
            ) from error


def _locate_invalid_byte(path: Path) -> str:
    """Return the end of an error message: the first line that is not UTF-8."""
    opener = gzip.open if is_compressed(path) else open
    with opener(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f": line {number} contains the byte 0x{line[error.start]:02x}"
    return ""


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
