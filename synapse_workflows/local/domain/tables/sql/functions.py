"""Functions of one row: what they take, and which function of SQLite, ours or its own, does it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from synapse_workflows.local.domain.tables.column_types import LISTS, TEXTS
from synapse_workflows.local.domain.tables.moments import to_ms
from synapse_workflows.local.domain.tables.sql.fragments import (
    MOMENT,
    Fragment,
    coerce,
    collated,
    literal,
    number,
    of_kind,
    same_kind,
    text_of,
    typed,
)
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.vocabulary import ColumnType

UNITS: Final = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
_DATE_PARTS: Final = (
    "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFMONTH", "DAYOFWEEK", "DAYOFYEAR", "WEEKDAY",
    "HOUR", "MINUTE", "SECOND", "MICROSECOND",
)  # fmt: skip
_DATE_NAMES: Final = ("MONTHNAME", "DAYNAME")
_MANY: Final = 100

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
            return literal(to_ms(value.literal))
        except ValueError as error:
            raise BadRequest(f"Not a date: {error}") from None
    if value.kind in {MOMENT, ColumnType.DATE} or (value.is_literal and value.literal is None):
        return value
    raise BadRequest("A date is needed: NOW(), FROM_UNIXTIME(), a DATE column or a text.")


def as_json(value: Fragment) -> Fragment:
    """Give the JSON of a value, as text."""
    value = typed(value)
    if value.kind in LISTS or value.kind == ColumnType.JSON:
        return of_kind(ColumnType.JSON, "coalesce({}, 'null')", value)
    if value.kind in {ColumnType.INTEGER, ColumnType.DATE, ColumnType.BOOLEAN}:
        shown = text_of(value)
        return of_kind(ColumnType.JSON, "coalesce({}, 'null')", shown)
    if value.kind == ColumnType.DOUBLE:
        return of_kind(ColumnType.JSON, "coalesce({}, 'null')", number(value))
    return of_kind(ColumnType.JSON, "json_text({})", text_of(value))


def _texts(kind: ColumnType, name: str, arguments: Sequence[Fragment]) -> Fragment:
    marks = ", ".join("{}" for _ in arguments)
    return of_kind(kind, f"{name}({marks})", *(text_of(each) for each in arguments))


def _on_text(name: str, kind: ColumnType = ColumnType.STRING) -> Build:
    return lambda arguments: _texts(kind, name, arguments)


def _concat(arguments: Sequence[Fragment]) -> Fragment:
    marks = " || ".join("{}" for _ in arguments)
    return of_kind(ColumnType.STRING, f"({marks})", *(text_of(each) for each in arguments))


def _round(arguments: Sequence[Fragment]) -> Fragment:
    this = number(arguments[0])
    digits = number(arguments[1]) if len(arguments) > 1 else literal(0)
    kind = typed(this).kind
    kept = kind if kind == ColumnType.INTEGER else ColumnType.DOUBLE
    return of_kind(str(kept), "rounded({}, {})", this, digits)


def _coalesce(arguments: Sequence[Fragment]) -> Fragment:
    kind, parts = same_kind(list(arguments), "COALESCE")
    if kind is None:
        return literal(None)
    marks = ", ".join("{}" for _ in parts)
    return of_kind(kind, f"coalesce({marks}, NULL)", *parts)


def _nullif(arguments: Sequence[Fragment]) -> Fragment:
    kind, parts = same_kind(list(arguments), "NULLIF")
    if kind is None:
        return literal(None)
    first = parts[0].named(collated(parts[0]))
    return of_kind(kind, "nullif({}, {})", first, parts[1])


def _unix_timestamp(arguments: Sequence[Fragment]) -> Fragment:
    return of_kind(ColumnType.INTEGER, "({} / 1000)", moment(arguments[0]))


def _from_unixtime(arguments: Sequence[Fragment]) -> Fragment:
    return of_kind(MOMENT, "CAST({} * 1000 AS INTEGER)", number(arguments[0]))


def _date_part(name: str) -> Build:
    def build(arguments: Sequence[Fragment]) -> Fragment:
        kind = ColumnType.STRING if name in _DATE_NAMES else ColumnType.INTEGER
        return of_kind(kind, f"date_part('{name}', {{}})", moment(arguments[0]))

    return build


def _json_array(arguments: Sequence[Fragment]) -> Fragment:
    if not arguments:
        return Fragment("'[]'", (), ColumnType.JSON)
    marks = " || ', ' || ".join("{}" for _ in arguments)
    return of_kind(ColumnType.JSON, f"('[' || {marks} || ']')", *map(as_json, arguments))


def _json_object(arguments: Sequence[Fragment]) -> Fragment:
    if len(arguments) % 2:
        raise BadRequest("JSON_OBJECT takes pairs of a key and a value.")
    parts = [
        of_kind(ColumnType.JSON, "json_text({})", text_of(each))
        if index % 2 == 0
        else as_json(each)
        for index, each in enumerate(arguments)
    ]
    marks = ", ".join("{}" for _ in parts)
    return of_kind(ColumnType.JSON, f"json_members({marks})", *parts)


def _on_json(name: str, kind: ColumnType) -> Build:
    """Write a function whose arguments are JSON or plain text."""

    def build(arguments: Sequence[Fragment]) -> Fragment:
        first = typed(coerce(arguments[0], ColumnType.STRING))
        if first.kind not in LISTS | TEXTS | {ColumnType.JSON}:
            raise BadRequest(f"{name.upper()} needs JSON.")
        return _texts(kind, name, [first, *arguments[1:]])

    return build


FUNCTIONS: Final[Mapping[str, Function]] = {
    "CONCAT": Function(_concat, 1, _MANY),
    "REPLACE": Function(_on_text("replace"), 3, 3),
    "UPPER": Function(_on_text("upper_text"), 1, 1),
    "LOWER": Function(_on_text("lower_text"), 1, 1),
    "TRIM": Function(_on_text("trim_text"), 1, 1),
    "CRC32": Function(_on_text("crc32", ColumnType.INTEGER), 1, 1),
    "ROUND": Function(_round, 1, 2),
    "COALESCE": Function(_coalesce, 1, _MANY),
    "NULLIF": Function(_nullif, 2, 2),
    "UNIX_TIMESTAMP": Function(_unix_timestamp, 1, 1),
    "FROM_UNIXTIME": Function(_from_unixtime, 1, 1),
    **{name: Function(_date_part(name), 1, 1) for name in (*_DATE_PARTS, *_DATE_NAMES)},
    "JSON_OBJECT": Function(_json_object, 0, _MANY),
    "JSON_ARRAY": Function(_json_array, 0, _MANY),
    "JSON_EXTRACT": Function(_on_json("json_found", ColumnType.STRING), 2, _MANY),
    "JSON_OVERLAPS": Function(_on_json("json_overlaps", ColumnType.BOOLEAN), 2, 2),
    "JSON_SEARCH": Function(_on_json("json_search", ColumnType.STRING), 3, 3),
    "JSON_QUOTE": Function(_on_text("json_text_or_null"), 1, 1),
    "JSON_UNQUOTE": Function(_on_text("json_unquote"), 1, 1),
}
