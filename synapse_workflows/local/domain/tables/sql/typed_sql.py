"""Pieces of a statement for SQLite: their text is ours alone, what callers wrote is bound.

A fragment knows its type, and from it how it is compared, joined to text, and shown.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from synapse_workflows.constants import MAX_CELL_SIZES, ColumnType
from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.column_types import (
    ITEM_TYPES,
    LIST_TYPES,
    TEXT_TYPES,
    Column,
)
from synapse_workflows.local.domain.tables.sql.sqlite_numbers import text_number
from synapse_workflows.local.errors import BadRequest

#: A date that a function made; in milliseconds, as in DATE columns, but shown as text.
MOMENT: Final = "MOMENT"
#: A value that was found in JSON; it is shown as JSON text, and compared as what it is.
EXTRACTED: Final = "EXTRACTED"
#: A whole number that may have more than 64 bits; it is text then.
LARGE: Final = "LARGE"
#: What a value in JSON is compared by.
_KEY: Final = "KEY"
#: Name of the collation that ignores case and accents.
COLLATION: Final = "synapse"
#: Keys are compared as they are. SQLite would take any collation that stands within them.
_EXACTLY: Final = " COLLATE BINARY"

_TEXTUAL: Final = TEXT_TYPES | LIST_TYPES | {ColumnType.JSON}
_EXPRESSION_SIZE: Final = 1000
_LONG: Final = 2**63


@dataclass(frozen=True)
class Fragment:
    """A value.

    Args:
        text: SQLite's SQL.
        bound: values for its question marks, in order.
        kind: of ColumnType, or one of ours; None for a literal, which becomes what it meets.
        literal: the value of a literal.
        column: the column that it is, and nothing more.
        width: bytes that it adds to a row of the result.
        scale: decimals of a DOUBLE that is exact, or of a MOMENT's seconds; None for a number
            with a floating point.
    """

    text: str
    bound: tuple[Any, ...] = ()
    kind: str | None = None
    literal: Any = None
    column: Column | None = None
    width: int = 0
    scale: int | None = None

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


def literal(value: Any, scale: int | None = None) -> Fragment:
    """Make a literal; `scale` counts the decimals of a number that is written with some."""
    return Fragment("?", (value,), None, value, scale=scale)


def of_kind(kind: str, text: str, *parts: Fragment, scale: int | None = None) -> Fragment:
    """Make a value of other values.

    Args:
        kind: its type.
        text: SQLite's SQL with `{}` where the parts stand, each once and in order.
        parts: the other values.
        scale: as a fragment has it.
    """
    whole = text.format(*(part.text for part in parts))
    bound = tuple(value for part in parts for value in part.bound)
    return Fragment(whole, bound, kind, width=_width(kind), scale=scale)


def _width(kind: str) -> int:
    if kind in {MOMENT, EXTRACTED} or kind in _TEXTUAL:
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
    """Give a value to compute with; NaN is no number there, a text is the one it begins with.

    Raises:
        BadRequest: it is a list, JSON or a date made by a function.
    """
    if fragment.is_literal:
        text = fragment.literal
        return literal(text_number(text)) if isinstance(text, str) else fragment
    if fragment.kind in TEXT_TYPES:
        return of_kind(ColumnType.DOUBLE, "text_number({})", fragment)
    if fragment.kind == EXTRACTED:
        return of_kind(ColumnType.DOUBLE, "json_number({})", fragment)
    if fragment.kind == LARGE:
        return of_kind(ColumnType.INTEGER, "within_bits({})", fragment)
    if fragment.is_text or fragment.kind == MOMENT:
        raise BadRequest(f"A number is needed where {_told(fragment)} stands.")
    return comparable(fragment)


def comparable(fragment: Fragment) -> Fragment:
    """Give a number to compare with others: NaN is none of them."""
    if fragment.kind == ColumnType.DOUBLE and fragment.scale is None:
        return replace(fragment, text=f"nullif({fragment.text}, '{cell_values.NAN}')", column=None)
    return fragment


def scale_of(fragment: Fragment) -> int | None:
    """Count the decimals of a number; None for one with a floating point."""
    kind = typed(fragment).kind
    return fragment.scale if kind == ColumnType.DOUBLE else 0


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
    if fragment.kind == MOMENT:
        return "a date"
    return "a text" if fragment.is_text else f"a {fragment.kind}"


_TEXT_FORMS: Final[Mapping[str, str]] = {
    ColumnType.DOUBLE: "double_text({})",
    ColumnType.BOOLEAN: "CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END",
    ColumnType.ENTITYID: "('syn' || {})",
    EXTRACTED: "{}",
}


def text_of(fragment: Fragment) -> Fragment:
    """Give the text form of a value, as it is shown."""
    if fragment.is_literal:
        value = fragment.literal
        if value is None or isinstance(value, str):
            return replace(fragment, kind=ColumnType.STRING)
        shown = cell_values.serialize_boolean(value) if isinstance(value, bool) else str(value)
        return replace(literal(shown), kind=ColumnType.STRING)
    if fragment.is_text:
        return fragment
    if fragment.kind == MOMENT:
        return of_kind(ColumnType.STRING, f"moment_text({{}}, {fragment.scale or 0})", fragment)
    form = _TEXT_FORMS.get(str(fragment.kind), "CAST({} AS TEXT)")
    return of_kind(ColumnType.STRING, form, _with_decimals(fragment))


def _with_decimals(fragment: Fragment) -> Fragment:
    """Round an exact number to the decimals that it is shown with."""
    if fragment.kind != ColumnType.DOUBLE or fragment.scale is None:
        return fragment
    return replace(fragment, text=f"exactly({fragment.text}, {fragment.scale})")


def shown(fragment: Fragment) -> Fragment:
    """Give what stands in a result: columns and typed values as stored, dates as text."""
    if fragment.kind == LARGE:
        return replace(fragment, kind=ColumnType.INTEGER)
    fragment = _with_decimals(fragment)
    return text_of(fragment) if fragment.kind in {MOMENT, EXTRACTED} else typed(fragment)


def collated(fragment: Fragment) -> str:
    """Write a value so that it is compared by the right rules."""
    whole = _with_decimals(fragment)
    if fragment.kind == EXTRACTED:
        return f"json_key({fragment.text}){_EXACTLY}"
    if fragment.kind == LARGE:
        return f"large_key({fragment.text})"
    return f"{fragment.text} COLLATE {COLLATION}" if fragment.is_text else whole.text


def sort_key(fragment: Fragment) -> str:
    """Write what a value is sorted and grouped by; faster for texts than the collation."""
    return f"text_key({fragment.text}){_EXACTLY}" if fragment.is_text else collated(fragment)


def key_of(fragment: Fragment) -> Fragment:
    """Give what a value is compared by with one that was found in JSON."""
    if fragment.is_literal:
        value = fragment.literal
        if isinstance(value, bool):
            return Fragment(
                f"json_key(?){_EXACTLY}", (cell_values.serialize_boolean(value),), _KEY
            )
        return fragment
    if fragment.kind == EXTRACTED:
        return of_kind(_KEY, f"json_key({{}}){_EXACTLY}", fragment)
    if fragment.kind == ColumnType.BOOLEAN:
        return of_kind(_KEY, f"json_key({{}}){_EXACTLY}", text_of(fragment))
    if fragment.kind in LIST_TYPES or fragment.kind == ColumnType.JSON:
        return of_kind(_KEY, f"json_key({{}}){_EXACTLY}", fragment)
    known = fragment.is_text or fragment.kind in {ColumnType.ENTITYID, MOMENT}
    return replace(text_of(fragment) if known else comparable(fragment), kind=_KEY)


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
        return cell_values.serialize_boolean(value) if kind in _TEXTUAL else int(value)
    if isinstance(value, int | float):
        if kind == ColumnType.DOUBLE:
            return float(value)
        return str(value) if kind in _TEXTUAL else value
    if kind in _TEXTUAL and kind not in LIST_TYPES:
        return value
    return _parsed(value, ColumnType.DATE if kind == MOMENT else ColumnType(kind))


def _parsed(text: str, kind: ColumnType) -> Any:
    try:
        if kind is ColumnType.INTEGER:
            return _number(text)
        return cell_values.get_type_parser(_column_of(kind))(text)
    except cell_values.CellError as error:
        raise BadRequest(f"'{text[:100]}' is not a valid {kind}. {error}") from None


def _column_of(kind: ColumnType) -> Column:
    size = MAX_CELL_SIZES[ColumnType.LARGETEXT]
    return Column(0, "", kind, size, size, None, (), None, {})


def item_kind(fragment: Fragment, what: str) -> ColumnType:
    """Tell of which type the items of a list column are.

    Raises:
        BadRequest: it is no list column.
    """
    if fragment.column is None or fragment.column.type not in LIST_TYPES:
        raise BadRequest(f"{what} needs a list column, not {_told(fragment)}.")
    return ITEM_TYPES[fragment.column.type]


def same_kind(parts: list[Fragment]) -> tuple[str | None, int | None, list[Fragment]]:
    """Bring values to one type, for what gives one of them; text where they have none in common.

    Returns:
        The type, None where all are null; the decimals of exact numbers; and the values.
    """
    parts = [part if part.kind not in {EXTRACTED, LARGE} else shown(part) for part in parts]
    told = [part for part in parts if not part.is_literal or part.literal is not None]
    kinds = {part.kind for part in told if not part.is_literal}
    if not kinds:
        kinds = {typed(part).kind for part in told}
    if not kinds:
        return None, None, parts
    kind = _common(kinds)
    if kind in _PLAIN_NUMBERS:
        kind = _common({kind} | {typed(part).kind for part in told if _is_number(part)})
    if any(not _fits(part, kind) for part in told if part.is_literal):
        kind = ColumnType.STRING
    if kind in _TEXTUAL and kinds != {kind}:
        return kind, None, [text_of(part) for part in parts]
    scales = [scale_of(part) for part in told]
    exact = [scale for scale in scales if scale is not None]
    scale = max(exact) if len(exact) == len(scales) else None
    parts = [coerce(part, kind) for part in parts]
    if kind == ColumnType.DOUBLE and scale is None:
        parts = [_floating(part) for part in parts]
    return kind, scale, parts


def _floating(part: Fragment) -> Fragment:
    if part.is_literal or part.kind == ColumnType.DOUBLE:
        return part
    return of_kind(ColumnType.DOUBLE, "CAST({} AS REAL)", part)


_PLAIN_NUMBERS: Final = frozenset({ColumnType.INTEGER, ColumnType.BOOLEAN, ColumnType.DOUBLE})


def _is_number(part: Fragment) -> bool:
    return part.is_literal and not isinstance(part.literal, str)


def _common(kinds: Collection[str | None]) -> str:
    if len(kinds) == 1:
        return str(next(iter(kinds)))
    whole = {ColumnType.INTEGER, ColumnType.BOOLEAN, ColumnType.DATE}
    if whole.issuperset(kinds):
        return ColumnType.INTEGER
    return ColumnType.DOUBLE if whole | {ColumnType.DOUBLE} >= set(kinds) else ColumnType.STRING


def _fits(part: Fragment, kind: str) -> bool:
    """Tell whether a literal is a value of a type."""
    try:
        found = coerce(part, kind).literal
    except BadRequest:
        return False
    return kind in _TEXTUAL or found == cell_values.NAN or not isinstance(found, str)


Build = Callable[..., Fragment]
