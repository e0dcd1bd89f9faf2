"""CSV dialects: parsing a CsvTableDescriptor, reading and writing records (semantics 9.6)."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.errors import BadRequest

#: Maximum number of characters of one record, and so of one line.
MAX_RECORD_SIZE: Final = 64 << 20
_MAX_CELL_SIZE: Final = 8 << 20

CsvRecord = list[str | None]


@dataclass(frozen=True)
class CsvDialect:
    """A CsvTableDescriptor.

    Args:
        separator: One character between fields.
        quote: One character around fields.
        escape: One character. The character after an escape is literal.
        line_end: Line end of written records. Reading accepts every line end.
        has_header: Whether the first line contains the column names.
    """

    separator: str = ","
    quote: str = '"'
    escape: str = "\\"
    line_end: str = "\n"
    has_header: bool = True


def parse_dialect(body: Mapping[str, Any] | None) -> CsvDialect:
    """Parse a CsvTableDescriptor. Missing properties get the default value.

    Raises:
        BadRequest: Separator, quote or escape is not exactly one character, or the separator
            equals quote or escape.
    """
    body = body or {}
    default = CsvDialect()
    dialect = CsvDialect(
        separator=_parse_character(body, "separator", default.separator),
        quote=_parse_character(body, "quoteCharacter", default.quote),
        escape=_parse_character(body, "escapeCharacter", default.escape),
        line_end=request_fields.get_text(body, "lineEnd") or default.line_end,
        has_header=request_fields.get_boolean(body, "isFirstLineHeader", default=True),
    )
    if dialect.separator in {dialect.quote, dialect.escape}:
        raise BadRequest("The separator, quote and escape characters must be different.")
    return dialect


def _parse_character(body: Mapping[str, Any], key: str, default: str) -> str:
    value = request_fields.get_text(body, key)
    if value is None:
        return default
    if len(value) != 1 or value in "\r\n":
        raise BadRequest(f"CsvTableDescriptor.{key} must be exactly one character.")
    return value


class LineStream(Protocol):
    """Text that is read line by line."""

    def readline(self, size: int, /) -> str:
        """Return the next line, at most `size` characters; an empty text at the end."""


class _LineReader:
    """Iterator over the lines of a stream that buffers the lines of the current record.

    Attributes:
        raw: The lines of the current record.
        is_exhausted: Whether a line was requested after the last line of the stream. The CSV
            parser requests no further line if the record is complete.
    """

    def __init__(self, stream: LineStream) -> None:
        self._stream = stream
        self.raw: list[str] = []
        self.is_exhausted = False
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(MAX_RECORD_SIZE)
        if not line:
            self.is_exhausted = True
            raise StopIteration
        self.raw.append(line)
        self._size += len(line)
        if self._size >= MAX_RECORD_SIZE:
            raise BadRequest(
                f"A record of the CSV has {MAX_RECORD_SIZE} characters or more. "
                "Check for a missing closing quote."
            )
        return line

    def clear(self) -> None:
        """Discard the buffered lines."""
        self.raw.clear()
        self._size = 0


def read_records(
    stream: LineStream, dialect: CsvDialect, *, skip: int = 0, has_single_field: bool = False
) -> Iterator[CsvRecord]:
    """Yield the records of a CSV file.

    An unquoted empty field is None. A quoted empty field is empty text. Empty lines are skipped,
    except in files with one field per record: there, an empty line is a record with None.

    Args:
        stream: Text with its original line ends, without a byte order mark.
        dialect: The CSV dialect.
        skip: Number of lines to skip at the start.
        has_single_field: Whether the records before the stream have one field.

    Raises:
        BadRequest: The file is not valid CSV or not UTF-8.
    """
    lines = _LineReader(stream)
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL_SIZE))  # a setting of the process
    reader = csv.reader(
        lines,
        delimiter=dialect.separator,
        quotechar=dialect.quote,
        escapechar=None if dialect.escape == dialect.quote else dialect.escape,
        doublequote=True,
    )
    empty_text, field = dialect.quote * 2, _compile_field(dialect)
    try:
        for _ in range(skip):
            if next(lines, None) is None:
                break
            lines.clear()
        for row in reader:
            if lines.is_exhausted:
                raise BadRequest(
                    "The CSV ends within a quoted field or after an escape character. "
                    "Check that the file is complete."
                )
            if "" in row and any(empty_text in line for line in lines.raw):
                yield _replace_nulls(row, "".join(lines.raw), dialect, field)
            elif row or has_single_field:
                yield [cell or None for cell in row] or [None]
            has_single_field = has_single_field or len(row) == 1
            lines.clear()
    except csv.Error as error:
        raise BadRequest(f"The CSV cannot be read: {error}") from None
    except UnicodeDecodeError as error:
        raise BadRequest(f"The CSV is not UTF-8: {error}") from None


def _replace_nulls(
    row: list[str], raw: str, dialect: CsvDialect, field: re.Pattern[str]
) -> CsvRecord:
    """Replace the unquoted empty fields of a record by None."""
    separator, record = dialect.separator, raw.rstrip("\r\n")
    empty_text = f"{separator}{dialect.quote}{dialect.quote}{separator}"
    if empty_text not in f"{separator}{record}{separator}":
        return [cell or None for cell in row]
    texts = field.findall(record)
    texts += [""] * (len(row) - len(texts))
    return [cell if cell or text else None for cell, text in zip(row, texts, strict=False)]


def _compile_field(dialect: CsvDialect) -> re.Pattern[str]:
    """Compile the pattern of a separator and a field. Its group is the field with its quotes."""
    quote, separator = re.escape(dialect.quote), re.escape(dialect.separator)
    if dialect.escape == dialect.quote:
        quoted, bare = f"[^{quote}]++|{quote}{quote}", f"[^{separator}]++"
    else:
        escape = re.escape(dialect.escape)
        quoted = f"[^{quote}{escape}]++|{quote}{quote}|{escape}."
        bare = f"[^{separator}{escape}]++|{escape}."
    field = f"(?:{quote}(?:{quoted})*+{quote})?+(?:{bare})*+"
    return re.compile(rf"(?:\A|{separator})({field})", re.DOTALL)


def get_record_writer(dialect: CsvDialect) -> Callable[[Sequence[Sequence[Any]]], str]:
    """Return a function that writes records, given the cells of each of their columns.

    A cell is text, an integer, or None. Fields are quoted, null is an empty field.
    """
    quote, escape = dialect.quote, dialect.escape
    # One template formats all fields of a record, much faster than one field at a time.
    mark, separator, line_end = (
        text.replace("%", "%%") for text in (quote, dialect.separator, dialect.line_end)
    )
    is_digit_special = bool({quote, escape} & {*"-0123456789"})

    def format_field(cell: str) -> str:
        cell = cell.replace(escape, escape * 2)
        if quote != escape:
            cell = cell.replace(quote, quote * 2)
        return f"{quote}{cell}{quote}"

    def prepare(cells: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Return the template of a field, and the values to insert."""
        if {*map(type, cells)} == {int}:
            if not is_digit_special:
                return f"{mark}%d{mark}", cells
            cells = [*map(str, cells)]
        texts = "".join(filter(None, cells))
        if quote in texts or escape in texts:
            return "%s", ["" if cell is None else format_field(cell) for cell in cells]
        if None in cells:
            return "%s", ["" if cell is None else f"{quote}{cell}{quote}" for cell in cells]
        return f"{mark}%s{mark}", cells

    def format_records(columns: Sequence[Sequence[Any]]) -> str:
        templates, values = zip(*map(prepare, columns), strict=True)
        record = separator.join(templates) + line_end
        return "".join([record % fields for fields in zip(*values, strict=True)])

    return format_records
