"""Functions of one row: what they take, and which function of SQLite, ours or its own, does it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.dates import parse_date
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES, TEXT_TYPES
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    EXTRACTED,
    LARGE,
    MOMENT,
    Fragment,
    coerce,
    collated,
    comparable,
    literal,
    number,
    of_kind,
    same_kind,
    scale_of,
    shown,
    text_of,
    typed,
)
from synapse_workflows.local.errors import BadRequest

UNITS: Final = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
_DATE_PARTS: Final = (
    "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFMONTH", "DAYOFWEEK", "DAYOFYEAR", "WEEKDAY",
    "HOUR", "MINUTE", "SECOND", "MICROSECOND",
)  # fmt: skip
_DATE_NAMES: Final = ("MONTHNAME", "DAYNAME")
_MANY: Final = 100
_MICROSECONDS: Final = 6

Build = Callable[[Sequence[Fragment]], Fragment]


@dataclass(frozen=True)
class Function:
    """A function: how many arguments it takes, and how it is written for SQLite."""

    build: Build
    least: int
    most: int


def moment(value: Fragment) -> Fragment:
    """Take a value for a date.

    Raises:
        BadRequest: it is none.
    """
    if isinstance(value.literal, str):
        try:
            return literal(parse_date(value.literal), _decimals(value.literal))
        except ValueError as error:
            raise BadRequest(f"Not a date: {error}") from None
    if value.kind in {MOMENT, ColumnType.DATE} or (value.is_literal and value.literal is None):
        return value
    raise BadRequest("A date is needed: NOW(), FROM_UNIXTIME(), a DATE column or a text.")


def _decimals(text: str) -> int:
    """Count the digits of a second's fraction in a date's text, up to milliseconds."""
    match = re.search(r":\d+[.,](\d+)", text)
    return 0 if match is None else min(len(match[1]), 3)


def as_json(value: Fragment) -> Fragment:
    """Give the JSON of a value, as text."""
    value = typed(value)
    if value.kind in LIST_TYPES or value.kind in {ColumnType.JSON, EXTRACTED}:
        return of_kind(ColumnType.JSON, "json_plain({})", value)
    if value.kind == ColumnType.DOUBLE:
        return of_kind(ColumnType.JSON, "json_double({})", shown(value))
    if value.kind in {ColumnType.INTEGER, ColumnType.DATE, ColumnType.BOOLEAN, LARGE}:
        return of_kind(ColumnType.JSON, "coalesce({}, 'null')", text_of(value))
    if value.kind == MOMENT:
        value = replace(value, scale=_MICROSECONDS)
    return of_kind(ColumnType.JSON, "json_text({})", text_of(value))


def _texts(kind: str, name: str, arguments: Sequence[Fragment]) -> Fragment:
    marks = ", ".join("{}" for _ in arguments)
    return of_kind(kind, f"{name}({marks})", *(text_of(each) for each in arguments))


def _on_text(name: str, kind: ColumnType = ColumnType.STRING) -> Build:
    return lambda arguments: _texts(kind, name, arguments)


def _round(arguments: Sequence[Fragment]) -> Fragment:
    this = number(arguments[0])
    digits = number(arguments[1]) if len(arguments) > 1 else literal(0)
    scale = scale_of(this)
    how = f"rounded({{}}, {{}}, {'NULL' if scale is None else scale})"
    if typed(this).kind != ColumnType.DOUBLE:
        return of_kind(ColumnType.INTEGER, how, this, digits)
    if scale is not None and isinstance(digits.literal, int):
        scale = max(0, min(scale, digits.literal))
    return of_kind(ColumnType.DOUBLE, how, this, digits, scale=scale)


def _coalesce(arguments: Sequence[Fragment]) -> Fragment:
    kind, scale, parts = same_kind(list(arguments))
    if kind is None:
        return literal(None)
    marks = ", ".join("{}" for _ in parts)
    return of_kind(kind, f"coalesce({marks}, NULL)", *parts, scale=scale)


def _nullif(arguments: Sequence[Fragment]) -> Fragment:
    first, second = map(typed, arguments)
    if first.literal is None and arguments[0].is_literal:
        return literal(None)
    second = coerce(arguments[1], str(first.kind)) if arguments[1].is_literal else second
    if first.is_text != second.is_text and second.literal is not None:
        raise BadRequest("NULLIF takes two values of one type.")
    if not first.is_text:
        text = "nullif({}, {})"
        return of_kind(str(first.kind), text, first, comparable(second), scale=first.scale)
    left = first.named(collated(first))
    return of_kind(str(first.kind), "nullif({}, {})", left, second)


def _unix_timestamp(arguments: Sequence[Fragment]) -> Fragment:
    if not arguments:
        raise BadRequest("Use UNIX_TIMESTAMP(NOW()).")
    this = moment(arguments[0])
    if this.scale:
        return of_kind(ColumnType.DOUBLE, "to_seconds({})", this, scale=this.scale)
    return of_kind(ColumnType.INTEGER, "CAST(to_seconds({}) AS INTEGER)", this)


def _from_unixtime(arguments: Sequence[Fragment]) -> Fragment:
    this = number(arguments[0])
    scale = scale_of(this)
    digits = _MICROSECONDS if scale is None else min(scale, _MICROSECONDS)
    return of_kind(MOMENT, "from_seconds({})", this, scale=digits)


def _date_part(name: str) -> Build:
    def build(arguments: Sequence[Fragment]) -> Fragment:
        kind = ColumnType.STRING if name in _DATE_NAMES else ColumnType.INTEGER
        return of_kind(kind, f"date_part('{name}', {{}})", moment(arguments[0]))

    return build


def _json_array(arguments: Sequence[Fragment]) -> Fragment:
    if not arguments:
        return Fragment("'[]'", (), ColumnType.JSON)
    marks = ", ".join("{}" for _ in arguments)
    return of_kind(ColumnType.JSON, f"json_items({marks})", *map(as_json, arguments))


def _json_object(arguments: Sequence[Fragment]) -> Fragment:
    if len(arguments) % 2:
        raise BadRequest("JSON_OBJECT takes pairs of a key and a value.")
    parts = [
        text_of(each) if index % 2 == 0 else as_json(each) for index, each in enumerate(arguments)
    ]
    marks = ", ".join("{}" for _ in parts)
    return of_kind(ColumnType.JSON, f"json_members({marks})", *parts)


def _on_json(name: str, kind: str) -> Build:
    """Write a function whose arguments are JSON or plain text."""

    def build(arguments: Sequence[Fragment]) -> Fragment:
        first = typed(coerce(arguments[0], ColumnType.STRING))
        if first.kind not in LIST_TYPES | TEXT_TYPES | {ColumnType.JSON, EXTRACTED}:
            raise BadRequest(f"{name.upper()} needs JSON.")
        return _texts(kind, name, [first, *arguments[1:]])

    return build


FUNCTIONS: Final[Mapping[str, Function]] = {
    "CONCAT": Function(_on_text("joined_text"), 1, _MANY),
    "REPLACE": Function(_on_text("replaced_text"), 3, 3),
    "UPPER": Function(_on_text("upper_text"), 1, 1),
    "LOWER": Function(_on_text("lower_text"), 1, 1),
    "TRIM": Function(_on_text("trim_text"), 1, 1),
    "CRC32": Function(_on_text("crc32", ColumnType.INTEGER), 1, 1),
    "ROUND": Function(_round, 1, 2),
    "COALESCE": Function(_coalesce, 1, _MANY),
    "NULLIF": Function(_nullif, 2, 2),
    "UNIX_TIMESTAMP": Function(_unix_timestamp, 0, 1),
    "FROM_UNIXTIME": Function(_from_unixtime, 1, 1),
    **{name: Function(_date_part(name), 1, 1) for name in (*_DATE_PARTS, *_DATE_NAMES)},
    "JSON_OBJECT": Function(_json_object, 0, _MANY),
    "JSON_ARRAY": Function(_json_array, 0, _MANY),
    "JSON_EXTRACT": Function(_on_json("json_found", EXTRACTED), 2, _MANY),
    "JSON_OVERLAPS": Function(_on_json("json_overlaps", ColumnType.BOOLEAN), 2, 2),
    "JSON_SEARCH": Function(_on_json("json_search", EXTRACTED), 3, 4),
    "JSON_QUOTE": Function(_on_text("json_text_or_null"), 1, 1),
    "JSON_UNQUOTE": Function(_on_text("json_unquote"), 1, 1),
}
