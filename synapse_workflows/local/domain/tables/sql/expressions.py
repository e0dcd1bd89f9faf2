"""Handlers of values: columns, literals, CASE and function calls."""

import math
import re
from dataclasses import replace
from typing import Final

from sqlglot import exp

from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_VERSION, ColumnType
from synapse_workflows.local.domain.tables.sql import aggregates, arithmetic, conditions, functions
from synapse_workflows.local.domain.tables.sql.compiler import Compiler, Handlers, handlers
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    DATETIME,
    Fragment,
    list_item_type,
    literal,
    typed,
    unify_types,
)
from synapse_workflows.local.errors import BadRequest

#: Columns of every table that are not part of its schema.
SYSTEM_COLUMNS: Final = {
    ROW_ID: Fragment("t.row_id", (), ColumnType.INTEGER, width=20),
    ROW_VERSION: Fragment("t.version", (), ColumnType.INTEGER, width=20),
    ROW_ETAG: Fragment("t.etag", (), ColumnType.STRING, width=36 * 4),
}
_NUMBER: Final = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MAX_DIGITS: Final = 40
_LIMIT: Final = 1 << 63


def _column(compiler: Compiler, node: exp.Column) -> Fragment:
    name, context = node.name, compiler.context
    is_qualified = bool(node.table)
    if not isinstance(node.this, exp.Identifier) or (
        is_qualified and node.table.upper() not in context.table_names
    ):
        raise BadRequest(f"Unknown column {write(node)}")
    if compiler.alias_first and name in compiler.aliases and not is_qualified:
        return _aliased(compiler, name)
    column = context.columns.get(name)
    if column is not None:
        cell = context.relation.cells[column.id]
        return Fragment(f"t.{cell}", (), column.type, None, column, column.width)
    system = SYSTEM_COLUMNS.get(name.upper())
    if system is not None and (name.upper() != ROW_ETAG or context.relation.has_etags):
        return system
    if name in compiler.aliases and not is_qualified:
        return _aliased(compiler, name)
    raise BadRequest(f"Unknown column {name}{_quoting_hint(node)}")


def _quoting_hint(node: exp.Column) -> str:
    """Return an explanation of quotes if the caller wrote the name in quotes."""
    is_quoted = node.this.args.get("quoted") and "start" in node.this.meta
    return ": double quotes stand around names, single quotes around text" if is_quoted else ""


def _aliased(compiler: Compiler, name: str) -> Fragment:
    inner = replace(compiler, aliases={})
    value = inner.value(compiler.aliases[name])
    compiler.is_volatile |= inner.is_volatile
    return value


def _literal(_compiler: Compiler, node: exp.Literal) -> Fragment:
    text = str(node.this)
    if node.is_string:
        return literal(text)
    if len(text) > _MAX_DIGITS:
        raise BadRequest(f"The number {text[:100]} is too long.")
    if _NUMBER.fullmatch(text) is None:
        raise BadRequest(f"{text} is not a number.")
    if text.removeprefix("-").isdecimal():
        if not -_LIMIT <= int(text) < _LIMIT:
            raise BadRequest(f"Integer overflow: {text} has more than 64 bits.")
        return literal(int(text))
    if math.isinf(float(text)):
        raise BadRequest(f"The number {text} is too large.")
    return literal(float(text))


def _boolean(_compiler: Compiler, node: exp.Boolean) -> Fragment:
    return literal(bool(node.this))


def _null(_compiler: Compiler, _node: exp.Null) -> Fragment:
    return literal(None)


def _paren(compiler: Compiler, node: exp.Paren) -> Fragment:
    inner = compiler.value(node.this)
    return inner if inner.is_literal else replace(inner, sql=f"({inner.sql})", column=None)


def _interval(_compiler: Compiler, _node: exp.Interval) -> Fragment:
    raise BadRequest("An INTERVAL can only be added to a date or subtracted from one.")


def _case(compiler: Compiler, node: exp.Case) -> Fragment:
    branches, default = node.args["ifs"], node.args.get("default")
    results = [compiler.value(each.args["true"]) for each in branches]
    results.append(literal(None) if default is None else compiler.value(default))
    type_, results = unify_types(results)
    if type_ is None:
        return literal(None)
    options = [each.this for each in branches]
    if node.this is None:
        subject, tests = Fragment(""), [compiler.condition(each) for each in options]
    else:
        subject, tests = conditions.compile_case_operands(compiler, node.this, options)
    parts = [part for branch in zip(tests, results, strict=False) for part in branch]
    template = f"CASE {{}} {'WHEN {} THEN {} ' * len(tests)}ELSE {{}} END"
    return typed(type_, template, subject, *parts, results[-1])


def _call(compiler: Compiler, node: exp.Anonymous) -> Fragment:
    name, arguments = str(node.this).upper(), node.expressions
    if name == "UNNEST":
        return _unnest(compiler, node)
    if name in aggregates.AGGREGATES:
        return aggregates.compile_aggregate(compiler, node)
    if name in {"CURRENT_USER", "NOW"}:
        compiler.is_volatile = True
        if name == "NOW":
            return Fragment("?", (compiler.context.now // 1000 * 1000,), DATETIME, width=20)
        return Fragment("?", (compiler.context.caller_id,), ColumnType.USERID, width=20)
    if name == "TEXT_MATCHES":
        raise BadRequest("TEXT_MATCHES: search is not enabled on this table.")
    function = functions.FUNCTIONS.get(name)
    if function is None:
        raise BadRequest(f"The function {name} is not supported.")
    if not function.minimum <= len(arguments) <= function.maximum:
        raise BadRequest(f"The function {name} does not take {len(arguments)} arguments.")
    return function.build([compiler.value(each) for each in arguments])


def _unnest(compiler: Compiler, node: exp.Anonymous) -> Fragment:
    if len(node.expressions) != 1:
        raise BadRequest("UNNEST takes one list column.")
    value = compiler.value(node.expressions[0])
    type_, column = list_item_type(value, "UNNEST"), value.column
    if column is None:
        raise BadRequest("UNNEST takes one list column.")
    table = compiler.unnested.setdefault(column.id, f"u{len(compiler.unnested)}")
    sql = f"{table}.value"
    if type_ is ColumnType.ENTITYID:
        sql = f"CAST(substr({sql}, 4) AS INTEGER)"
    return Fragment(sql, (), type_, width=value.width // (column.maximum_length or 1))


HANDLERS: Final[Handlers] = {
    **handlers(_column, [exp.Column], ["this", "table"]),
    **handlers(_literal, [exp.Literal], ["this", "is_string"]),
    **handlers(_boolean, [exp.Boolean], ["this"]),
    **handlers(_null, [exp.Null], []),
    **handlers(_paren, [exp.Paren], ["this"]),
    **handlers(_interval, [exp.Interval], ["this", "unit"]),
    **handlers(_case, [exp.Case], ["this", "ifs", "default"]),
    **handlers(_call, [exp.Anonymous], ["this", "expressions"]),
    **arithmetic.HANDLERS,
    **aggregates.HANDLERS,
}
