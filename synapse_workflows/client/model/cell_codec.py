"""Cells of tables: Python values as the text that Synapse keeps, and back."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from synapse_workflows.client.model import cell_values
from synapse_workflows.client.model.columns import COLUMN_MODEL, get_column_type
from synapse_workflows.constants import (
    DEFAULT_CELL_SIZE,
    DEFAULT_LIST_LENGTH,
    MAX_CELL_SIZES,
    ColumnType,
)

#: Writes a value as text; None is null.
CellWriter = Callable[[Any], str | None]
#: Reads what a writer wrote.
CellReader = Callable[[str | None], Any]

TEXT_TYPES: Final = frozenset(
    {ColumnType.STRING, ColumnType.LINK, ColumnType.MEDIUMTEXT, ColumnType.LARGETEXT}
)
#: Type of a list -> type of its items.
ITEM_TYPES: Final = MappingProxyType(
    {
        ColumnType.STRING_LIST: ColumnType.STRING,
        ColumnType.INTEGER_LIST: ColumnType.INTEGER,
        ColumnType.BOOLEAN_LIST: ColumnType.BOOLEAN,
        ColumnType.DATE_LIST: ColumnType.DATE,
        ColumnType.ENTITYID_LIST: ColumnType.ENTITYID,
        ColumnType.USERID_LIST: ColumnType.USERID,
    }
)


def create_writer(column: Mapping[str, Any]) -> CellWriter:
    """Make what writes the cells of a column, and checks them.

    It raises ValueError for what the column cannot hold. Where the type is not known, the class
    of each value decides, and Synapse checks.

    Args:
        column: With ``columnType``, and ``maximumSize`` and ``maximumListLength`` of those types
            that have them.
    """
    kind = get_column_type(column)
    if kind is None:
        return lambda value: (
            None if cell_values.is_missing(value) else cell_values.to_untyped_text(value)
        )
    if kind in ITEM_TYPES:
        return _create_list_writer(kind, column)
    write = _WRITERS[kind]
    limit = _get_size_limit(kind, column)
    as_it_is, may_be_missing = kind in TEXT_TYPES, kind is not ColumnType.DOUBLE

    def checked(value: Any) -> str | None:
        if value is None or (may_be_missing and cell_values.is_missing(value)):
            return None
        text: str | None = value if as_it_is and type(value) is str else write(value)
        if limit is not None and text is not None and len(text) > limit:
            raise ValueError(_format_size_error(kind, len(text), limit))
        return text

    return checked


def create_reader(column: Mapping[str, Any]) -> CellReader:
    """Make what reads the cells of a column; null is None. What has no type stays text."""
    kind = get_column_type(column)
    if kind is None or kind in TEXT_TYPES:
        return _identity
    read = _READERS.get(kind, str)
    # Only text can be empty; of the others this is what older services write for null.
    return lambda text: read(text) if text else None


def _identity(text: str | None) -> str | None:
    return text


def _get_size_limit(kind: ColumnType, column: Mapping[str, Any]) -> int | None:
    """Find how many characters a cell can have, or an item of a list; None where unknown."""
    if kind in {ColumnType.STRING, ColumnType.LINK, ColumnType.STRING_LIST}:
        return _get_limit_setting(column, "maximumSize", DEFAULT_CELL_SIZE)
    return MAX_CELL_SIZES.get(kind)


def _get_limit_setting(column: Mapping[str, Any], fact: str, usual: int) -> int | None:
    """Read a fact of a column. The header of a query's result does not say such things."""
    if column.get(fact):
        return int(column[fact])
    return usual if column.get("concreteType") == COLUMN_MODEL else None


def _format_size_error(kind: ColumnType, length: int, limit: int) -> str:
    """Say that a cell is longer than its column, and what can be done."""
    ways = {
        ColumnType.STRING: "a greater maximumSize (1000 at most), or the type LARGETEXT",
        ColumnType.LINK: "a greater maximumSize (1000 at most)",
        ColumnType.MEDIUMTEXT: "the type LARGETEXT",
    }
    other = f", or give the column {ways[kind]}" if kind in ways else ""
    return f"has {length} characters, and the column holds {limit}: shorten it{other}"


def _create_list_writer(kind: ColumnType, column: Mapping[str, Any]) -> CellWriter:
    item = _ITEM_WRITERS[ITEM_TYPES[kind]]
    longest = _get_limit_setting(column, "maximumListLength", DEFAULT_LIST_LENGTH)
    size = _get_size_limit(kind, column)

    def write(value: Any) -> str | None:
        if cell_values.is_missing(value):
            return None
        items = [item(one) for one in cell_values.to_list(value)]
        if longest is not None and len(items) > longest:
            raise ValueError(
                f"has {len(items)} items, and the column holds {longest}: shorten it, or give the "
                "column a greater maximumListLength (100 at most)"
            )
        over = next((len(one) for one in items if size is not None and len(one) > size), None)
        if over is not None:
            raise ValueError(
                f"has an item of {over} characters, and the column holds {size}: shorten it, or "
                "give the column a greater maximumSize (1000 at most)"
            )
        return cell_values.dump_json(items) if items else None

    return write


def _read_boolean(text: str) -> bool:
    try:
        return cell_values.BOOLEAN_WORDS[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


def _read_dates(text: str) -> list[datetime | int]:
    return [cell_values.from_epoch_millis(one) for one in json.loads(text)]


_WRITERS: Final[Mapping[ColumnType, CellWriter]] = MappingProxyType(
    {
        **dict.fromkeys(TEXT_TYPES, cell_values.to_text),
        ColumnType.INTEGER: lambda value: str(cell_values.to_integer(value)),
        ColumnType.DOUBLE: cell_values.to_double_text,
        ColumnType.BOOLEAN: lambda value: str(cell_values.to_boolean(value)).lower(),
        ColumnType.DATE: lambda value: str(cell_values.to_timestamp(value)),
        ColumnType.ENTITYID: cell_values.to_entity_id,
        ColumnType.FILEHANDLEID: lambda value: str(cell_values.to_numeric_id(value)),
        ColumnType.USERID: lambda value: str(cell_values.to_numeric_id(value)),
        ColumnType.SUBMISSIONID: lambda value: str(cell_values.to_numeric_id(value)),
        ColumnType.EVALUATIONID: lambda value: str(cell_values.to_numeric_id(value)),
        ColumnType.JSON: cell_values.to_json_document,
    }
)
_ITEM_WRITERS: Final[Mapping[ColumnType, Callable[[Any], Any]]] = MappingProxyType(
    {
        ColumnType.STRING: cell_values.to_text,
        ColumnType.INTEGER: cell_values.to_integer,
        ColumnType.BOOLEAN: cell_values.to_boolean,
        ColumnType.DATE: cell_values.to_timestamp,
        ColumnType.ENTITYID: cell_values.to_entity_id,
        ColumnType.USERID: cell_values.to_numeric_id,
    }
)
_READERS: Final[Mapping[ColumnType, Callable[[str], Any]]] = MappingProxyType(
    {
        ColumnType.INTEGER: int,
        ColumnType.DOUBLE: float,
        ColumnType.BOOLEAN: _read_boolean,
        ColumnType.DATE: lambda text: cell_values.from_epoch_millis(int(text)),
        ColumnType.DATE_LIST: _read_dates,
        ColumnType.JSON: json.loads,
        **dict.fromkeys(set(ITEM_TYPES) - {ColumnType.DATE_LIST}, json.loads),
    }
)
