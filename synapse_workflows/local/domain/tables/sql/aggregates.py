"""Set functions: one value of many rows."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from synapse_workflows.local.domain.tables.column_types import LISTS
from synapse_workflows.local.domain.tables.sql import functions
from synapse_workflows.local.domain.tables.sql.dialect import GroupConcat
from synapse_workflows.local.domain.tables.sql.fragments import (
    Fragment,
    collated,
    number,
    of_kind,
    text_of,
    typed,
)
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.vocabulary import ColumnType

if TYPE_CHECKING:
    from synapse_workflows.local.domain.tables.sql.compiler import Compiler

#: Name -> the function of SQLite that does it, ours or its own.
AGGREGATES: Final[Mapping[str, str]] = {
    "COUNT": "count",
    "MAX": "max",
    "MIN": "min",
    "SUM": "sum",
    "AVG": "avg",
    "BIT_AND": "bit_and",
    "BIT_OR": "bit_or",
    "BIT_XOR": "bit_xor",
    "STDDEV_POP": "stddev_pop",
    "STDDEV_SAMP": "stddev_samp",
    "VAR_POP": "var_pop",
    "VAR_SAMP": "var_samp",
    "JSON_ARRAYAGG": "json_arrayagg",
}
_BITS: Final = frozenset({"BIT_AND", "BIT_OR", "BIT_XOR"})


def is_aggregate(node: exp.Expr) -> bool:
    """Tell whether a node is the call of a set function."""
    if isinstance(node, exp.Anonymous):
        return str(node.this).upper() in AGGREGATES
    return isinstance(node, GroupConcat)


def _argument(compiler: "Compiler", node: exp.Anonymous) -> tuple[Fragment, bool]:
    """Give what a set function is of, and whether of distinct values."""
    if len(node.expressions) != 1:
        raise BadRequest(f"{str(node.this).upper()} takes one argument.")
    inner, distinct = node.expressions[0], False
    if isinstance(inner, exp.Distinct):
        if len(inner.expressions) != 1 or inner.args.get("on"):
            raise BadRequest("DISTINCT takes one value here.")
        inner, distinct = inner.expressions[0], True
    if any(is_aggregate(each) for each in inner.walk()):
        raise BadRequest("Set functions cannot be nested.")
    return compiler.value(inner), distinct


def call(compiler: "Compiler", node: exp.Anonymous) -> Fragment:
    """Rewrite the call of a set function.

    Raises:
        BadRequest: its argument is of the wrong type.
    """
    name = str(node.this).upper()
    if (
        name == "COUNT"
        and len(node.expressions) == 1
        and isinstance(node.expressions[0], exp.Star)
    ):
        return Fragment("count(*)", (), ColumnType.INTEGER, width=20)
    this, distinct = _argument(compiler, node)
    word = "DISTINCT " if distinct else ""
    if name == "COUNT":
        return _of(ColumnType.INTEGER, f"count({word}{{}})", this)
    if name in {"MAX", "MIN"}:
        return _extreme(name, this)
    if name == "JSON_ARRAYAGG":
        return of_kind(ColumnType.JSON, "json_arrayagg({})", functions.as_json(this))
    kind = ColumnType.DOUBLE
    if name in _BITS or (name == "SUM" and typed(this).kind != ColumnType.DOUBLE):
        kind = ColumnType.INTEGER
    if distinct and name not in {"SUM", "AVG"}:
        raise BadRequest(f"{name} does not take DISTINCT.")
    return of_kind(kind, f"{AGGREGATES[name]}({word}{{}})", number(this))


def _of(kind: ColumnType, text: str, this: Fragment) -> Fragment:
    return of_kind(kind, text, this.named(collated(this)))


def _extreme(name: str, this: Fragment) -> Fragment:
    this = typed(this)
    if this.kind in LISTS:
        raise BadRequest(f"{name} does not take a list column.")
    if not this.is_text:
        return of_kind(str(this.kind), f"{AGGREGATES[name]}({{}})", number(this))
    return of_kind(str(this.kind), f"{AGGREGATES[name]}({{}})", this.named(collated(this)))


def group_concat(compiler: "Compiler", node: Any) -> Fragment:
    """Rewrite GROUP_CONCAT.

    Raises:
        BadRequest: the separator is no text.
    """
    separator = node.args.get("separator")
    if separator is not None and not (isinstance(separator, exp.Literal) and separator.is_string):
        raise BadRequest("SEPARATOR must be a text in quotes.")
    this = text_of(compiler.value(node.this))
    order = node.args.get("order")
    items = [] if order is None else order.expressions
    keys = [typed(compiler.value(each.this)) for each in items]
    directions = "".join("d" if each.args.get("desc") else "a" for each in items)
    how = Fragment(
        "?, ?, ?",
        (
            "," if separator is None else str(separator.this),
            1 if node.args.get("distinct") else 0,
            directions,
        ),
    )
    marks = ", ".join("{}" for _ in range(2 + len(keys)))
    return of_kind(ColumnType.STRING, f"join_texts({marks})", this, how, *keys)
