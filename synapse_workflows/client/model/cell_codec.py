"""Encoding of Python values as the text of table cells, and decoding."""

import json
from collections.abc import Callable, Mapping, Sequence
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

#: Encodes a value as the text of a cell; None is null.
CellWriter = Callable[[Any], str | None]
#: Decodes the text of a cell; None is null.
CellReader = Callable[[str | None], Any]
#: Texts of the cells of one column; None is null.
CsvColumn = Sequence[str | None]

#: Numbers below fit into 64 bits.
SAFE_INTEGER: Final = 2**63
TEXT_TYPES: Final = frozenset(
    {ColumnType.STRING, ColumnType.LINK, ColumnType.MEDIUMTEXT, ColumnType.LARGETEXT}
)
#: Type of a list column -> type of its items.
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
    """Create a function that validates and encodes the cells of a column.

    The function raises ValueError for a value that does not fit the column. If the column type
    is unknown, values are encoded by their Python type, and only Synapse validates them.

    Args:
        column: A mapping with ``columnType``, and ``maximumSize`` and ``maximumListLength`` for
            the types that have these limits.
    """
    column_type = get_column_type(column)
    if column_type is None:
        return lambda value: (
            None if cell_values.is_missing(value) else cell_values.to_untyped_text(value)
        )
    if column_type in ITEM_TYPES:
        return _create_list_writer(column_type, column)
    write = _WRITERS[column_type]
    limit = get_size_limit(column_type, column)
    if column_type in TEXT_TYPES:
        return _create_text_writer(column_type, limit)
    exact_type, write_exact = _EXACT_WRITERS.get(column_type, (None, write))
    is_nullable = column_type is not ColumnType.DOUBLE

    def checked(value: Any) -> str | None:
        if type(value) is exact_type:
            return write_exact(value)
        if value is None or (is_nullable and cell_values.is_missing(value)):
            return None
        return _check_size(column_type, write(value), limit)

    return checked


def _create_text_writer(column_type: ColumnType, limit: int | None) -> CellWriter:
    def write(value: Any) -> str | None:
        if type(value) is not str:
            if cell_values.is_missing(value):
                return None
            value = cell_values.to_text(value)
        # A character has at most two UTF-16 code units.
        if limit is None or 2 * len(value) <= limit:
            return str(value)
        return _check_size(column_type, value, limit)

    return write


def _check_size(column_type: ColumnType, text: str | None, limit: int | None) -> str | None:
    """Return the text of a cell; raise ValueError if the text is too long."""
    if limit is not None and text is not None:
        length = cell_values.utf16_length(text)
        if length > limit:
            raise ValueError(_format_size_error(column_type, length, limit))
    return text


def create_reader(column: Mapping[str, Any]) -> CellReader:
    """Create a function that decodes the cells of a column.

    If the column type is missing or unknown, cells stay text.
    """
    column_type = get_column_type(column)
    if column_type is None or column_type in TEXT_TYPES:
        return _identity
    read = _READERS.get(column_type, str)
    # Empty text is a value in text columns only; older services use it for null elsewhere.
    return lambda text: read(text) if text else None


def create_column_reader(column: Mapping[str, Any]) -> Callable[[CsvColumn], Sequence[Any]]:
    """Create a function that decodes the cells of a column, each as `create_reader` does."""
    if create_reader(column) is _identity:
        return lambda texts: texts
    column_type = get_column_type(column)
    read_text: Callable[[Any], Any] = _READERS.get(column_type, str) if column_type else str

    def read(texts: CsvColumn) -> Sequence[Any]:
        if all(texts):
            return list(map(read_text, texts))
        return [read_text(text) if text else None for text in texts]

    return read


def _identity(text: str | None) -> str | None:
    return text


def get_size_limit(column_type: ColumnType, column: Mapping[str, Any]) -> int | None:
    """Return the maximum number of characters of a cell or list item; None if unknown."""
    if column_type in {ColumnType.STRING, ColumnType.LINK, ColumnType.STRING_LIST}:
        return _get_limit_setting(column, "maximumSize", DEFAULT_CELL_SIZE)
    return MAX_CELL_SIZES.get(column_type)


