"""Computing with numbers, and moving dates, as MySQL does.

Whole numbers stay whole and have 64 bits. Numbers written with a point are exact, as is what is
divided or averaged: it is shown with four decimals more than what went in had, and kept with
digits in groups of nine. Only DOUBLE columns, and texts taken for numbers, are computed with a
floating point.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.tables.sql import functions
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    MOMENT,
    Fragment,
    literal,
    number,
    of_kind,
    scale_of,
    typed,
)
from synapse_workflows.local.errors import BadRequest

if TYPE_CHECKING:
    from synapse_workflows.local.domain.tables.sql.compiler import Compiler

#: Decimals that a quotient has more than what is divided.
MORE_DECIMALS: Final = 4
_MOST_DECIMALS: Final = 30
#: Digits that MySQL keeps together.
_GROUP: Final = 9
_MICROSECONDS: Final = 6
_SMALLEST: Final = 1 << 63

OPERATIONS: Final[Mapping[type[exp.Expression], str]] = {
    exp.Add: "added",
    exp.Sub: "subtracted",
    exp.Mul: "multiplied",
    exp.Div: "quotient",
    exp.IntDiv: "whole_quotient",
    exp.Mod: "remainder",
}


def computed(compiler: "Compiler", node: exp.Expression) -> Fragment:
    """Rewrite `+ - * / DIV %`.

    Raises:
        BadRequest: of something that is no number.
    """
    if isinstance(node, exp.Add) and isinstance(node.this, exp.Interval):
        node = exp.Add(this=node.expression, expression=node.this)
    if isinstance(node.expression, exp.Interval):
        return _moved(compiler, node)
    left, right = (number(compiler.value(each)) for each in (node.this, node.expression))
    name = OPERATIONS[type(node)]
    if isinstance(node, exp.IntDiv):
        return of_kind(ColumnType.INTEGER, f"{name}({{}}, {{}})", left, right)
    scale = _scale(node, scale_of(left), scale_of(right))
    whole = scale == 0 and _is_whole(left) and _is_whole(right)
    kind = ColumnType.INTEGER if whole and not isinstance(node, exp.Div) else ColumnType.DOUBLE
    how: object = int(scale is not None)
    if isinstance(node, exp.Div):
        how = "NULL" if scale is None else digits_kept(scale_of(left), scale_of(right))
    return of_kind(kind, f"{name}({{}}, {{}}, {how})", left, right, scale=scale)


def digits_kept(left: int | None, right: int | None) -> int:
    """Count the digits after the point that MySQL keeps of a quotient: whole groups of nine."""
    one, two = (-(-(scale or 0) // _GROUP) * _GROUP for scale in (left, right))
    more = max(0, MORE_DECIMALS - (one - (left or 0)) - (two - (right or 0)))
    return -(-(one + two + more) // _GROUP) * _GROUP


def _is_whole(value: Fragment) -> bool:
    return typed(value).kind != ColumnType.DOUBLE


def _scale(node: exp.Expression, left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return None
    if isinstance(node, exp.Mul):
        return min(left + right, _MOST_DECIMALS)
    if isinstance(node, exp.Div):
        return min(left + MORE_DECIMALS, _MOST_DECIMALS)
    return max(left, right)


def negative(compiler: "Compiler", node: exp.Neg) -> Fragment:
    """Rewrite a minus sign before a value.

    Raises:
        BadRequest: the value is no number.
    """
    inner = node.this
    if isinstance(inner, exp.Literal) and str(inner.this) == str(_SMALLEST) and inner.is_number:
        return literal(-_SMALLEST)
    this = number(compiler.value(inner))
    if this.is_literal and this.literal != -_SMALLEST:
        return literal(None if this.literal is None else -this.literal, this.scale)
    kind = ColumnType.INTEGER if _is_whole(this) else ColumnType.DOUBLE
    return of_kind(kind, "negated({})", this, scale=this.scale)


def _moved(compiler: "Compiler", node: exp.Expression) -> Fragment:
    """Move a date by an interval."""
    if not isinstance(node, exp.Add | exp.Sub):
        raise BadRequest("An INTERVAL can be added and subtracted.")
    interval = node.expression
    unit = str(interval.args.get("unit") or "").upper()
    if unit not in functions.UNITS:
        raise BadRequest(f"INTERVAL needs one of the units {', '.join(functions.UNITS)}.")
    moment = functions.moment(compiler.value(node.this))
    count = _count(compiler, interval.this)
    how = Fragment("?, ?", (unit, -1 if isinstance(node, exp.Sub) else 1))
    scale = max(moment.scale or 0, _decimals(count) if unit == "SECOND" else 0)
    return of_kind(MOMENT, "moved({}, {}, {})", moment, count, how, scale=scale)


def _count(compiler: "Compiler", node: exp.Expression) -> Fragment:
    """Read how often an interval counts; sqlglot takes a number there for a text."""
    if isinstance(node, exp.Literal) and node.is_string:
        node = exp.Literal.number(node.this)
    return number(compiler.value(node))


def _decimals(count: Fragment) -> int:
    """Count the decimals of a second's fraction that an interval may bring in."""
    scale = scale_of(count)
    return min(_MICROSECONDS if scale is None else scale, _MICROSECONDS)
