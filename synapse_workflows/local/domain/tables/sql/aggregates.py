"""Set functions: one value of many rows."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES
from synapse_workflows.local.domain.tables.sql import functions
from synapse_workflows.local.domain.tables.sql.arithmetic import MORE_DECIMALS, digits_kept
from synapse_workflows.local.domain.tables.sql.dialect import GroupConcat
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    EXTRACTED,
    LARGE,
    Fragment,
    collated,
    comparable,
    number,
    of_kind,
    scale_of,
    shown,
    sort_key,
    text_of,
    typed,
)
from synapse_workflows.local.errors import BadRequest

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
#: What these give of no rows.
_BITS: Final = {"BIT_AND": "'18446744073709551615'", "BIT_OR": "0", "BIT_XOR": "0"}


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
    items = node.expressions
    if name == "COUNT" and len(items) == 1 and isinstance(items[0], exp.Star):
        return Fragment("count(*)", (), ColumnType.INTEGER, width=20)
    this, distinct = _argument(compiler, node)
    word = "DISTINCT " if distinct else ""
    if name == "COUNT":
        item = this.named(sort_key(typed(this))) if distinct else this
        return of_kind(ColumnType.INTEGER, f"count({word}{{}})", item)
    if name in {"MAX", "MIN"}:
        return _extreme(name, this)
    if distinct and name not in {"SUM", "AVG"}:
        raise BadRequest(f"{name} does not take DISTINCT.")
    if name == "JSON_ARRAYAGG":
        return of_kind(ColumnType.JSON, "json_arrayagg({})", functions.as_json(this))
    if distinct and scale_of(this):
        this = shown(this)
    return _computed(name, f"({word}{{}})", number(this))


def _computed(name: str, of: str, this: Fragment) -> Fragment:
    """Write a set function of numbers."""
    if name in {"SUM", "AVG"}:
        return _total(name, of, this)
    if name in _BITS:
        item = "exactly({}, 0)" if scale_of(this) else "{}"
        return of_kind(LARGE, f"coalesce({AGGREGATES[name]}({item}), {_BITS[name]})", this)
    return of_kind(ColumnType.DOUBLE, f"{AGGREGATES[name]}{of}", this)


def _total(name: str, of: str, this: Fragment) -> Fragment:
    """Write SUM or AVG: of what is exact, the total and the mean are exact, too."""
    scale = scale_of(this)
    if name == "SUM" and typed(this).kind != ColumnType.DOUBLE:
        return of_kind(LARGE, f"whole_sum{of}", this)
    if scale is None:
        return of_kind(ColumnType.DOUBLE, f"{AGGREGATES[name]}{of}", this)
    decimals = scale if name == "SUM" else scale + MORE_DECIMALS
    text = f"{AGGREGATES[name]}{of.replace('{}', 'CAST({} AS REAL)')}"
    if name == "SUM":
        text = f"kept_total({text})"
    if name == "AVG":
        digits = digits_kept(scale, 0)
        text = f"cut_off({text}, {digits})" if scale else f"cut_off(whole_avg{of}, {digits})"
    return of_kind(ColumnType.DOUBLE, text, this, scale=decimals)


def _extreme(name: str, this: Fragment) -> Fragment:
    this = typed(this)
    if this.kind in LIST_TYPES:
        raise BadRequest(f"{name} does not take a list column.")
    if this.kind == EXTRACTED:
        return of_kind(EXTRACTED, f"json_{name.lower()}({{}})", this)
    if not this.is_text:
        text = f"{AGGREGATES[name]}({{}})"
        return of_kind(str(this.kind), text, comparable(this), scale=this.scale)
    return of_kind(str(this.kind), f"{AGGREGATES[name]}({{}})", this.named(collated(this)))


def _key(value: Fragment) -> Fragment:
    """Give what GROUP_CONCAT sorts by."""
    value = typed(value)
    return value.named(collated(value)) if value.kind == EXTRACTED else value


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
    keys = [_key(compiler.value(each.this)) for each in items]
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
