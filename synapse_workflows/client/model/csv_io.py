"""The text of CSV files: UTF-8, or an error that says where it is not."""

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

from synapse_workflows.client.model.csv_dialect import CsvDialect, CsvRow
from synapse_workflows.constants import MiB

#: Characters that are in memory when a whole file is looked at.
_CHUNK_CHARACTERS: Final = MiB
_ENCODING_HINT: Final = "Save it as UTF-8; it may be in Latin-1 or Windows-1252 now."


@contextmanager
def open_csv(path: str | os.PathLike[str], skip: int = 0) -> Generator[TextIO]:
    """Open a file for reading, behind some lines.

    Args:
        path: The file.
        skip: Lines to pass over.

    Raises:
        ValueError: What is read within the block is not UTF-8; the message names the line.
        OSError: It cannot be read.
    """
    whole = Path(path).expanduser()
    with whole.open(encoding="utf-8-sig", newline="") as file:
        try:
            for _ in islice(file, skip):
                pass
            yield file
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{whole} is not UTF-8{_locate_invalid_byte(whole)}. {_ENCODING_HINT}"
            ) from error


def validate_utf8(path: str | os.PathLike[str]) -> None:
    """Read a file to its end, a piece at a time.

    Raises:
        ValueError: It is not UTF-8; the message names the line.
        OSError: It cannot be read.
    """
    with open_csv(path) as file:
        while file.read(_CHUNK_CHARACTERS):
            pass


def write_rows(
    file: TextIO, dialect: CsvDialect, lines: Iterable[CsvRow], names: Sequence[str] | None
) -> None:
    """Write lines of cells, one at a time.

    Args:
        file: Open for writing.
        dialect: CSV dialect.
        lines: The cells of the rows.
        names: Of the columns, where they are known.

    Raises:
        ValueError: Text that UTF-8 cannot hold; the message names row and column.
    """
    for number, line in enumerate(lines, 1):
        try:
            file.write(dialect.format_row(line))
        except UnicodeEncodeError as error:
            at = next(at for at, cell in enumerate(line) if cell and not _is_encodable(cell))
            column = names[at] if names is not None else f"number {at + 1}"
            raise ValueError(
                f"Row {number}, column {column!r}: {line[at]!a:.60} holds half of a character "
                "(a lone surrogate), which UTF-8 cannot hold. Read the text again in its own "
                "encoding, or take that out."
            ) from error


def _locate_invalid_byte(path: Path) -> str:
    """Say which line is the first that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f": line {number} has the byte 0x{line[error.start]:02x}"
    return ""


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
