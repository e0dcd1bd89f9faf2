"""Handlers of aggregate functions."""

from collections.abc import Mapping
from typing import Final

from sqlglot import exp

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES
from synapse_workflows.local.domain.tables.sql import functions
from synapse_workflows.local.domain.tables.sql.compiler import Compiler, Handlers, create_handlers
from synapse_workflows.local.domain.tables.sql.dialect import GroupConcat
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    JSON_VALUE,
    Fragment,
    apply_collation,
    as_number,
    as_text,
    build_call,
    build_value,
    get_sort_key,
    literal,
    with_type,
    without_nan,
)
from synapse_workflows.local.errors import BadRequest

#: Numeric aggregate function -> type of the result. None: DOUBLE if the argument is a DOUBLE, else
#: INTEGER.
_NUMERIC: Final[Mapping[str, ColumnType | None]] = {
    "SUM": None,
    "AVG": ColumnType.DOUBLE,
    "BIT_AND": ColumnType.INTEGER,
    "BIT_OR": ColumnType.INTEGER,
    "BIT_XOR": ColumnType.INTEGER,
    "STDDEV_POP": ColumnType.DOUBLE,
    "STDDEV_SAMP": ColumnType.DOUBLE,
    "VAR_POP": ColumnType.DOUBLE,
    "VAR_SAMP": ColumnType.DOUBLE,
}
#: Bitwise aggregate function -> its result for a group without rows.
_INITIAL_BITS: Final = {"BIT_AND": -1, "BIT_OR": 0, "BIT_XOR": 0}
#: Names of aggregate functions that sqlglot parses as ordinary function calls.
AGGREGATES: Final = frozenset({*_NUMERIC, "COUNT", "MAX", "MIN", "JSON_ARRAYAGG"})
_WITH_DISTINCT: Final = frozenset({"COUNT", "MAX", "MIN", "SUM", "AVG"})


def is_aggregate(node: object) -> bool:
    """Return whether a node is a call of an aggregate function."""
    if isinstance(node, exp.Anonymous):
        return str(node.this).upper() in AGGREGATES
    return isinstance(node, GroupConcat)


def _compile_argument(compiler: Compiler, node: exp.Anonymous) -> tuple[Fragment, bool]:
    """Return the argument of an aggregate function, and whether the call has DISTINCT."""
    name = str(node.this).upper()
    if len(node.expressions) != 1:
        raise BadRequest(f"{name} takes one argument.")
    inner, distinct = node.expressions[0], False
    if isinstance(inner, exp.Distinct):
        if len(inner.expressions) != 1 or inner.args.get("on") or name not in _WITH_DISTINCT:
            raise BadRequest(f"{name} does not support DISTINCT with these arguments.")
        inner, distinct = inner.expressions[0], True
    if any(is_aggregate(each) for each in inner.walk()):
        raise BadRequest("Aggregate functions cannot be nested.")
    return compiler.value(inner), distinct


def compile_aggregate(compiler: Compiler, node: exp.Anonymous) -> Fragment:
    """Compile a call of an aggregate function.

    Raises:
        BadRequest: The argument has the wrong type.
    """
    name = str(node.this).upper()
    if (
        name == "COUNT"
        and len(node.expressions) == 1
        and isinstance(node.expressions[0], exp.Star)
    ):
        return Fragment("count(*)", (), ColumnType.INTEGER, width=20)
    value, distinct = _compile_argument(compiler, node)
    prefix = "DISTINCT " if distinct else ""
    if name == "COUNT":
        key = value.with_sql(get_sort_key(with_type(value))) if distinct else value
        return build_value(ColumnType.INTEGER, f"count({prefix}{{}})", key)
    if name in {"MAX", "MIN"}:
        return _compile_extreme(name.lower(), with_type(value))
    if name == "JSON_ARRAYAGG":
        template = "nullif(json_group_array({}), '[]')"
        return build_value(ColumnType.JSON, template, functions.as_json(value))
    number = as_number(value)
    is_double = with_type(number).type == ColumnType.DOUBLE
    type_ = _NUMERIC[name] or (ColumnType.DOUBLE if is_double else ColumnType.INTEGER)
    template = f"{name.lower()}({prefix}{{}})"
    if name in _INITIAL_BITS:
        template = f"coalesce({template}, {_INITIAL_BITS[name]})"
    return build_value(type_, template, number)


def _compile_extreme(function: str, value: Fragment) -> Fragment:
    """Compile MAX or MIN."""
    if value.type in LIST_TYPES:
        raise BadRequest(f"{function.upper()} does not take a list column.")
    key = without_nan(value).with_sql(apply_collation(without_nan(value)))
    if value.type == JSON_VALUE:
        return build_value(JSON_VALUE, f"nullif(json_quote({function}({{}})), 'null')", key)
    return build_call(str(value.type), function, [key])


def _compile_group_concat(compiler: Compiler, node: GroupConcat) -> Fragment:
    separator = node.args.get("separator")
    if separator is not None and not (isinstance(separator, exp.Literal) and separator.is_string):
        raise BadRequest("SEPARATOR takes text in single quotes.")
    order = node.args.get("order")
    items = [] if order is None else order.expressions
    keys = [with_type(compiler.value(each.this)) for each in items]
    arguments = [
        as_text(compiler.value(node.this)),
        literal("," if separator is None else str(separator.this)),
        literal(1 if node.args.get("distinct") else 0),
        literal("".join("d" if each.args.get("desc") else "a" for each in items)),
        *(each.with_sql(apply_collation(each)) for each in keys),
    ]
    return build_call(ColumnType.STRING, "ordered_group_concat", arguments)


HANDLERS: Final[Handlers] = create_handlers(
    _compile_group_concat, [GroupConcat], ["this", "distinct", "order", "separator"]
)
