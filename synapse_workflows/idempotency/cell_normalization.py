"""Cells of a table as text that is the same for equal values: `1` and `01` are one integer."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.cell_codec import ITEM_TYPES, TEXT_TYPES
from synapse_workflows.client.model.cell_values import to_epoch_millis
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.constants import DEFAULT_CELL_SIZE, MAX_CELL_SIZES, ColumnType

#: Writes the text of a cell in its one form; raises ValueError for what is none of its type.
Plain = Callable[[str], str | None]

_DATE: Final = re.compile(
    r"(\d{1,4})-(\d{1,2})-(\d{1,2})"
    r"(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?)?\s*(?:(Z)|([+-]\d\d):?(\d\d))?",
    re.IGNORECASE | re.ASCII,
)
#: Two digits of a year up to this are of this century.
_PIVOT: Final = 69
_TWO_DIGITS: Final = 2
_LIMITED: Final = frozenset({ColumnType.STRING, ColumnType.LINK})
_DIGEST_BYTES: Final = 16


class CellNormalizer:
    """The columns of some lines, and what their cells mean.

    Args:
        columns: of the table, in the order of the cells.
    """

    def __init__(self, columns: Sequence[Mapping[str, Any]]) -> None:
        self._names = [str(column["name"]) for column in columns]
        self._limits = [
            (at, limit)
            for at, column in enumerate(columns)
            if (limit := _limit(column)) is not None
        ]
        self._given = [(at, one) for at, column in enumerate(columns) if (one := _given(column))]
        self._kept = [(at, one) for at, column in enumerate(columns) if (one := _kept(column))]
        self._strict = [_plain(column) for column in columns]

    def check(self, number: int, line: CsvRow) -> None:
        """Check that text fits its columns; all else is left to Synapse.

        Args:
            number: of the row, for people.
            line: its cells.

        Raises:
            AirflowFailException: A cell is too long.
        """
        for at, limit in self._limits:
            cell = line[at]
            if cell is not None and len(cell) > limit:
                raise AirflowFailException(
                    f"Row {number}, column {self._names[at]!r}: the cell has {len(cell)} "
                    f"characters, and the column holds {limit}. Nothing was stored"
                )

    def given(self, line: CsvRow) -> CsvRow:
        """Write cells that somebody gives as Synapse will keep them; what is none stays."""
        return _written(line, self._given)

    def kept(self, line: CsvRow) -> CsvRow:
        """Write cells that Synapse gave in the form of `given`."""
        return _written(line, self._kept)

    def key(self, number: int, line: CsvRow, at: Sequence[int]) -> list[str]:
        """Write the cells of a row's key.

        Args:
            number: of the row, for people.
            line: all of its cells.
            at: which of them make the key.

        Raises:
            AirflowFailException: One is empty, or nothing that its column can hold.
        """
        found = []
        for index in at:
            cell = line[index]
            try:
                value = None if cell is None else self._strict[index](cell)
            except ValueError:
                value = None
            if value is None:
                raise AirflowFailException(
                    f"Row {number}: {cell!r} in column {self._names[index]!r} tells no row from "
                    "another; every row needs a value in the columns of the key"
                )
            found.append(value)
        return found


def hash_cells(cells: Sequence[str | None]) -> bytes:
    """Make 16 bytes of some cells, the same for the same cells only."""
    return blake2b(json.dumps(cells).encode(), digest_size=_DIGEST_BYTES).digest()


def _written(
    line: CsvRow, writers: Sequence[tuple[int, Callable[[str | None], str | None]]]
) -> CsvRow:
    found = list(line)
    for at, write in writers:
        found[at] = write(found[at])
    return found


def _limit(column: Mapping[str, Any]) -> int | None:
    """Tell how many characters a cell of text may have; None where that is not the question."""
    kind = get_column_type(column)
    if kind in _LIMITED:
        return int(column.get("maximumSize") or DEFAULT_CELL_SIZE)
    return MAX_CELL_SIZES.get(kind) if kind in TEXT_TYPES else None


def _given(column: Mapping[str, Any]) -> Callable[[str | None], str | None] | None:
    """Make what writes a given cell as it will be kept; None where it is kept as it is."""
    kind, default = get_column_type(column), column.get("defaultValue")
    if kind in TEXT_TYPES:
        return None if default is None else lambda cell: default if cell is None else cell
    plain = _plain(column)
    usual = None if default is None else _tolerant(plain, default)
    return lambda cell: _tolerant(plain, cell) if cell else usual


def _kept(column: Mapping[str, Any]) -> Callable[[str | None], str | None] | None:
    """Make what writes a kept cell; None where Synapse keeps one form only."""
    kind = get_column_type(column)
    if kind in (ColumnType.DOUBLE, ColumnType.JSON) or kind in ITEM_TYPES:
        plain = _plain(column)
        return lambda cell: _tolerant(plain, cell) if cell else None
    return None


def _tolerant(plain: Plain, cell: str) -> str | None:
    try:
        return plain(cell)
    except ValueError:
        return cell  # Synapse will say what is wrong with it


def _plain(column: Mapping[str, Any]) -> Plain:
    kind = get_column_type(column)
    if kind is None:
        return str
    item = ITEM_TYPES.get(kind)
    return _SINGLE.get(kind, str) if item is None else _list(_SINGLE.get(item, str))


def _list(item: Plain) -> Plain:
    def plain(text: str) -> str | None:
        items = json.loads(text)
        if not isinstance(items, list):
            raise ValueError(f"{text!r} is no list")  # noqa: TRY004 - of the text
        told = [item(one if isinstance(one, str) else json.dumps(one)) for one in items]
        return json.dumps(told) if told else None

    return plain


def _integer(text: str) -> str:
    short = text.isascii() and text.isdigit() and (text[0] != "0" or text == "0")
    return text if short else str(int(text))


def _double(text: str) -> str:
    return repr(float(text))


def _boolean(text: str) -> str:
    word = text.strip().lower()
    if word not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return word


def _entity(text: str) -> str:
    return f"syn{int(text.strip().lower().removeprefix('syn'))}"


def _document(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _date(text: str) -> str:
    """Read a date in the forms that Synapse does: milliseconds, `yy-M-d H:m:s.SSS`, ISO."""
    try:
        return _integer(text)
    except ValueError:
        match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no date")
    year, *rest = (int(part or 0) for part in match.groups()[:6])
    if len(match[1]) <= _TWO_DIGITS:
        year += 2000 if year <= _PIVOT else 1900
    zone = UTC
    if match[9]:
        minutes = int(match[9][1:]) * 60 + int(match[10])
        zone = timezone(timedelta(minutes=-minutes if match[9][0] == "-" else minutes))
    fraction = int((match[7] or "").ljust(6, "0")[:6])
    month, day, hour, minute, second = rest
    return str(to_epoch_millis(datetime(year, month, day, hour, minute, second, fraction, zone)))


_SINGLE: Final[Mapping[ColumnType, Plain]] = MappingProxyType(
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
        ColumnType.JSON: _document,
    }
)
