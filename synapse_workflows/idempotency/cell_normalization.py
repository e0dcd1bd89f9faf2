"""Normalization of table cells: equal values get equal text, for example `1` and `01`."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.cell_codec import ITEM_TYPES, TEXT_TYPES
from synapse_workflows.client.model.cell_values import parse_number, to_epoch_millis, utf16_length
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.constants import DEFAULT_CELL_SIZE, MAX_CELL_SIZES, ColumnType

#: Returns the normal form of a cell; raises ValueError if the text is not of the column's type.
Normalize = Callable[[str], str | None]
_NormalizeCell = Callable[[str | None], str | None]

_DATE: Final = re.compile(
    r"(\d{1,4})-(\d{1,2})-(\d{1,2})"
    r"(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?)?\s*(?:(Z)|([+-]\d\d):?(\d\d))?",
    re.IGNORECASE | re.ASCII,
)
#: Two-digit years up to this one are in the 21st century.
_PIVOT_YEAR: Final = 69
_SHORT_YEAR_DIGITS: Final = 2
_SIZED_TYPES: Final = frozenset({ColumnType.STRING, ColumnType.LINK})
_HASH_BYTES: Final = 16


class CellNormalizer:
    """Normalizer of the rows of a table.

    Args:
        columns: Columns of the table, in the order of the cells.
    """

    def __init__(self, columns: Sequence[Mapping[str, Any]]) -> None:
        self._names = [str(column["name"]) for column in columns]
        self._limits = [
            (index, limit)
            for index, column in enumerate(columns)
            if (limit := _max_characters(column)) is not None
        ]
        self._input = [_input_normalizer(column) for column in columns]
        self._stored = [_stored_normalizer(column) for column in columns]
        self._default_indexes = frozenset(
            index for index, column in enumerate(columns) if column.get("defaultValue") is not None
        )
        #: Whether an empty cell may get another value when it is stored.
        self.has_defaults = bool(self._default_indexes)
        self._strict = [_normalizer(column) for column in columns]

    def check_sizes(self, number: int, line: CsvRow) -> None:
        """Check that text cells fit their columns. Synapse checks all other constraints.

        Args:
            number: Number of the row, for the error message.
            line: Cells of the row.

        Raises:
            AirflowFailException: A cell is too long.
        """
        for index, limit in self._limits:
            cell = line[index]
            if cell is None or 2 * len(cell) <= limit:
                continue
            if (length := utf16_length(cell)) > limit:
                raise AirflowFailException(
                    f"Row {number}, column {self._names[index]!r}: the cell has {length} "
                    f"characters, but the column allows {limit}. No row was stored"
                )

    def normalize(self, index: int, cell: str | None) -> str | None:
        """Return a cell of a source row as Synapse will store it.

        A cell that is not of its column's type is returned unchanged.

        Args:
            index: Index of the column.
            cell: The cell.
        """
        return self._input[index](cell)

    def normalize_strictly(self, index: int, text: str) -> str:
        """Return a value of a column as Synapse would store it.

        Raises:
            ValueError: The text is not of the column's type.
        """
        value = self._strict[index](text)
        if value is None:
            raise ValueError(f"{text!r} is an empty list")
        return value

    def is_equal(self, line: CsvRow, stored: CsvRow) -> bool:
        """Return whether a table row already has the cells that Synapse stores for a source row.

        Only cells with different text are normalized. A cell that is not of its column's type
        differs from every other text.

        Args:
            line: Cells of the source row.
            stored: Cells of the table row.
        """
        if line == stored and not self.has_defaults:
            return True
        for index, (cell, stored_cell) in enumerate(zip(line, stored, strict=True)):
            if cell == stored_cell and (cell is not None or index not in self._default_indexes):
                continue
            if self._input[index](cell) != self._stored[index](stored_cell):
                return False
        return True

    def stored_key(self, cells: CsvRow, indexes: Sequence[int]) -> list[str] | None:
        """Return the normalized key of a table row; None if a key cell is empty.

        Args:
            cells: Cells of the key columns.
            indexes: Indexes of the key columns.
        """
        values = []
        for index, cell in zip(indexes, cells, strict=True):
            value = self._stored[index](cell)
            if value is None:
                return None
            values.append(value)
        return values

    def key_values(self, number: int, line: CsvRow, indexes: Sequence[int]) -> list[str]:
        """Return the normalized key of a row.

        Args:
            number: Number of the row, for the error message.
            line: Cells of the row.
            indexes: Indexes of the key columns.

        Raises:
            AirflowFailException: A key cell is empty or not of its column's type.
        """
        values = []
        for index in indexes:
            cell = line[index]
            try:
                value = None if cell is None else self._strict[index](cell)
            except ValueError:
                value = None
            if value is None:
                raise AirflowFailException(
                    f"Row {number}: {cell!r} is not a valid key value in column "
                    f"{self._names[index]!r}. Every row needs a value in each key column"
                )
            values.append(value)
        return values


def hash_key(values: Sequence[str]) -> bytes:
    """Return a 16-byte hash of the values of a key."""
    return blake2b(repr(values).encode(), digest_size=_HASH_BYTES).digest()


def _max_characters(column: Mapping[str, Any]) -> int | None:
    """Return the maximum size of a text cell; None for other types."""
    kind = get_column_type(column)
    if kind in _SIZED_TYPES:
        return int(column.get("maximumSize") or DEFAULT_CELL_SIZE)
    return MAX_CELL_SIZES.get(kind) if kind in TEXT_TYPES else None


def _input_normalizer(column: Mapping[str, Any]) -> _NormalizeCell:
    """Return the function that returns a source cell as Synapse stores it."""
    kind, default = get_column_type(column), column.get("defaultValue")
    if kind in TEXT_TYPES:
        return lambda cell: default if cell is None else cell
    normalize = _normalizer(column)
    default_cell = None if default is None else _normalize_leniently(normalize, default)
    return lambda cell: _normalize_leniently(normalize, cell) if cell else default_cell


def _stored_normalizer(column: Mapping[str, Any]) -> _NormalizeCell:
    """Return the function that returns a stored cell in the form of `_input_normalizer`."""
    kind = get_column_type(column)
    if kind in (ColumnType.DOUBLE, ColumnType.JSON) or kind in ITEM_TYPES:
        normalize = _normalizer(column)
        return lambda cell: _normalize_leniently(normalize, cell) if cell else None
    return lambda cell: cell  # Synapse stores only one form per value


def _normalize_leniently(normalize: Normalize, cell: str) -> str | None:
    try:
        return normalize(cell)
    except ValueError:
        return cell  # Synapse reports the error


def _normalizer(column: Mapping[str, Any]) -> Normalize:
    kind = get_column_type(column)
    if kind is None:
        return str
    item = ITEM_TYPES.get(kind)
    return _NORMALIZERS.get(kind, str) if item is None else _list_of(_NORMALIZERS.get(item, str))


def _list_of(normalize_item: Normalize) -> Normalize:
    def normalize(text: str) -> str | None:
        items = json.loads(text)
        if not isinstance(items, list):
            raise ValueError(f"{text!r} is not a JSON array")  # noqa: TRY004 - about the text
        cells = [
            normalize_item(item if isinstance(item, str) else json.dumps(item)) for item in items
        ]
        return json.dumps(cells) if cells else None

    return normalize


def _integer(text: str) -> str:
    is_normal = text.isascii() and text.isdigit() and (text[0] != "0" or text == "0")
    return text if is_normal else str(parse_number(text, int))


def _double(text: str) -> str:
    return repr(parse_number(text, float))


def _boolean(text: str) -> str:
    word = text.strip().lower()
    if word not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return word


def _entity(text: str) -> str:
    return f"syn{int(text.strip().lower().removeprefix('syn'))}"


def _json(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _date(text: str) -> str:
    """Parse a date in the formats of Synapse: milliseconds, `yy-M-d H:m:s.SSS`, ISO 8601."""
    try:
        return _integer(text)
    except ValueError:
        match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a date")
    year, *rest = (int(part or 0) for part in match.groups()[:6])
    if len(match[1]) <= _SHORT_YEAR_DIGITS:
        year += 2000 if year <= _PIVOT_YEAR else 1900
    zone = UTC
    if match[9]:
        minutes = int(match[9][1:]) * 60 + int(match[10])
        zone = timezone(timedelta(minutes=-minutes if match[9][0] == "-" else minutes))
    fraction = int((match[7] or "").ljust(6, "0")[:6])
    month, day, hour, minute, second = rest
    return str(to_epoch_millis(datetime(year, month, day, hour, minute, second, fraction, zone)))


_NORMALIZERS: Final[Mapping[ColumnType, Normalize]] = MappingProxyType(
    {
        ColumnType.INTEGER: _integer,
        ColumnType.DOUBLE: _double,
        ColumnType.BOOLEAN: _boolean,
        ColumnType.DATE: _date,
        ColumnType.ENTITYID: _entity,
        ColumnType.FILEHANDLEID: _integer,
        ColumnType.USERID: _integer,
        ColumnType.SUBMISSIONID: _integer,
        ColumnType.EVALUATIONID: _integer,
        ColumnType.JSON: _json,
    }
)