def _get_limit_setting(column: Mapping[str, Any], key: str, default: int) -> int | None:
    """Return a limit of a column; None if unknown, as for the columns of a query result."""
    if column.get(key):
        return int(column[key])
    return default if column.get("concreteType") == COLUMN_MODEL else None


def _format_size_error(column_type: ColumnType, length: int, limit: int) -> str:
    """Return the error message about a cell that is too long, with remedies."""
    remedies = {
        ColumnType.STRING: "increase maximumSize (at most 1000), or use the type LARGETEXT",
        ColumnType.LINK: "increase maximumSize (at most 1000)",
        ColumnType.MEDIUMTEXT: "use the type LARGETEXT",
    }
    remedy = f", or {remedies[column_type]}" if column_type in remedies else ""
    return f"has {length} characters, but the column is limited to {limit}: shorten it{remedy}"


def _create_list_writer(column_type: ColumnType, column: Mapping[str, Any]) -> CellWriter:
    convert = _ITEM_CONVERTERS[ITEM_TYPES[column_type]]
    max_items = _get_limit_setting(column, "maximumListLength", DEFAULT_LIST_LENGTH)
    max_size = get_size_limit(column_type, column)
    is_integer = column_type is ColumnType.INTEGER_LIST

    def write(value: Any) -> str | None:
        if is_integer and type(value) is list and _are_integers(value, max_items):
            return str(value).replace(" ", "")
        if cell_values.is_missing(value):
            return None
        items = [convert(one) for one in cell_values.to_list(value)]
        if max_items is not None and len(items) > max_items:
            raise ValueError(
                f"has {len(items)} items, but the column is limited to {max_items}: shorten it, "
                "or increase maximumListLength (at most 100)"
            )
        if max_size is None or not items:
            return cell_values.dump_json(items) if items else None
        if (longest := max(map(cell_values.utf16_length, items))) > max_size:
            raise ValueError(
                f"has an item of {longest} characters, but the column is limited to {max_size}: "
                "shorten it, or increase maximumSize (at most 1000)"
            )
        return cell_values.dump_json(items)

    return write


def _are_integers(items: list[Any], max_items: int | None) -> bool:
    """Return whether a list is a valid cell whose items need no conversion."""
    return (
        {*map(type, items)} == {int}
        and min(items) > -SAFE_INTEGER
        and max(items) < SAFE_INTEGER
        and (max_items is None or len(items) <= max_items)
    )


def _write_integer(value: int) -> str:
    return str(value if -SAFE_INTEGER < value < SAFE_INTEGER else cell_values.to_integer(value))


def _write_date(value: int) -> str:
    is_safe = -SAFE_INTEGER < value < SAFE_INTEGER
    return str(value if is_safe else cell_values.to_timestamp(value))


def _read_boolean(text: str) -> bool:
    try:
        return cell_values.BOOLEAN_WORDS[text.lower()]
    except KeyError:
        raise ValueError(f"Invalid BOOLEAN cell {text!r}: expected true or false.") from None


def _read_dates(text: str) -> list[datetime | int]:
    return [cell_values.from_epoch_millis(one) for one in _read_json(text)]


def _read_json(text: str) -> Any:
    """Decode JSON as `json.loads` does, which takes much longer for a short text."""
    try:
        value, end = _decode_json(text)
    except ValueError:  # whitespace at the start, or no JSON
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


_decode_json: Final = json.JSONDecoder().raw_decode
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
#: Column type -> Python type that needs no conversion, and the writer of its values.
_EXACT_WRITERS: Final[Mapping[ColumnType, tuple[type, CellWriter]]] = MappingProxyType(
    {
        ColumnType.INTEGER: (int, _write_integer),
        ColumnType.DATE: (int, _write_date),
        ColumnType.DOUBLE: (float, cell_values.to_double_text),
        ColumnType.BOOLEAN: (bool, {True: "true", False: "false"}.__getitem__),
    }
)
_ITEM_CONVERTERS: Final[Mapping[ColumnType, Callable[[Any], Any]]] = MappingProxyType(
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
        ColumnType.JSON: _read_json,
        **dict.fromkeys(set(ITEM_TYPES) - {ColumnType.DATE_LIST}, _read_json),
    }
)
