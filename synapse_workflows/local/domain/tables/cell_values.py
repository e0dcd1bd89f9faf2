"""Cell values: parsing text into stored values, and serializing them.

Stored values are text, integers (dates in milliseconds, booleans as 0 and 1, entity IDs without
`syn`), floating point numbers (NaN as the text `NaN`, because SQLite has no NaN), and JSON text
for lists and JSON. Equal values have the same serialized text (semantics 9.1).
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

from synapse_workflows.constants import MAX_CELL_SIZES, ColumnType
from synapse_workflows.local.domain.dates import parse_date
from synapse_workflows.local.domain.request_fields import utf16_length
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
_INT64_LIMIT: Final = 2**63
#: Maximum number of digits with which every number fits into 64 bits.
SAFE_DIGITS: Final = 18
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")
_DOUBLE: Final = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]{1,9})?|inf(?:inity)?|nan)",
    re.IGNORECASE,
)
_BOOLEANS: Final = {"true": 1, "false": 0}
_ENTITY_ID: Final = re.compile(r"(?:syn)?([0-9]{1,18})", re.IGNORECASE)


class CellError(ValueError):
    """A text is not a valid value for its column. The message gives the reason."""


def _parse_integer(text: str) -> int:
    if len(text) <= SAFE_DIGITS and text.isascii() and text.isdigit():
        return int(text)
    trimmed = text.strip()
    if _INTEGER.fullmatch(trimmed) is None or not -_INT64_LIMIT <= int(trimmed) < _INT64_LIMIT:
        raise CellError(f'For input string: "{text[:100]}"')
    return int(trimmed)


def _parse_double(text: str) -> float | str:
    trimmed = text.strip()
    if _DOUBLE.fullmatch(trimmed) is None:
        raise CellError(f'For input string: "{text[:100]}"')
    value = float(trimmed)
    return NAN if math.isnan(value) else value


def _parse_boolean(text: str) -> int:
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise CellError(f"'{text[:100]}' is not a boolean: expected true or false.") from None


def _parse_date(text: str) -> int:
    if text.isdigit():
        return _parse_integer(text)
    try:
        milliseconds = parse_date(text)
    except ValueError as error:
        raise CellError(str(error)) from None
    return _parse_integer(str(milliseconds))


def _parse_entity_id(text: str) -> int:
    match = _ENTITY_ID.fullmatch(text.strip())
    if match is None:
        raise CellError(f"'{text[:100]}' is not a valid Synapse ID.")
    return int(match[1])


_SCALAR_PARSERS: Final[dict[ColumnType, CellParser]] = {
    ColumnType.INTEGER: _parse_integer,
    ColumnType.DOUBLE: _parse_double,
    ColumnType.BOOLEAN: _parse_boolean,
    ColumnType.DATE: _parse_date,
    ColumnType.ENTITYID: _parse_entity_id,
    ColumnType.FILEHANDLEID: _parse_integer,
    ColumnType.USERID: _parse_integer,
    ColumnType.SUBMISSIONID: _parse_integer,
    ColumnType.EVALUATIONID: _parse_integer,
}


def _create_text_parser(max_size: int) -> CellParser:
    def parse(text: str) -> str:
        if utf16_length(text) > max_size:
            raise CellError(
                f"String '{text[:100]}' exceeds the maximum length of {max_size} characters. "
                "Consider using a column with a larger maximumSize or a LARGETEXT column."
            )
        return text

    return parse


def _reject_constant(constant: str) -> None:
    raise CellError(f"{constant} is not valid JSON.")


# Reused: json.loads and json.dumps create an object for each call with options.
_decode_strict: Final = json.JSONDecoder(parse_constant=_reject_constant).decode
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode
#: A list without nested values, escapes and unpaired surrogates.
_SIMPLE_LIST: Final = re.compile(r"\[[^\[{\\\ud800-\udfff]*")


def _load_lenient(text: str) -> tuple[Any, bool]:
    """Parse text as strict JSON or, if that fails, as lenient JSON.

    Returns:
        The value, and whether the text is strict JSON.
    """
    try:
        value, is_strict = _decode_strict(text), True
    except (ValueError, RecursionError) as error:
        try:
            value, is_strict = lenient_json.parse(text), False
        except ValueError:
            raise CellError(f"It is not valid JSON: {error}"[:200]) from None
    if is_strict and _SIMPLE_LIST.fullmatch(text):
        return value, is_strict
    try:
        _encode(value).encode()
    except (ValueError, RecursionError) as error:  # unpaired surrogates, or too deeply nested
        raise CellError(f"It is not valid JSON: {error}"[:200]) from None
    return value, is_strict


def _parse_json(text: str) -> str:
    """Parse a JSON object or array. Return strict JSON unchanged, convert lenient JSON."""
    max_size = MAX_CELL_SIZES[ColumnType.JSON]
    value, is_strict = _load_lenient(text)
    if not isinstance(value, dict | list):
        raise CellError("It must be a JSON object or array.")
    stored = text if is_strict else json.dumps(value, ensure_ascii=False)
    if utf16_length(stored) > max_size:
        raise CellError(f"It exceeds the maximum length of {max_size} characters.")
    return stored


def _create_item_parser(column: Column) -> Callable[[Any], Any]:
    """Return a function that converts an item of a JSON array to an item of a list column."""
    kind = ITEM_TYPES[column.type]
    parse_text = _create_text_parser(column.max_cell_size)
    is_integer = kind not in {ColumnType.BOOLEAN, ColumnType.ENTITYID}

    def parse_string(item: Any) -> Any:
        if not isinstance(item, str):
            raise CellError("The items of the array must be text.")
        return parse_text(item)

    def parse_scalar(item: Any) -> Any:
        if type(item) is int and is_integer and 0 <= item < _INT64_LIMIT:
            return item
        if isinstance(item, bool):
            item = "true" if item else "false"
        if not isinstance(item, str | int):
            raise CellError(f"{json.dumps(item)[:100]} is not a valid {kind}.")
        stored = _SCALAR_PARSERS[kind](str(item))
        if kind is ColumnType.ENTITYID:
            return f"syn{stored}"
        return bool(stored) if kind is ColumnType.BOOLEAN else stored

    return parse_string if kind is ColumnType.STRING else parse_scalar


def _create_list_parser(column: Column) -> Callable[[str], str | None]:
    parse_item = _create_item_parser(column)

    def parse(text: str) -> str | None:
        items, _ = _load_lenient(text)
        if not isinstance(items, list):
            raise CellError("It must be a JSON array.")
        if any(item is None for item in items):
            raise CellError("null value is not allowed in an array.")
        if len(items) > (column.maximum_length or 0):
            raise CellError(f"It exceeds the maximum of {column.maximum_length} items.")
        if not items:
            return None
        return _encode([parse_item(item) for item in items])

    return parse


def get_type_parser(column: Column) -> CellParser:
    """Return a parser of non-null text. The parser ignores the default and the enumeration.

    The parser raises CellError.
    """
    if column.type in LIST_TYPES:
        return _create_list_parser(column)
    if column.type is ColumnType.JSON:
        return _parse_json
    return _SCALAR_PARSERS.get(column.type) or _create_text_parser(column.max_cell_size)


def get_item_column(column: Column) -> Column:
    """Return a column for single items of a list column."""
    return Column(
        id=column.id,
        name=column.name,
        type=ITEM_TYPES[column.type],
        maximum_size=column.maximum_size,
        maximum_length=None,
        default=None,
        enum_values=(),
        facet=None,
        body={},
    )


def get_enum_parser(column: Column) -> CellParser:
    """Return a parser of non-null text. The parser also checks the enumeration of the column.

    The parser raises CellError.
    """
    parse = get_type_parser(column)
    if not column.enum_values:
        return parse
    is_list = column.type in LIST_TYPES
    parse_item = get_type_parser(get_item_column(column) if is_list else column)
    allowed = {parse_item(value) for value in column.enum_values}

    def parse_checked(text: str) -> StoredValue:
        stored = parse(text)
        if any(item not in allowed for item in _list_items(column, stored)):
            raise CellError(
                f"'{text[:100]}' is not a valid value for this column. "
                f"Valid are the enumValues: {', '.join(column.enum_values)[:500]}"
            )
        return stored

    return parse_checked


def _list_items(column: Column, stored: StoredValue) -> list[StoredValue]:
    """Return the items of a list cell as scalar values; for other cells, the cell alone."""
    if column.type not in LIST_TYPES:
        return [stored]
    parse_item = get_type_parser(get_item_column(column))
    items = json.loads(str(stored)) if stored is not None else []
    return [parse_item(item if isinstance(item, str) else json.dumps(item)) for item in items]


def get_cell_parser(column: Column) -> Callable[[str | None], StoredValue]:
    """Return a parser of cells. Null and, for most types, empty text become the default.

    The parser raises CellError.
    """
    parse = get_enum_parser(column)
    default = None if column.default is None else parse(column.default)
    is_empty_valid = column.type in TEXT_TYPES

    def parse_cell(text: str | None) -> StoredValue:
        if text is None or (not text and not is_empty_valid):
            return default
        return parse(text)

    return parse_cell


def serialize_double(value: float | str) -> str:
    """Return the shortest decimal text of a DOUBLE."""
    if isinstance(value, str):
        return value
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def serialize_boolean(value: float) -> str:
    """Return the text of a BOOLEAN."""
    return "true" if value else "false"


def serialize_entity_id(value: Any) -> str:
    """Return the text of an ENTITYID."""
    return f"syn{value}"


#: Type -> function that serializes a stored value; `str` for other types.
SERIALIZERS: Final[dict[ColumnType, Callable[[Any], str]]] = {
    ColumnType.DOUBLE: serialize_double,
    ColumnType.BOOLEAN: serialize_boolean,
    ColumnType.ENTITYID: serialize_entity_id,
}


def get_serializer(kind: ColumnType) -> Callable[[Any], str]:
    """Return the function that serializes stored non-null values of a type."""
    return SERIALIZERS.get(kind, str)
