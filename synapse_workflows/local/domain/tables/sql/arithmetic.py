"""Handlers of arithmetic operators and of date arithmetic.

Operators on integers return integers, except for `/`. A division by zero returns null.
"""

from collections.abc import Mapping
from typing import Final

from sqlglot import exp

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.tables.sql import functions, sqlite_dates
from synapse_workflows.local.domain.tables.sql.compiler import Compiler, Handlers, create_handlers
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    DATETIME,
    Fragment,
    as_number,
    build_value,
    literal,
    with_type,
)
from synapse_workflows.local.errors import BadRequest

_TEMPLATES: Final[Mapping[type[exp.Expression], str]] = {
    exp.Add: "checked_add({}, {})",
    exp.Sub: "checked_subtract({}, {})",
    exp.Mul: "checked_multiply({}, {})",
    exp.Div: "(CAST({} AS REAL) / {})",
    exp.IntDiv: "integer_quotient({}, {})",
    exp.Mod: "remainder({}, {})",
}


def _is_double(value: Fragment) -> bool:
    return with_type(value).type == ColumnType.DOUBLE


def _compile_binary(compiler: Compiler, node: exp.Expression) -> Fragment:
    if isinstance(node, exp.Add) and isinstance(node.this, exp.Interval):
        node = exp.Add(this=node.expression, expression=node.this)
    if isinstance(node.expression, exp.Interval):
        return _compile_date_arithmetic(compiler, node)
    left, right = (as_number(compiler.value(each)) for each in (node.this, node.expression))
    is_double = _is_double(left) or _is_double(right)
    if isinstance(node, exp.Div | exp.IntDiv):
        is_double = isinstance(node, exp.Div)
    type_ = ColumnType.DOUBLE if is_double else ColumnType.INTEGER
    return build_value(type_, _TEMPLATES[type(node)], left, right)


def _compile_negative(compiler: Compiler, node: exp.Neg) -> Fragment:
    inner = node.this
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return compiler.value(exp.Literal(this=f"-{inner.this}", is_string=False))
    value = as_number(compiler.value(inner))
    type_ = ColumnType.DOUBLE if _is_double(value) else ColumnType.INTEGER
    return build_value(type_, "checked_subtract(0, {})", value)


def _compile_date_arithmetic(compiler: Compiler, node: exp.Expression) -> Fragment:
    if not isinstance(node, exp.Add | exp.Sub):
        raise BadRequest("An INTERVAL can only be added to a date or subtracted from one.")
    interval = node.expression
    unit = str(interval.args.get("unit") or "").upper()
    if unit not in sqlite_dates.UNITS:
        raise BadRequest(f"INTERVAL takes one of the units {', '.join(sqlite_dates.UNITS)}.")
    count = interval.this
    if isinstance(count, exp.Literal) and count.is_string:  # sqlglot parses this number as text
        count = exp.Literal.number(count.this)
    date = functions.as_date(compiler.value(node.this))
    sign = "-" if isinstance(node, exp.Sub) else ""
    template = f"add_interval({{}}, {sign}{{}}, {{}})"
    return build_value(DATETIME, template, date, as_number(compiler.value(count)), literal(unit))


HANDLERS: Final[Handlers] = {
    **create_handlers(_compile_binary, _TEMPLATES),
    **create_handlers(_compile_binary, [exp.Div], ("this", "expression", "typed", "safe")),
    **create_handlers(_compile_negative, [exp.Neg], ["this"]),
}
