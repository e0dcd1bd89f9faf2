"""Cells: from text to what is stored, and back.

Stored are text, whole numbers (dates in milliseconds, booleans as 0 and 1, entity ids without
`syn`), floating point numbers (NaN, which SQLite has not, as the text `NaN`), and lists and JSON
as JSON text. What comes back is the text form of semantics 9.1, the same for equal values.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

from synapse_workflows.constants import MAX_CELL_SIZES, ColumnType
from synapse_workflows.local.domain.dates import parse_date
from synapse_workflows.local.domain.tables import lenient_json
from synapse_workflows.local.domain.tables.column_types import (
    ITEM_TYPES,
    LIST_TYPES,
    TEXT_TYPES,
    Column,
)

StoredValue = str | int | float | None
CellParser = Callable[[str], StoredValue]

NAN: Final = "NaN"
_LONG: Final = 2**63
#: Digits of a number that surely has 64 bits.
_SHORT: Final = 18
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,40}")
_REAL: Final = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]{1,9})?|inf(?:inity)?|nan)",
    re.IGNORECASE,
)
_ENTITY: Final = re.compile(r"(?:syn)?([0-9]{1,18})", re.IGNORECASE)


class CellError(ValueError):
    """A text is no value of the column; says why."""


def _whole(text: str) -> int:
    if len(text) <= _SHORT and text.isascii() and text.isdigit():
        return int(text)
    trimmed = text.strip()
    if _WHOLE.fullmatch(trimmed) is None or not -_LONG <= int(trimmed) < _LONG:
        raise CellError(f'For input string: "{text[:100]}"')
    return int(trimmed)


def _real(text: str) -> float | str:
    trimmed = text.strip()
    if _REAL.fullmatch(trimmed) is None:
        raise CellError(f'For input string: "{text[:100]}"')
    value = float(trimmed)
    return NAN if math.isnan(value) else value


def _boolean(text: str) -> int:
    try:
        return {"true": 1, "false": 0}[text.strip().lower()]
    except KeyError:
        raise CellError(f"'{text[:100]}' is neither true nor false.") from None


def _date(text: str) -> int:
    if text.isdigit():
        return _whole(text)
    try:
        moment = parse_date(text)
    except ValueError as error:
        raise CellError(str(error)) from None
    return _whole(str(moment))


def _entity(text: str) -> int:
    match = _ENTITY.fullmatch(text.strip())
    if match is None:
        raise CellError(f"'{text[:100]}' is not a valid Synapse ID.")
    return int(match[1])


_SCALARS: Final[dict[ColumnType, CellParser]] = {
    ColumnType.INTEGER: _whole,
    ColumnType.DOUBLE: _real,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.DATE: _date,
    ColumnType.ENTITYID: _entity,
    ColumnType.FILEHANDLEID: _whole,
    ColumnType.USERID: _whole,
    ColumnType.SUBMISSIONID: _whole,
    ColumnType.EVALUATIONID: _whole,
}


def _bounded(limit: int) -> CellParser:
    def parse(text: str) -> str:
        if len(text) > limit:
            raise CellError(
                f"String '{text[:100]}' exceeds the maximum length of {limit} characters. "
                "Consider using a column with a larger maximumSize or a LARGETEXT column."
            )
        return text

    return parse


def _load(text: str) -> Any:
    def no(word: str) -> None:
        raise CellError(f"{word} is not JSON.")

    try:
        value = json.loads(text, parse_constant=no)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except CellError:
        raise
    except (ValueError, RecursionError) as error:
        raise CellError(f"It is not valid JSON: {error}"[:200]) from None
    return value


def _load_array(text: str) -> Any:
    """Read an array, at first as JSON, then as clients write it that are not strict."""
    try:
        return _load(text)
    except CellError:
        items = lenient_json.parse_array(text)
        if items is None:
            raise
        return _load(json.dumps(items))


def _json(text: str) -> str:
    if len(text) > MAX_CELL_SIZES[ColumnType.JSON]:
        raise CellError("It is too long.")
    if not isinstance(_load(text), dict | list):
        raise CellError("It must be a JSON object or array.")
    return text


def _item_of(column: Column) -> Callable[[Any], Any]:
    """Give what turns one item of a JSON array into one of a list of the column."""
    kind = ITEM_TYPES[column.type]
    bounded = _bounded(column.limit)

    def text_item(item: Any) -> Any:
        if not isinstance(item, str):
            raise CellError("The items of the array must be text.")
        return bounded(item)

    def other_item(item: Any) -> Any:
        if isinstance(item, bool):
            item = "true" if item else "false"
        if not isinstance(item, str | int):
            raise CellError(f"{json.dumps(item)[:100]} is not a {kind}.")
        stored = _SCALARS[kind](str(item))
        if kind is ColumnType.ENTITYID:
            return f"syn{stored}"
        return bool(stored) if kind is ColumnType.BOOLEAN else stored

    return text_item if kind is ColumnType.STRING else other_item


def _list_of(column: Column) -> Callable[[str], str | None]:
    one = _item_of(column)

    def parse(text: str) -> str | None:
        items = _load_array(text)
        if not isinstance(items, list):
            raise CellError("It must be a JSON array.")
        if any(item is None for item in items):
            raise CellError("null value is not allowed in an array.")
        if len(items) > (column.maximum_length or 0):
            raise CellError(f"It exceeds the maximum of {column.maximum_length} items.")
        return json.dumps([one(item) for item in items], ensure_ascii=False) if items else None

    return parse


def get_type_parser(column: Column) -> CellParser:
    """Give what reads a text that is not null, whatever the default and the enumeration say."""
    if column.type in LIST_TYPES:
        return _list_of(column)
    if column.type is ColumnType.JSON:
        return _json
    return _SCALARS.get(column.type) or _bounded(column.limit)


def get_item_column(column: Column) -> Column:
    """Give the column that would hold single items of a list column."""
    return Column(
        id=column.id,
        name=column.name,
        type=ITEM_TYPES[column.type],
        maximum_size=column.maximum_size,
        maximum_length=None,
        default=None,
        words=(),
        facet=None,
        body={},
    )


def get_enum_parser(column: Column) -> CellParser:
    """Give what reads a text that is not null, and holds it against the enumeration."""
    parse = get_type_parser(column)
    if not column.words:
        return parse
    single = get_type_parser(get_item_column(column) if column.type in LIST_TYPES else column)
    words = {single(word) for word in column.words}

    def checked(text: str) -> StoredValue:
        stored = parse(text)
        for item in _items(column, stored):
            if item not in words:
                raise CellError(
                    f"'{text[:100]}' is not a valid value for this column. "
                    f"Valid are the enumValues: {', '.join(column.words)[:500]}"
                )
        return stored

    return checked


def _items(column: Column, stored: StoredValue) -> list[StoredValue]:
    """List what a cell holds, one item or those of its list, as single cells are stored."""
    if column.type not in LIST_TYPES:
        return [stored]
    single = get_type_parser(get_item_column(column))
    items = json.loads(str(stored)) if stored is not None else []
    return [single(item if isinstance(item, str) else json.dumps(item)) for item in items]


def get_cell_parser(column: Column) -> Callable[[str | None], StoredValue]:
    """Give what reads a cell: null and, in most columns, empty text become the default.

    The parser raises CellError.
    """
    parse = get_enum_parser(column)
    default = None if column.default is None else parse(column.default)
    empty_is_text = column.type in TEXT_TYPES

    def read(text: str | None) -> StoredValue:
        if text is None or (not text and not empty_is_text):
            return default
        return parse(text)

    return read


def serialize_double(value: float | str) -> str:
    """Write a number of a DOUBLE column: the shortest decimal that means it."""
    if isinstance(value, str):
        return value
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def serialize_boolean(value: float) -> str:
    """Write a BOOLEAN."""
    return "true" if value else "false"


def serialize_entity_id(value: Any) -> str:
    """Write an ENTITYID."""
    return f"syn{value}"


#: Type -> how to write a stored value that is not null; `str` for the others.
SERIALIZERS: Final[dict[ColumnType, Callable[[Any], str]]] = {
    ColumnType.DOUBLE: serialize_double,
    ColumnType.BOOLEAN: serialize_boolean,
    ColumnType.ENTITYID: serialize_entity_id,
}


def get_serializer(kind: ColumnType) -> Callable[[Any], str]:
    """Give what writes a stored value that is not null."""
    return SERIALIZERS.get(kind, str)
