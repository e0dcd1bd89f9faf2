"""Handlers of values: columns, literals, CASE and function calls."""

import math
import re
from dataclasses import replace
from typing import Final

from sqlglot import exp

from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_VERSION, ColumnType
from synapse_workflows.local.domain.tables.column_types import ITEM_TYPES
from synapse_workflows.local.domain.tables.sql import aggregates, arithmetic, conditions, functions
from synapse_workflows.local.domain.tables.sql.compiler import Compiler, Handlers, create_handlers
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    DATETIME,
    Fragment,
    build_value,
    literal,
    require_list_column,
    unify_types,
)
from synapse_workflows.local.errors import BadRequest

#: Metadata columns that every table has in addition to the columns of its schema.
SYSTEM_COLUMNS: Final = {
    ROW_ID: Fragment("t.row_id", (), ColumnType.INTEGER, width=20),
    ROW_VERSION: Fragment("t.version", (), ColumnType.INTEGER, width=20),
    ROW_ETAG: Fragment("t.etag", (), ColumnType.STRING, width=36 * 4),
}
_NUMBER: Final = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MAX_DIGITS: Final = 40
_LIMIT: Final = 1 << 63


def _compile_column(compiler: Compiler, node: exp.Column) -> Fragment:
    name, context = node.name, compiler.context
    is_qualified = bool(node.table)
    if not isinstance(node.this, exp.Identifier) or (
        is_qualified and node.table.upper() not in context.table_names
    ):
        raise BadRequest(f"Unknown column {write(node)}")
    if compiler.alias_first and name in compiler.aliases and not is_qualified:
        return _compile_alias(compiler, name)
    column = context.columns.get(name)
    if column is not None:
        cell = context.relation.cells[column.id]
        return Fragment(cell, (), column.type, None, column, column.width)
    system = SYSTEM_COLUMNS.get(name.upper())
    if system is not None and (name.upper() != ROW_ETAG or context.relation.has_etags):
        return system
    if name in compiler.aliases and not is_qualified:
        return _compile_alias(compiler, name)
    raise BadRequest(f"Unknown column {name}{_get_quoting_hint(node)}")


def _get_quoting_hint(node: exp.Column) -> str:
    """Return a hint about quotes if the column name is quoted in the query; else empty text."""
    is_quoted = node.this.args.get("quoted") and "start" in node.this.meta
    return ": double quotes stand around names, single quotes around text" if is_quoted else ""


def _compile_alias(compiler: Compiler, name: str) -> Fragment:
    inner = replace(compiler, aliases={})
    value = inner.value(compiler.aliases[name])
    compiler.is_volatile |= inner.is_volatile
    return value


def _compile_literal(_compiler: Compiler, node: exp.Literal) -> Fragment:
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


def _compile_boolean(_compiler: Compiler, node: exp.Boolean) -> Fragment:
    return literal(bool(node.this))


def _compile_null(_compiler: Compiler, _node: exp.Null) -> Fragment:
    return literal(None)


def _compile_paren(compiler: Compiler, node: exp.Paren) -> Fragment:
    inner = compiler.value(node.this)
    return inner if inner.is_literal else replace(inner, sql=f"({inner.sql})", column=None)


def _reject_interval(_compiler: Compiler, _node: exp.Interval) -> Fragment:
    raise BadRequest("An INTERVAL can only be added to a date or subtracted from one.")


def _compile_case(compiler: Compiler, node: exp.Case) -> Fragment:
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
    return build_value(type_, template, subject, *parts, results[-1])


def _compile_call(compiler: Compiler, node: exp.Anonymous) -> Fragment:
    name, arguments = str(node.this).upper(), node.expressions
    if name == "UNNEST":
        return _compile_unnest(compiler, node)
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


def _compile_unnest(compiler: Compiler, node: exp.Anonymous) -> Fragment:
    if len(node.expressions) != 1:
        raise BadRequest("UNNEST takes one list column.")
    value = compiler.value(node.expressions[0])
    column = require_list_column(value, "UNNEST")
    table = compiler.unnested.setdefault(column.id, f"u{len(compiler.unnested)}")
    sql = f"{table}.value"
    type_ = ITEM_TYPES[column.type]
    if type_ is ColumnType.ENTITYID:
        sql = f"CAST(substr({sql}, 4) AS INTEGER)"
    return Fragment(sql, (), type_, width=value.width // (column.maximum_length or 1))


HANDLERS: Final[Handlers] = {
    **create_handlers(_compile_column, [exp.Column], ["this", "table"]),
    **create_handlers(_compile_literal, [exp.Literal], ["this", "is_string"]),
    **create_handlers(_compile_boolean, [exp.Boolean], ["this"]),
    **create_handlers(_compile_null, [exp.Null], []),
    **create_handlers(_compile_paren, [exp.Paren], ["this"]),
    **create_handlers(_reject_interval, [exp.Interval], ["this", "unit"]),
    **create_handlers(_compile_case, [exp.Case], ["this", "ifs", "default"]),
    **create_handlers(_compile_call, [exp.Anonymous], ["this", "expressions"]),
    **arithmetic.HANDLERS,
    **aggregates.HANDLERS,
}
