"""What has a value: columns, literals, arithmetic, CASE, and the calls of functions."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_VERSION, ColumnType
from synapse_workflows.local.domain.tables.sql import aggregates, arithmetic, conditions, functions
from synapse_workflows.local.domain.tables.sql.dialect import GroupConcat, write
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    MOMENT,
    Fragment,
    item_kind,
    literal,
    of_kind,
    same_kind,
)
from synapse_workflows.local.errors import BadRequest

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
    raise BadRequest(f"Unknown column {name}{_advice(node)}")


def _advice(node: exp.Column) -> str:
    """Say what quotes mean, where the caller wrote some."""
    is_quoted = node.this.args.get("quoted") and "start" in node.this.meta
    return ": double quotes stand around names, single quotes around text" if is_quoted else ""


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
        return _real(text)
    whole = int(text)
    return literal(whole if abs(whole) < 1 << 63 else float(whole))


def _real(text: str) -> Fragment:
    """Read a number with a point, which is exact, or with an exponent, which is not."""
    value = float(text)
    if math.isinf(value):
        raise BadRequest(f"The number {text[:100]} is too large.")
    return literal(value, None if "e" in text.lower() else len(text.partition(".")[2]))


def _boolean(_compiler: "Compiler", node: exp.Boolean) -> Fragment:
    return literal(bool(node.this))


def _null(_compiler: "Compiler", _node: exp.Null) -> Fragment:
    return literal(None)


def _paren(compiler: "Compiler", node: exp.Paren) -> Fragment:
    inner = compiler.value(node.this)
    return inner if inner.is_literal else replace(inner, text=f"({inner.text})", column=None)


def _interval(_compiler: "Compiler", _node: exp.Interval) -> Fragment:
    raise BadRequest("An INTERVAL can only be added to a date or subtracted from one.")


def _case(compiler: "Compiler", node: exp.Case) -> Fragment:
    subject = node.this
    results = [compiler.value(each.args["true"]) for each in node.args["ifs"]]
    default = node.args.get("default")
    results.append(literal(None) if default is None else compiler.value(default))
    kind, scale, results = same_kind(results)
    if kind is None:
        return literal(None)
    options = [each.this for each in node.args["ifs"]]
    if subject is None:
        head, tests = Fragment(""), [compiler.condition(each) for each in options]
    else:
        head, tests = conditions.choice(compiler, subject, options)
    parts = [part for both in zip(tests, results, strict=False) for part in both]
    text = f"CASE {{}} {'WHEN {} THEN {} ' * len(tests)}ELSE {{}} END"
    return of_kind(kind, text, head, *parts, results[-1], scale=scale)


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
    if name in conditions.TESTS:
        found = conditions.CONDITIONS[exp.Anonymous](compiler, node)
        return replace(found, kind=ColumnType.BOOLEAN, width=5)
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
    exp.Neg: arithmetic.negative,
    exp.Interval: _interval,
    exp.Case: _case,
    exp.Anonymous: _call,
    GroupConcat: aggregates.group_concat,
    **dict.fromkeys(arithmetic.OPERATIONS, arithmetic.computed),
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
