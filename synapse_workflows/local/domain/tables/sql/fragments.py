"""Pieces of a statement for SQLite: their text is ours alone, what callers wrote is bound.

A fragment knows its type, and from it how it is compared, joined to text, and shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from synapse_workflows.local.domain.tables import values
from synapse_workflows.local.domain.tables.column_types import ITEMS, LISTS, TEXTS, Column
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.vocabulary import MAX_CELL_SIZES, ColumnType

#: A date that a function made; in milliseconds, as in DATE columns, but shown as text.
MOMENT: Final = "MOMENT"
#: Name of the collation that ignores case and accents.
COLLATION: Final = "synapse"

_TEXTUAL: Final = TEXTS | LISTS | {ColumnType.JSON}
_EXPRESSION_SIZE: Final = 1000
_LONG: Final = 2**63


@dataclass(frozen=True)
class Fragment:
    """A value.

    Args:
        text: SQLite's SQL.
        bound: values for its question marks, in order.
        kind: of ColumnType, or MOMENT; None for a literal, which becomes what it meets.
        literal: the value of a literal.
        column: the column that it is, and nothing more.
        width: bytes that it adds to a row of the result.
    """

    text: str
    bound: tuple[Any, ...] = ()
    kind: str | None = None
    literal: Any = None
    column: Column | None = None
    width: int = 0

    @property
    def is_literal(self) -> bool:
        """Whether it is a text, a number, a boolean or null as the caller wrote it."""
        return self.kind is None

    @property
    def is_text(self) -> bool:
        """Whether its values are text, compared without regard to case."""
        return self.kind in _TEXTUAL or (self.is_literal and isinstance(self.literal, str))

    def named(self, text: str) -> "Fragment":
        """Give the same value under another text."""
        return replace(self, text=text)


def literal(value: Any) -> Fragment:
    """Make a literal."""
    return Fragment("?", (value,), None, value)


def of_kind(kind: str, text: str, *parts: Fragment) -> Fragment:
    """Make a value of other values.

    Args:
        kind: its type.
        text: SQLite's SQL with `{}` where the parts stand, each once and in order.
        parts: the other values.
    """
    whole = text.format(*(part.text for part in parts))
    bound = tuple(value for part in parts for value in part.bound)
    return Fragment(whole, bound, kind, width=_width(kind))


def _width(kind: str) -> int:
    if kind == MOMENT or kind in _TEXTUAL:
        return 4 * _EXPRESSION_SIZE
    return 23


def typed(fragment: Fragment) -> Fragment:
    """Give a literal the type that it has on its own."""
    if not fragment.is_literal:
        return fragment
    kinds: Mapping[type, str] = {
        bool: ColumnType.BOOLEAN, int: ColumnType.INTEGER, float: ColumnType.DOUBLE,
    }  # fmt: skip
    kind = kinds.get(type(fragment.literal), ColumnType.STRING)
    return replace(fragment, kind=kind, width=_width(kind))


def number(fragment: Fragment) -> Fragment:
    """Give a value to compare and compute with: NaN is no number there.

    Raises:
        BadRequest: it is text or a list.
    """
    if fragment.is_literal and isinstance(fragment.literal, str):
        return literal(_number(fragment.literal))
    if fragment.is_text:
        raise BadRequest(f"A number is needed where {_told(fragment)} stands.")
    if fragment.kind == ColumnType.DOUBLE and fragment.column is not None:
        return fragment.named(f"nullif({fragment.text}, '{values.NAN}')")
    return fragment


def _number(text: str) -> float:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise BadRequest(f"'{text[:100]}' is not a number.") from None
    whole = value.is_finite() and value == value.to_integral_value()
    return int(value) if whole and abs(value) < _LONG else float(value)


def _told(fragment: Fragment) -> str:
    if fragment.column is not None:
        return f"the {fragment.kind} column '{fragment.column.name}'"
    return "a text" if fragment.is_text else f"a {fragment.kind}"


_TEXT_FORMS: Final[Mapping[str, str]] = {
    ColumnType.DOUBLE: "double_text({})",
    ColumnType.BOOLEAN: "CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END",
    ColumnType.ENTITYID: "('syn' || {})",
    MOMENT: "moment_text({})",
}


def text_of(fragment: Fragment) -> Fragment:
    """Give the text form of a value, as it is shown."""
    if fragment.is_literal:
        value = fragment.literal
        if value is None or isinstance(value, str):
            return replace(fragment, kind=ColumnType.STRING)
        shown = values.boolean_text(value) if isinstance(value, bool) else str(value)
        return replace(literal(shown), kind=ColumnType.STRING)
    if fragment.is_text:
        return fragment
    form = _TEXT_FORMS.get(str(fragment.kind), "CAST({} AS TEXT)")
    return of_kind(ColumnType.STRING, form, fragment)


def shown(fragment: Fragment) -> Fragment:
    """Give what stands in a result: columns and typed values as stored, dates as text."""
    return text_of(fragment) if fragment.kind == MOMENT else typed(fragment)


def collated(fragment: Fragment) -> str:
    """Write a value so that it is compared, sorted and grouped by the right rules."""
    return f"{fragment.text} COLLATE {COLLATION}" if fragment.is_text else fragment.text


def coerce(found: Fragment, kind: str) -> Fragment:
    """Read a literal as a value of a type; anything else stays as it is.

    Raises:
        BadRequest: it is no value of the type.
    """
    if not found.is_literal or found.literal is None:
        return found
    return literal(_coerced(found.literal, kind))


def _coerced(value: Any, kind: str) -> Any:
    if isinstance(value, bool):
        value = int(value) if kind in {ColumnType.BOOLEAN, ColumnType.INTEGER} else value
        return value if not isinstance(value, bool) else values.boolean_text(value)
    if isinstance(value, int | float):
        if kind == ColumnType.DOUBLE:
            return float(value)
        return str(value) if kind in _TEXTUAL else value
    if kind in _TEXTUAL and kind not in LISTS:
        return value
    return _parsed(value, ColumnType.DATE if kind == MOMENT else ColumnType(kind))


def _parsed(text: str, kind: ColumnType) -> Any:
    try:
        if kind is ColumnType.INTEGER:
            return _number(text)
        return values.plain_parser(_column_of(kind))(text)
    except values.CellError as error:
        raise BadRequest(f"'{text[:100]}' is not a valid {kind}. {error}") from None


def _column_of(kind: ColumnType) -> Column:
    size = MAX_CELL_SIZES[ColumnType.LARGETEXT]
    return Column(0, "", kind, size, size, None, (), None, {})


def item_kind(fragment: Fragment, what: str) -> ColumnType:
    """Tell of which type the items of a list column are.

    Raises:
        BadRequest: it is no list column.
    """
    if fragment.column is None or fragment.column.type not in LISTS:
        raise BadRequest(f"{what} needs a list column, not {_told(fragment)}.")
    return ITEMS[fragment.column.type]


def same_kind(parts: list[Fragment], what: str) -> tuple[str | None, list[Fragment]]:
    """Bring values to one type, for what gives one of them.

    Returns:
        The type, None where all are null, and the values.

    Raises:
        BadRequest: they have nothing in common.
    """
    kinds = {part.kind for part in parts if not part.is_literal}
    if not kinds:
        kinds = {typed(part).kind for part in parts if part.literal is not None}
    numeric = {ColumnType.INTEGER, ColumnType.DOUBLE}
    if len(kinds) > 1 and kinds <= numeric:
        kinds = {ColumnType.DOUBLE}
    if len(kinds) > 1 and kinds <= TEXTS | {ColumnType.JSON}:
        kinds = {ColumnType.STRING}
    if len(kinds) > 1:
        told = ", ".join(sorted(str(kind) for kind in kinds))
        raise BadRequest(f"{what} cannot mix the types {told}.")
    if not kinds:
        return None, parts
    kind = str(kinds.pop())
    return kind, [coerce(part, kind) for part in parts]


Build = Callable[..., Fragment]
