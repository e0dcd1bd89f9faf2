"""Parsing of blocks of CSV lines: columns of cells, in a fraction of the time of single rows.

As in Synapse, an unquoted empty cell is null, and a quoted one is empty text. Python's csv module
does not tell them from each other, so quoted empty cells are marked before it parses a block.
"""

import csv
import io
import re
from collections.abc import Sequence
from itertools import chain
from typing import Final

#: Number of characters of a block at which parsing is fastest.
BLOCK_SIZE: Final = 1 << 15
#: Text of a quoted empty cell while a block is parsed: a character for private use.
_MARK: Final = "\ue0f1"
_UNMARK: Final = {"": None, _MARK: ""}
#: A row after the block, which is only found if the last row of the block is complete.
_END: Final = "end"


class BlockParser:
    """Parser of blocks of CSV lines.

    Args:
        separator: One character between cells.
        quote: One character around cells.
        escape: One character; the character after it is literal, unless it equals `quote`.
    """

    def __init__(self, separator: str, quote: str, escape: str) -> None:
        self._separator = separator
        self._escape = None if escape == quote else escape
        self._quote = quote
        self._empty_text = quote * 2
        empty, other = re.escape(self._empty_text), f"[^{re.escape(separator)}\r\n]"
        self._empty_cell = re.compile(f"{empty}(?<!{other}{empty})(?!{other})")
        self._marked_cell = f"{quote}{_MARK}{quote}".replace("\\", r"\\")

    def is_open(self, lines: str) -> bool:
        """Return whether the quotes of complete rows would be followed by one more quote.

        If so, the last row probably continues in the next line.
        """
        return lines.count(self._quote) % 2 == 1

    def parse(self, block: str) -> list[Sequence[str | None]] | None:
        """Parse the rows of a block.

        The caller sets the maximum size of a cell, `csv.field_size_limit`.

        Args:
            block: Lines with their original line ends.

        Returns:
            The cells of all rows, column by column; None is null. None for a block that has to be
            parsed row by row: its rows have different numbers of cells, its last row is not
            complete, or a row is unusual.
        """
        if _MARK in block:
            return None
        marks = 0
        if self._empty_text in block:
            block, marks = self._empty_cell.subn(self._marked_cell, block)
        lines = chain(io.StringIO(block, newline=""), [f"{_END}\n"])
        try:
            reader = csv.reader(
                lines, delimiter=self._separator, quotechar=self._quote, escapechar=self._escape
            )
            rows = list(reader)
        except csv.Error:
            return None
        if rows.pop() != [_END] or len({*map(len, rows)}) != 1:
            return None
        columns: list[Sequence[str | None]] = list(zip(*rows, strict=True))
        # a mark within a quoted cell is not a cell of its own
        found = [column.count(_MARK) for column in columns] if marks else [0] * len(columns)
        if not columns or sum(found) != marks:
            return None
        return [*map(_replace_nulls, columns, found)]


def _replace_nulls(column: Sequence[str | None], marks: int) -> Sequence[str | None]:
    """Replace unquoted empty cells by None, and marks by empty text."""
    if marks:
        return [_UNMARK.get(cell, cell) if cell else None for cell in column]
    return [cell or None for cell in column] if "" in column else column
