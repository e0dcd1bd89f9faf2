"""What has a value: columns, literals, arithmetic, CASE, and the calls of functions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from synapse_workflows.local.domain.tables.sql import aggregates, functions
from synapse_workflows.local.domain.tables.sql.dialect import GroupConcat, write
from synapse_workflows.local.domain.tables.sql.fragments import (
    MOMENT,
    Fragment,
    item_kind,
    literal,
    number,
    of_kind,
    same_kind,
    typed,
)
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.vocabulary import ROW_ETAG, ROW_ID, ROW_VERSION, ColumnType

if TYPE_CHECKING:
    from synapse_workflows.local.domain.tables.sql.compiler import Compiler

_SYSTEM: Final = {
    ROW_ID: Fragment("t.row_id", (), ColumnType.INTEGER, width=20),
    ROW_VERSION: Fragment("t.version", (), ColumnType.INTEGER, width=20),
    ROW_ETAG: Fragment("t.etag", (), ColumnType.STRING, width=36 * 4),
}
_DIGITS: Final = 40
_NUMBER: Final = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _column(compiler: "Compiler", node: exp.Column) -> Fragment:
    name = node.name
    if not isinstance(node.this, exp.Identifier) or (
        node.table and node.table.upper() not in compiler.names
    ):
        raise BadRequest(f"Unknown column {write(node)}")
    if compiler.alias_first and name in compiler.aliases and not node.table:
        return _alias(compiler, name)
    found = compiler.columns.get(name)
    if found is not None:
        cell = compiler.relation.cells[found.id]
        return Fragment(f"t.{cell}", (), found.type, None, found, found.width)
    system = _SYSTEM.get(name.upper())
    if system is not None and (name.upper() != ROW_ETAG or compiler.relation.has_etags):
        return system
    if name in compiler.aliases and not node.table:
        return _alias(compiler, name)
    raise BadRequest(f"Unknown column {name}")


def _alias(compiler: "Compiler", name: str) -> Fragment:
    inner = replace(compiler, aliases={})
    found = inner.value(compiler.aliases[name])
    compiler.is_volatile |= inner.is_volatile
    return found


def _literal(_compiler: "Compiler", node: exp.Literal) -> Fragment:
    text = str(node.this)
    if node.is_string:
        return literal(text)
    if len(text) > _DIGITS:
        raise BadRequest(f"The number {text[:100]} is too long.")
    if _NUMBER.fullmatch(text) is None:
        raise BadRequest(f"{text} is not a number.")
    if not text.isdecimal():
        return literal(float(text))
    whole = int(text)
    return literal(whole if abs(whole) < 1 << 63 else float(whole))


def _boolean(_compiler: "Compiler", node: exp.Boolean) -> Fragment:
    return literal(bool(node.this))


def _null(_compiler: "Compiler", _node: exp.Null) -> Fragment:
    return literal(None)


def _paren(compiler: "Compiler", node: exp.Paren) -> Fragment:
    inner = compiler.value(node.this)
    return inner if inner.is_literal else replace(inner, text=f"({inner.text})", column=None)


def _negative(compiler: "Compiler", node: exp.Neg) -> Fragment:
    this = number(compiler.value(node.this))
    if this.is_literal:
        return literal(None if this.literal is None else -this.literal)
    return of_kind(_sum_kind(this), "(-{})", this)


def _sum_kind(*parts: Fragment) -> str:
    kinds = {typed(part).kind for part in parts}
    return ColumnType.DOUBLE if ColumnType.DOUBLE in kinds else ColumnType.INTEGER


_ARITHMETIC: Final[Mapping[type[exp.Expression], str]] = {
    exp.Add: "({} + {})",
    exp.Sub: "({} - {})",
    exp.Mul: "({} * {})",
    exp.Div: "(CAST({} AS REAL) / {})",
    exp.IntDiv: "whole_quotient({}, {})",
    exp.Mod: "remainder({}, {})",
}


def _arithmetic(compiler: "Compiler", node: exp.Expression) -> Fragment:
    if isinstance(node.expression, exp.Interval):
        return _moved(compiler, node)
    left, right = (number(compiler.value(each)) for each in (node.this, node.expression))
    kind = _sum_kind(left, right)
    if isinstance(node, exp.Div):
        kind = ColumnType.DOUBLE
    if isinstance(node, exp.IntDiv):
        kind = ColumnType.INTEGER
    return of_kind(kind, _ARITHMETIC[type(node)], left, right)


def _moved(compiler: "Compiler", node: exp.Expression) -> Fragment:
    """Move a date by an interval."""
    if not isinstance(node, exp.Add | exp.Sub):
        raise BadRequest("An INTERVAL can be added and subtracted.")
    interval = node.expression
    unit = str(interval.args.get("unit") or "").upper()
    if unit not in functions.UNITS:
        raise BadRequest(f"INTERVAL needs one of the units {', '.join(functions.UNITS)}.")
    moment = functions.moment(compiler.value(node.this))
    count = number(compiler.value(interval.this))
    sign = -1 if isinstance(node, exp.Sub) else 1
    how = Fragment("?, ?", (unit, sign))
    return of_kind(MOMENT, "moved({}, {}, {})", moment, count, how)


def _interval(_compiler: "Compiler", _node: exp.Interval) -> Fragment:
    raise BadRequest("An INTERVAL can only be added to a date or subtracted from one.")


def _case(compiler: "Compiler", node: exp.Case) -> Fragment:
    subject = node.this
    results = [compiler.value(each.args["true"]) for each in node.args["ifs"]]
    default = node.args.get("default")
    results.append(literal(None) if default is None else compiler.value(default))
    kind, results = same_kind(results, "CASE")
    if kind is None:
        return literal(None)
    parts = []
    for each, result in zip(node.args["ifs"], results, strict=False):
        test = each.this if subject is None else exp.EQ(this=subject, expression=each.this)
        parts += [compiler.condition(test), result]
    branches = " ".join("WHEN {} THEN {}" for _ in node.args["ifs"])
    return of_kind(kind, f"CASE {branches} ELSE {{}} END", *parts, results[-1])


def _call(compiler: "Compiler", node: exp.Anonymous) -> Fragment:
    name = str(node.this).upper()
    if name == "UNNEST":
        return _unnested(compiler, node)
    if name in aggregates.AGGREGATES:
        return aggregates.call(compiler, node)
    if name == "CURRENT_USER":
        compiler.is_volatile = True
        return Fragment("?", (compiler.caller_id,), ColumnType.USERID, width=20)
    if name == "NOW":
        compiler.is_volatile = True
        return Fragment("?", (compiler.now // 1000 * 1000,), MOMENT, width=20)
    function = functions.FUNCTIONS.get(name)
    if function is None:
        raise BadRequest(f"The function {name} is not supported.")
    if not function.least <= len(node.expressions) <= function.most:
        raise BadRequest(f"The function {name} does not take {len(node.expressions)} arguments.")
    return function.build([compiler.value(each) for each in node.expressions])


def _unnested(compiler: "Compiler", node: exp.Anonymous) -> Fragment:
    if len(node.expressions) != 1:
        raise BadRequest("UNNEST needs one list column.")
    this = compiler.value(node.expressions[0])
    kind, column = item_kind(this, "UNNEST"), this.column
    if column is None:
        raise BadRequest("UNNEST needs one list column.")
    table = compiler.unnested.setdefault(column.id, f"u{len(compiler.unnested)}")
    text = f"{table}.value"
    if kind is ColumnType.ENTITYID:
        text = f"CAST(substr({text}, 4) AS INTEGER)"
    return Fragment(text, (), kind, width=this.width // (column.maximum_length or 1))


Build = Callable[["Compiler", Any], Fragment]

VALUES: Final[Mapping[type[exp.Expression], Build]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.Paren: _paren,
    exp.Neg: _negative,
    exp.Interval: _interval,
    exp.Case: _case,
    exp.Anonymous: _call,
    GroupConcat: aggregates.group_concat,
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
}
#: The arguments of each node that are read; a node with others is refused.
ARGUMENTS: Final[Mapping[type[exp.Expression], frozenset[str]]] = {
    **dict.fromkeys(VALUES, frozenset({"this", "expression"})),
    exp.Column: frozenset({"this", "table"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Interval: frozenset({"this", "unit"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.Anonymous: frozenset({"this", "expressions"}),
    exp.Div: frozenset({"this", "expression", "typed", "safe"}),
    GroupConcat: frozenset({"this", "distinct", "order", "separator"}),
}
