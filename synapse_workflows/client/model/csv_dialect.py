"""CSV dialect of Synapse: null is an empty unquoted cell, empty text is a quoted cell."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

#: Cells of one row; None is null.
CsvRow = list[str | None]
#: Supported line endings.
LINE_ENDINGS: Final = ("\n", "\r\n", "\r")
#: Maximum field size of the csv module, in characters.
_CSV_FIELD_LIMIT: Final = 131_072


@dataclass(frozen=True)
class CsvDialect:
    r"""Formatting and parsing of CSV rows.

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
        characters = {
            "separator": self.separator,
            "quoteCharacter": self.quote,
            "escapeCharacter": self.escape,
        }
        for name, character in characters.items():
            if len(character) != 1:
                raise ValueError(f"Invalid {name} {character!r}: {name} must be one character.")
        if self.separator in {self.quote, self.escape} or self.separator in "\r\n":
            raise ValueError(
                f"Invalid separator {self.separator!r}: it must differ from quoteCharacter, "
                "escapeCharacter and line endings."
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
        quote, escape = self.quote, self.escape
        formatted = []
        for cell in cells:
            if cell is None:
                formatted.append("")
                continue
            text = cell
            if escape != quote and escape in text:
                text = text.replace(escape, escape + escape)
            if quote in text:
                text = text.replace(quote, quote + quote)
            formatted.append(f"{quote}{text}{quote}")
        return self.separator.join(formatted) + self.line_end

    def parse_rows(self, lines: Iterable[str]) -> Iterator[CsvRow]:
        """Parse rows from lines of text; a quoted cell may span several lines.

        An empty line is a row with one null.

        Args:
            lines: Lines with their original line endings (``open(..., newline="")``).

        Raises:
            ValueError: The text ends inside a quoted cell.
        """
        for record in self.iter_records(lines):
            yield self._parse_cells(record)

    def count_rows(self, lines: Iterable[str]) -> int:
        """Count the rows without parsing their cells."""
        return sum(1 for _ in self.iter_records(lines))

    def iter_records(self, lines: Iterable[str]) -> Iterator[str]:
        """Iterate over the text of each row, which may span several lines, without line ending.

        Raises:
            ValueError: The text ends inside a quoted cell.
        """
        pending: list[str] = []
        first_line = 0
        for number, line in enumerate(lines, 1):
            toggles_quoting = self._count_quotes(line) % 2 == 1
            if not pending and not toggles_quoting:
                yield line.rstrip("\r\n")
                continue
            first_line = first_line if pending else number
            pending.append(line)
            if toggles_quoting and len(pending) > 1:
                yield "".join(pending).rstrip("\r\n")
                pending = []
        if pending:
            raise ValueError(
                f"The CSV ends inside a quoted cell that starts in line {first_line}."
            )

    def _count_quotes(self, line: str) -> int:
        """Count quotes, except escaped ones; doubled quotes do not change the parity."""
        if self.escape != self.quote and self.escape in line:
            line = self._escaped_character.sub("", line)
        return line.count(self.quote)

    def _parse_cells(self, record: str) -> CsvRow:
        if (
            self.quote * 2 not in record
            and self.escape not in record
            and len(record) < _CSV_FIELD_LIMIT
        ):
            return self._parse_simple_cells(record)
        fields = self._field.findall(record)
        return [self._unquote(quoted) if quoted else bare or None for quoted, bare in fields]

    def _parse_simple_cells(self, record: str) -> CsvRow:
        """Parse a row without empty text and without quotes inside cells; empty cells are null."""
        try:
            row = next(csv.reader([record], delimiter=self.separator, quotechar=self.quote), [])
        except csv.Error as error:
            raise ValueError(f"Invalid CSV: {error} ({record[:80]!r})") from None
        return [cell or None for cell in row] or [None]

    def _unquote(self, quoted: str) -> str:
        content = quoted[1:-1]
        if self.quote not in content and self.escape not in content:
            return content
        return self._escape_sequence.sub(lambda match: match[1] or self.quote, content)

    @cached_property
    def _escaped_character(self) -> re.Pattern[str]:
        return re.compile(f"{re.escape(self.escape)}.", re.DOTALL)

    @cached_property
    def _escape_sequence(self) -> re.Pattern[str]:
        quote, escape = re.escape(self.quote), re.escape(self.escape)
        if quote == escape:
            return re.compile(f"{quote}({quote})")
        return re.compile(f"{escape}(.)|{quote}{quote}", re.DOTALL)

    @cached_property
    def _field(self) -> re.Pattern[str]:
        """Pattern of a cell and the separator before it; groups: quoted cell, unquoted cell."""
        quote, separator = re.escape(self.quote), re.escape(self.separator)
        plain, special = f"[^{quote}]*+", f"{quote}{quote}"
        if self.escape != self.quote:
            escape = re.escape(self.escape)
            plain, special = f"[^{quote}{escape}]*+", f"(?:{quote}{quote}|{escape}.)"
        quoted = rf"{quote}{plain}(?:{special}{plain})*+{quote}(?={separator}|\Z)"
        return re.compile(rf"(?:\A|{separator})(?:({quoted})|([^{separator}]*))", re.DOTALL)
