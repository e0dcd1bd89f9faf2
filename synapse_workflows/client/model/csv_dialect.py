"""CSV as Synapse writes and reads it: a null is nothing at all, empty text is a pair of quotes."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

#: The cells of one line; None is null.
CsvRow = list[str | None]
#: Ends of lines that files are split at.
LINE_ENDINGS: Final = ("\n", "\r\n", "\r")
#: Characters that the csv module takes for one cell, and more.
_CSV_FIELD_LIMIT: Final = 131_072


@dataclass(frozen=True)
class CsvDialect:
    r"""How lines of cells are written as text.

    Args:
        separator: Between cells.
        quote: Around every cell that is not null; doubled inside.
        escape: Doubled inside a cell; before a quote, another way to write one.
        line_end: ``\n``, ``\r\n`` or ``\r``.

    Raises:
        ValueError: Something that Synapse does not take, or two of them are the same.
    """

    separator: str = ","
    quote: str = '"'
    escape: str = "\\"
    line_end: str = "\n"

    def __post_init__(self) -> None:
        given = {"separator": self.separator, "quoteCharacter": self.quote}
        for name, character in (given | {"escapeCharacter": self.escape}).items():
            if len(character) != 1:
                raise ValueError(f"{name} must be one character, not {character!r}")
        if self.separator in {self.quote, self.escape} or self.separator in "\r\n":
            raise ValueError(f"{self.separator!r} cannot separate cells: it has another meaning")
        if self.line_end not in LINE_ENDINGS:
            raise ValueError(f"lineEnd must be one of {LINE_ENDINGS}, not {self.line_end!r}")

    def to_descriptor(self, *, header: bool) -> dict[str, Any]:
        """Describe it as a CsvTableDescriptor."""
        return {
            "isFirstLineHeader": header,
            "quoteCharacter": self.quote,
            "escapeCharacter": self.escape,
            "lineEnd": self.line_end,
            "separator": self.separator,
        }

    def format_row(self, cells: Sequence[str | None]) -> str:
        """Write one line, its end included."""
        quote, escape = self.quote, self.escape
        written = []
        for cell in cells:
            if cell is None:
                written.append("")
                continue
            text = cell
            if escape != quote and escape in text:
                text = text.replace(escape, escape + escape)
            if quote in text:
                text = text.replace(quote, quote + quote)
            written.append(f"{quote}{text}{quote}")
        return self.separator.join(written) + self.line_end

    def parse_rows(self, lines: Iterable[str]) -> Iterator[CsvRow]:
        """Read lines of cells out of lines of text; a cell may span several of those.

        An empty line is one null.

        Args:
            lines: With their ends, none of them changed (``open(..., newline="")``).

        Raises:
            ValueError: The text ends within a quoted cell.
        """
        for record in self.iter_records(lines):
            yield self._cells(record)

    def count_rows(self, lines: Iterable[str]) -> int:
        """Count the lines of cells that `read` would give."""
        return sum(1 for _ in self.iter_records(lines))

    def iter_records(self, lines: Iterable[str]) -> Iterator[str]:
        """Join the lines of text that one line of cells spans, and take off its end.

        Raises:
            ValueError: The text ends within a quoted cell.
        """
        held: list[str] = []
        number = begun = 0
        for line in lines:
            number += 1
            odd = self._quotes(line) % 2 == 1
            if not held and not odd:
                yield line.rstrip("\r\n")
                continue
            begun = begun if held else number
            held.append(line)
            if odd and len(held) > 1:
                yield "".join(held).rstrip("\r\n")
                held = []
        if held:
            raise ValueError(f"The CSV ends within a quoted cell that began in line {begun}")

    def _quotes(self, line: str) -> int:
        """Count the quotes that open or close; those inside come in pairs or are escaped."""
        if self.escape != self.quote and self.escape in line:
            line = self._escaped.sub("", line)
        return line.count(self.quote)

    def _cells(self, record: str) -> CsvRow:
        if (
            self.quote * 2 not in record
            and self.escape not in record
            and len(record) < _CSV_FIELD_LIMIT
        ):
            return self._plain_cells(record)
        found = self._field.findall(record)
        return [self._plain(quoted) if quoted else bare or None for quoted, bare in found]

    def _plain_cells(self, record: str) -> CsvRow:
        """Read what has no quotes within cells: faster, and what is empty is null."""
        try:
            row = next(csv.reader([record], delimiter=self.separator, quotechar=self.quote), [])
        except csv.Error as error:
            raise ValueError(f"The CSV cannot be read: {error} ({record[:80]!r})") from None
        return [cell or None for cell in row] or [None]

    def _plain(self, quoted: str) -> str:
        inside = quoted[1:-1]
        if self.quote not in inside and self.escape not in inside:
            return inside
        return self._special.sub(lambda match: match[1] or self.quote, inside)

    @cached_property
    def _escaped(self) -> re.Pattern[str]:
        return re.compile(f"{re.escape(self.escape)}.", re.DOTALL)

    @cached_property
    def _special(self) -> re.Pattern[str]:
        quote, escape = re.escape(self.quote), re.escape(self.escape)
        if quote == escape:
            return re.compile(f"{quote}({quote})")
        return re.compile(f"{escape}(.)|{quote}{quote}", re.DOTALL)

    @cached_property
    def _field(self) -> re.Pattern[str]:
        """Match the separator before a cell and the cell: quoted, with its quotes, or bare."""
        quote, separator = re.escape(self.quote), re.escape(self.separator)
        plain, special = f"[^{quote}]*+", f"{quote}{quote}"
        if self.escape != self.quote:
            escape = re.escape(self.escape)
            plain, special = f"[^{quote}{escape}]*+", f"(?:{quote}{quote}|{escape}.)"
        quoted = rf"{quote}{plain}(?:{special}{plain})*+{quote}(?={separator}|\Z)"
        return re.compile(rf"(?:\A|{separator})(?:({quoted})|([^{separator}]*))", re.DOTALL)
