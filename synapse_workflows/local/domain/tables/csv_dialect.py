"""CSV: how it is described, read and written, by the rules of semantics 9.6."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TextIO

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.errors import BadRequest

#: Characters of one record at most, and so of one line: more is no CSV of cells that fit.
MAX_RECORD_SIZE: Final = 64 << 20
_MAX_CELL: Final = 8 << 20

CsvRecord = list[str | None]


@dataclass(frozen=True)
class CsvDialect:
    """A CsvTableDescriptor.

    Args:
        separator: one character between fields.
        quote: one character around fields.
        escape: one character that takes the meaning from the next.
        line_end: what ends a record that is written; any line end is read.
        has_header: whether the first line names the columns.
    """

    separator: str = ","
    quote: str = '"'
    escape: str = "\\"
    line_end: str = "\n"
    has_header: bool = True


def parse_dialect(body: Mapping[str, Any] | None) -> CsvDialect:
    """Read a CsvTableDescriptor; what it leaves out is as usual.

    Raises:
        BadRequest: separator, quote or escape are not one character each, or two are the same.
    """
    given = body or {}
    usual = CsvDialect()
    form = CsvDialect(
        separator=_character(given, "separator", usual.separator),
        quote=_character(given, "quoteCharacter", usual.quote),
        escape=_character(given, "escapeCharacter", usual.escape),
        line_end=request_fields.text(given, "lineEnd") or usual.line_end,
        has_header=request_fields.flag(given, "isFirstLineHeader", default=True),
    )
    if form.separator in {form.quote, form.escape}:
        raise BadRequest("The separator, quote and escape characters must be different.")
    return form


def _character(body: Mapping[str, Any], key: str, usual: str) -> str:
    value = request_fields.text(body, key)
    if value is None:
        return usual
    if len(value) != 1 or value in "\r\n":
        raise BadRequest(f"CsvTableDescriptor.{key} must be exactly one character.")
    return value


class _Lines:
    """The lines of a stream, remembered in `raw` until it is emptied; `ended` when asked for more.

    A record that is whole does not ask for more.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.raw: list[str] = []
        self.ended = False
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(MAX_RECORD_SIZE)
        if not line:
            self.ended = True
            raise StopIteration
        self.raw.append(line)
        self._size += len(line)
        if self._size >= MAX_RECORD_SIZE:
            raise BadRequest("The CSV has a record that is too long. Is a quote left open?")
        return line

    def forget(self) -> None:
        """Forget the lines of a record that was read."""
        self.raw.clear()
        self._size = 0


def read_records(stream: TextIO, form: CsvDialect, *, skip: int = 0) -> Iterator[CsvRecord]:
    """Read CSV record by record: an unquoted empty field is None, a quoted one empty text.

    Empty lines mean nothing, but between records of a single field: there they are that field.

    Args:
        stream: text with its line ends as they are; a byte order mark is gone.
        form: the characters.
        skip: lines to drop first.

    Raises:
        BadRequest: it is no CSV, or no UTF-8.
    """
    lines = _Lines(stream)
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL))  # the module's is for all
    reader = csv.reader(
        lines,
        delimiter=form.separator,
        quotechar=form.quote,
        escapechar=None if form.escape == form.quote else form.escape,
        doublequote=True,
    )
    empty = form.quote * 2
    try:
        for _ in range(skip):
            if next(lines, None) is None:
                break
            lines.forget()
        is_single = False
        for row in reader:
            if lines.ended:
                raise BadRequest(
                    "The CSV ends within a quoted field, or after an escape character. "
                    "Is it whole?"
                )
            if "" in row and any(empty in line for line in lines.raw):
                yield _with_nulls(row, "".join(lines.raw), form)
            elif row or is_single:
                yield [cell or None for cell in row] or [None]
            is_single = is_single or len(row) == 1
            lines.forget()
    except csv.Error as error:
        raise BadRequest(f"The CSV cannot be read: {error}") from None
    except UnicodeDecodeError as error:
        raise BadRequest(f"The CSV is not UTF-8: {error}") from None


def _with_nulls(row: list[str], raw: str, form: CsvDialect) -> CsvRecord:
    """Tell empty text from null in a record: the former was quoted."""
    quoted = _quoted(raw, form)
    return [
        cell if cell or (index < len(quoted) and quoted[index]) else None
        for index, cell in enumerate(row)
    ]


def _quoted(raw: str, form: CsvDialect) -> list[bool]:
    """Tell of every field of a record whether it begins with a quote."""
    found, inside, at_start, index = [], False, True, 0
    while index < len(raw):
        letter = raw[index]
        if at_start and letter not in form.separator:
            found.append(letter == form.quote)
            inside, at_start = letter == form.quote, False
            index += 1 if inside else 0
            continue
        if letter == form.escape != form.quote:
            index += 1
        elif inside and letter == form.quote:
            if raw[index + 1 : index + 2] == form.quote:
                index += 1
            else:
                inside = False
        elif letter == form.separator and not inside:
            if at_start:
                found.append(False)
            at_start = True
        index += 1
    return found


def get_record_writer(form: CsvDialect) -> Callable[[Iterable[str | None]], str]:
    """Give what writes a record: every field quoted, null as nothing."""
    quote, escape, separator, end = form.quote, form.escape, form.separator, form.line_end

    def quoted(cell: str | None) -> str:
        if cell is None:
            return ""
        if escape in cell:
            cell = cell.replace(escape, escape * 2)
        if quote != escape and quote in cell:
            cell = cell.replace(quote, quote * 2)
        return f"{quote}{cell}{quote}"

    def line(cells: Iterable[str | None]) -> str:
        return separator.join([quoted(cell) for cell in cells]) + end

    return line
