"""Scalar functions: their arguments and the SQLite functions that implement them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.dates import parse_date
from synapse_workflows.local.domain.tables.cell_values import NAN
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES, TEXT_TYPES
from synapse_workflows.local.domain.tables.sql.sqlite_dates import DATE_PARTS
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    DATETIME,
    JSON_VALUE,
    Fragment,
    apply_collation,
    as_number,
    as_text,
    build_call,
    build_value,
    coerce_literal,
    join,
    literal,
    unify_types,
    with_type,
    without_nan,
)
from synapse_workflows.local.errors import BadRequest

_MAX_ARGUMENTS: Final = 100
#: The JSON paths that have the same meaning in MySQL and in SQLite.
_JSON_PATH: Final = re.compile(r'\$(?:\.[A-Za-z_]\w*|\."[^"\\]+"|\[[0-9]{1,9}\])*')

Build = Callable[[Sequence[Fragment]], Fragment]


@dataclass(frozen=True)
class Function:
    """A function: the allowed number of arguments, and the compiler of its calls."""

    build: Build
    minimum: int
    maximum: int


def as_date(value: Fragment) -> Fragment:
    """Return a value as a date.

    Raises:
        BadRequest: The value is not a date.
    """
    if isinstance(value.literal, str):
        try:
            return literal(parse_date(value.literal))
        except ValueError as error:
            raise BadRequest(f"Not a date: {error}") from None
    if value.type in {DATETIME, ColumnType.DATE} or value.is_null:
        return value
    raise BadRequest(
        "Expected a date: NOW(), FROM_UNIXTIME(...), a DATE column or a date in single quotes."
    )


def as_json(value: Fragment) -> Fragment:
    """Return a value as an argument of SQLite's JSON functions."""
    value = with_type(value)
    if value.type in LIST_TYPES or value.type in {ColumnType.JSON, JSON_VALUE}:
        return build_value(ColumnType.JSON, "json({})", value)
    if value.type == ColumnType.BOOLEAN:
        return build_value(ColumnType.JSON, "json({})", as_text(value))
    if value.type == ColumnType.DOUBLE:  # JSON has neither NaN nor infinity
        finite = "nullif(nullif({}, 9e999), -9e999)"
        return build_value(ColumnType.JSON, finite, without_nan(value))
    is_shown_as_text = value.is_text or value.type in {ColumnType.ENTITYID, DATETIME}
    return as_text(value) if is_shown_as_text else value


def _as_texts(arguments: Sequence[Fragment]) -> list[Fragment]:
    return [as_text(each) for each in arguments]


def _create_text_function(function: str, type_: ColumnType = ColumnType.STRING) -> Build:
    return lambda arguments: build_call(type_, function, _as_texts(arguments))


def _build_concat(arguments: Sequence[Fragment]) -> Fragment:
    return build_value(ColumnType.STRING, "({})", join(" || ", _as_texts(arguments)))


def _build_round(arguments: Sequence[Fragment]) -> Fragment:
    value = as_number(arguments[0])
    places = as_number(arguments[1]) if len(arguments) > 1 else literal(0)
    is_double = with_type(value).type == ColumnType.DOUBLE
    type_ = ColumnType.DOUBLE if is_double else ColumnType.INTEGER
    return build_call(type_, "rounded", [value, places])


def _build_coalesce(arguments: Sequence[Fragment]) -> Fragment:
    type_, values = unify_types(arguments)
    if type_ is None:
        return literal(None)
    return build_call(type_, "coalesce", [*values, literal(None)])


def _build_nullif(arguments: Sequence[Fragment]) -> Fragment:
    first, second = with_type(arguments[0]), with_type(arguments[1])
    if arguments[0].is_null:
        return literal(None)
    if arguments[1].is_literal:
        second = coerce_literal(arguments[1], str(first.type))
    if first.is_text != second.is_text and not arguments[1].is_null:
        raise BadRequest("NULLIF takes two values of one type.")
    left = first.with_sql(apply_collation(first))
    return build_call(str(first.type), "nullif", [left, without_nan(second)])


def _build_unix_timestamp(arguments: Sequence[Fragment]) -> Fragment:
    return build_value(ColumnType.INTEGER, "({} / 1000)", as_date(arguments[0]))


def _build_from_unixtime(arguments: Sequence[Fragment]) -> Fragment:
    seconds = as_number(arguments[0])
    return build_value(DATETIME, "CAST(round({} * 1000) AS INTEGER)", seconds)


