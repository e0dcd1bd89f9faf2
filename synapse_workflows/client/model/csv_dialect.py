"""CSV dialect of Synapse: an empty cell is null if unquoted, and empty text if quoted."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

from synapse_workflows.csv_blocks import BLOCK_SIZE, BlockParser

#: Cells of one row; None is null.
CsvRow = list[str | None]
#: Supported line endings.
LINE_ENDINGS: Final = ("\n", "\r\n", "\r")
#: Characters that end a line.
_LINE_BREAKS: Final = "\r\n"
#: Replaces a quoted empty cell while rows are parsed: a character for private use.
_EMPTY_MARK: Final = "\ue0f1"
_MARKED_CELLS: Final[Mapping[str, str | None]] = MappingProxyType({"": None, _EMPTY_MARK: ""})
#: Maximum number of characters of a cell: the largest limit of the csv module.
_MAX_CELL_SIZE: Final = 2**31 - 1
#: Number of characters of the block after the first row.
_FIRST_SIZE: Final = 1 << 12
#: Number of characters after which no more lines are added to complete the last row of a block.
_MAX_ADDED: Final = 1 << 20


@dataclass(frozen=True)
class CsvBlock:
    """Consecutive rows.

    Args:
        columns: The cells of all rows, column by column; None if they were parsed row by row.
        rows: The rows; empty if `columns` is given.
    """

    columns: Sequence[Sequence[str | None]] | None = None
    rows: Sequence[CsvRow] = ()

    def iter_rows(self) -> Iterator[CsvRow]:
        """Iterate over the rows."""
        if self.columns is None:
            return iter(self.rows)
        return map(list, zip(*self.columns, strict=True))

    def without_empty_lines(self) -> "CsvBlock":
        """Return the block without the rows of empty lines, which have one null."""
        if self.columns is not None and len(self.columns) > 1:
            return self
        return CsvBlock(rows=[row for row in self.iter_rows() if row != [None]])


@dataclass(frozen=True)
class CsvDialect:
    r"""Formatting and parsing of CSV rows.

    As in Python's csv module, a quote opens a quoted cell only as the first character of the
    cell. Elsewhere in an unquoted cell, a quote is an ordinary character.

    Args:
        separator: Separator of cells, one character.
        quote: Quote around every cell that is not null; doubled inside a cell.
        escape: Escape character; doubled inside a cell. Before a quote, it escapes the quote.
        line_end: Line ending: ``\n``, ``\r\n`` or ``\r``.

    Raises:
        ValueError: A character is not supported by Synapse, or the separator equals the quote or
            the escape character.
    """

    separator: str = ","
    quote: str = '"'
    escape: str = "\\"
    line_end: str = "\n"

    def __post_init__(self) -> None:
        characters: dict[str, Any] = {
            "separator": self.separator,
            "quoteCharacter": self.quote,
            "escapeCharacter": self.escape,
        }
        for name, character in characters.items():
            is_text = isinstance(character, str)
            if not is_text or len(character) != 1 or character in _LINE_BREAKS:
                raise ValueError(
                    f"Invalid {name} {character!r}: {name} must be one character, and not a line "
                    "ending."
                )
        if self.separator in {self.quote, self.escape}:
            raise ValueError(
                f"Invalid separator {self.separator!r}: it must differ from quoteCharacter and "
                "escapeCharacter."
            )
        if self.line_end not in LINE_ENDINGS:
            raise ValueError(f"Invalid lineEnd {self.line_end!r}: expected one of {LINE_ENDINGS}.")

    def to_descriptor(self, *, header: bool) -> dict[str, Any]:
        """Return the dialect as a CsvTableDescriptor of the REST API."""
        return {
            "isFirstLineHeader": header,
            "quoteCharacter": self.quote,
            "escapeCharacter": self.escape,
            "lineEnd": self.line_end,
            "separator": self.separator,
        }

    def format_row(self, cells: Sequence[str | None]) -> str:
        """Format one row as a line, including its line ending."""
        quote, escape, quoted = self.quote, self.escape, self._quote_special
        formatted = [
            ""
            if cell is None
            else quoted(cell)
            if quote in cell or escape in cell
            else f"{quote}{cell}{quote}"
            for cell in cells
        ]
        return self.separator.join(formatted) + self.line_end

    def _quote_special(self, text: str) -> str:
        """Quote a cell that contains quotes or escape characters."""
        quote, escape = self.quote, self.escape
        if escape != quote:
            text = text.replace(escape, escape + escape)
        return f"{quote}{text.replace(quote, quote + quote)}{quote}"

    def parse_rows(self, lines: Iterable[str]) -> Iterator[CsvRow]:
        """Parse rows from lines of text; a quoted cell may span several lines.

        An empty line is a row with one null.

        Args:
            lines: Lines with their original line endings (``open(..., newline="")``).

        Raises:
            ValueError: The text ends inside a quoted cell, or is not valid CSV.
        """
        return chain.from_iterable(block.iter_rows() for block in self.parse_blocks(lines))

    def parse_blocks(
        self, lines: Iterable[str], block_size: int = BLOCK_SIZE
    ) -> Iterator[CsvBlock]:
        """Parse rows as `parse_rows` does, many at a time; the first block has one row.

        Args:
            lines: Lines with their original line endings.
            block_size: Maximum number of characters of a block, without the rest of its last row;
                the first blocks are smaller, for callers that read a few rows.
        """
        csv.field_size_limit(_MAX_CELL_SIZE)  # applies to the whole process
        lines = iter(lines)
        parser = BlockParser(self.separator, self.quote, self.escape)
        first_line, size = 1, 1
        while block := _read_block(lines, parser, size):
            columns = parser.parse("".join(block))
            if columns is None:
                rows = self.parse_records(chain(block, lines), first_line)
                yield from (CsvBlock(rows=[row]) for row, _ in rows)
                return
            yield CsvBlock(columns)
            first_line += len(block)
            size = min(block_size, max(2 * size, _FIRST_SIZE))

    def parse_records(
        self, lines: Iterable[str], first_line: int = 1
    ) -> Iterator[tuple[CsvRow, str]]:
        """Parse rows as `parse_rows` does; yield each row with its text and line ending."""
        lines = iter(lines)
        pending: list[str] = []
        marks, is_ambiguous = 0, False
        unmark = dict(_MARKED_CELLS).get  # faster than the read-only mapping

        def mark(line: str) -> str:
            """Replace quoted empty cells by a mark, which the csv module tells from nulls."""
            nonlocal marks, is_ambiguous
            pending.append(line)
            is_ambiguous = is_ambiguous or _EMPTY_MARK in line
            if self._empty_text not in line:
                return line
            marked, count = self._quoted_empty_cell.subn(self._mark, line)
            marks += count
            return marked

        try:
            for row, _ in self._read_rows(map(mark, lines), first_line):
                if marks and (is_ambiguous or row.count(_EMPTY_MARK) != marks):
                    break  # a mark is inside a cell
                text = pending[0] if len(pending) == 1 else "".join(pending)
                if marks:
                    yield [unmark(cell, cell) for cell in row], text
                else:
                    yield [cell or None for cell in row] or [None], text
                first_line += len(pending)
                pending.clear()
                marks = 0
            else:
                return
        except ValueError:
            if not marks:
                raise
        yield from self._parse_unmarked(chain(pending, lines), first_line)

    def _parse_unmarked(
        self, lines: Iterable[str], first_line: int
    ) -> Iterator[tuple[CsvRow, str]]:
        """Parse rows as `parse_records` does, without marks."""
        for row, raw in self._read_rows(lines, first_line):
            text = "".join(raw)
            if not row:
                yield [None], text
            elif "" in row and self._empty_text in text:
                yield self._replace_nulls(row, text.rstrip(_LINE_BREAKS)), text
            else:
                yield [cell or None for cell in row], text

    def count_rows(self, lines: Iterable[str]) -> int:
        """Count the rows."""
        return sum(1 for _ in self._read_rows(lines))

    def iter_records(self, lines: Iterable[str]) -> Iterator[str]:
        """Iterate over the text of each row without line ending; a row may span several lines.

        Raises:
            ValueError: The text ends inside a quoted cell, or is not valid CSV.
        """
        return ("".join(raw).rstrip(_LINE_BREAKS) for _, raw in self._read_rows(lines))

    def has_unknown_escapes(self, line: str) -> bool:
        """Return whether an escape character precedes an ordinary character.

        If so, the program that wrote the line does not use the character for escaping. Programs
        that do use it write it only before a quote, a separator or another escape character.
        """
        return self.escape in self._known_escape.sub("", line)

    def _read_rows(
        self, lines: Iterable[str], first_line: int = 1
    ) -> Iterator[tuple[list[str], list[str]]]:
        """Yield the cells and the lines of each row; the next row replaces the list of lines."""
        raw: list[str] = []
        is_exhausted = False

        def record() -> Iterator[str]:
            nonlocal is_exhausted
            for line in lines:
                raw.append(line)
                yield line
            is_exhausted = True

        csv.field_size_limit(_MAX_CELL_SIZE)  # applies to the whole process
        reader = csv.reader(
            record(),
            delimiter=self.separator,
            quotechar=self.quote,
            escapechar=None if self.escape == self.quote else self.escape,
        )
        try:
            for row in reader:
                if is_exhausted:  # for a complete row, no further line is read
                    raise ValueError(
                        f"The CSV ends inside a quoted cell that starts in line {first_line}."
                    )
                yield row, raw
                first_line += len(raw)
                raw.clear()
        except csv.Error as error:
            raise ValueError(
                f"Invalid CSV in line {first_line}: {error} ({''.join(raw)[:80]!r})"
            ) from None

    def _replace_nulls(self, row: list[str], record: str) -> CsvRow:
        """Replace empty unquoted cells by None."""
        cells = zip(row, self._cell.findall(record), strict=True)
        return [cell if cell or text else None for cell, text in cells]

    @cached_property
    def _empty_text(self) -> str:
        return self.quote * 2

    @cached_property
    def _mark(self) -> str:
        return f"{self.quote}{_EMPTY_MARK}{self.quote}".replace("\\", r"\\")

    @cached_property
    def _quoted_empty_cell(self) -> re.Pattern[str]:
        """Pattern of a quoted empty cell; it also matches such text inside a quoted cell."""
        empty, separator = re.escape(self._empty_text), re.escape(self.separator)
        return re.compile(rf"{empty}(?<![^{separator}]{empty})(?![^{separator}\r\n])")

    @cached_property
    def _known_escape(self) -> re.Pattern[str]:
        escape, characters = re.escape(self.escape), self.escape + self.quote + self.separator
        return re.compile(f"{escape}[{re.escape(characters)}]")

    @cached_property
    def _cell(self) -> re.Pattern[str]:
        """Pattern of a separator and the cell after it; the group is the text of the cell."""
        quote, separator = re.escape(self.quote), re.escape(self.separator)
        if self.escape == self.quote:
            quoted, bare = f"[^{quote}]++|{quote}{quote}", f"[^{separator}]++"
        else:
            escape = re.escape(self.escape)
            quoted = f"[^{quote}{escape}]++|{quote}{quote}|{escape}."
            bare = f"[^{separator}{escape}]++|{escape}."
        cell = f"(?:{quote}(?:{quoted})*+{quote})?+(?:{bare})*+"
        return re.compile(rf"(?:\A|{separator})({cell})", re.DOTALL)


def _read_block(lines: Iterator[str], parser: BlockParser, size: int) -> list[str]:
    """Return lines that probably end with a complete row; an empty list at the end."""
    block: list[str] = []
    total = 0
    for line in lines:
        block.append(line)
        total += len(line)
        if total >= size:
            break
    is_open, limit = parser.is_open("".join(block)), total + _MAX_ADDED
    for line in lines if is_open else ():
        block.append(line)
        total += len(line)
        if parser.is_open(line) or total >= limit:
            break
    return block