def _create_date_part(name: str) -> Build:
    type_ = ColumnType.STRING if name.endswith("NAME") else ColumnType.INTEGER
    template = f"date_part('{name}', {{}})"
    return lambda arguments: build_value(type_, template, as_date(arguments[0]))


def _create_double_test(name: str, template: str) -> Build:
    def build(arguments: Sequence[Fragment]) -> Fragment:
        if arguments[0].type != ColumnType.DOUBLE:
            raise BadRequest(f"{name} takes a DOUBLE column.")
        return replace(build_value(ColumnType.BOOLEAN, template, arguments[0]), width=5)

    return build


def _build_json_array(arguments: Sequence[Fragment]) -> Fragment:
    return build_call(ColumnType.JSON, "json_array", [as_json(each) for each in arguments])


def _build_json_object(arguments: Sequence[Fragment]) -> Fragment:
    if len(arguments) % 2:
        raise BadRequest("JSON_OBJECT takes pairs of a key and a value.")
    pairs = zip(arguments[::2], arguments[1::2], strict=True)
    parts = [part for key, value in pairs for part in (as_text(key), as_json(value))]
    return build_call(ColumnType.JSON, "json_object", parts)


def _build_json_quote(arguments: Sequence[Fragment]) -> Fragment:
    # The concatenation removes SQLite's JSON subtype from the text.
    template = "(nullif(json_quote({}), 'null') || '')"
    return build_value(ColumnType.STRING, template, as_text(arguments[0]))


def _as_document(value: Fragment, function: str) -> Fragment:
    document = with_type(coerce_literal(value, ColumnType.STRING))
    if document.type not in LIST_TYPES | TEXT_TYPES | {ColumnType.JSON, JSON_VALUE}:
        raise BadRequest(f"{function} takes JSON.")
    return document


def _build_json_extract(arguments: Sequence[Fragment]) -> Fragment:
    path = arguments[1]
    if not isinstance(path.literal, str) or _JSON_PATH.fullmatch(path.literal) is None:
        raise BadRequest(
            f"The JSON path '{str(path.literal)[:100]}' is not supported: expected a text like "
            "'$.key', '$.\"a key\"' or '$.list[0]'."
        )
    return build_value(JSON_VALUE, "({} -> {})", _as_document(arguments[0], "JSON_EXTRACT"), path)


def _create_json_function(function: str, type_: str) -> Build:
    def build(arguments: Sequence[Fragment]) -> Fragment:
        document = _as_document(arguments[0], function.upper())
        return build_call(type_, function, [document, *_as_texts(arguments[1:])])

    return build


FUNCTIONS: Final[Mapping[str, Function]] = {
    "CONCAT": Function(_build_concat, 1, _MAX_ARGUMENTS),
    "REPLACE": Function(_create_text_function("replace"), 3, 3),
    "UPPER": Function(_create_text_function("upper_text"), 1, 1),
    "LOWER": Function(_create_text_function("lower_text"), 1, 1),
    "TRIM": Function(_create_text_function("trim"), 1, 1),
    "CRC32": Function(_create_text_function("crc32", ColumnType.INTEGER), 1, 1),
    "ROUND": Function(_build_round, 1, 2),
    "COALESCE": Function(_build_coalesce, 1, _MAX_ARGUMENTS),
    "NULLIF": Function(_build_nullif, 2, 2),
    "ISNAN": Function(_create_double_test("ISNAN", f"({{}} IS '{NAN}')"), 1, 1),
    "ISINFINITY": Function(
        _create_double_test("ISINFINITY", "coalesce({} IN (9e999, -9e999), 0)"), 1, 1
    ),
    "UNIX_TIMESTAMP": Function(_build_unix_timestamp, 1, 1),
    "FROM_UNIXTIME": Function(_build_from_unixtime, 1, 1),
    **{name: Function(_create_date_part(name), 1, 1) for name in DATE_PARTS},
    "JSON_OBJECT": Function(_build_json_object, 0, _MAX_ARGUMENTS),
    "JSON_ARRAY": Function(_build_json_array, 0, _MAX_ARGUMENTS),
    "JSON_EXTRACT": Function(_build_json_extract, 2, 2),
    "JSON_OVERLAPS": Function(_create_json_function("json_overlaps", ColumnType.BOOLEAN), 2, 2),
    "JSON_SEARCH": Function(_create_json_function("json_search", ColumnType.JSON), 3, 4),
    "JSON_QUOTE": Function(_build_json_quote, 1, 1),
    "JSON_UNQUOTE": Function(_create_text_function("json_unquote"), 1, 1),
}
